# SPDX-License-Identifier: Apache-2.0
"""The gate methods of `QuantumCircuit`: one line each over the gate table, written out so that editors know them.

Angles are radians: a number, a parameter's entry, an affine expression of entries, or the name of a scalar
parameter. Every method appends in place and returns the circuit. The first qubit of a controlled gate is the control.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Self

from qstore.circuit.angles import AngleLike

__all__ = ["GateMethods"]

HALF_PI = math.pi / 2


class GateMethods(ABC):
    """A method per gate of the table; the class that mixes it in says what appending means."""

    __slots__ = ()

    @abstractmethod
    def append(self, gate: str, qubits: int | tuple[int, ...], angles: tuple[AngleLike, ...] = ()) -> Self:
        """Append a gate of the table by name."""

    def i(self, qubit: int) -> Self:
        """Identity."""
        return self.append("i", (qubit,))

    def x(self, qubit: int) -> Self:
        """Pauli X: swaps |0> and |1>."""
        return self.append("x", (qubit,))

    def y(self, qubit: int) -> Self:
        """Pauli Y."""
        return self.append("y", (qubit,))

    def z(self, qubit: int) -> Self:
        """Pauli Z: flips the sign of |1>."""
        return self.append("z", (qubit,))

    def h(self, qubit: int) -> Self:
        """Hadamard: |0> to (|0> + |1>)/sqrt 2."""
        return self.append("h", (qubit,))

    def s(self, qubit: int) -> Self:
        """Phase pi/2 on |1>."""
        return self.append("s", (qubit,))

    def sdg(self, qubit: int) -> Self:
        """Phase -pi/2 on |1>."""
        return self.append("sdg", (qubit,))

    def t(self, qubit: int) -> Self:
        """Phase pi/4 on |1>."""
        return self.append("t", (qubit,))

    def tdg(self, qubit: int) -> Self:
        """Phase -pi/4 on |1>."""
        return self.append("tdg", (qubit,))

    def sx(self, qubit: int) -> Self:
        """Square root of X."""
        return self.append("sx", (qubit,))

    def sxdg(self, qubit: int) -> Self:
        """Inverse square root of X."""
        return self.append("sxdg", (qubit,))

    def rx(self, qubit: int, theta: AngleLike) -> Self:
        """exp(-i theta X/2)."""
        return self.append("rx", (qubit,), (theta,))

    def ry(self, qubit: int, theta: AngleLike) -> Self:
        """exp(-i theta Y/2)."""
        return self.append("ry", (qubit,), (theta,))

    def rz(self, qubit: int, theta: AngleLike) -> Self:
        """exp(-i theta Z/2)."""
        return self.append("rz", (qubit,), (theta,))

    def p(self, qubit: int, phi: AngleLike) -> Self:
        """Phase phi on |1>: diag(1, exp(i phi))."""
        return self.append("p", (qubit,), (phi,))

    def u(self, qubit: int, theta: AngleLike, phi: AngleLike, lam: AngleLike) -> Self:
        """OpenQASM's U: p(phi) ry(theta) p(lam), the right one first."""
        return self.append(
            "u",
            (qubit,),
            (
                theta,
                phi,
                lam,
            ),
        )

    def cx(self, control: int, target: int) -> Self:
        """Controlled X (CNOT)."""
        return self.append(
            "cx",
            (
                control,
                target,
            ),
        )

    def cy(self, control: int, target: int) -> Self:
        """Controlled Y."""
        return self.append(
            "cy",
            (
                control,
                target,
            ),
        )

    def cz(self, control: int, target: int) -> Self:
        """Controlled Z."""
        return self.append(
            "cz",
            (
                control,
                target,
            ),
        )

    def ch(self, control: int, target: int) -> Self:
        """Controlled Hadamard."""
        return self.append(
            "ch",
            (
                control,
                target,
            ),
        )

    def swap(self, qubit0: int, qubit1: int) -> Self:
        """Exchange two qubits."""
        return self.append(
            "swap",
            (
                qubit0,
                qubit1,
            ),
        )

    def iswap(self, qubit0: int, qubit1: int) -> Self:
        """Exchange two qubits with a phase i where they differ."""
        return self.append(
            "iswap",
            (
                qubit0,
                qubit1,
            ),
        )

    def crx(self, control: int, target: int, theta: AngleLike) -> Self:
        """Controlled rx."""
        return self.append(
            "crx",
            (
                control,
                target,
            ),
            (theta,),
        )

    def cry(self, control: int, target: int, theta: AngleLike) -> Self:
        """Controlled ry."""
        return self.append(
            "cry",
            (
                control,
                target,
            ),
            (theta,),
        )

    def crz(self, control: int, target: int, theta: AngleLike) -> Self:
        """Controlled rz."""
        return self.append(
            "crz",
            (
                control,
                target,
            ),
            (theta,),
        )

    def cp(self, control: int, target: int, phi: AngleLike) -> Self:
        """Phase phi on |11>."""
        return self.append(
            "cp",
            (
                control,
                target,
            ),
            (phi,),
        )

    def cu(
        self,
        control: int,
        target: int,
        theta: AngleLike,
        phi: AngleLike,
        lam: AngleLike,
        gamma: AngleLike = 0.0,
    ) -> Self:
        """Controlled exp(i gamma) u(theta, phi, lam)."""
        return self.append(
            "cu",
            (
                control,
                target,
            ),
            (
                theta,
                phi,
                lam,
                gamma,
            ),
        )

    def rxx(self, qubit0: int, qubit1: int, theta: AngleLike) -> Self:
        """exp(-i theta XX/2)."""
        return self.append(
            "rxx",
            (
                qubit0,
                qubit1,
            ),
            (theta,),
        )

    def ryy(self, qubit0: int, qubit1: int, theta: AngleLike) -> Self:
        """exp(-i theta YY/2)."""
        return self.append(
            "ryy",
            (
                qubit0,
                qubit1,
            ),
            (theta,),
        )

    def rzz(self, qubit0: int, qubit1: int, theta: AngleLike) -> Self:
        """exp(-i theta ZZ/2)."""
        return self.append(
            "rzz",
            (
                qubit0,
                qubit1,
            ),
            (theta,),
        )

    def ccx(self, control0: int, control1: int, target: int) -> Self:
        """Toffoli: X where both controls are 1."""
        return self.append(
            "ccx",
            (
                control0,
                control1,
                target,
            ),
        )

    def cswap(self, control: int, qubit0: int, qubit1: int) -> Self:
        """Fredkin: exchange two qubits where the control is 1."""
        return self.append(
            "cswap",
            (
                control,
                qubit0,
                qubit1,
            ),
        )

    def gpi(self, qubit: int, phi: AngleLike) -> Self:
        """IonQ's GPi: rz(2 phi) after x, the angle in radians (not turns)."""
        return self.append("gpi", (qubit,), (phi,))

    def gpi2(self, qubit: int, phi: AngleLike) -> Self:
        """IonQ's GPi2: a quarter turn about the axis phi in the XY plane, in radians (not turns)."""
        return self.append("gpi2", (qubit,), (phi,))

    def ms(
        self, qubit0: int, qubit1: int, phi0: AngleLike, phi1: AngleLike, theta: AngleLike = HALF_PI
    ) -> Self:
        """IonQ's partial-angle MS: exp(-i theta/2 A(phi0) A(phi1)), A(phi) = cos(phi) X + sin(phi) Y, in radians."""
        return self.append(
            "ms",
            (
                qubit0,
                qubit1,
            ),
            (
                phi0,
                phi1,
                theta,
            ),
        )

    def zz(self, qubit0: int, qubit1: int, theta: AngleLike = HALF_PI) -> Self:
        """IonQ's ZZ: exp(-i theta ZZ/2), in radians (not turns)."""
        return self.append(
            "zz",
            (
                qubit0,
                qubit1,
            ),
            (theta,),
        )

    def reset(self, qubit: int) -> Self:
        """Discard the qubit's state and start it again in |0>."""
        return self.append("reset", (qubit,))
