# SPDX-License-Identifier: Apache-2.0
"""From a program to a circuit of the core, on its active qubits only, its angles entries of one parameter.

Noise comes in two forms: as channels behind the gates, or as a turn about X and one about Z behind them, each an entry of
a second parameter, which are 0 or pi: any Pauli error, the identity included, up to a phase.
"""

from __future__ import annotations

import math
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore import Parameter, QuantumCircuit
from qstore_ionq.emulator.circuits import Program
from qstore_ionq.emulator.devices import NoiseRates
from qstore_ionq.emulator.gates import Gate, NativeGate, Value, append_pauli_rotation

__all__ = ["ANGLES", "ERRORS", "Noise", "Site", "lowered", "sites"]

ANGLES, ERRORS = "angles", "errors"
"""Names of the two parameters; `errors` has an entry for X and one for Z for each qubit of each site."""
_PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


class Noise(Enum):
    """How a circuit shows its noise."""

    NONE = "none"
    CHANNELS = "channels"
    TURNS = "turns"


class Site(NamedTuple):
    """One channel: behind which gate, on which qubits, and how likely some Pauli other than the identity is."""

    gate: int
    qubits: tuple[int, ...]
    probability: float


def sites(program: Program, rates: NoiseRates) -> list[Site]:
    """The channels of a program, in order: behind each gate as many as it is billed as.

    A gate on more than two qubits has them on neighbouring pairs of its qubits in turn.
    """
    found: list[Site] = []
    if rates.is_ideal:
        return found
    for index, gate in enumerate(program.gates):
        ones, twos = gate.costs()
        if ones:
            found.append(Site(index, gate.qubits[-1:], rates.error_1q))
        pairs = list(pairwise(gate.qubits))
        found += (Site(index, pairs[k % len(pairs)], rates.error_2q) for k in range(twos))
    return found


def lowered(program: Program, rates: NoiseRates, noise: Noise) -> QuantumCircuit:
    """The circuit of a program; its qubit k is the k-th active one."""
    place = {q: position for position, q in enumerate(program.active)}
    count = sum(len(gate.angles) for gate in program.gates if gate.commuting)
    parameter = Parameter(ANGLES, shape=(count,)) if count else None
    behind: dict[int, list[Site]] = {}
    for site in sites(program, rates) if noise is not Noise.NONE else ():
        behind.setdefault(site.gate, []).append(site)
    turns = 2 * sum(len(site.qubits) for each in behind.values() for site in each)
    errors = Parameter(ERRORS, shape=(turns,)) if turns and noise is Noise.TURNS else None
    circuit = QuantumCircuit(len(place))
    used = turned = 0
    for index, gate in enumerate(program.gates):
        values: list[Value] = []
        if gate.commuting and parameter is not None:
            values = [parameter[used + i] for i in range(len(gate.angles))]
            used += len(values)
        _append(
            circuit,
            gate,
            tuple(place[q] for q in gate.controls),
            tuple(place[q] for q in gate.targets),
            values,
        )
        for site in behind.get(index, ()):
            on = tuple(place[q] for q in site.qubits)
            if errors is None:
                circuit.append(
                    "depolarizing" if len(on) == 1 else "depolarizing2", on, (_strength(site.probability),)
                )
                continue
            for q in on:
                circuit.rx(q, errors[turned]).rz(q, errors[turned + 1])
                turned += 2
    return circuit


def _strength(probability: float) -> float:
    """The core's angle of a channel: p = sin(angle/2)**2."""
    return 2 * math.asin(math.sqrt(probability))


def _append(
    circuit: QuantumCircuit,
    gate: Gate,
    controls: tuple[int, ...],
    targets: tuple[int, ...],
    values: list[Value],
) -> None:
    if gate.row is None and gate.commuting:
        for term, angle in zip(gate.terms, values, strict=True):
            letters = {q: p for q, p in zip(targets, term, strict=True) if p != "I"}
            append_pauli_rotation(circuit, letters, angle)
    elif gate.row is None:
        circuit.unitary(_exponential(gate), targets)
    elif isinstance(gate.row, NativeGate):
        if gate.row.plain:
            circuit.append(gate.row.plain, targets, tuple(values))
    else:
        gate.row.append(circuit, controls, targets, values[0] if values else None)


def _exponential(gate: Gate) -> NDArray[np.complex128]:
    """exp(-i/2 sum angle P) of terms that do not commute; the first target is the least significant bit."""
    size = 1 << len(gate.targets)
    total = np.zeros((size, size), dtype=complex)
    for term, angle in zip(gate.terms, gate.angles, strict=True):
        matrix = np.eye(1)
        for letter in term:
            matrix = np.kron(_PAULIS[letter], matrix)
        total += angle / 2 * matrix
    energies, states = np.linalg.eigh(total)
    return np.asarray((states * np.exp(-1j * energies)) @ states.conj().T)
