# SPDX-License-Identifier: Apache-2.0
"""`initialize` as rotations: the same state, few gates, angles for the whole batch at once, and exact gradients."""

import numpy as np
import pytest
from dense_backend import density
from random_circuits import random_unitary

from qstore.circuit import Parameter, QuantumCircuit
from qstore.compiler.preparation import MAX_PREPARED_QUBITS, lower_initialize
from qstore.errors import BindingError, CapabilityError


def amplitudes(n, kind, rng, rows=3):
    """Random real or complex amplitudes; sparse ones have branches of the tree that carry nothing."""
    real, imag = rng.normal(size=(2, rows, 1 << n))
    if "sparse" in kind:
        keep = rng.random((rows, 1 << n)) < 0.4
        keep[:, rng.integers(1 << n)] = True
        real, imag = real * keep, imag * keep
    real = np.abs(real) if "positive" in kind else real
    return {"x": real} | ({"y": imag} if "complex" in kind else {})


def circuit_for(n, kind, qubits=None):
    x, y = Parameter("x", (1 << n,)), Parameter("y", (1 << n,))
    return QuantumCircuit(n + 1).initialize(
        x, qubits or tuple(range(n)), imag=y if "complex" in kind else None
    )


def row_of(bindings, per_sample, row):
    return {name: array[row] if name in per_sample else array for name, array in bindings.items()}


KINDS = ["positive", "real", "sparse real", "complex", "sparse complex"]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_lowered_circuit_prepares_the_same_states(n, kind):
    rng = np.random.default_rng(n)
    bindings = amplitudes(n, kind, rng)
    qubits = tuple(int(q) for q in rng.permutation(n + 1)[:n])
    circuit = circuit_for(n, kind, qubits).cx(qubits[0], next(q for q in range(n + 1) if q not in qubits))
    template, preparations = lower_initialize(circuit)
    per_sample = frozenset(bindings)
    lowered = preparations.bindings(bindings, per_sample, 3)
    assert set(lowered) == {p.name for p in template.parameters} == {"x.angles"}
    for row in range(3):
        made = density(template, row_of(lowered, lowered, row))
        np.testing.assert_allclose(made, density(circuit, row_of(bindings, per_sample, row)), atol=1e-12)


def test_real_amplitudes_take_only_ry_and_no_more_gates_than_they_must():
    assert lower_initialize(circuit_for(4, "real"))[0].gate_counts() == {"ry": 15, "cx": 14}
    assert lower_initialize(circuit_for(4, "complex"))[0].gate_counts() == {"ry": 15, "rz": 15, "cx": 22}
    assert lower_initialize(circuit_for(1, "complex"))[0].gate_counts() == {"ry": 1, "rz": 1}


def test_real_amplitudes_keep_their_sign():
    template, preparations = lower_initialize(circuit_for(1, "real"))
    row = preparations.angles({"x": np.array([-3.0, -4.0])}, (), 1)
    half = row["x.angles"] / 2
    np.testing.assert_allclose([np.cos(half[0]), np.sin(half[0])], [-0.6, -0.8])
    assert [op.gate for op in template.operations] == ["ry"]


def test_constant_amplitudes_become_constant_angles():
    state = random_unitary(3, 2)[0]
    circuit = QuantumCircuit(3).initialize(state, (2, 0)).h(1).cx(1, 2)
    template, preparations = lower_initialize(circuit)
    assert template.parameters == ()
    assert preparations.preparations == ()
    assert preparations.bindings({}, (), 1) == {}
    np.testing.assert_allclose(density(template), density(circuit), atol=1e-12)


def test_a_circuit_without_initialize_stays_as_it_is():
    circuit = QuantumCircuit(2).rx(0, "t").measure(1)
    template, preparations = lower_initialize(circuit)
    assert template == circuit.freeze()
    bindings = {"t": np.array(0.5)}
    assert preparations.bindings(bindings, (), 1) == bindings
    assert preparations.pull_back({"t": np.array(2.0)}, bindings, (), ["t"]) == {"t": np.array(2.0)}


@pytest.mark.parametrize(
    ("x_varies", "y_varies"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_shared_and_per_sample_amplitudes_mix(x_varies, y_varies):
    rng = np.random.default_rng(1)
    bindings = {
        "x": rng.normal(size=(3, 4) if x_varies else 4),
        "y": rng.normal(size=(3, 4) if y_varies else 4),
    }
    per_sample = [name for name, varies in (("x", x_varies), ("y", y_varies)) if varies]
    circuit = circuit_for(2, "complex")
    template, preparations = lower_initialize(circuit)
    lowered = preparations.bindings(bindings, per_sample, 3 if per_sample else 1)
    assert lowered["x.angles"].shape == ((3, 6) if per_sample else (6,))
    for row in range(3):
        made = density(template, row_of(lowered, lowered if per_sample else (), row))
        np.testing.assert_allclose(made, density(circuit, row_of(bindings, per_sample, row)), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_the_length_of_the_amplitudes_does_not_matter(scale):
    bindings = amplitudes(3, "complex", np.random.default_rng(2))
    _, preparations = lower_initialize(circuit_for(3, "complex"))
    plain = preparations.angles(bindings, ("x", "y"), 3)["x.angles"]
    scaled = preparations.angles({name: scale * array for name, array in bindings.items()}, ("x", "y"), 3)[
        "x.angles"
    ]
    np.testing.assert_allclose(scaled, plain, rtol=1e-9)


def test_amplitudes_without_a_direction_are_refused():
    _, preparations = lower_initialize(circuit_for(1, "complex"))
    rows = np.array([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(BindingError, match="'x' has no direction in row 1"):
        preparations.angles({"x": rows, "y": np.zeros(2)}, ("x",), 2)
    preparations.angles({"x": rows, "y": np.array([0.0, 1e-300])}, ("x",), 2)


def test_too_many_qubits_are_refused_before_anything_is_made():
    size = MAX_PREPARED_QUBITS + 1
    circuit = QuantumCircuit(size).initialize(Parameter("x", (1 << size,)))
    with pytest.raises(CapabilityError, match=f"initialize on {size} qubits"):
        lower_initialize(circuit)


def test_names_do_not_collide_and_equal_preparations_share_their_angles():
    x, y, mine = Parameter("x", (2,)), Parameter("y", (2,)), Parameter("x.angles", (2,))
    circuit = (
        QuantumCircuit(4)
        .initialize(x, 0)
        .initialize(x, 1)
        .initialize(x, 2, imag=y)
        .rx(3, mine[0])
        .ry(3, x[1])
    )
    template, preparations = lower_initialize(circuit)
    assert [p.angles.name for p in preparations.preparations] == ["x.angles'", "x.angles''"]
    rng = np.random.default_rng(0)
    bindings = {"x": rng.normal(size=2), "y": rng.normal(size=2), "x.angles": rng.normal(size=2)}
    lowered = preparations.bindings(bindings, (), 1)
    assert set(lowered) == {"x", "x.angles", "x.angles'", "x.angles''"}
    np.testing.assert_allclose(density(template, lowered), density(circuit, bindings), atol=1e-12)


# Gradients


def value(template, bindings):
    """A smooth function of the state, real and without symmetries."""
    rho = density(template, bindings)
    rng = np.random.default_rng(9)
    weight = rng.normal(size=rho.shape) + 1j * rng.normal(size=rho.shape)
    return float(np.trace((weight + weight.conj().T) @ rho).real)


def slopes(function, array, step=1e-6):
    """Central differences with respect to every entry."""
    result = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        moved = np.zeros_like(array)
        moved[index] = step
        result[index] = (function(array + moved) - function(array - moved)) / (2 * step)
    return result


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", ["real", "positive", "complex"])
def test_gradients_pull_back_to_the_amplitudes(n, kind):
    bindings = {name: array[0] for name, array in amplitudes(n, kind, np.random.default_rng(n)).items()}
    circuit = circuit_for(n, kind).cx(0, n).rx(n, 0.3)
    template, preparations = lower_initialize(circuit)
    lowered = preparations.bindings(bindings, (), 1)
    inner = {"x.angles": slopes(lambda a: value(template, {"x.angles": a}), lowered["x.angles"])}
    pulled = preparations.pull_back(inner, bindings, (), ["x", "y"])
    assert set(pulled) == set(bindings)
    for name, array in bindings.items():
        expected = slopes(lambda a, name=name: value(circuit, bindings | {name: a}), array)
        np.testing.assert_allclose(pulled[name], expected, atol=1e-7)
    along = sum((pulled[name] * bindings[name]).sum() for name in bindings)
    assert abs(along) < 1e-8  # x / |x| does not change along x


def test_the_map_and_its_pull_back_are_consistent_to_rounding():
    rng = np.random.default_rng(4)
    _, preparations = lower_initialize(circuit_for(3, "complex"))
    x, y, dx, dy = rng.normal(size=(4, 2, 8))
    cotangent = rng.normal(size=(2, 14))

    def angles(t):  # complex steps are exact but not for arctan2, so a small real one of fourth order
        return preparations.angles({"x": x + t * dx, "y": y + t * dy}, ("x", "y"), 2)["x.angles"]

    h = 1e-3
    rate = (8 * (angles(h) - angles(-h)) - (angles(2 * h) - angles(-2 * h))) / (12 * h)
    pulled = preparations.pull_back({"x.angles": cotangent}, {"x": x, "y": y}, ("x", "y"), ("x", "y"))
    assert (rate * cotangent).sum() == pytest.approx(
        (pulled["x"] * dx).sum() + (pulled["y"] * dy).sum(), rel=1e-7
    )


def test_gradients_have_the_shapes_of_the_bindings_and_add_up():
    rng = np.random.default_rng(5)
    bindings = {"x": rng.normal(size=(3, 4)), "y": rng.normal(size=4)}
    template, preparations = lower_initialize(circuit_for(2, "complex").ry(2, Parameter("y", (4,))[1]))
    assert {p.name for p in template.parameters} == {"x.angles", "y"}
    cotangent, own = rng.normal(size=(3, 6)), rng.normal(size=4)
    pulled = preparations.pull_back({"x.angles": cotangent, "y": own}, bindings, ("x",), ("x", "y"))
    assert {name: array.shape for name, array in pulled.items()} == {"x": (3, 4), "y": (4,)}
    single = [
        preparations.pull_back(
            {"x.angles": cotangent[row]}, {"x": bindings["x"][row], "y": bindings["y"]}, (), ("x", "y")
        )
        for row in range(3)
    ]
    np.testing.assert_allclose(pulled["x"], [each["x"] for each in single], atol=1e-12)
    np.testing.assert_allclose(pulled["y"], own + sum(each["y"] for each in single), atol=1e-12)
    assert set(preparations.pull_back({"x.angles": cotangent}, bindings, ("x",), ("y",))) == {"y"}
    assert preparations.pull_back({"x.angles": cotangent}, bindings, ("x",), ()) == {}


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_gradients_next_to_empty_branches_are_finite_and_right_where_the_state_is(kind):
    bindings = {"x": np.array([0.6, -0.3, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0])}
    if kind == "complex":
        bindings["y"] = np.array([0.1, 0.5, 0.0, 0.0, 0.0, -0.4, 0.0, 0.0])
    circuit = circuit_for(3, kind)
    template, preparations = lower_initialize(circuit)
    lowered = preparations.bindings(bindings, (), 1)
    inner = {"x.angles": slopes(lambda a: value(template, {"x.angles": a}), lowered["x.angles"])}
    pulled = preparations.pull_back(inner, bindings, (), ["x", "y"])
    # An empty branch has lost the signs and phases of its entries: it can only grow from its first real part.
    right = {"x": [0, 1, 2, 4, 5, 6], "y": [0, 1, 5]}
    for name, array in bindings.items():
        expected = slopes(lambda a, name=name: value(circuit, bindings | {name: a}), array)
        np.testing.assert_allclose(pulled[name][right[name]], expected[right[name]], atol=1e-6)
        assert not np.delete(pulled[name], right[name]).any()
