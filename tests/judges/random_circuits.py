# SPDX-License-Identifier: Apache-2.0
"""Random circuits over the whole gate set, with parameters that are shared, per sample, scaled and used repeatedly."""

import numpy as np

import qstore as qs
from qstore.circuit import GATES, GateKind

UNITARIES = [name for name, spec in GATES.items() if spec.kind is GateKind.UNITARY and name != "unitary"]
CHANNELS = ["amplitude_damping", "phase_damping", "depolarizing", "bit_flip"]


def random_unitary(rng, n):
    size = 1 << n
    q, r = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))
    return q * (np.diag(r) / np.abs(np.diag(r)))


def random_circuit(rng, n, length, *, gates=UNITARIES, batch=3, channels=(), initialize=None):
    """A circuit and bindings: "x" (per sample) and "w" (shared) in about half of the angles."""
    x, w = qs.Parameter("x", (n + 1,)), qs.Parameter("w", (2, n))
    circuit = qs.QuantumCircuit(n)
    bindings = {"x": rng.uniform(-4, 4, (batch, n + 1)), "w": rng.uniform(-4, 4, (2, n))}
    if initialize == "real":
        circuit.initialize(qs.Parameter("a", (1 << n,)))
        bindings["a"] = rng.normal(size=(batch, 1 << n))
    elif initialize == "complex":
        some = tuple(int(q) for q in rng.permutation(n)[: max(1, n - 1)])
        shape = (1 << len(some),)
        circuit.initialize(qs.Parameter("a", shape), some, imag=qs.Parameter("b", shape))
        bindings |= {"a": rng.normal(size=(batch, *shape)), "b": rng.normal(size=shape)}
    # Both parameters always occur, so that the bindings fit whatever is drawn below.
    circuit.ry(0, x[0]).rx(n - 1, w[0, 0])
    fitting = [name for name in gates if GATES[name].n_qubits <= n]
    for _ in range(length):
        if channels and rng.random() < 0.2:
            circuit.append(str(rng.choice(channels)), int(rng.integers(n)), (rng.uniform(0, np.pi),))
            continue
        if rng.random() < 0.06:
            k = int(rng.integers(1, min(n, 3) + 1))
            circuit.unitary(random_unitary(rng, k), tuple(int(q) for q in rng.permutation(n)[:k]))
            continue
        name = str(rng.choice(fitting))
        angles = []
        for _ in range(GATES[name].n_angles):
            pick = rng.integers(4)
            if pick == 0:
                angles.append(float(rng.uniform(-4, 4)))
            elif pick == 1:
                angles.append(x[int(rng.integers(n + 1))] * float(rng.choice([1, -1, 0.5])))
            elif pick == 2:
                angles.append(w[int(rng.integers(2)), int(rng.integers(n))])
            else:
                angles.append(
                    2 * w[int(rng.integers(2)), int(rng.integers(n))] + x[int(rng.integers(n + 1))] - 0.3
                )
        circuit.append(name, tuple(int(q) for q in rng.permutation(n)[: GATES[name].n_qubits]), angles)
    return circuit, bindings


def random_observable(rng, n, terms=4):
    total = 0.2 * qs.I()
    for _ in range(terms):
        string = qs.I()
        for q in range(n):
            pauli = rng.choice(["I", "X", "Y", "Z"])
            if pauli != "I":
                string = string @ getattr(qs, pauli)(q)
        total = total + float(rng.normal()) * string
    return total
