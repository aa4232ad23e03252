# SPDX-License-Identifier: Apache-2.0
"""Results: read strictly, counted exactly, sampled by stream key, bit k of an outcome being qubit k."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qstore as qs
from qstore.errors import ServiceError
from qstore_ionq.results import (
    Reading,
    child_ids,
    counts_from_probabilities,
    read_histogram,
    read_probabilities,
    read_shots,
)
from qstore_ionq.sampling import draw, uniforms


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "expected an object"),
        ({}, "there are no states"),
        ({"0": 0.5, "3": 0.4}, "the probabilities sum to 0.9, not to 1"),
        ({"0": 0.5, "3": 0.6}, "sum to 1.1"),
        ({"0": 1.5, "3": -0.5}, "state '3' has the value -0.5"),
        ({"0": "1.0"}, "state '0' has the value '1.0'"),
        ({"0": True}, "state '0' has the value True"),
        ({"0": None}, "state '0' has the value None"),
        ({"4": 1.0}, "state 4 is too wide, the circuit has 2 qubits"),
        ({"01": 0.5, "1": 0.5}, "state 1 stands there twice"),
        ({"-1": 1.0}, "'-1' is not a state"),
        ({"0x1": 1.0}, "'0x1' is not a state"),
        ({"٣": 1.0}, "is not a state"),
        ({"9" * 30: 1.0}, "is not a state"),
        ({"probabilities": {"registers": {"output_all": {"00": 1.0}}}}, "newer format, whose order of bits is not published"),
    ],
)  # fmt: skip
def test_damaged_probabilities_are_named(document, text):
    with pytest.raises(ServiceError) as caught:
        read_probabilities(document, 2, "Job 1")
    assert str(caught.value).startswith("Job 1: ")
    assert text in str(caught.value)


def test_probabilities_may_be_off_by_what_the_service_is_off():
    assert read_probabilities({"0": 0.500004, "3": 0.5}, 2, "x") == {0: 0.500004, 3: 0.5}


@pytest.mark.parametrize(
    ("document", "text"),
    [({"0": 60, "1": 30}, "has 90 shots, 100 were asked for"), ({"0": 99.5, "1": 0.5}, "99.5, not an integer"),
     ({"0": -1, "1": 101}, "value -1"), ({"0": 50, "9": 50}, "too wide")],
)  # fmt: skip
def test_damaged_histograms_are_named(document, text):
    with pytest.raises(ServiceError, match=text):
        read_histogram(document, 1, 100, "x")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"0": 1}, "expected a list"),
        (["0"], "1 shots came, 2 were"),
        (["0", "2"], "too wide"),
        (["0", None], "'None' is not"),
    ],
)
def test_damaged_shots_are_named(document, text):
    with pytest.raises(ServiceError, match=text):
        read_shots(document, 1, 2, "x")


def test_shots_are_read_in_their_order():
    assert read_shots(["2", "1", "0"], 2, 3, "x") == [2, 1, 0]


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any), st.floats(1 - 1e-5, 1 + 1e-5))
def test_counts_survive_the_way_through_probabilities(counts, scale):
    """A machine's probabilities are counts over shots, and their sum is a little off."""
    shots = sum(counts)
    reading = Reading(
        np.arange(len(counts)), np.array([round(count / shots * scale, 12) for count in counts])
    )
    whole = counts_from_probabilities(reading, shots)
    back = dict(zip(whole.outcomes.tolist(), whole.weights.tolist(), strict=True))
    assert back == {outcome: count for outcome, count in enumerate(counts) if count}


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda p: sum(p) > 0.01), st.integers(1, 10_000)
)
def test_counts_of_averaged_probabilities_are_the_nearest_whole_ones(weights, shots):
    reading = Reading(np.arange(len(weights)), np.array(weights))
    whole = counts_from_probabilities(reading, shots)
    assert whole.weights.sum() == shots
    exact = reading.weights / reading.weights.sum() * shots
    assert np.abs(whole.weights - exact[whole.outcomes]).max() < 1


def test_readings_are_relabelled_and_sorted():
    reading = Reading.of({3: 0.1, 0: 0.9}).relabelled(np.array([2, 1]))
    assert reading.outcomes.tolist() == [1, 2]
    assert reading.weights.tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("children", "expected"),
    [(["a", "b"], ["a", "b"]), (["a", "a"], [None, None]), (["a"], [None, None]), (None, [None, None]),
     (["a", 5], ["a", None]), (["a", ""], ["a", None]), (["a", "b", "c"], [None, None])],
)  # fmt: skip
def test_only_children_that_can_be_told_apart_are_taken_by_their_place(children, expected):
    assert child_ids(children, 2) == expected


def test_samples_are_those_of_the_embedded_simulator():
    """The same probabilities and seed give the same counts there and here, outcome by outcome."""
    circuit = qs.QuantumCircuit(3).h(0).ry(1, 0.7).cx(0, 2).rx(2, 1.1)
    exact = qs.run(circuit).values[0]
    batch = qs.CircuitBatch.of(circuit, outputs=qs.Samples(), shots=5000, seed=11)
    drawn = draw(np.arange(8), exact, 5000, int(batch.stream_keys[0]))
    bits = qs.run(circuit, outputs=qs.Samples(), shots=5000, seed=11).values[0]
    assert (bits @ (1 << np.arange(3)) == drawn).all()


def test_a_draw_depends_on_nothing_but_key_and_place():
    assert (uniforms(77, 0, 100)[40:60] == uniforms(77, 40, 60)).all()
    assert not (uniforms(77, 0, 100) == uniforms(78, 0, 100)).any()
    numbers = uniforms(2**64 - 1, 0, 200_000)
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    # Six standard errors of a mean of uniforms: a false alarm in 5e8 runs, and the key is fixed.
    assert abs(numbers.mean() - 0.5) < 6 / np.sqrt(12 * len(numbers))


def test_an_outcome_without_probability_is_never_drawn():
    drawn = draw(np.array([2, 5, 9]), np.array([0.0, 1e-9, 0.0]), 1000, 5)
    assert set(drawn.tolist()) == {5}
