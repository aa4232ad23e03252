# SPDX-License-Identifier: Apache-2.0
"""What all readers share: a circuit that comes about operation by operation, and gates as blocks with their phase.

Global phases are dropped at the end, because nothing can measure one; under controls they were kept. Measurements that
nothing follows are dropped, because outputs measure every qubit; so are resets of fresh qubits.
"""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import MAX_QUBITS, Amplitudes, Angle, Condition, Operation, QuantumCircuit
from qstore.circuit.block import Block
from qstore.circuit.text.program import without_final_measurements
from qstore.errors import CircuitError

__all__ = [
    "MATRIX_QUBITS", "MAX_OPERATIONS", "Making", "Reading", "channel", "gate", "kraus", "phase", "positions", "strength_angle",
    "translated", "unitary", "unsupported", "verified",
]  # fmt: skip

MAX_OPERATIONS = 1_000_000
"""Most operations of a converted circuit."""
MATRIX_QUBITS = 3
"""Most qubits of a gate that is read as its matrix; larger ones are read by what they consist of."""
_TRUSTED = 1e-7
"""How far a decomposition may be from the matrix that its library gives for the same gate."""

Making = Callable[..., Block]
"""From qubits and angles to the block that a gate is."""
Matrix = NDArray[np.complex128]


class Reading:
    """A circuit while it is read.

    Args:
        n_qubits: its width.
        library: for errors.

    Raises:
        CircuitError: there are no qubits, or too many.
    """

    def __init__(self, n_qubits: int, library: str) -> None:
        self.library = library
        self._n_qubits = QuantumCircuit(n_qubits).n_qubits if n_qubits else 0
        if not n_qubits:
            raise CircuitError(f"The {library} circuit has no qubits, and a circuit has at least one.")
        self._operations: list[Operation] = []
        self._touched: set[int] = set()
        self._condition: Condition | None = None
        self._stale = False

    def is_fresh(self, qubits: Iterable[int]) -> bool:
        """Whether nothing has touched these qubits yet."""
        return self._condition is None and not self._touched & {*qubits}

    def add(self, block: Block) -> None:
        """Append a block; its global phase is dropped."""
        for op in block.operations:
            self.append(op)

    def append(self, op: Operation) -> None:
        """Append an operation under the condition that holds.

        Raises:
            CircuitError: the circuit becomes too long, or the condition's bit was measured again inside its block.
        """
        if self._stale:
            raise CircuitError(
                f"A {self.library} block under a condition measures the condition's own bit and goes on: measure into "
                f"another bit, or split the block."
            )
        if len(self._operations) >= MAX_OPERATIONS:
            raise CircuitError(f"The {self.library} circuit has more than {MAX_OPERATIONS} operations.")
        if self._condition is not None:
            op = Operation(op.gate, op.qubits, op.angles, op.unitary, op.amplitudes, op.bit, self._condition)
            self._stale = op.bit == self._condition.bit
        self._operations.append(op)
        self._touched.update(op.qubits)

    def initialize(self, amplitudes: Any, qubits: Sequence[int]) -> None:
        """Append the preparation of fresh qubits, the first one least significant."""
        state = np.asarray(amplitudes, dtype=complex)
        norm = np.linalg.norm(state)
        if not np.isfinite(norm) or not abs(norm - 1) < 1e-6:
            raise CircuitError(f"The {self.library} circuit prepares a state of norm {norm:.10g}, not 1.")
        self.append(
            Operation("initialize", tuple(qubits), amplitudes=Amplitudes(tuple((state / norm).tolist())))
        )

    def measure(self, qubit: int, bit: int) -> None:
        """Append a measurement."""
        self.append(Operation("measure", (qubit,), bit=bit))

    def reset(self, qubit: int) -> None:
        """Append a reset; one of a fresh qubit is the identity."""
        if qubit in self._touched:
            self.append(Operation("reset", (qubit,)))

    def under(self, bit: int, value: int, body: Callable[[], None]) -> None:
        """Append what `body` appends only where the bit has the value.

        Raises:
            CircuitError: there is a condition already.
        """
        if self._condition is not None:
            raise CircuitError(
                f"A {self.library} condition inside another one: an operation can depend on one measured bit."
            )
        self._condition = Condition(bit, value)
        try:
            body()
        finally:
            self._condition, self._stale = None, False

    def either(self, bit: int, then: Callable[[], None], other: Callable[[], None] | None) -> None:
        """The two branches of a condition on one bit.

        Raises:
            CircuitError: the first branch changes the bit.
        """
        before = len(self._operations)
        self.under(bit, 1, then)
        if other is not None:
            if any(op.bit == bit for op in self._operations[before:]):
                raise CircuitError(
                    f"A {self.library} condition with two branches changes its own bit in the first."
                )
            self.under(bit, 0, other)

    def circuit(self) -> QuantumCircuit:
        """What was read.

        Raises:
            CircuitError: an operation does not fit the circuit.
        """
        made = QuantumCircuit(self._n_qubits)
        for op in without_final_measurements(self._operations):
            made.append_operation(op)
        return made


def gate(row: str, *angles: float, turn: float = 0.0) -> Making:
    """A gate that is a row of the table: its angles are the row's, followed by constants."""
    fixed = tuple(Angle(constant=angle) for angle in angles)

    def make(qubits: Sequence[int], given: Sequence[Angle] = ()) -> Block:
        return Block((Operation(row, tuple(qubits), (*given, *fixed)),), Angle(constant=turn))

    return make


def translated(*steps: tuple[Any, ...]) -> Making:
    """A gate that is several rows: each step is a row, the positions of its qubits, and its angles.

    An angle is a number, or a tuple (coefficient, which of the gate's angles, constant).
    """

    def make(qubits: Sequence[int], given: Sequence[Angle] = ()) -> Block:
        made = []
        for row, where, *angles in steps:
            on = tuple(qubits[i] for i in where)
            made.append(Operation(row, on, tuple(_linear(angle, given) for angle in angles)))
        return Block(tuple(made))

    return make


def _linear(angle: float | tuple[float, int, float], given: Sequence[Angle]) -> Angle:
    if not isinstance(angle, tuple):
        return Angle(constant=float(angle))
    coefficient, which, constant = angle
    return given[which].scaled(coefficient) + constant


def phase(angle: Angle) -> Block:
    """A global phase alone."""
    return Block((), angle)


def channel(row: str, strength: Any, qubits: Sequence[int], what: object) -> Operation:
    """A noise channel of the table for a constant strength."""
    return Operation(row, tuple(qubits), (strength_angle(strength, what),))


def strength_angle(strength: Any, what: object) -> Angle:
    """The angle t with strength sin(t/2)**2.

    Raises:
        CircuitError: the strength is no number from 0 to 1.
    """
    try:
        value = float(strength)
    except (TypeError, ValueError) as exc:
        raise CircuitError(
            f"{what}: the strength {strength!r} is no number; bind its parameters first."
        ) from exc
    if not 0 <= value <= 1:
        raise CircuitError(f"{what}: the strength {value} is not between 0 and 1.")
    return Angle(constant=2 * float(np.arcsin(np.sqrt(value))))


def unitary(matrix: Any, qubits: Sequence[int]) -> Block:
    """A matrix whose first qubit is the least significant bit of its index."""
    made = QuantumCircuit(max(qubits) + 1).unitary(np.asarray(matrix), tuple(qubits))
    return Block(made.operations)


def kraus(operators: Any, qubits: Sequence[int]) -> Operation:
    """A channel by its operators, the first qubit least significant."""
    made = QuantumCircuit(max(qubits) + 1).kraus(np.asarray(operators), tuple(qubits))
    return made.operations[0]


def verified(block: Block, matrix: Any, qubits: Sequence[int], what: object) -> Block:
    """A decomposition with the global phase that its library's own matrix says.

    Decompositions are often exact to the phase only, which matters under controls.

    Args:
        block: the decomposition; returned as it is where it has parameters.
        matrix: the library's own.
        qubits: the gate's, the first one least significant in the matrix.
        what: the operation, for errors.

    Raises:
        CircuitError: they are different gates.
    """
    if not block.phase.is_constant or any(op.parameters for op in block.operations):
        return block
    made = block.matrix(qubits)
    overlap = complex(np.vdot(made, matrix)) / len(made)
    if not abs(abs(overlap) - 1) < _TRUSTED:
        raise CircuitError(
            f"{what}: its decomposition is another gate than its matrix; replace it by simpler gates."
        )
    return Block(block.operations, block.phase + cmath.phase(overlap))


def positions(names: Iterable[Any]) -> tuple[dict[Any, int], int]:
    """Our qubit for each of theirs: whole numbers that a qubit can have stay, anything else is numbered in order.

    Args:
        names: their qubits, in their order.

    Returns:
        The qubit for each name, and how many qubits there are.
    """
    given = list(names)
    numbers = [name for name in given if isinstance(name, int) and not isinstance(name, bool)]
    if len(numbers) == len(given) and all(0 <= name < MAX_QUBITS for name in numbers):
        return {name: name for name in numbers}, max(numbers, default=-1) + 1
    return {name: index for index, name in enumerate(given)}, len(given)


def unsupported(library: str, what: str, hint: str = "") -> CircuitError:
    """The error about an operation that has no counterpart here."""
    advice = hint or "Replace it by gates, or decompose it first."
    return CircuitError(f"The {library} operation {what} has no counterpart here. {advice}")
