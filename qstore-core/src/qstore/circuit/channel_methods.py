# SPDX-License-Identifier: Apache-2.0
"""The noise channels of `QuantumCircuit` that have a strength: a constant probability, or a trainable angle.

An angle t stands for the strength sin(t/2)**2, so that strengths are trained as angles are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from qstore.circuit.angles import AngleLike, as_angle
from qstore.circuit.gates import gate_spec
from qstore.errors import CircuitError

__all__ = ["ChannelMethods"]


class ChannelMethods(ABC):
    """A method per channel of the gate table; the class that mixes it in says what appending means."""

    __slots__ = ()

    @abstractmethod
    def append(self, gate: str, qubits: int | tuple[int, ...], angles: tuple[AngleLike, ...] = ()) -> Self:
        """Append a channel of the table by name."""

    def amplitude_damping(
        self, qubit: int, *, gamma: float | None = None, angle: AngleLike | None = None
    ) -> Self:
        """Decay of |1> to |0> with probability `gamma`; a trainable strength is sin(angle/2)**2."""
        return self._channel("amplitude_damping", qubit, gamma, angle)

    def phase_damping(
        self, qubit: int, *, gamma: float | None = None, angle: AngleLike | None = None
    ) -> Self:
        """Loss of coherence: off-diagonals shrink by sqrt(1 - gamma); a trainable strength is sin(angle/2)**2."""
        return self._channel("phase_damping", qubit, gamma, angle)

    def depolarizing(self, qubit: int, *, p: float | None = None, angle: AngleLike | None = None) -> Self:
        """X, Y or Z with probability p/3 each (as in Cirq and PennyLane); a trainable p is sin(angle/2)**2."""
        return self._channel("depolarizing", qubit, p, angle)

    def bit_flip(self, qubit: int, *, p: float | None = None, angle: AngleLike | None = None) -> Self:
        """X with probability p; a trainable p is sin(angle/2)**2."""
        return self._channel("bit_flip", qubit, p, angle)

    def depolarizing2(
        self, qubit0: int, qubit1: int, *, p: float | None = None, angle: AngleLike | None = None
    ) -> Self:
        """With probability p one of the 15 Pauli errors on two qubits, each as likely (Nielsen & Chuang, 8.3.4)."""
        return self._channel("depolarizing2", (qubit0, qubit1), p, angle)

    def _channel(
        self, gate: str, qubits: int | tuple[int, ...], strength: float | None, angle: AngleLike | None
    ) -> Self:
        name = gate_spec(gate).strength
        if (strength is None) == (angle is None):
            raise CircuitError(f"{gate} takes either {name}= (a constant in [0, 1]) or angle= (trainable).")
        if strength is not None:
            if not isinstance(strength, (int, float, np.number)) or not 0 <= float(strength) <= 1:
                msg = f"{gate}: {name} must be a number in [0, 1], got {strength!r}; a trainable one is given as angle=."
                raise CircuitError(msg)
            angle = 2 * math.asin(math.sqrt(float(strength)))
        return self.append(gate, qubits, (as_angle(angle),))  # type: ignore[arg-type]  # one of the two is given
