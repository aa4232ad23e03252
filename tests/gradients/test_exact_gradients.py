# SPDX-License-Identifier: Apache-2.0
"""Without shots every method agrees with the adjoint sweep within what it says of itself, on random circuits."""

import numpy as np
import pytest

import qstore as qs
from gradients.models import OUTPUTS, mixed, mixed_bindings, width
from judges.random_circuits import random_circuit, random_observable
from qstore.gradients import vjp
from qstore.gradients.finite_difference import FiniteDifference
from qstore.gradients.spsa import Spsa

EXACT = 1e-9
SIX_SIGMA = 6.0
"""With thousands of numbers compared over all seeds, one beyond six standard errors of 63 degrees of freedom is a fault;
the seeds are fixed."""


def random_case(seed):
    rng = np.random.default_rng([seed, 11])
    circuit, bindings = random_circuit(rng, 3, 14, initialize=["real", "complex", None][seed % 3])
    outputs = qs.Expectations([random_observable(rng, 3), qs.Z(2)])
    return circuit, bindings, outputs, rng.normal(size=(3, 2))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("parameter_shift", EXACT), (FiniteDifference(), 1e-6), (FiniteDifference(form="forward"), 1e-5)],
    ids=repr,
)
def test_deterministic_methods_agree_with_the_adjoint_sweep(seed, method, tolerance):
    circuit, bindings, outputs, cotangent = random_case(seed)
    exact = vjp(circuit, bindings, outputs, cotangent, gradient_method="adjoint")
    found = vjp(circuit, bindings, outputs, cotangent, gradient_method=method)
    assert found.standard_errors is None
    np.testing.assert_allclose(found.result.values, exact.result.values, atol=1e-12)
    for name, expected in exact.gradients.items():
        np.testing.assert_allclose(
            found.gradients[name], expected, atol=tolerance * (1 + np.abs(expected).max())
        )


@pytest.mark.parametrize("seed", range(6))
def test_random_directions_scatter_about_the_gradient_as_their_standard_errors_say(seed):
    circuit, bindings, outputs, cotangent = random_case(seed)
    exact = vjp(circuit, bindings, outputs, cotangent).gradients
    found = vjp(circuit, bindings, outputs, cotangent, gradient_method=Spsa(1e-4, samples=64, seed=seed))
    for name, expected in exact.items():
        errors = np.abs(found.gradients[name] - expected)
        assert (errors <= SIX_SIGMA * found.standard_errors[name] + 1e-6).all()
        assert (found.standard_errors[name] > 0).any()


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: type(outputs).__name__)
def test_the_error_of_differences_falls_at_the_order_of_their_form(outputs):
    bindings, cotangent = mixed_bindings(), np.random.default_rng(2).normal(size=(2, width(outputs)))
    exact = vjp(mixed(), bindings, outputs, cotangent).gradients["w"]
    for form, order in (("central", 2), ("forward", 1)):
        errors = [
            np.abs(
                vjp(
                    mixed(), bindings, outputs, cotangent, gradient_method=FiniteDifference(h, form)
                ).gradients["w"]
                - exact
            ).max()
            for h in (0.02, 0.01)
        ]
        assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


def test_the_bias_of_random_directions_falls_with_the_square_of_their_size():
    """All 2**4 directions of four entries together have no spread, so what is left is the bias."""
    circuit = qs.QuantumCircuit(2).ry(0, "a").crx(0, 1, "b").rzz(0, 1, "c").ry(1, "d").rx(0, "b")
    bindings = {"a": 0.3, "b": 0.8, "c": -0.4, "d": 1.1}
    exact = np.array([*vjp(circuit, bindings, OUTPUTS[0]).gradients.values()])
    here = np.array([*bindings.values()])

    def averaged(size):
        total = np.zeros(4)
        for number in range(16):
            signs = np.array([1 if number >> bit & 1 else -1 for bit in range(4)])
            above, below = (
                qs.run(
                    circuit, dict(zip(bindings, here + side * size * signs, strict=True)), OUTPUTS[0]
                ).values.sum()
                for side in (1, -1)
            )
            total += (above - below) / (2 * size) * signs / 16
        return total

    errors = [np.abs(averaged(size) - exact).max() for size in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("method", ["adjoint", "parameter_shift", "finite_difference", "natural", "spsa"])
def test_a_parameter_named_twice_is_differentiated_once(method):
    once, twice = (
        vjp(mixed(), mixed_bindings(), OUTPUTS[0], gradient_method=method, wrt=names)
        for names in (["w"], ["w", "w"])
    )
    np.testing.assert_array_equal(once.gradients["w"], twice.gradients["w"])
