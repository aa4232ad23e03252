# SPDX-License-Identifier: Apache-2.0
"""Channels as unitaries on more qubits (Stinespring): every channel meets fresh qubits in |0> that nobody looks at again.

The reduced state of the original qubits is then that of the circuit with its channels, and so is every outcome of
theirs. Trainable strengths stay parameters: a strength sin(t/2)**2 is a rotation by t.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import MAX_QUBITS, Angle, CircuitView, GateKind, Operation, Template
from qstore.circuit.synthesis import synthesized
from qstore.errors import CapabilityError

__all__ = ["dilate"]

Qubits = Sequence[int]
Steps = list[tuple[str, tuple[int, ...], tuple[Angle, ...]]]

_NOTHING = 1e-13
"""Kraus operators shorter than this are left out: they change a state by the square of it."""
_MAX_UNITARY = 3


def dilate(circuit: CircuitView, *, max_qubits: int = MAX_QUBITS) -> Template:
    """The circuit with unitaries in place of its channels.

    Args:
        circuit: a builder or a template; what is no channel stays as it is.
        max_qubits: most qubits of the result, such as what the hardware has.

    Returns:
        A template whose first `circuit.n_qubits` qubits are the circuit's. The qubits behind them are for the channels:
        one for each damping, bit flip and reset, two for each `depolarizing`, four for each `depolarizing2`, and as
        many as it needs, at most 2 k, for a `kraus` on k qubits. Ask for outcomes of the first ones only.

    Raises:
        CapabilityError: that takes more than `max_qubits` qubits.

    Example:
        >>> from qstore.circuit import QuantumCircuit
        >>> print(dilate(QuantumCircuit(1).x(0).amplitude_damping(0, angle="t")))
        q0: ─X─●─────X─
               │     │
        q1: ───RY(t)─●─
    """
    plans = [_plan(op) if op.spec.kind is GateKind.CHANNEL else None for op in circuit.operations]
    needed = circuit.n_qubits + sum(plan[0] for plan in plans if plan is not None)
    if needed > max_qubits:
        counts = Counter(op.gate for op in circuit.operations if op.spec.kind is GateKind.CHANNEL)
        what = ", ".join(f"{number} {gate}" for gate, number in counts.most_common())
        raise CapabilityError(
            f"Dilating {what} takes {needed} qubits, {needed - circuit.n_qubits} more than the circuit's, and there are "
            f"{max_qubits}. Leave channels out, or use a backend with noise, such as 'statevector'."
        )
    operations: list[Operation] = []
    fresh = circuit.n_qubits
    for op, plan in zip(circuit.operations, plans, strict=True):
        if plan is None:
            operations.append(op)
            continue
        number, build = plan
        operations += build(tuple(range(fresh, fresh + number)))
        fresh += number
    return Template(needed, operations)


def _plan(op: Operation) -> tuple[int, Callable[[Qubits], list[Operation]]]:
    """How many fresh qubits a channel needs, and what makes its gates from them."""
    if op.gate == "kraus":
        isometry = _isometry(op)
        return (len(isometry) >> len(op.qubits)).bit_length() - 1, lambda fresh: _completed(
            op, isometry, fresh
        )
    number, steps = _STEPS[op.gate]

    def build(fresh: Qubits) -> list[Operation]:
        made = steps(op.qubits, fresh, op.angles)
        return [Operation(gate, qubits, angles, condition=op.condition) for gate, qubits, angles in made]

    return number, build


def _amplitude_damping(on: Qubits, fresh: Qubits, angles: tuple[Angle, ...]) -> Steps:
    return [("cry", (on[0], fresh[0]), angles), ("cx", (fresh[0], on[0]), ())]


def _phase_damping(on: Qubits, fresh: Qubits, angles: tuple[Angle, ...]) -> Steps:
    return [("cry", (on[0], fresh[0]), angles)]


def _bit_flip(on: Qubits, fresh: Qubits, angles: tuple[Angle, ...]) -> Steps:
    return [("ry", (fresh[0],), angles), ("cx", (fresh[0], on[0]), ())]


def _reset(on: Qubits, fresh: Qubits, angles: tuple[Angle, ...]) -> Steps:  # noqa: ARG001  # a row of the table below
    return [("swap", (on[0], fresh[0]), ())]


def _depolarizing(on: Qubits, fresh: Qubits, angles: tuple[Angle, ...]) -> Steps:
    """Two fresh qubits per qubit say which Pauli: all zeros with amplitude cos(t/2), the others share out sin(t/2).

    RY turns the first of them from |0> to |1>. Behind it come gates that leave all zeros alone and spread |100..> evenly
    over all other states: first over the states with a single 1, each with the weight of all that start with it, then
    the qubits behind that 1.
    """
    number = len(fresh)
    steps: Steps = [("ry", (fresh[0],), angles)]
    for i in range(number - 1):
        # 2**m - 1 states are left, and 2**(m-1) of them start with this 1.
        left = (1 << number - i) - 1
        keep = (1 << number - i - 1) / left
        steps.append(("cry", (fresh[i], fresh[i + 1]), (Angle((), 2 * math.acos(math.sqrt(keep))),)))
        steps.append(("cx", (fresh[i + 1], fresh[i]), ()))
    for i in range(number - 2, -1, -1):
        steps += [("ch", (fresh[i], behind), ()) for behind in fresh[i + 1 :]]
    for i, qubit in enumerate(on):
        steps += [("cx", (fresh[2 * i], qubit), ()), ("cz", (fresh[2 * i + 1], qubit), ())]
    return steps


_STEPS: dict[str, tuple[int, Callable[[Qubits, Qubits, tuple[Angle, ...]], Steps]]] = {
    "amplitude_damping": (1, _amplitude_damping),
    "phase_damping": (1, _phase_damping),
    "bit_flip": (1, _bit_flip),
    "reset": (1, _reset),
    "depolarizing": (2, _depolarizing),
    "depolarizing2": (4, _depolarizing),
}
"""Per channel: how many fresh qubits, and the gates from (its qubits, fresh qubits, its angles)."""


def _isometry(op: Operation) -> NDArray[np.complex128]:
    """The Kraus operators above each other, (2**(k + m), 2**k): as few as the channel has, filled up to 2**m with zeros."""
    operators = op.operators()
    size = operators.shape[-1]
    # Kraus operators may be mixed by any unitary; the singular vectors are a mixture without superfluous ones.
    _, lengths, canonical = np.linalg.svd(operators.reshape(len(operators), -1), full_matrices=False)
    number = int(np.count_nonzero(lengths > _NOTHING))
    stack = np.zeros(((1 << (number - 1).bit_length()) * size, size), dtype=complex)
    stack[: number * size] = (lengths[:number, None] * canonical[:number]).reshape(-1, size)
    left, _, right = np.linalg.svd(stack, full_matrices=False)
    nearest: NDArray[np.complex128] = left @ right  # the operators may be off by 1e-8, a unitary must not
    return nearest


def _completed(op: Operation, isometry: NDArray[np.complex128], fresh: Qubits) -> list[Operation]:
    """Gates that act like the isometry where the fresh qubits are in |0>."""
    size = isometry.shape[1]
    unitary, _ = np.linalg.qr(isometry, mode="complete")
    unitary[:, :size] = isometry  # QR may have changed their phases
    qubits = (*op.qubits, *fresh)
    if len(qubits) > _MAX_UNITARY:
        return synthesized(unitary, qubits, op.condition)
    entries = tuple(complex(entry) for entry in unitary.ravel())
    return [Operation("unitary", qubits, unitary=entries, condition=op.condition)]
