# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for circuits over the whole gate table."""

import numpy as np
from hypothesis import strategies as st

from qstore.circuit import GATES, GateKind, Observable, Parameter, QuantumCircuit, X, Y, Z

UNITARY_GATES = [name for name, row in GATES.items() if row.kind is GateKind.UNITARY and row.n_qubits]
CHANNELS = [name for name, row in GATES.items() if row.kind is GateKind.CHANNEL and row.n_qubits]
numbers = st.floats(-7, 7).map(lambda value: round(value, 6))


def random_unitary(seed, k):
    """A unitary on k qubits."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(1 << k, 1 << k)) + 1j * rng.normal(size=(1 << k, 1 << k))
    return np.linalg.qr(matrix)[0]


@st.composite
def angles(draw, parameters):
    """A number or an affine expression of the parameters' entries."""
    angle = draw(numbers)
    for parameter in draw(st.lists(st.sampled_from(parameters), max_size=2)) if parameters else ():
        index = tuple(draw(st.integers(0, size - 1)) for size in parameter.shape)
        angle = draw(numbers) * (parameter[index] if index else parameter) + angle
    return angle


@st.composite
def circuits(
    draw, *, max_qubits=3, max_operations=8, gates=UNITARY_GATES, parameters=True, matrices=True, extras=False
):
    """Circuits of unitary gates; with `extras` also of everything else that the intermediate form knows."""
    n = draw(st.integers(1, max_qubits))
    circuit = QuantumCircuit(n)
    known = [Parameter("a"), Parameter("w", (2, 3)), Parameter("ümlaut x", (2,))] if parameters else []
    if extras and draw(st.booleans()):
        kind = draw(st.sampled_from(["constant", "real", "complex"]))
        real, imag = Parameter("real", (1 << n,)), Parameter("imag", (1 << n,))
        if kind == "constant":
            circuit.initialize(random_unitary(draw(st.integers(0, 99)), n)[0])
        else:
            circuit.initialize(real, imag=imag if kind == "complex" else None)
    fitting = [name for name in gates if GATES[name].n_qubits <= n]
    kinds = (
        ["gate"] * 6 + (["unitary"] if matrices else []) + (["channel", "measure", "when"] if extras else [])
    )
    for _ in range(draw(st.integers(0, max_operations))):
        kind = draw(st.sampled_from(kinds))
        qubits = draw(st.permutations(range(n)))
        if kind == "unitary":
            k = draw(st.integers(1, min(n, 3)))
            circuit.unitary(random_unitary(draw(st.integers(0, 99)), k), qubits[:k])
        elif kind == "measure":
            circuit.measure(qubits[0])
        elif kind == "when":
            if circuit.n_bits:
                with circuit.when(circuit.n_bits - 1, draw(st.integers(0, 1))):
                    circuit.rx(qubits[0], draw(angles(known)))
        else:
            channels = [name for name in CHANNELS if GATES[name].n_qubits <= n]
            name = draw(st.sampled_from(fitting if kind == "gate" else channels))
            row = GATES[name]
            circuit.append(name, qubits[: row.n_qubits], [draw(angles(known)) for _ in range(row.n_angles)])
    return circuit


def random_bindings(circuit, seed=0, batch=None):
    """Arrays for the parameters of a circuit; per sample with `batch`."""
    rng = np.random.default_rng(seed)
    lead = () if batch is None else (batch,)
    return {p.name: rng.normal(size=(*lead, *p.shape)) for p in circuit.parameters}


@st.composite
def observables(draw, n_qubits=3):
    """Pauli sums with a few terms."""
    total = Observable()
    for _ in range(draw(st.integers(1, 4))):
        letters = draw(st.lists(st.sampled_from(["", "X", "Y", "Z"]), min_size=n_qubits, max_size=n_qubits))
        string = 1.0
        for q, letter in enumerate(letters):
            if letter:
                pauli = {"X": X, "Y": Y, "Z": Z}[letter](q)
                string = pauli if string == 1.0 else string @ pauli
        total = total + draw(numbers) * string
    return total
