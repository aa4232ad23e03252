# SPDX-License-Identifier: Apache-2.0
"""With shots every method is right within its standard errors, and the standard errors are neither small nor large.

Confidence: for each case the z scores of all entries over RUNS seeds are pooled. With calibrated errors the mean of z**2
is 1 with a standard deviation of at most sqrt(2 / RUNS) (entries of one run may depend on each other fully); it must lie
within five of these, as it does by chance in all but one of a million cases. The seeds are fixed.
"""

import numpy as np
import pytest

import qstore as qs
from gradients.models import MODELS, OUTPUTS, mixed, mixed_bindings, width
from judges.random_circuits import random_circuit, random_observable
from qstore.gradients import vjp
from qstore.gradients.finite_difference import FiniteDifference
from qstore.gradients.natural import Natural
from qstore.gradients.parameter_shift import ParameterShift
from qstore.gradients.sampled import BOUNDED
from qstore.gradients.spsa import ONE_SAMPLE, Spsa

RUNS = 60
SHOTS = 1000
LIMIT = 5 * np.sqrt(2 / RUNS)
METHODS = [
    ParameterShift(), FiniteDifference(0.2), FiniteDifference(0.2, "forward"), Natural(0.05), Spsa(0.1, samples=32),
]  # fmt: skip


def z_scores(circuit, bindings, outputs, cotangent, method, runs=RUNS):
    """(runs, entries): distances from the same method's exact answer (its bias included) in standard errors."""
    arguments = (circuit, bindings, outputs, cotangent)
    reference = vjp(
        *arguments, gradient_method="parameter_shift" if isinstance(method, Spsa) else method
    ).gradients
    rows = []
    for seed in range(runs):
        found = vjp(
            *arguments,
            shots=SHOTS,
            seed=seed,
            gradient_method=method,
            step=seed if isinstance(method, Spsa) else 0,
        )
        assert found.notes == () or "initialize" in found.notes[0]
        rows.append(np.concatenate([scores(found, reference, name) for name in reference]))
    return np.array(rows)


def scores(found, reference, name):
    """What no outcome depends on must be right to rounding, and counts for nothing."""
    distance, error = (found.gradients[name] - reference[name]).ravel(), found.standard_errors[name].ravel()
    known = error < 1e-12
    assert np.allclose(distance[known], 0, atol=1e-9)
    return np.where(known, np.nan, distance / np.where(known, 1, error))


def calibrations():
    """Every method on every model and output; those that meet no code of their own are left to `-m slow`."""
    for model in MODELS:
        for outputs in OUTPUTS:
            kind = type(outputs).__name__
            for method in METHODS:
                everyday = model == "angles" and isinstance(outputs, qs.Variance)
                everyday |= isinstance(method, ParameterShift) and (model, kind) != ("angles", "Expectations")
                marks = () if everyday else (pytest.mark.slow,)
                yield pytest.param(model, outputs, method, id=f"{model}-{kind}-{method!r}", marks=marks)


@pytest.mark.parametrize(("model", "outputs", "method"), list(calibrations()))
def test_standard_errors_are_calibrated(model, outputs, method):
    make, bindings = MODELS[model]
    cotangent = np.random.default_rng(4).normal(size=(2, width(outputs)))
    found = z_scores(make(), bindings(), outputs, cotangent, method)
    assert abs((found**2).mean() - 1) < LIMIT
    # Every entry by itself: the mean of RUNS scores is normal about the bias, which is small beside one run's error.
    assert (np.abs(found.mean(axis=0)) < 0.5 + 5 / np.sqrt(RUNS)).all()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
@pytest.mark.parametrize("method", [ParameterShift(), FiniteDifference(0.2)], ids=repr)
def test_standard_errors_are_calibrated_on_random_circuits(seed, method):
    rng = np.random.default_rng([seed, 3])
    circuit, bindings = random_circuit(rng, 3, 10)
    outputs = qs.Expectations([random_observable(rng, 3), qs.Z(2), qs.Z(0) @ qs.Z(1)])
    found = z_scores(circuit, bindings, outputs, rng.normal(size=(3, 3)), method, runs=20)
    assert abs(np.nanmean(found**2) - 1) < 5 * np.sqrt(2 / 20)


def test_observables_measured_in_the_same_shots_are_not_taken_for_independent():
    """Z on both halves of a Bell pair agree always: their difference is known exactly, and so is its gradient."""
    circuit = qs.QuantumCircuit(2).ry(0, "t").cx(0, 1)
    outputs = qs.Expectations([qs.Z(0), qs.Z(1)])
    found = vjp(circuit, {"t": 0.7}, outputs, [[1.0, -1.0]], shots=500, seed=1)
    assert found.gradients["t"] == found.standard_errors["t"] == 0
    together = vjp(circuit, {"t": 0.7}, outputs, [[1.0, 1.0]], shots=500, seed=1)
    alone = vjp(circuit, {"t": 0.7}, outputs, [[1.0, 0.0]], shots=500, seed=1)
    assert together.standard_errors["t"] == pytest.approx(2 * alone.standard_errors["t"])


class Estimating:
    """A backend that estimates expectations by itself and says nothing of their correlations."""

    name = "estimating"

    def __init__(self):
        inner = qs.get_backend("statevector")
        self.capabilities = inner.capabilities.with_changes(
            exact_outputs=frozenset(),
            differentiable_outputs=frozenset(),
            shot_outputs=frozenset({"Expectations"}),
        )

    def estimate(self, batch):
        return qs.get_backend("statevector").estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        return qs.run(
            batch.circuit,
            dict(batch.bindings),
            batch.outputs,
            shots=batch.shots,
            seed=int(batch.stream_keys[0] >> 1),
        )


def test_where_correlations_are_unknown_the_errors_are_bounds_and_say_so():
    arguments = (mixed(), mixed_bindings(), OUTPUTS[0], np.ones((2, 3)))
    known = vjp(*arguments, shots=SHOTS, seed=1, gradient_method="parameter_shift")
    bounds = vjp(*arguments, shots=SHOTS, seed=1, gradient_method="parameter_shift", backend=Estimating())
    assert known.notes == ()
    assert bounds.notes == (BOUNDED,)
    for name, errors in known.standard_errors.items():
        assert (bounds.standard_errors[name] > 0.9 * errors).all()  # two estimates of two numbers
    one = vjp(
        mixed(), mixed_bindings(), qs.Expectations([qs.Z(0)]), shots=SHOTS, seed=1, backend=Estimating()
    )
    assert one.notes == ()


def test_one_direction_has_no_standard_error_and_the_reason_is_in_the_notes():
    found = vjp(mixed(), mixed_bindings(), OUTPUTS[0], gradient_method="spsa")
    assert all(np.isnan(errors).all() for errors in found.standard_errors.values())
    assert found.notes == (ONE_SAMPLE,)
    assert ONE_SAMPLE.startswith("standard errors are NaN: one direction says nothing")


def test_a_single_shot_is_bounded_by_the_coefficients():
    circuit = qs.QuantumCircuit(1).rx(0, "t")
    found = vjp(circuit, {"t": 0.3}, qs.Expectations([3 * qs.Z(0)]), shots=1, seed=1)
    assert found.standard_errors["t"] == pytest.approx(3 / np.sqrt(2))


def test_averages_over_trajectories_bring_their_errors_into_the_gradient():
    circuit = qs.QuantumCircuit(1).rx(0, "t").depolarizing(0, p=0.2)
    backend = qs.get_backend("statevector", trajectories=200)
    found = vjp(
        circuit, {"t": 0.3}, qs.Expectations([qs.Z(0)]), backend=backend, gradient_method="parameter_shift"
    )
    assert 0 < found.standard_errors["t"] < 0.2
