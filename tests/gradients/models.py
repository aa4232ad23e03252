# SPDX-License-Identifier: Apache-2.0
"""Circuits for the tests of gradients: parameters shared and per sample, repeated, scaled and mixed in one angle."""

import numpy as np

import qstore as qs

OBSERVABLES = [qs.Z(0) + 0.5 * qs.X(0), 2 * qs.Y(0) - 1, qs.Z(0) @ qs.Z(1) + qs.Z(1)]
OUTPUTS = [qs.Expectations(OBSERVABLES), qs.Variance(OBSERVABLES), qs.Probabilities()]


def mixed():
    """Two qubits; "x" is data, "w" are weights; several angles read both, several entries are read twice."""
    x, w = qs.Parameter("x", (2,)), qs.Parameter("w", (2, 2))
    circuit = qs.QuantumCircuit(2).ry(0, x[0]).ry(1, x[1] - 0.5 * x[0]).crx(0, 1, w[0, 0] + 2 * x[1])
    return circuit.rzz(0, 1, w[0, 1] - w[0, 0]).u(0, w[1, 0], w[1, 0] + x[0], 3 * w[1, 1])


def mixed_bindings(rows=2):
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(2, 2))  # drawn first: they are the same for any number of rows
    return {"x": rng.normal(size=(rows, 2)), "w": weights}


def prepared():
    """Two qubits in a state of trainable amplitudes "a", then rotations by data "x"."""
    x = qs.Parameter("x", (2,))
    return qs.QuantumCircuit(2).initialize(qs.Parameter("a", (4,))).ry(0, x[0]).cx(0, 1).rx(1, x[1])


def prepared_bindings(rows=2):
    rng = np.random.default_rng(5)
    return {"x": rng.normal(size=(rows, 2)), "a": rng.normal(size=4)}


MODELS = {"angles": (mixed, mixed_bindings), "amplitudes": (prepared, prepared_bindings)}


def width(outputs, n_qubits=2):
    """How many numbers an output has per row."""
    return len(getattr(outputs, "observables", range(1 << n_qubits)))
