# SPDX-License-Identifier: Apache-2.0
"""`GradientConfig` goes wherever a method's name goes, and a mistake in it shows where it is written."""

import asyncio

import numpy as np
import pytest

import qstore as qs
import torch
from gradients.models import OUTPUTS, mixed, mixed_bindings
from qstore.batch import CircuitBatch
from qstore.errors import CapabilityError, OptionError, PluginError
from qstore.gradients import GradientConfig, differentiate, vjp, vjp_async
from qstore.gradients.parameter_shift import ParameterShift
from qstore_torch import QuantumLayer

CONFIG = GradientConfig(method="spsa", epsilon=0.05, samples=8, seed=3)


def test_a_config_is_the_method_it_names():
    arguments = (mixed(), mixed_bindings(), OUTPUTS[0])
    found = vjp(*arguments, gradient_method=CONFIG)
    made = qs.get_gradient_method("spsa", epsilon=0.05, samples=8, seed=3)
    expected = vjp(*arguments, gradient_method=made)
    values, gradients = qs.value_and_vjp(*arguments, gradient_method=CONFIG)
    awaited = asyncio.run(vjp_async(*arguments, gradient_method=CONFIG))
    for name, gradient in expected.gradients.items():
        np.testing.assert_array_equal(found.gradients[name], gradient)
        np.testing.assert_array_equal(gradients[name], gradient)
        np.testing.assert_array_equal(awaited.gradients[name], gradient)
    np.testing.assert_array_equal(values, expected.result.values)


def test_a_layer_takes_a_config_a_step_and_a_change_of_method():
    layer = QuantumLayer(n_qubits=2, depth=1, gradient_method=CONFIG)
    x = torch.rand(3, 2)
    found = []
    for step in (0, 0, 1):
        layer.gradient_step = step
        layer.zero_grad()
        layer(x).sum().backward()
        found.append(next(iter(layer.weights.values())).grad.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert layer.last_gradient.notes == ()
    layer.gradient_method = "parameter_shift"
    layer(x).sum().backward()
    assert layer.last_gradient.standard_errors is None


def test_configs_compare_and_show_what_they_say():
    assert GradientConfig() == GradientConfig(method="parameter_shift")
    assert GradientConfig(method="spsa", samples=2) != GradientConfig(method="spsa", samples=3)
    assert "samples=8" in repr(CONFIG)
    assert hash(GradientConfig(options={"ridge": 1}, method="natural")) == hash(
        GradientConfig(method="natural")
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"method": "adjoint", "epsilon": 0.1}, "Gradient method 'adjoint' does not take the options"),
        (
            {"method": "parameter_shift", "samples": 3},
            "Gradient method 'parameter_shift' does not take the options",
        ),
        (
            {"method": "finite_diff"},
            "No gradient method named 'finite_diff'. Did you mean 'finite_difference'",
        ),
        ({"method": "finite_difference", "options": {"form": "backward"}}, "form must be one of"),
        ({"method": "finite_difference", "epsilon": "1e-3"}, "epsilon must be a positive number, got '1e-3'"),
        ({"method": "natural", "options": {"ridge": True}}, "ridge must be a positive number, got True"),
        ({"method": "spsa", "samples": -1}, "samples must be an integer from 1 up, got -1"),
        (
            {"method": "spsa", "options": None},
            "options is a dict from an option's name to its value, got None",
        ),
    ],
)
def test_a_mistake_shows_where_it_is_written(arguments, text):
    with pytest.raises(OptionError, match=text):
        GradientConfig(**arguments)


@pytest.mark.parametrize("step", [-1, 0.5, True, "3"])
@pytest.mark.parametrize("method", ["parameter_shift", "spsa", "adaptive"])
def test_a_step_is_a_whole_number_whatever_the_method(method, step):
    with pytest.raises(OptionError, match="step, which counts training steps, must be an integer from 0 up"):
        vjp(mixed(), mixed_bindings(), OUTPUTS[0], gradient_method=method, step=step)


def test_a_step_may_be_one_of_numpys_integers():
    given = [
        vjp(mixed(), mixed_bindings(), OUTPUTS[0], gradient_method="spsa", step=step)
        for step in (3, np.int64(3))
    ]
    np.testing.assert_array_equal(given[0].gradients["w"], given[1].gradients["w"])


@pytest.mark.parametrize("method", ["parameter_shift", "finite_difference", "spsa", "natural", "adaptive"])
@pytest.mark.parametrize(
    "outputs", [qs.StateVector(), qs.Counts(), qs.Samples(), qs.DensityMatrix()], ids=repr
)
def test_outputs_without_a_derivative_are_refused_before_anything_runs(method, outputs):
    shots = 10 if isinstance(outputs, qs.Counts | qs.Samples) else None
    batch = CircuitBatch.of(mixed(), mixed_bindings(), outputs, shots=shots, seed=1)
    with pytest.raises(
        CapabilityError,
        match=f"no gradient of {type(outputs).__name__}|{type(outputs).__name__} has no gradient",
    ):
        differentiate(batch, NeverRuns(), gradient_method=method)


def test_the_adjoint_sweep_is_refused_with_shots_before_anything_runs():
    with pytest.raises(CapabilityError, match=r"shots leave no state to sweep back through.*parameter_shift"):
        vjp(mixed(), mixed_bindings(), OUTPUTS[0], shots=10, gradient_method="adjoint")


@pytest.mark.parametrize(
    ("settings", "outputs"),
    [
        ({"gradient_method": "adjoint", "shots": 10}, OUTPUTS[0]),
        ({"gradient_method": "natural"}, qs.StateVector()),
        ({"gradient_method": "no such"}, OUTPUTS[0]),
    ],
)
def test_a_layer_refuses_an_impossible_gradient_before_the_forward_pass(settings, outputs):
    layer = QuantumLayer(mixed(), outputs=outputs, backend=NeverRuns(), **settings)
    with pytest.raises((CapabilityError, OptionError)):
        layer(torch.zeros(3, 2))


def test_a_method_that_returns_something_else_is_named():
    class Old(ParameterShift):
        def combine(self, *arguments, **settings):
            found = super().combine(*arguments, **settings)
            return found.result, found.gradients

    with pytest.raises(PluginError, match=r"Old\.combine returned tuple, not a GradientResult"):
        vjp(mixed(), mixed_bindings(), OUTPUTS[0], gradient_method=Old())


class NeverRuns:
    name = "never"
    capabilities = qs.get_backend("statevector").capabilities

    def estimate(self, batch):
        raise AssertionError(batch)

    async def run(self, batch):
        raise AssertionError(batch)
