# SPDX-License-Identifier: Apache-2.0
"""A unitary piece of a circuit with its global phase: what inverting, controlling and powers act on.

A circuit has no global phase, because nothing can measure one. Under a control it becomes a phase of the control, so
readers of other formats, whose gates are defined, inverted and controlled by the text, keep it while they read.
"""

from __future__ import annotations

import cmath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.angles import Angle
from qstore.circuit.controls import THROUGH, phase_on, step_operation, under_controls
from qstore.circuit.gates import Linear
from qstore.circuit.operation import Operation
from qstore.circuit.transform import inverted
from qstore.errors import CircuitError

__all__ = ["MAX_CONTROLS", "Block"]

MAX_CONTROLS = 12
"""Most controls that one gate is given: each one doubles what it is written out as."""
MAX_REPEATS = 1_000_000
"""Most operations that a whole power may become."""
_MATRIX_QUBITS = 3
_NOTHING = Angle()
_NEGATED = (Linear((-1.0,)),)
_ALMOST_MINUS_PI = -np.pi + 1e-9


@dataclass(frozen=True, slots=True)
class Block:
    """`exp(i * phase)` times the operations, in order.

    Attributes:
        operations: unitaries without conditions.
        phase: radians; may be symbolic.

    Example:
        >>> half_turn = Block((Operation("rz", (0,), (Angle(constant=1.0),)),), Angle(constant=0.5))
        >>> [op.gate for op in half_turn.controlled([1]).operations]
        ['crz', 'p']
    """

    operations: tuple[Operation, ...] = ()
    phase: Angle = _NOTHING

    @classmethod
    def joined(cls, parts: Iterable[Block]) -> Block:
        """Blocks one after another."""
        operations: list[Operation] = []
        phase = _NOTHING
        for part in parts:
            operations += part.operations
            phase = phase + part.phase
        return cls(tuple(operations), phase)

    def then(self, other: Block) -> Block:
        """This block, then another one."""
        return Block(self.operations + other.operations, self.phase + other.phase)

    def inverse(self) -> Block:
        """The block that undoes this one.

        Raises:
            CircuitError: an operation has no inverse.
        """
        undone = tuple(undo for op in reversed(self.operations) for undo in inverted(op))
        return Block(undone, self.phase.scaled(-1.0))

    def controlled(self, controls: Sequence[int], values: Sequence[int] | None = None) -> Block:
        """This block where each control has its value, 1 by default, and nothing elsewhere.

        Raises:
            CircuitError: an operation cannot be controlled, or there are more than `MAX_CONTROLS`.
        """
        controls = tuple(controls)
        if not controls:
            return self
        return Block(tuple(self.each_controlled(controls, values)))

    def each_controlled(
        self, controls: Sequence[int], values: Sequence[int] | None = None
    ) -> Iterator[Operation]:
        """The operations of `controlled` one by one, so that a reader with a limit can stop."""
        if len(controls) > MAX_CONTROLS:
            msg = f"{len(controls)} controls on one gate; at most {MAX_CONTROLS} are written out. Use work qubits instead."
            raise CircuitError(msg)
        pairs = zip(controls, values or (1,) * len(controls), strict=True)
        flips = [Operation("x", (control,)) for control, value in pairs if not value]
        yield from flips
        for op in self.operations:
            yield from under_controls(op, tuple(controls))
        if self.phase != _NOTHING:
            yield from phase_on(self.phase, tuple(controls))
        yield from flips

    def power(self, exponent: float) -> Block:
        """This block to a power: a single rotation is scaled, whole powers repeat, others take the principal root.

        Raises:
            CircuitError: a fractional power of a symbolic block of several gates or of one on more than three qubits,
                or a whole power that becomes too long.
        """
        only = self.operations[0] if len(self.operations) == 1 else None
        if only is not None and only.spec.inverse == (only.gate, _NEGATED):
            scaled = Operation(only.gate, only.qubits, (only.angles[0].scaled(exponent),))
            return Block((scaled,), self.phase.scaled(exponent))
        if only is not None and only.gate in THROUGH and THROUGH[only.gate][1].gate == "p":
            before, core, behind = THROUGH[only.gate]
            turn = Operation("p", only.qubits, (Angle(constant=core.angles[0].constant * exponent),))
            around = [[step_operation(step, only.qubits, ()) for step in steps] for steps in (before, behind)]
            return Block((*around[0], turn, *around[1]), self.phase.scaled(exponent))
        if exponent == int(exponent):
            times, base = abs(int(exponent)), self if exponent >= 0 else self.inverse()
            if times * max(1, len(base.operations)) > MAX_REPEATS:
                raise CircuitError(
                    f"The power {exponent:g} of {len(base.operations)} gate(s) becomes too long."
                )
            return Block(base.operations * times, base.phase.scaled(times))
        qubits = tuple(sorted({q for op in self.operations for q in op.qubits}))
        if not qubits:
            return Block((), self.phase.scaled(exponent))
        constant = self.phase.is_constant and not any(op.parameters for op in self.operations)
        if len(qubits) > _MATRIX_QUBITS or not constant:
            msg = (
                f"The power {exponent!r} of gates on the qubits {qubits}: a power that is not whole is taken of one "
                f"rotation, or of gates without parameters on at most {_MATRIX_QUBITS} qubits."
            )
            raise CircuitError(msg)
        entries = tuple(complex(entry) for entry in _principal_power(self.matrix(qubits), exponent).ravel())
        return Block((Operation("unitary", qubits, unitary=entries),))

    def matrix(self, qubits: Sequence[int]) -> NDArray[np.complex128]:
        """The matrix (2**k, 2**k) on these k qubits, the first one least significant.

        Raises:
            CircuitError: the block has parameters.
        """
        if not self.phase.is_constant:
            raise CircuitError(f"The phase {self.phase} is not bound to a number.")
        n = len(qubits)
        total = np.eye(1 << n, dtype=complex).reshape((2,) * n + (1 << n,))
        for op in self.operations:
            # Axis n - 1 - i belongs to bit i of the index; a matrix's own axes likewise count from its last qubit.
            axes = [n - 1 - list(qubits).index(q) for q in reversed(op.qubits)]
            k = len(axes)
            tensor = op.matrix().reshape((2,) * (2 * k))
            total = np.moveaxis(np.tensordot(tensor, total, (range(k, 2 * k), axes)), range(k), axes)
        made: NDArray[np.complex128] = total.reshape(1 << n, 1 << n) * cmath.exp(1j * self.phase.constant)
        return made


def _principal_power(matrix: NDArray[np.complex128], exponent: float) -> NDArray[np.complex128]:
    """The power whose eigenvalues have their phases, in (-pi, pi], multiplied."""
    # A Schur form of a normal matrix is its spectrum: numpy's eig of a Hermitian combination gives orthogonal vectors
    # where eig of the unitary itself would not for equal eigenvalues.
    for weight in (0.7310585, 0.2689414):
        hermitian = matrix * cmath.exp(1j * weight)
        _, vectors = np.linalg.eigh(hermitian + hermitian.conj().T)
        rotated = vectors.conj().T @ matrix @ vectors
        if np.abs(rotated - np.diag(np.diag(rotated))).max() < 1e-10:
            break
    phases = np.angle(np.diag(rotated))
    phases[phases < _ALMOST_MINUS_PI] += 2 * np.pi  # rounding must not choose between -pi and pi
    made: NDArray[np.complex128] = (vectors * np.exp(1j * exponent * phases)) @ vectors.conj().T
    return made
