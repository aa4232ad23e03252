# SPDX-License-Identifier: Apache-2.0
"""What layers compute, against density matrices that Cirq multiplies out step by step, and against each other."""

import cirq
import numpy as np
import pytest

import qstore as qs
from layers.backends import without_noise
from qstore.layers import (
    EncodingLayer,
    QuantumDropout,
    QuantumFeatureExtractor,
    QuantumNonlinearity,
    QuantumPooling,
    QuantumReadout,
    Sequential,
)

RANDOM = np.random.default_rng(3)
PAULI = {"X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}


def rotation(letter, angle):
    return np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * PAULI[letter]


class Density:
    """A density matrix with one axis pair per qubit, qubit 0 first, worked on one operation at a time."""

    def __init__(self, n):
        self.n = n
        self.rho = np.zeros((2,) * (2 * n), dtype=complex)
        self.rho[(0,) * (2 * n)] = 1

    def channel(self, operators, qubits):
        out = np.zeros_like(self.rho)
        for each in operators:
            k = len(qubits)
            operator = np.asarray(each, dtype=complex).reshape((2,) * (2 * k))
            left = cirq.targeted_left_multiply(operator, self.rho, qubits)
            out += cirq.targeted_left_multiply(operator.conj(), left, [q + self.n for q in qubits])
        self.rho = out

    def gate(self, matrix, *qubits):
        self.channel([matrix], qubits)

    def controlled(self, matrix, control, target):
        both = np.eye(4, dtype=complex)
        both[2:, 2:] = matrix
        self.gate(both, control, target)

    def trace_out(self, qubit):
        self.rho = np.trace(self.rho, axis1=qubit, axis2=qubit + self.n)
        self.n -= 1

    def probabilities(self):
        size = 2**self.n
        axes = [*reversed(range(self.n)), *(self.n + q for q in reversed(range(self.n)))]
        return np.real(np.diag(self.rho.transpose(axes).reshape(size, size)))


def test_a_fused_model_is_the_step_by_step_calculation():
    """Angle encoding, one layer, damping, pooling with the traced qubit really traced out, readout."""
    model = Sequential(
        [
            QuantumFeatureExtractor(3, 1, "linear", weights_seed=1),
            QuantumNonlinearity(3, "amplitude_damping", 0.35),
            QuantumPooling(3, 2, weights_seed=2),
            QuantumReadout(2, 3, weights_seed=3),
        ]
    )
    for name, weight in model.weights.items():
        model.weights[name] = RANDOM.normal(size=weight.shape)
    w = {name.rsplit("_", 1)[0]: value for name, value in model.weights.items()}
    x = RANDOM.normal(size=(4, 3))
    for row, found in zip(x, model.call_sync(x), strict=True):
        state = Density(3)
        for q in range(3):
            state.gate(rotation("Y", row[q]), q)
            state.gate(rotation("Y", w["feature_extractor"][0, q, 0]), q)
            state.gate(rotation("Z", w["feature_extractor"][0, q, 1]), q)
        for q in range(2):
            state.controlled(PAULI["X"], q, q + 1)
        for q in range(3):
            g = np.sin(w["nonlinearity"][q] / 2) ** 2
            state.channel([[[1, 0], [0, np.sqrt(1 - g)]], [[0, np.sqrt(g)], [0, 0]]], [q])
        for letter, angle in zip("ZYZ", w["pooling"][0], strict=True):
            state.controlled(rotation(letter, angle), 1, 0)
        state.trace_out(1)
        for q in range(2):
            state.gate(rotation("Z", w["readout"][q, 0]), q)
            state.gate(rotation("Y", w["readout"][q, 1]), q)
        p = state.probabilities()[:3]
        np.testing.assert_allclose(found, p / p.sum(), atol=1e-9)


@pytest.mark.parametrize("kind", ["amplitude_damping", "phase_damping"])
def test_dilated_channels_agree_with_channels(kind):
    exact = QuantumNonlinearity(3, kind, 0.4, encoding="iqp")
    dilated = QuantumNonlinearity(3, kind, 0.4, encoding="iqp", backend=without_noise())
    x, cotangent = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 3))
    (values, gradient), (others, other) = exact.vjp(x, cotangent), dilated.vjp(x, cotangent)
    np.testing.assert_allclose(values, others, atol=1e-12)
    np.testing.assert_allclose(gradient.features, other.features, atol=1e-10)
    np.testing.assert_allclose(gradient.weights["strength"], other.weights["strength"], atol=1e-10)


def test_pooling_types_give_the_same_statistics():
    """Traced out, measured and deferred, measured and fed forward: three circuits, one state of what stays."""
    options = {"encoding": "iqp", "weights_seed": 4}
    layers = [
        QuantumPooling(4, 2, "partial_trace", **options),
        QuantumPooling(4, 2, "measurement", **options),
        QuantumPooling(4, 2, "measurement", feeds_forward=True, **options),
    ]
    for layer in layers:
        layer.set_parameters({"rotations": np.full((2, 3), 0.8)})
    circuits = [layer.circuit.built(qs.get_backend("statevector").capabilities).template for layer in layers]
    assert [circuit.has_feedback for circuit in circuits] == [False, False, True]
    x = RANDOM.normal(size=(5, 4))
    first, *others = (layer.call_sync(x) for layer in layers)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-12)


def test_tracing_without_rotations_changes_nothing_that_is_read():
    x = RANDOM.normal(size=(4, 4))
    pooled = Sequential([EncodingLayer(4, "iqp"), QuantumPooling(4, 2, trainable=False)]).call_sync(x)
    np.testing.assert_allclose(pooled, EncodingLayer(4, "iqp").call_sync(x)[:, [0, 2]], atol=1e-12)


def test_qubits_left_over_stay():
    layer = QuantumPooling(7, 3)
    assert layer.stage.leaving == ((1, 0), (2, 0), (4, 3), (5, 3))
    assert layer.output_dim == 3


def test_damping_is_affine_in_the_state():
    """<Z> becomes g + (1 - g) <Z>: what the documentation says, and why it is no nonlinearity by itself."""
    g = 0.3
    x = RANDOM.normal(size=(6, 1))
    plain = EncodingLayer(1).call_sync(x)
    damped = QuantumNonlinearity(1, "amplitude_damping", g).call_sync(x)
    np.testing.assert_allclose(damped, g + (1 - g) * plain, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 5, 8])
def test_class_probabilities_add_up_to_one(n_classes):
    layer = QuantumReadout(3, n_classes, weights_seed=0)
    shares = layer.call_sync(RANDOM.normal(size=(6, 3)))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
    assert shares.min() > 0
    state = qs.run(layer.circuit.built().template, _bound(layer, np.zeros((1, 3))), qs.Probabilities())
    kept = state.values[0].reshape(-1, 1 << (n_classes - 1).bit_length()).sum(axis=0)[:n_classes]
    np.testing.assert_allclose(layer.call_sync(np.zeros((1, 3)))[0], kept / kept.sum(), atol=1e-9)


def _bound(layer, x):
    return {"x": x, **layer.weights}


def test_a_class_without_probability_has_a_finite_logarithm():
    layer = QuantumReadout(2, 3)
    layer.set_parameters({"rotations": np.zeros((2, 2))})
    shares = layer.call_sync(np.array([[np.pi, np.pi]]))  # outcome 3, which is no class
    np.testing.assert_allclose(shares, 1 / 3, atol=1e-6)
    assert np.isfinite(np.log(layer.call_sync(np.zeros((1, 2))))).all()


def test_fresh_weights_start_near_the_identity():
    layer = QuantumFeatureExtractor(6, 8, "full", "Z", weights_seed=0)
    x = np.zeros((1, 6))
    layer.set_parameters({"weights": np.zeros((8, 6, 2))})
    np.testing.assert_allclose(layer.call_sync(x), 1.0, atol=1e-12)


def test_dropout_keeps_the_mean_where_gates_do_not_interfere():
    """Bases alone: the mean over masks is the undropped output, within four standard errors."""
    n = 20_000
    layer = QuantumFeatureExtractor(2, 1, weights_seed=1, dropout=QuantumDropout(basis=0.4, seed=2))
    x = np.tile([[0.3, 0.8]], (n, 1))
    dropped = layer.forward(x, training=True).values
    plain = layer.forward(x[:1]).values
    error = dropped.std(axis=0) / np.sqrt(n)
    assert (np.abs(dropped.mean(axis=0) - plain[0]) < 4 * error + 1e-12).all()
    assert {0} < set(np.round(dropped[:, 0], 6))  # some are dropped


def test_dropout_masks_repeat_with_the_seed_and_do_nothing_outside_training():
    def made():
        return QuantumFeatureExtractor(3, 2, weights_seed=1, dropout=QuantumDropout(0.3, 0.3, 0.3, seed=5))

    x = RANDOM.normal(size=(8, 3))
    one, two = made(), made()
    first = one.forward(x, training=True).values
    np.testing.assert_array_equal(first, two.forward(x, training=True).values)
    assert (first != one.forward(x, training=True).values).any()
    plain = QuantumFeatureExtractor(3, 2, weights_seed=1)
    np.testing.assert_array_equal(one.call_sync(x), plain.call_sync(x))


def test_a_dropped_gate_is_no_gate():
    """All gates dropped by their masks is the circuit without entanglement."""
    layer = QuantumFeatureExtractor(
        3, 2, "full", weights_seed=1, dropout=QuantumDropout(gate=0.999999, seed=0)
    )
    plain = QuantumFeatureExtractor(3, 2, "none", weights_seed=1)
    x = RANDOM.normal(size=(4, 3))
    np.testing.assert_allclose(layer.forward(x, training=True).values, plain.call_sync(x), atol=1e-12)
