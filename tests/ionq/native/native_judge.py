# SPDX-License-Identifier: Apache-2.0
"""Native circuits in Cirq, gate by gate from the service's documented matrices, and random circuits to compile."""

import math

import cirq
import numpy as np

import qstore as qs
from judges import cirq_judge
from qstore.circuit import GATES

TURN = 2 * math.pi
SYMBOLIC_GATES = (
    "rx",
    "ry",
    "rz",
    "p",
    "u",
    "gpi",
    "gpi2",
    "cp",
    "crx",
    "cry",
    "crz",
    "rxx",
    "ryy",
    "rzz",
    "zz",
    "ms",
    "cu",
)
FIXED_GATES = ("x", "y", "z", "h", "s", "tdg", "sx", "cx", "cy", "cz", "ch", "swap", "iswap", "ccx", "cswap")


def _axis(phase):
    return np.array([[0, np.exp(-1j * TURN * phase)], [np.exp(1j * TURN * phase), 0]])


def _gate(entry):
    """The documented unitary of a native gate, first target the more significant, and its wires."""
    if entry["gate"] == "gpi2":
        return (np.eye(2) - 1j * _axis(entry["phase"])) / math.sqrt(2), [entry["target"]]
    half = math.pi * entry["angle"]
    if entry["gate"] == "ms":
        product = np.kron(_axis(entry["phases"][0]), _axis(entry["phases"][1]))
    else:
        product = np.diag([1, -1, -1, 1])
    return math.cos(half) * np.eye(4) - 1j * math.sin(half) * product, entry["targets"]


def native_unitary(entries, n):
    """The unitary of a list of native gates, qubit 0 least significant."""
    wires = cirq.LineQubit.range(n)
    made = cirq.Circuit()
    for entry in entries:
        matrix, on = _gate(entry)
        made.append(cirq.MatrixGate(matrix, unitary_check=False).on(*(wires[w] for w in on)))
    return made.unitary(qubit_order=wires[::-1], qubits_that_should_be_present=wires)


def source_unitary(circuit, values):
    """The unitary of a circuit of the core by Cirq."""
    made, _, order = cirq_judge.cirq_circuit(circuit, values)
    return made.unitary(qubit_order=order, qubits_that_should_be_present=order)


def deviation(bound, row, source):
    """How far the native circuit is from the source, phases before the measurement aside, outcomes translated."""
    native = native_unitary(bound.circuit(row), bound.n_qubits)
    size = len(native)
    translated = np.empty_like(native)
    translated[bound.outcomes(row, list(range(size)))] = native
    product = (
        translated @ source.conj().T
    )  # diagonal, if they give every outcome the same amplitude up to a phase
    return np.abs(product - np.diag(np.diag(product))).max()


def random_circuit(random, n, size, symbolic):
    """A circuit of all kinds of gates; a share `symbolic` of the angles are expressions of w (6,) and x (3,)."""
    circuit = qs.QuantumCircuit(n)
    w, x = qs.Parameter("w", shape=(6,)), qs.Parameter("x", shape=(3,))
    special = (0.0, math.pi / 2, math.pi, -math.pi / 4, 1e-5, 3 * math.pi)
    names = [name for name in SYMBOLIC_GATES + FIXED_GATES if GATES[name].n_qubits <= n]
    for _ in range(size):
        spec = GATES[names[random.integers(len(names))]]
        qubits = [int(q) for q in random.permutation(n)[: spec.n_qubits]]
        angles = []
        for _ in range(spec.n_angles):
            if random.random() < symbolic:
                angles.append(
                    float(random.normal()) * w[int(random.integers(6))] + 0.3 * x[int(random.integers(3))]
                )
            else:
                angles.append(float(random.choice(special) if random.random() < 0.5 else random.normal() * 3))
        circuit.append(spec.name, tuple(qubits), angles)
    return circuit


def values_of(circuit, random, size=()):
    """Values of every parameter in [-4 pi, 4 pi]."""
    return {p.name: random.uniform(-4 * math.pi, 4 * math.pi, (*size, *p.shape)) for p in circuit.parameters}
