# SPDX-License-Identifier: Apache-2.0
"""Circuits for a backend's own gate set: asymmetric under every mix-up of qubits, signs and angles, and small."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import GATES, GateKind, Parameter, QuantumCircuit
from qstore.testing.check import NotClaimed

__all__ = ["Builder", "random_state", "random_unitary"]

_SCRAMBLERS = (
    ("u",),
    ("ry", "rz"),
    ("rx", "rz"),
    ("rx", "ry"),
    ("gpi2", "gpi", "gpi2"),
    ("gpi2",),
    ("unitary",),
    ("h", "t", "h"),
)
"""Sequences of gates on one qubit of which the first is taken that a backend has."""
_ENTANGLERS = (
    "cx",
    "cz",
    "cy",
    "ch",
    "rzz",
    "rxx",
    "ryy",
    "zz",
    "ms",
    "crx",
    "cry",
    "crz",
    "cp",
    "cu",
    "iswap",
    "unitary",
)


class Builder:
    """Makes circuits of a gate set, always the same ones.

    Args:
        gates: names of the gate table.
        max_qubits: the backend's.
    """

    def __init__(self, gates: Collection[str], max_qubits: int) -> None:
        self.gates = frozenset(gates)
        self.max_qubits = max_qubits
        self._scrambler = next((s for s in _SCRAMBLERS if self.gates.issuperset(s)), ())
        self._entangler = next((name for name in _ENTANGLERS if name in self.gates), None)

    def turn(self) -> tuple[str, int]:
        """A gate with one angle in which results vary when it follows `flip`, and on how many qubits it acts."""
        for name in ("ry", "rx", "crx", "cry", "rxx", "ryy", "gpi2", "u", "ms"):
            if name in self.gates and GATES[name].n_qubits <= self.max_qubits:
                return name, GATES[name].n_qubits
        raise NotClaimed("no gate with an angle that moves populations is declared")

    def layer(
        self, circuit: QuantumCircuit, rng: np.random.Generator, qubits: Sequence[int] | None = None
    ) -> None:
        """Turn every qubit by angles of its own, then entangle neighbours."""
        on = range(circuit.n_qubits) if qubits is None else qubits
        for q in on:
            for name in self._scrambler:
                self.append(circuit, name, (q,), rng)
        if self._entangler is not None:
            for a, b in zip(list(on)[:-1], list(on)[1:], strict=True):
                self.append(circuit, self._entangler, (a, b), rng)

    @staticmethod
    def append(circuit: QuantumCircuit, name: str, qubits: tuple[int, ...], rng: np.random.Generator) -> None:
        """Append a gate with random angles."""
        if name == "unitary":
            circuit.unitary(random_unitary(rng, len(qubits)), qubits)
        else:
            circuit.append(name, qubits, rng.uniform(0.3, 2.8, GATES[name].n_angles).tolist())

    def sandwich(
        self, name: str, qubits: tuple[int, ...], n: int, rng: np.random.Generator
    ) -> QuantumCircuit:
        """A gate of the table, its angles in a parameter "angles", between two layers."""
        circuit = QuantumCircuit(n)
        self.layer(circuit, rng)
        row = GATES[name]
        angles = Parameter("angles", (row.n_angles,)) if row.n_angles else ()
        circuit.append(name, qubits, list(angles))
        self.layer(circuit, rng)
        return circuit

    def ansatz(self, n: int, rng: np.random.Generator) -> QuantumCircuit:
        """A circuit with data "x" (n,), weights "w" (2, n) and a scalar "s", some used twice and in affine expressions."""
        n = min(n, self.max_qubits)
        name, width = self.turn()
        if width > n:
            raise NotClaimed(f"{name!r} needs {width} qubits")
        x, w, s = Parameter("x", (n,)), Parameter("w", (2, n)), Parameter("s")
        circuit = QuantumCircuit(n)
        self.layer(circuit, rng)
        for q in range(n):
            self.turned(circuit, name, q, x[q])
        for depth in range(2):
            self.layer(circuit, rng)
            for q in range(n):
                self.turned(circuit, name, q, 2 * w[depth, q] - 0.5 * x[(q + 1) % n] + 0.25)
        self.turned(circuit, name, 0, s - w[0, 0])
        self.layer(circuit, rng)
        return circuit

    @staticmethod
    def turned(circuit: QuantumCircuit, name: str, q: int, angle: Any) -> None:
        """Append the gate of `turn` with this angle, acting at least on qubit q."""
        row = GATES[name]
        qubits = (q, *((q + 1 + i) % circuit.n_qubits for i in range(row.n_qubits - 1)))
        circuit.append(name, qubits, [angle, *[0.4] * (row.n_angles - 1)])

    def bindings(
        self,
        circuit: QuantumCircuit,
        rng: np.random.Generator,
        batch: int,
        per_sample: Collection[str] = ("x",),
    ) -> dict[str, NDArray[np.float64]]:
        """Random arrays for a circuit's parameters, per sample for the names given and shared for the rest."""
        return {
            p.name: rng.uniform(-math.pi, math.pi, (*((batch,) if p.name in per_sample else ()), *p.shape))
            for p in circuit.parameters
        }

    def flip(self, circuit: QuantumCircuit, q: int) -> None:
        """Turn a fresh qubit from 0 to 1, by the first of the declared gates that does."""
        for name, angles in (("x", ()), ("y", ()), ("rx", (math.pi,)), ("ry", (math.pi,)), ("gpi", (0.3,)),
                             ("u", (math.pi, 0.2, 0.1)), ("sx", ()), ("gpi2", (0.0,))):  # fmt: skip
            if name in self.gates:
                for _ in range(2 if name in {"sx", "gpi2"} else 1):
                    circuit.append(name, q, angles)
                return
        if "unitary" not in self.gates:
            raise NotClaimed("no gate that flips a qubit is declared")
        circuit.unitary([[0, 1], [1, 0]], q)

    @staticmethod
    def unitary_gates() -> list[str]:
        """The unitaries of the gate table that have a row of their own."""
        return [name for name, row in GATES.items() if row.kind is GateKind.UNITARY and row.n_qubits]

    @staticmethod
    def channels() -> list[str]:
        """The channels of the gate table that have a strength."""
        return [name for name, row in GATES.items() if row.kind is GateKind.CHANNEL and row.n_angles]


def random_unitary(rng: np.random.Generator, qubits: int) -> NDArray[np.complex128]:
    """A unitary of no symmetry."""
    matrix = rng.normal(size=(1 << qubits, 1 << qubits)) + 1j * rng.normal(size=(1 << qubits, 1 << qubits))
    return np.linalg.qr(matrix)[0]


def random_state(rng: np.random.Generator, qubits: int) -> NDArray[np.complex128]:
    """Amplitudes of no symmetry."""
    return random_unitary(rng, qubits)[:, 0]
