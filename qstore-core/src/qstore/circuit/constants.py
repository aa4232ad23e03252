# SPDX-License-Identifier: Apache-2.0
"""A circuit's operations with one sample's numbers in them, for formats that know numbers only, or mostly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.gates import GateKind
from qstore.circuit.operation import Amplitudes, Operation
from qstore.circuit.synthesis import prepared, synthesized
from qstore.circuit.view import CircuitView
from qstore.errors import BindingError, CircuitError

__all__ = ["checked_bindings", "plain_operations", "with_constants"]

Bindings = Mapping[str, NDArray[np.float64]]


def checked_bindings(circuit: CircuitView, bindings: Mapping[str, ArrayLike]) -> Bindings:
    """The array of each of the circuit's parameters, for one sample.

    Raises:
        BindingError: one is missing, has another shape, or is not finite.
    """
    if not isinstance(bindings, Mapping):
        raise BindingError(f"bindings is a dict from names to arrays, got {type(bindings).__name__}.")
    values = {}
    for parameter in circuit.parameters:
        given = bindings.get(parameter.name)
        try:
            array = np.asarray(given, dtype=float)
        except (TypeError, ValueError) as exc:
            raise BindingError(
                f"{parameter.name!r} needs an array of real numbers, got {given!r:.80}."
            ) from exc
        if given is None or array.shape != parameter.shape or not np.isfinite(array).all():
            what = (
                "nothing"
                if given is None
                else f"shape {array.shape}"
                if np.isfinite(array).all()
                else "NaN or inf"
            )
            msg = f"{parameter.name!r} needs finite numbers in shape {parameter.shape}, for one sample; got {what}."
            raise BindingError(msg)
        values[parameter.name] = array
    return values


def with_constants(circuit: CircuitView, bindings: Mapping[str, ArrayLike] | None) -> Iterator[Operation]:
    """The operations; angles and amplitudes are numbers where there are bindings, and as they were without.

    Raises:
        BindingError: the bindings do not fit the circuit.
    """
    if bindings is None:
        yield from circuit.operations
        return
    values = checked_bindings(circuit, bindings)
    for op in circuit.operations:
        if not op.parameters:
            yield op
        elif op.amplitudes is not None:
            yield replace(op, amplitudes=Amplitudes(tuple(_amplitudes(op.amplitudes, values).tolist())))
        else:
            yield replace(op, angles=tuple(Angle((), angle.value(values) + 0.0) for angle in op.angles))


def plain_operations(
    circuit: CircuitView, bindings: Mapping[str, ArrayLike] | None, format: str, *, symbols: bool = False
) -> Iterator[Operation]:
    """The operations as gates with a row of the table, measurements and resets: what text formats have.

    Args:
        circuit: without noise.
        bindings: the parameters' values for one sample.
        format: its name, for errors.
        symbols: whether the format has symbols for angles.

    Raises:
        CircuitError: there are parameters and no bindings, or noise.
        BindingError: the bindings do not fit the circuit.
    """
    names = [parameter.name for parameter in circuit.parameters]
    if names and bindings is None and not symbols:
        msg = (
            f"The circuit has the unbound parameters {names}, and {format} has only numbers: give bindings= with an "
            f"array of each one's shape, for one sample (CircuitBatch.row_bindings picks one from a batch)."
        )
        raise CircuitError(msg)
    for op in with_constants(circuit, bindings):
        if op.amplitudes is not None:
            if not op.amplitudes.constant:
                msg = (
                    f"{format} has no amplitudes that depend on a parameter, and the circuit prepares "
                    f"{op.amplitudes.parameters[0].name!r}: give bindings= for one sample."
                )
                raise CircuitError(msg)
            yield from prepared(np.array(op.amplitudes.constant), op.qubits)
        elif op.gate == "unitary":
            yield from synthesized(op.matrix(), op.qubits, op.condition)
        elif op.spec.kind is GateKind.CHANNEL and op.gate != "reset":
            msg = (
                f"{format} has no noise, and the circuit has {op.gate!r} on {op.qubits}: leave it out, or make it gates "
                f"on more qubits with qstore.compiler.dilation.dilate."
            )
            raise CircuitError(msg)
        else:
            yield op


def _amplitudes(amplitudes: Amplitudes, values: Bindings) -> NDArray[np.complex128]:
    assert amplitudes.real is not None  # the builder gives initialize its amplitudes
    state = values[amplitudes.real.name].astype(complex)
    if amplitudes.imag is not None:
        state += 1j * values[amplitudes.imag.name]
    largest = np.abs(state).max()
    if not largest:
        raise BindingError(
            f"{amplitudes.real.name!r} has only zeros: a state needs amplitudes that are not all zero."
        )
    state /= largest  # tiny and huge ones do not lose their squares
    state /= np.linalg.norm(state)
    return state
