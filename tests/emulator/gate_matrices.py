# SPDX-License-Identifier: Apache-2.0
"""What the gates of the service do, written down once more: from `reference/ionq-api.md`, in plain numpy.

States are indexed by the integer outcome, qubit 0 the least significant bit.
"""

import math

import numpy as np

X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1.0 + 0j, -1])
PAULIS = {"I": np.eye(2, dtype=complex), "X": X, "Y": Y, "Z": Z}


def rotation(generator, angle):
    return math.cos(angle / 2) * np.eye(len(generator)) - 1j * math.sin(angle / 2) * generator


def both(pauli):
    return np.kron(pauli, pauli)


def turning(phase):
    """sigma(phi) of a phase in turns."""
    return math.cos(2 * math.pi * phase) * X + math.sin(2 * math.pi * phase) * Y


FIXED = {
    "x": X, "not": X, "y": Y, "z": Z, "h": (X + Z) / math.sqrt(2), "s": np.diag([1, 1j]), "si": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(0.25j * math.pi)]), "ti": np.diag([1, np.exp(-0.25j * math.pi)]),
    "v": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2, "vi": np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]) / 2,
    "swap": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}  # fmt: skip
TURNING = {
    "rx": lambda t: rotation(X, t), "ry": lambda t: rotation(Y, t), "rz": lambda t: rotation(Z, t),
    "xx": lambda t: rotation(both(X), t), "yy": lambda t: rotation(both(Y), t), "zz": lambda t: rotation(both(Z), t),
    "z": lambda t: np.diag([1, np.exp(1j * t)]),
}  # fmt: skip


def native(name, phases, angle):
    """The matrix on targets[0] (least significant) and targets[1]."""
    if name == "gpi":
        return turning(phases[0])
    if name == "gpi2":
        return rotation(turning(phases[0]), math.pi / 2)
    if name == "ms":
        return rotation(np.kron(turning(phases[1]), turning(phases[0])), 2 * math.pi * angle)
    return rotation(both(Z), 2 * math.pi * angle)


def applied(matrix, qubits, state, controls=()):
    """A matrix on some qubits, the first the least significant bit of its index, where all controls are 1."""
    state = state.copy()
    n = state.size.bit_length() - 1
    for rest in range(1 << n):
        if any(rest >> q & 1 for q in qubits) or not all(rest >> c & 1 for c in controls):
            continue
        index = [rest + sum((k >> i & 1) << q for i, q in enumerate(qubits)) for k in range(len(matrix))]
        state[index] = matrix @ state[index]
    return state


def exponential(terms, coefficients, time):
    """exp(-i time sum c P) by its eigenvectors; the last letter acts on the first target."""
    size = 1 << len(terms[0])
    total = np.zeros((size, size), dtype=complex)
    for term, c in zip(terms, coefficients, strict=True):
        matrix = np.eye(1)
        for letter in term:  # the first letter is the most significant factor
            matrix = np.kron(matrix, PAULIS[letter])
        total += c * matrix
    energies, vectors = np.linalg.eigh(total)
    return (vectors * np.exp(-1j * time * energies)) @ vectors.conj().T
