# SPDX-License-Identifier: Apache-2.0
"""Circuits as PennyLane's operations, for `pennylane.default` and `lightning`.

PennyLane's first wire is the most significant of an index, our first qubit the least: qubit q is wire n-1-q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import GateKind, Observable
from qstore_sim.backends.slots import SlottedCircuit

__all__ = ["NATIVES", "pauli_sum", "slot_places", "tape_operations"]

_GATES: Mapping[str, Callable[..., Any]] = {
    "x": lambda q, w: q.X(w[0]),
    "y": lambda q, w: q.Y(w[0]),
    "z": lambda q, w: q.Z(w[0]),
    "h": lambda q, w: q.Hadamard(w),
    "s": lambda q, w: q.S(w),
    "t": lambda q, w: q.T(w),
    "sx": lambda q, w: q.SX(w),
    "rx": lambda q, w, t: q.RX(t, w),
    "ry": lambda q, w, t: q.RY(t, w),
    "rz": lambda q, w, t: q.RZ(t, w),
    "p": lambda q, w, t: q.PhaseShift(t, w),
    "cx": lambda q, w: q.CNOT(w),
    "cy": lambda q, w: q.CY(w),
    "cz": lambda q, w: q.CZ(w),
    "swap": lambda q, w: q.SWAP(w),
    "crx": lambda q, w, t: q.CRX(t, w),
    "cry": lambda q, w, t: q.CRY(t, w),
    "crz": lambda q, w, t: q.CRZ(t, w),
    "cp": lambda q, w, t: q.ControlledPhaseShift(t, w),
    "rxx": lambda q, w, t: q.IsingXX(t, w),
    "ryy": lambda q, w, t: q.IsingYY(t, w),
    "rzz": lambda q, w, t: q.IsingZZ(t, w),
    "zz": lambda q, w, t: q.IsingZZ(t, w),
    "ccx": lambda q, w: q.Toffoli(w),
    "cswap": lambda q, w: q.CSWAP(w),
}
"""From wires and angles to an operation that PennyLane's simulators run without decomposing it."""
NATIVES = frozenset(_GATES)


def tape_operations(
    qml: Any, circuit: SlottedCircuit, symbols: Sequence[Any], start: NDArray[np.complex128] | None
) -> list[Any]:
    """The operations of a tape.

    Args:
        qml: the module pennylane.
        circuit: what to convert.
        symbols: one entry per slot: a number, or a vector over the batch.
        start: (2**n,) or (rows, 2**n) amplitudes instead of |0...0>.
    """
    n = circuit.n_qubits
    # The simulators number the wires of a tape as they appear, so all of them do, in order, before anything else. The norm
    # of a start is 1 already, and checking it would be a pass over all rows.
    made = [
        qml.Identity(wires=range(n))
        if start is None
        else qml.StatePrep(start, wires=range(n), validate_norm=False)
    ]
    for op, angles in circuit.steps(symbols):
        wires = [n - 1 - q for q in op.qubits]
        if op.spec.kind is GateKind.CHANNEL:
            made.append(qml.QubitChannel(list(op.operators()), wires=wires[::-1]))
        elif op.gate == "unitary":
            made.append(qml.QubitUnitary(op.matrix(), wires=wires[::-1]))
        else:
            made.append(_GATES[op.gate](qml, wires, *angles))
    return made


def slot_places(circuit: SlottedCircuit, *, prepared: bool) -> list[int]:
    """Which of a tape's parameters are the slots, in their order; matrices and start states are parameters as well."""
    number = int(prepared)
    places = []
    for op, angles in circuit.steps([None] * circuit.n_slots):
        is_matrix = bool(op.unitary) or op.spec.kind is GateKind.CHANNEL
        for angle in (0.0,) if is_matrix else angles:
            if angle is None:
                places.append(number)
            number += 1
    return places


def pauli_sum(qml: Any, observable: Observable, n_qubits: int) -> Any:
    """An observable as PennyLane's."""
    letters = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}
    strings = []
    for term in observable.terms:
        factors = [letters[letter](n_qubits - 1 - q) for q, letter in term.letters] or [qml.Identity(0)]
        strings.append(factors[0] if len(factors) == 1 else qml.prod(*factors))
    if not strings:
        return 0.0 * qml.Identity(0)
    return qml.Hamiltonian([float(c) for c in observable.coefficients], strings)
