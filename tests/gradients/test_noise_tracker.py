# SPDX-License-Identifier: Apache-2.0
"""Norm, variance and signal-to-noise of gradients come from estimators, never from drift, in bounded memory."""

import numpy as np
import pytest

from gradients.models import OUTPUTS, mixed, mixed_bindings
from qstore.errors import OptionError
from qstore.gradients import GradientNoiseTracker, vjp


def gradient(shots, seed, method="parameter_shift"):
    return vjp(mixed(), mixed_bindings(), OUTPUTS[0], shots=shots, seed=seed, gradient_method=method)


def test_norm_and_variance_are_those_of_the_result():
    found = gradient(500, 1)
    noise = GradientNoiseTracker().update(found)
    assert noise.norm**2 == pytest.approx(sum((g**2).sum() for g in found.gradients.values()))
    assert noise.variance == pytest.approx(sum((e**2).sum() for e in found.standard_errors.values()))
    assert noise.signal_to_noise == pytest.approx(((noise.norm**2 - noise.variance) / noise.variance) ** 0.5)
    assert GradientNoiseTracker().update(dict(found.gradients), found.standard_errors) == noise


def test_repeated_draws_and_standard_errors_tell_the_same_variance():
    """Sixteen means of draws against their standard errors: the ratio has a relative error below 0.2; seeds are fixed."""
    draws = [gradient(500, seed) for seed in range(16)]
    tracker = GradientNoiseTracker()
    by_draws = tracker.update(draws).variance * 16
    by_errors = np.mean([tracker.update(draw).variance for draw in draws])
    assert by_draws == pytest.approx(by_errors, rel=0.6)


def test_drift_is_not_noise():
    tracker = GradientNoiseTracker()
    for step in range(20):
        noise = tracker.update({"w": np.array([100.0 * step, 1.0])}, {"w": np.array([0.1, 0.1])})
        assert noise.variance == pytest.approx(0.02)
    assert tracker.mean.variance == pytest.approx(0.02)


def test_exact_gradients_have_no_noise_and_unknown_noise_is_nan():
    tracker = GradientNoiseTracker()
    assert tracker.update(gradient(None, None)).signal_to_noise == np.inf
    assert tracker.update({"w": np.zeros(2)}).signal_to_noise == 0
    unknown = tracker.update(gradient(None, None, "spsa"))
    assert np.isnan(unknown.variance)
    assert np.isnan(unknown.signal_to_noise)
    assert tracker.mean.variance == 0  # of those that are known


def test_noise_alone_has_no_signal():
    noise = GradientNoiseTracker().update({"w": np.array([0.1])}, {"w": np.array([0.2])})
    assert noise.signal_to_noise == 0


def test_memory_is_bounded_by_the_window():
    tracker = GradientNoiseTracker(window=3)
    for number in range(10):
        tracker.update({"w": np.full(1000, float(number))})
    assert len(tracker) == 3
    assert [noise.norm for noise in tracker.recent] == pytest.approx([n * 1000**0.5 for n in (7, 8, 9)])
    assert all(isinstance(number, float) for noise in tracker.recent for number in noise)


@pytest.mark.parametrize("window", [0, -1, 1.5, True])
def test_a_window_is_a_positive_number(window):
    with pytest.raises(OptionError, match="window must be an integer from 1 up"):
        GradientNoiseTracker(window)


def test_what_says_nothing_is_refused():
    tracker = GradientNoiseTracker()
    with pytest.raises(OptionError, match="at least two draws, got 1"):
        tracker.update([gradient(50, 1)])
    with pytest.raises(OptionError, match="the same parameters and shapes"):
        tracker.update([{"w": np.zeros(2)}, {"w": np.zeros(3)}])
    with pytest.raises(OptionError, match="the same parameters and shapes"):
        tracker.update({"w": np.zeros(2)}, {"v": np.zeros(2)})
    with pytest.raises(OptionError, match="No gradient with a known variance"):
        _ = tracker.mean


def test_more_shots_raise_the_signal_to_noise_by_their_root():
    tracker = GradientNoiseTracker()
    few, many = (tracker.update(gradient(shots, 3)).signal_to_noise for shots in (500, 50_000))
    assert many / few == pytest.approx(10, rel=0.3)
