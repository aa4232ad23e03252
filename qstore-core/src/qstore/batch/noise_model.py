# SPDX-License-Identifier: Apache-2.0
"""`NoiseModel`: which errors follow gates and readout, as data that can be applied to any circuit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qstore.batch.capabilities import Capabilities
from qstore.circuit import GATES, GateKind, Operation, QuantumCircuit, Template
from qstore.errors import CapabilityError, OptionError

__all__ = ["NoiseModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """Depolarizing errors behind gates, damping, and readout errors.

    Attributes:
        p1: probability of a Pauli error behind a gate on one qubit.
        p2: the same behind a gate on two qubits; behind a larger one, on each pair of neighbours in its qubits.
        amplitude_damping, phase_damping: strength on every qubit of every gate.
        readout_0, readout_1: probability that a measured 0 is read as 1, and a 1 as 0.

    Example:
        >>> import qstore as qs
        >>> noise = qs.NoiseModel.depolarizing(0.001, 0.01).with_readout_error(0.02)
        >>> noise
        NoiseModel(p1=0.001, p2=0.01, readout_0=0.02, readout_1=0.02)
        >>> print(noise.apply(qs.QuantumCircuit(2).h(0).cx(0, 1)))
        q0: ─H─Depol(0.06326)─●─Depol2:0─────────
                              │ │
        q1: ──────────────────X─Depol2:1(0.2003)─
    """

    p1: float = 0.0
    p2: float = 0.0
    amplitude_damping: float = 0.0
    phase_damping: float = 0.0
    readout_0: float = 0.0
    readout_1: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise OptionError(f"NoiseModel: {name} is a probability from 0 to 1, got {value!r}.")

    @classmethod
    def depolarizing(cls, p1: float, p2: float | None = None) -> NoiseModel:
        """Pauli errors with probability p1 behind gates on one qubit and p2 (ten times p1 by default) on two."""
        return cls(p1=p1, p2=min(1.0, 10 * p1) if p2 is None else p2)

    @classmethod
    def from_capabilities(cls, capabilities: Capabilities) -> NoiseModel:
        """The depolarizing model with a machine's average fidelities.

        A Pauli error of probability p on d = 2**k dimensions leaves the average fidelity 1 - p d / (d + 1) (Nielsen,
        "A simple formula for the average gate fidelity", Phys. Lett. A 303, 249 (2002), eq. 3).

        Raises:
            CapabilityError: the backend declares no fidelities.
        """
        one, two, readout = capabilities.fidelity_1q, capabilities.fidelity_2q, capabilities.fidelity_readout
        if one is None and two is None and readout is None:
            raise CapabilityError(
                "This backend declares no fidelities; give error rates: qs.NoiseModel.depolarizing(p1, p2)."
            )
        error = 0.0 if readout is None else 1 - readout
        return cls(
            p1=0.0 if one is None else min(1.0, (1 - one) * 3 / 2),
            p2=0.0 if two is None else min(1.0, (1 - two) * 5 / 4),
            readout_0=error,
            readout_1=error,
        )

    def with_readout_error(self, p0: float, p1: float | None = None) -> NoiseModel:
        """A copy in which a measured 0 is read as 1 with probability p0, and a 1 as 0 with p1 (p0 by default)."""
        return replace(self, readout_0=p0, readout_1=p0 if p1 is None else p1)

    @property
    def has_readout_error(self) -> bool:
        """Whether outcomes are read wrong sometimes."""
        return self.readout_0 > 0 or self.readout_1 > 0

    def apply(self, circuit: QuantumCircuit | Template) -> QuantumCircuit:
        """The circuit with errors behind its gates; symbols stay symbols, readout is the backend's part.

        Channels, measurements, `initialize` and the identity are taken as they are. An error follows a conditioned gate
        whether or not it acted.
        """
        noisy = QuantumCircuit(circuit.n_qubits)
        for op in circuit.operations:
            noisy.append_operation(op)
            if GATES[op.gate].kind is GateKind.UNITARY and op.gate != "i":
                self._append_errors(noisy, op)
        return noisy

    def _append_errors(self, circuit: QuantumCircuit, op: Operation) -> None:
        if self.p1 and len(op.qubits) == 1:
            circuit.depolarizing(op.qubits[0], p=self.p1)
        if self.p2:
            for a, b in zip(op.qubits[:-1], op.qubits[1:], strict=True):
                circuit.depolarizing2(a, b, p=self.p2)
        for q in op.qubits:
            if self.amplitude_damping:
                circuit.amplitude_damping(q, gamma=self.amplitude_damping)
            if self.phase_damping:
                circuit.phase_damping(q, gamma=self.phase_damping)

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name in self.__slots__ if (value := getattr(self, name))]
        return f"NoiseModel({', '.join(given)})"
