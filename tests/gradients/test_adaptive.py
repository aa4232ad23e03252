# SPDX-License-Identifier: Apache-2.0
"""The adaptive rule, line by line, and that it stays a pure function of (batch, step) and of the losses it was given."""

import numpy as np
import pytest

import qstore as qs
from gradients.models import OUTPUTS, mixed, mixed_bindings
from qstore.errors import OptionError
from qstore.gradients import GradientConfig, vjp
from qstore.gradients.adaptive import Adaptive


def after(losses, **options):
    method = Adaptive(window=4, **options)
    for loss in losses:
        method = method.observed(loss)
    return method


FALLING = [10.0, 9, 8, 7]
FLATTENING = [10.0, 5, 2, 1, 1, 0.9, 0.8, 0.7]
FLAT = [10.0, 1, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("losses", "step", "expected"),
    [
        ([], 0, "spsa"),
        ([], 9, "spsa"),
        (FLAT, 9, "spsa"),  # the warm-up comes first
        ([], 10, "parameter_shift"),
        ([], 11, "spsa"),
        (FALLING[:3], 11, "spsa"),
        (FALLING, 11, "spsa"),
        (FALLING, 20, "parameter_shift"),
        (FLATTENING, 11, "parameter_shift"),
        (FLAT, 11, "natural"),
        ([1.0, 2, 3, 4], 11, "natural"),  # nothing has improved yet
        ([1.0, 0.1, 0.1, 0.2, 0.3, 0.4], 11, "natural"),  # it gets worse again
    ],
)
def test_the_rule(losses, step, expected):
    assert after(losses).chosen(step) == expected


def test_progress_is_a_share_of_all_improvement_and_knows_no_units():
    assert after(FALLING).progress == pytest.approx(2 / 3)
    assert after([1000 * loss + 7 for loss in FALLING]).progress == pytest.approx(2 / 3)
    assert after(FALLING[:3]).progress is None


def test_observing_makes_a_new_method_of_bounded_size():
    method = after([])
    assert method.observed(1.0) is not method
    assert method.losses == ()
    assert len(after(np.linspace(1, 0, 500)).losses) == 4
    assert after(FALLING) == after(FALLING)
    with pytest.raises(OptionError, match="A loss must be a finite number, got nan"):
        method.observed(float("nan"))


@pytest.mark.parametrize(("losses", "step"), [([], 0), (FLATTENING, 11), (FLAT, 11)])
def test_it_is_the_chosen_method(losses, step):
    method = after(losses)
    arguments = (mixed(), mixed_bindings(), OUTPUTS[0])
    name = method.chosen(step)
    found = vjp(*arguments, gradient_method=method, step=step)
    expected = vjp(*arguments, gradient_method=name, step=step)
    for parameter, gradient in expected.gradients.items():
        np.testing.assert_array_equal(found.gradients[parameter], gradient)
    assert found.notes == (f"adaptive: {name} in step {step}", *expected.notes)


def test_a_circuit_without_a_metric_gets_parameter_shift_when_progress_stalls():
    found = vjp(
        mixed().bit_flip(0, p=0.1), mixed_bindings(), OUTPUTS[0], gradient_method=after(FLAT), step=11
    )
    assert found.notes == ("adaptive: parameter_shift in step 11",)


def test_training_with_it_reaches_the_minimum_of_a_small_problem():
    circuit, bindings = mixed(), mixed_bindings(4)
    method = GradientConfig(method="adaptive", samples=2, options={"window": 6, "warmup": 5}).made
    used, losses = set(), []
    for step in range(100):
        found = vjp(
            circuit,
            bindings,
            qs.Expectations([qs.Z(0)]),
            np.full((4, 1), 0.25),
            gradient_method=method,
            step=step,
        )
        loss = float(found.result.values.mean())
        losses.append(loss)
        used.add(method.chosen(step))
        method = method.observed(loss)
        bindings["w"] = bindings["w"] - 0.1 * found.gradients["w"]
    assert used == {"spsa", "parameter_shift", "natural"}
    assert losses[-1] < losses[0] - 1
    assert losses[-1] == pytest.approx(min(losses), abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"warmup": -1},
        {"interval": 0},
        {"window": 3},
        {"window": 0},
        {"window": 2.0},
        {"warmup": 1.5},
        {"stalled": "none"},
        {"converging": 0.1, "stalled": 0.2},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError):
        Adaptive(**options)
