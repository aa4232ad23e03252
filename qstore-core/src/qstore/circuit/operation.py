# SPDX-License-Identifier: Apache-2.0
"""One operation of a circuit: a gate of the table on some qubits, as an immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qstore.circuit.angles import Angle, Parameter
from qstore.circuit.gates import GateKind, GateSpec, gate_spec
from qstore.errors import CircuitError

__all__ = ["Amplitudes", "Condition", "Operation"]


@dataclass(frozen=True, slots=True)
class Amplitudes:
    """What `initialize` prepares: constant amplitudes, or one (real) or two (real, imaginary) parameters.

    Attributes:
        constant: the 2**k amplitudes, norm 1, first qubit least significant; empty when a parameter gives them.
        real, imag: parameters of shape (2**k,); the state prepared is x / |x| with x = real + 1j * imag.
    """

    constant: tuple[complex, ...] = ()
    real: Parameter | None = None
    imag: Parameter | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that enter, real part first."""
        return tuple(p for p in (self.real, self.imag) if p is not None)


@dataclass(frozen=True, slots=True)
class Condition:
    """The operation is applied only where the measured classical `bit` equals `value`."""

    bit: int
    value: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """A gate, channel, measurement or preparation on some qubits.

    Attributes:
        gate: a name of `qstore.circuit.GATES`.
        qubits: which qubits, in the order of the gate's row.
        angles: one affine expression per angle of the gate, radians.
        unitary: the matrix of an any-unitary gate, row by row; the Kraus operators of `kraus`, one after the other.
        amplitudes: what `initialize` prepares.
        bit: the classical bit that a measurement writes.
        condition: when to apply it, if not always.
    """

    gate: str
    qubits: tuple[int, ...]
    angles: tuple[Angle, ...] = ()
    unitary: tuple[complex, ...] = ()
    amplitudes: Amplitudes | None = None
    bit: int | None = None
    condition: Condition | None = None

    @property
    def spec(self) -> GateSpec:
        """The gate's row in the table."""
        return gate_spec(self.gate)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that enters, in order of appearance, possibly more than once."""
        own = tuple(term.parameter for angle in self.angles for term in angle.terms)
        return own + (self.amplitudes.parameters if self.amplitudes else ())

    @property
    def is_unitary(self) -> bool:
        """Whether it is an unconditioned unitary."""
        return self.spec.kind is GateKind.UNITARY and self.condition is None

    def matrix(self, bindings: Mapping[str, NDArray[np.float64]] | None = None) -> NDArray[np.complex128]:
        """The unitary (2**k, 2**k), first qubit least significant.

        Args:
            bindings: one sample of the operation's parameters, if it has any.

        Raises:
            CircuitError: it has parameters and there are no bindings, or it is no unitary.
        """
        if self.unitary:
            size = 1 << len(self.qubits)
            return np.array(self.unitary, dtype=complex).reshape(size, size)
        if bindings is None and not all(angle.is_constant for angle in self.angles):
            raise CircuitError(f"{self.gate} has the unbound angles {list(self.angles)}; bind them first.")
        return self.spec.matrix(np.array([angle.value(bindings or {}) for angle in self.angles]))

    def operators(self) -> NDArray[np.complex128]:
        """What an operation without parameters does to the state: one unitary, or its Kraus operators.

        Returns:
            (number, 2**k, 2**k), first qubit least significant.

        Raises:
            CircuitError: it has parameters, measures or prepares.
        """
        if self.spec.kind is not GateKind.CHANNEL:
            return self.matrix()[None]
        if self.unitary:
            size = 1 << len(self.qubits)
            return np.array(self.unitary, dtype=complex).reshape(-1, size, size)
        if not all(angle.is_constant for angle in self.angles):
            raise CircuitError(f"{self.gate} has the unbound angles {list(self.angles)}; bind them first.")
        return self.spec.kraus(np.array([angle.constant for angle in self.angles]))

    def moved(self, qubits: tuple[int, ...]) -> Operation:
        """The same operation on other qubits."""
        return replace(self, qubits=qubits)
