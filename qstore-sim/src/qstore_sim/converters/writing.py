# SPDX-License-Identifier: Apache-2.0
"""What all writers share: the operations with their numbers, strengths of noise, and what cannot be said elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.circuit import CircuitView, GateKind, Operation
from qstore.circuit.constants import with_constants
from qstore.circuit.synthesis import prepared
from qstore.errors import CircuitError

__all__ = ["amplitudes_of", "big_endian", "operations_of", "refused", "strength_of", "synthesized_state"]


def operations_of(
    circuit: CircuitView, bindings: Mapping[str, ArrayLike] | None, library: str
) -> Iterator[Operation]:
    """The operations, with numbers where there are bindings.

    Raises:
        BindingError: the bindings do not fit the circuit.
        CircuitError: amplitudes depend on a parameter that is not bound.
    """
    for op in with_constants(circuit, bindings):
        if op.amplitudes is not None and not op.amplitudes.constant:
            name = op.amplitudes.parameters[0].name
            msg = (
                f"{library} has no amplitudes that depend on a parameter, and the circuit prepares {name!r}: give "
                f"bindings= for one sample (CircuitBatch.row_bindings picks one from a batch)."
            )
            raise CircuitError(msg)
        yield op


def strength_of(op: Operation, library: str) -> float:
    """The probability of a noise channel.

    Raises:
        CircuitError: it depends on a parameter.
    """
    (angle,) = op.angles
    if not angle.is_constant:
        msg = (
            f"{library} needs a number for the strength of {op.gate!r} on {op.qubits}, which is sin(t/2)**2 of {angle}: "
            f"give bindings= for one sample."
        )
        raise CircuitError(msg)
    return math.sin(angle.constant / 2) ** 2


def amplitudes_of(op: Operation) -> NDArray[np.complex128]:
    """The constant amplitudes that an operation prepares, the first of its qubits least significant."""
    assert op.amplitudes is not None  # asked of preparations only
    return np.array(op.amplitudes.constant)


def synthesized_state(op: Operation) -> Sequence[Operation]:
    """The preparation as gates."""
    return list(prepared(amplitudes_of(op), op.qubits))


def big_endian(qubits: Sequence[int]) -> tuple[int, ...]:
    """Qubits in the order of a library whose matrices have the first qubit as the most significant bit."""
    return tuple(reversed(qubits))


def refused(op: Operation, library: str, hint: str) -> CircuitError:
    """The error about an operation that the library does not have."""
    kind = "noise" if op.spec.kind is GateKind.CHANNEL else "operation"
    what = f"{op.gate!r} on {op.qubits}" + (" under a condition" if op.condition else "")
    return CircuitError(f"{library} has no counterpart of the {kind} {what}. {hint}")
