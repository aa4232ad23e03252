# SPDX-License-Identifier: Apache-2.0
"""The backends under test, by a name for the test's id, and circuits with every gate that they declare."""

import numpy as np
import pytest

import qstore as qs
from qstore.circuit import GATES, GateKind, Parameter, QuantumCircuit, X, Y, Z
from qstore.errors import BackendUnavailable

DOUBLE, SINGLE = 1e-9, 2e-5
"""Largest difference from the embedded simulator; the second where the state has seven digits."""

SUBJECTS = {
    "cirq": ("cirq", {}, DOUBLE),
    "cirq-single": ("cirq", {"precision": "single"}, SINGLE),
    "qsim": ("qsim", {}, SINGLE),
    "aer": ("aer", {}, DOUBLE),
    "aer-statevector": ("aer", {"method": "statevector"}, DOUBLE),
    "aer-density": ("aer", {"method": "density_matrix"}, DOUBLE),
    "aer-mps": ("aer", {"method": "matrix_product_state"}, DOUBLE),
    "aer-single": ("aer", {"precision": "single"}, SINGLE),
    "pennylane": ("pennylane.default", {}, DOUBLE),
    "lightning": ("lightning.qubit", {}, DOUBLE),
    "lightning-single": ("lightning.qubit", {"precision": "single"}, SINGLE),
    "braket": ("braket.local", {}, DOUBLE),
}
EXACT_SAMPLERS = [name for name in SUBJECTS if name != "aer-mps" and "single" not in name and name != "qsim"]
"""Those whose shots are drawn from exact probabilities in double precision, by the embedded simulator's generator."""

OBSERVABLES = [Z(0), X(0) @ Y(2) - 0.5 * Z(1) @ Z(2) + 0.3, Y(1) @ X(2) @ Z(0)]
OUTPUTS = [
    qs.Expectations(OBSERVABLES),
    qs.Variance(OBSERVABLES),
    qs.Probabilities(),
    qs.Probabilities([2, 0]),
    qs.StateVector(),
    qs.DensityMatrix(),
    qs.DensityMatrix([2, 1]),
]
REFERENCE = qs.get_backend("statevector", threads=1)


def subject(name):
    """The backend of that id and its tolerance; skips the test where its library is missing."""
    registered, options, tolerance = SUBJECTS[name]
    try:
        return qs.get_backend(registered, **options), tolerance
    except BackendUnavailable as exc:
        pytest.skip(str(exc))


def every_gate(backend, seed=0, *, channels=False, start=None, n=3):
    """Each gate that the backend declares once, on random qubits, with numbers and expressions for angles."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(n)
    w, x, a = Parameter("w", (2, 3)), Parameter("x", (2,)), Parameter("a")
    if start == "real":
        circuit.initialize(Parameter("amplitudes", (1 << n,)))
    elif start == "part":
        circuit.initialize(Parameter("amplitudes", (4,)), [2, 0], imag=Parameter("imaginary", (4,)))
    elif start == "constant":
        state = rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n)
        circuit.initialize(state / np.linalg.norm(state))
    kinds = {GateKind.UNITARY} | ({GateKind.CHANNEL} if channels else set())
    names = [
        name
        for name, row in GATES.items()
        if row.kind in kinds and 0 < row.n_qubits <= n and name in backend.capabilities.gates
    ]
    for name in rng.permutation(names).tolist():
        row = GATES[name]
        choices = [float(rng.normal()), 1.3 * w[1, 2] + 0.2, x[0] - 0.5 * a, 2 * a, w[0, 1] + x[1]]
        angles = [choices[rng.integers(len(choices))] for _ in range(row.n_angles)]
        circuit.append(name, rng.permutation(n)[: row.n_qubits].tolist(), angles)
    matrix = np.linalg.qr(rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8)))[0]
    circuit.unitary(matrix, [1, 2, 0])
    if channels:
        columns = rng.normal(size=(16, 4)) + 1j * rng.normal(size=(16, 4))
        circuit.kraus(list(np.linalg.qr(columns)[0].reshape(4, 4, 4)), [2, 0])
    return circuit


def bindings_of(circuit, rows=3, seed=1, shared=("w",)):
    """Normal numbers for every parameter, per sample but for those that are shared."""
    rng = np.random.default_rng(seed)
    return {
        p.name: rng.normal(size=p.shape if p.name in shared else (rows, *p.shape)) for p in circuit.parameters
    }
