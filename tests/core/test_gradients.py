# SPDX-License-Identifier: Apache-2.0
"""Gradient methods agree with finite differences, with PennyLane and with each other, and refuse what they cannot do."""

import numpy as np
import pennylane as qml
import pytest
from dense_backend import DenseBackend, SyncDenseBackend
from hypothesis import given, settings
from random_circuits import CHANNELS, circuits, random_bindings, random_unitary

import qstore as qs
from qstore.batch import CircuitBatch
from qstore.circuit import GATES, Parameter, QuantumCircuit
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore.gradients import differentiate
from qstore.gradients.finite_difference import FiniteDifference
from qstore.gradients.parameter_shift import ParameterShift

SLOPE = 2e-8
"""Error of a central difference with step 1e-5 of functions with derivatives of a few units."""
EXACT = 1e-10

OBSERVABLES = [qs.Z(0) + 0.5 * qs.X(0), 2 * qs.Y(0) - 1]
OUTPUTS = [qs.Expectations(OBSERVABLES), qs.Variance(OBSERVABLES), qs.Probabilities()]


def both(circuit, bindings, outputs, **settings):
    """Gradients by shifts and by differences, for one random cotangent."""
    batch = CircuitBatch.of(circuit, bindings, outputs)
    values = SyncDenseBackend().answer(batch).values
    cotangent = np.random.default_rng(8).normal(size=values.shape)
    found = [differentiate(batch, SyncDenseBackend(), cotangent, method, **settings)
             for method in ("parameter_shift", "finite_difference")]  # fmt: skip
    for each in found:
        assert np.allclose(each.result.values, values, atol=EXACT)
        assert {name: g.shape for name, g in each.gradients.items()} == {
            name: batch.bindings[name].shape for name in each.gradients
        }
        assert each.standard_errors is None
    return found[0].gradients, found[1].gradients


def assert_close(left, right, tolerance=SLOPE):
    assert left.keys() == right.keys()
    for name in left:
        assert np.allclose(left[name], right[name], atol=tolerance), name


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: type(outputs).__name__)
@pytest.mark.parametrize("gate", [name for name, row in GATES.items() if row.n_angles])
def test_shifts_agree_with_differences_for_every_gate(gate, outputs):
    row = GATES[gate]
    w = Parameter("w", (row.n_angles,))
    circuit = QuantumCircuit(max(row.n_qubits, 1))
    for q in range(circuit.n_qubits):
        circuit.u(q, 0.3 + q, 0.8, -0.4)
    circuit.append(gate, tuple(range(row.n_qubits)), list(w))
    for q in range(circuit.n_qubits):
        circuit.u(q, 1.1 - q, 0.2, 0.7)
    rng = np.random.default_rng(1)
    for size in [(row.n_angles,), (2, row.n_angles)]:
        assert_close(*both(circuit, {"w": rng.normal(size=size)}, outputs))


@settings(max_examples=20)
@given(circuits(max_operations=5))
def test_shifts_agree_with_differences_on_random_circuits(circuit):
    for batch in (None, 2):
        bindings = random_bindings(circuit, batch=batch)
        assert_close(*both(circuit, bindings, qs.Expectations(OBSERVABLES)), tolerance=100 * SLOPE)


@pytest.mark.parametrize("channel", [name for name in CHANNELS if GATES[name].n_angles])
def test_channel_strengths_are_trainable(channel):
    circuit = QuantumCircuit(2).ry(0, 0.7).cx(0, 1)
    on = range(GATES[channel].n_qubits)
    getattr(circuit, channel)(*on, angle=2 * Parameter("t") + 0.1).rx(0, "a")
    assert_close(
        *both(circuit, {"t": np.array([0.3, 1.9]), "a": np.array(0.4)}, qs.Expectations(OBSERVABLES))
    )


def mixed():
    """Angles that share parameters, shared with per-sample ones mixed."""
    x, w = Parameter("x", (2,)), Parameter("w", (2, 2))
    circuit = QuantumCircuit(2).ry(0, x[0]).ry(1, x[1] - 0.5 * x[0]).crx(0, 1, w[0, 0] + 2 * x[1])
    return circuit.rzz(0, 1, w[0, 1] - w[0, 0]).u(0, w[1, 0], w[1, 0] + x[0], 3 * w[1, 1])


def mixed_bindings(x_rows=None, w_rows=None):
    rng = np.random.default_rng(3)
    lead = lambda rows: () if rows is None else (rows,)  # noqa: E731  # short
    return {"x": rng.normal(size=(*lead(x_rows), 2)), "w": rng.normal(size=(*lead(w_rows), 2, 2))}


@pytest.mark.parametrize("rows", [(None, None), (3, None), (None, 3), (3, 3)])
@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: type(outputs).__name__)
def test_shared_and_per_sample_bindings_mix(rows, outputs):
    assert_close(*both(mixed(), mixed_bindings(*rows), outputs))


def test_a_shared_gradient_is_the_sum_of_the_per_sample_ones():
    shared = mixed_bindings(3)
    split = shared | {"w": np.tile(shared["w"], (3, 1, 1))}
    (one, _), (many, _) = both(mixed(), shared, OUTPUTS[0]), both(mixed(), split, OUTPUTS[0])
    assert np.allclose(one["w"], many["w"].sum(axis=0), atol=EXACT)
    assert np.allclose(one["x"], many["x"], atol=EXACT)


@pytest.mark.parametrize("parts", ["real", "complex"])
@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: type(outputs).__name__)
def test_initial_amplitudes_have_gradients_through_the_projection(parts, rows, outputs):
    re, im = Parameter("re", (4,)), Parameter("im", (4,))
    circuit = (
        QuantumCircuit(2)
        .initialize(re, imag=im if parts == "complex" else None)
        .cx(0, 1)
        .rx(0, "t")
        .ry(1, 0.4)
    )
    bindings = random_bindings(circuit, seed=2, batch=rows) | {"t": np.array(0.6)}
    shift, difference = both(circuit, bindings, outputs)
    assert_close(shift, difference)
    radial = sum((shift[name] * bindings[name]).sum(axis=-1) for name in shift if name != "t")
    assert np.allclose(radial, 0, atol=EXACT)  # the length of x does not matter


def test_a_real_shared_part_goes_with_a_per_sample_imaginary_one():
    re, im = Parameter("re", (2,)), Parameter("im", (2,))
    circuit = QuantumCircuit(1).initialize(re, imag=im).rx(0, 0.3)
    rng = np.random.default_rng(5)
    assert_close(*both(circuit, {"re": rng.normal(size=2), "im": rng.normal(size=(3, 2))}, OUTPUTS[0]))


def test_amplitudes_used_twice_and_as_angles_get_all_their_gradients():
    x = Parameter("x", (2,))
    circuit = QuantumCircuit(2).initialize(x, 0).initialize(x, 1).cx(0, 1).rx(0, x[0]).ry(1, x[1] - x[0])
    for size in [(2,), (3, 2)]:
        assert_close(*both(circuit, {"x": np.random.default_rng(1).normal(size=size)}, OUTPUTS[0]))


def test_one_parameter_may_be_a_real_part_here_and_an_imaginary_part_there():
    x, y = Parameter("x", (2,)), Parameter("y", (2,))
    circuit = QuantumCircuit(2).initialize(x, 0, imag=y).initialize(y, 1, imag=x).cx(0, 1).ry(0, 0.5)
    rng = np.random.default_rng(1)
    assert_close(*both(circuit, {"x": rng.normal(size=(3, 2)), "y": rng.normal(size=2)}, OUTPUTS[0]))


def test_any_parameter_name_is_free_to_use():
    x = Parameter("angle slots", (2,))
    circuit = QuantumCircuit(2).initialize(x, 0).rx(1, "amplitudes 0 real").cx(0, 1)
    rng = np.random.default_rng(1)
    assert_close(
        *both(
            circuit, {"angle slots": rng.normal(size=2), "amplitudes 0 real": rng.normal(size=3)}, OUTPUTS[0]
        )
    )


def test_gradients_are_those_of_pennylane():
    device = qml.device("default.qubit", wires=2)

    @qml.qnode(device, diff_method="parameter-shift")
    def theirs(x, w):
        qml.RY(x[0], wires=0)
        qml.RY(x[1] - 0.5 * x[0], wires=1)
        qml.CRX(w[0, 0] + 2 * x[1], wires=[0, 1])
        qml.IsingZZ(w[0, 1] - w[0, 0], wires=[0, 1])
        qml.U3(w[1, 0], w[1, 0] + x[0], 3 * w[1, 1], wires=0)
        return qml.expval(qml.Z(0) + 0.5 * qml.X(0))

    bindings = mixed_bindings()
    x, w = (qml.numpy.array(bindings[name], requires_grad=True) for name in ("x", "w"))
    values, ours = qs.value_and_vjp(
        mixed(), bindings, qs.Expectations([OBSERVABLES[0]]), backend=DenseBackend()
    )
    assert np.allclose(values[0, 0], theirs(x, w), atol=EXACT)
    for gradient, name in zip(qml.grad(theirs)(x, w), ("x", "w"), strict=True):
        assert np.allclose(ours[name], gradient, atol=EXACT)


def test_wrt_chooses_parameters_and_saves_their_circuits():
    backend, bindings = SyncDenseBackend(), mixed_bindings(2)
    _, everything = qs.value_and_vjp(mixed(), bindings, OUTPUTS[0], backend=backend)
    rows = sum(batch.size for batch in backend.batches)
    for wrt in (["x"], "x", ("x",)):
        backend.batches.clear()
        _, some = qs.value_and_vjp(mixed(), bindings, OUTPUTS[0], backend=backend, wrt=wrt)
        assert list(some) == ["x"]
        assert np.allclose(some["x"], everything["x"], atol=EXACT)
        assert sum(batch.size for batch in backend.batches) < rows
    assert qs.value_and_vjp(mixed(), bindings, OUTPUTS[0], backend=backend, wrt=[])[1] == {}


@pytest.mark.parametrize("method", [ParameterShift(), FiniteDifference()])
def test_expand_and_combine_are_pure(method):
    batch = CircuitBatch.of(mixed(), mixed_bindings(2), OUTPUTS[0], shots=50, seed=3)
    before = {name: array.copy() for name, array in batch.bindings.items()}
    names = tuple(batch.bindings)
    first, second = (method.expand(batch, wrt=names, step=0) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.circuit == b.circuit
        assert a.stream_keys.tolist() == b.stream_keys.tolist()
        assert all(np.array_equal(a.bindings[name], b.bindings[name]) for name in a.bindings)
    results = [DenseBackend().answer(CircuitBatch.of(b.circuit, b.bindings, b.outputs)) for b in first]
    cotangent = np.ones((2, 2))
    once, twice = (method.combine(batch, results, cotangent, wrt=names, step=0).gradients for _ in range(2))
    assert all(np.array_equal(once[name], twice[name]) for name in names)
    assert all(np.array_equal(batch.bindings[name], before[name]) for name in before)


def test_no_two_shifted_circuits_draw_from_one_stream():
    re = Parameter("re", (2,))
    circuit = (
        QuantumCircuit(2).initialize(re, 0).initialize(Parameter("im", (2,)), 1).rx(0, "t").crx(0, 1, "t")
    )
    bindings = random_bindings(circuit, batch=3)
    for method in (ParameterShift(), FiniteDifference()):
        batch = CircuitBatch.of(circuit, bindings, OUTPUTS[0], shots=10, seed=1)
        keys = [
            key
            for each in method.expand(batch, wrt=tuple(bindings), step=0)
            for key in each.stream_keys.tolist()
        ]
        assert len(set(keys)) == len(keys)


def test_gradients_from_shots_scatter_about_the_exact_ones():
    bindings = mixed_bindings(2)
    _, exact = qs.value_and_vjp(mixed(), bindings, OUTPUTS[0], backend=SyncDenseBackend())
    runs = [qs.value_and_vjp(mixed(), bindings, OUTPUTS[0], shots=400, seed=seed, backend=SyncDenseBackend(exact=False))[1]
            for seed in range(12)]  # fmt: skip
    for name, wanted in exact.items():
        samples = np.array([run[name] for run in runs])
        error = samples.std(axis=0, ddof=1) / np.sqrt(len(runs))
        # With 11 degrees of freedom eight errors are as rare as five of a normal distribution; the seeds are fixed.
        assert (np.abs(samples.mean(axis=0) - wanted) <= 8 * error + EXACT).all()


def test_gradients_from_shots_repeat_with_their_seed():
    run = lambda: qs.value_and_vjp(mixed(), mixed_bindings(2), OUTPUTS[0], shots=50, seed=9,  # noqa: E731  # short
                                   backend=SyncDenseBackend(exact=False, max_batch=5))  # fmt: skip
    (values, gradients), (values_again, again) = run(), run()
    assert np.array_equal(values, values_again)
    assert all(np.array_equal(gradients[name], again[name]) for name in gradients)


class Native(SyncDenseBackend):
    """Differentiates expectations itself, and says so in its answer."""

    def __init__(self):
        super().__init__(differentiable_outputs=frozenset({"Expectations"}))
        self.swept = 0

    def vjp_sync(self, batch, cotangent, wrt=None):
        self.swept += 1
        return self.answer(batch), {
            name: np.zeros_like(batch.bindings[name]) for name in wrt or batch.bindings
        }

    async def vjp(self, batch, cotangent, wrt=None):
        return self.vjp_sync(batch, cotangent, wrt)


@pytest.mark.parametrize(
    ("outputs", "shots", "noise", "native"),
    [
        (OUTPUTS[0], None, False, True),
        (OUTPUTS[1], None, False, False),
        (OUTPUTS[0], 20, False, False),
        (OUTPUTS[0], None, True, False),
    ],
)
def test_the_backends_own_gradient_is_used_where_it_has_one(outputs, shots, noise, native):
    backend, circuit = Native(), mixed()
    if noise:
        circuit.bit_flip(0, p=0.1)
    qs.value_and_vjp(circuit, mixed_bindings(), outputs, shots=shots, seed=1, backend=backend)
    assert backend.swept == native


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"gradient_method": "adjoint"},
            CapabilityError,
            "'dense' has no vjp. Use gradient_method='parameter_shift'",
        ),
        (
            {"gradient_method": "adjont"},
            OptionError,
            "No gradient method named 'adjont'. Did you mean 'adjoint'",
        ),
        (
            {"gradient_method": 5},
            OptionError,
            "must be a registered name, a GradientConfig or a method, got 5",
        ),
        ({"wrt": ["y"]}, OptionError, r"wrt names 'y', which is not a parameter.* There are \['w', 'x'\]"),
        (
            {"outputs": qs.Counts(), "shots": 5},
            CapabilityError,
            "Counts has no gradient; ask for Expectations",
        ),
        ({"outputs": qs.DensityMatrix()}, CapabilityError, "DensityMatrix has no gradient"),
        ({"outputs": qs.StateVector()}, CapabilityError, "No native gradient here: 'dense' has no vjp"),
        (
            {"outputs": qs.StateVector(), "gradient_method": "finite_difference"},
            CapabilityError,
            "no gradient of StateVector",
        ),
        (
            {"outputs": qs.StateVector(), "gradient_method": "parameter_shift"},
            CapabilityError,
            "no gradient of StateVector",
        ),
        (
            {"cotangent": np.ones((1, 3))},
            BindingError,
            r"The cotangent has shape \(1, 3\), the values have \(1, 2\)",
        ),
        ({"cotangent": np.ones((1, 2)) * 1j}, BindingError, "The cotangent of real values must be real"),
        ({"cotangent": [[np.nan, 0]]}, BindingError, "The cotangent has entries that are NaN"),
        (
            {"cotangent": [[np.inf, -np.inf]]},
            BindingError,
            "The cotangent has entries that are NaN or infinite",
        ),
    ],
)
def test_what_has_no_gradient_is_refused_with_the_reason(arguments, error, text):
    with pytest.raises(error, match=text):
        qs.value_and_vjp(
            mixed(), mixed_bindings(), **({"outputs": OUTPUTS[0], "backend": DenseBackend()} | arguments)
        )


@pytest.mark.parametrize("epsilon", [0, -1, np.inf, np.nan])
def test_a_difference_needs_a_positive_step(epsilon):
    with pytest.raises(OptionError, match="epsilon must be a positive number"):
        FiniteDifference(epsilon)


def test_the_cotangent_is_one_by_default():
    ones = qs.value_and_vjp(mixed(), mixed_bindings(), OUTPUTS[0], np.ones((1, 2)), backend=DenseBackend())
    default = qs.value_and_vjp(mixed(), mixed_bindings(), OUTPUTS[0], backend=DenseBackend())
    assert_close(ones[1], default[1], EXACT)


def test_a_circuit_without_parameters_has_no_gradients():
    circuit = QuantumCircuit(1).unitary(random_unitary(1, 1), 0)
    assert qs.value_and_vjp(circuit, outputs=OUTPUTS[0], backend=DenseBackend())[1] == {}


@pytest.mark.parametrize("method", ["parameter_shift", "finite_difference"])
def test_the_async_twin_gives_the_same(method):
    import asyncio

    settings = {"backend": DenseBackend(), "gradient_method": method}
    blocking = qs.value_and_vjp(mixed(), mixed_bindings(2), OUTPUTS[0], **settings)
    awaited = asyncio.run(qs.value_and_vjp_async(mixed(), mixed_bindings(2), OUTPUTS[0], **settings))
    assert np.array_equal(blocking[0], awaited[0])
    assert_close(blocking[1], awaited[1], 0)


def test_amplitudes_that_are_all_zero_have_no_gradient():
    circuit = QuantumCircuit(1).initialize(Parameter("x", (2,)))
    with pytest.raises(BindingError, match="Row 1 of 'x' is zero"):
        qs.value_and_vjp(
            circuit,
            {"x": np.array([[1.0, 2], [0, 0]])},
            OUTPUTS[0],
            backend=DenseBackend(),
            gradient_method="parameter_shift",
        )
