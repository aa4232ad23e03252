# SPDX-License-Identifier: Apache-2.0
"""Batches: bindings of both kinds, outputs, stream keys that do not depend on how work is cut up."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qstore as qs
from qstore.batch import CircuitBatch
from qstore.circuit import Parameter, QuantumCircuit, Z
from qstore.errors import BindingError, OptionError

SHOTS = 100


def circuit():
    x, weights = Parameter("x", (2,)), Parameter("weights", (4, 8, 2))
    return QuantumCircuit(2).rx(0, x[0]).ry(1, x[1]).rz(0, weights[0, 0, 0]).rz(1, weights[3, 7, 1])


def bindings(rows=None, seed=0):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(2,) if rows is None else (rows, 2)), "weights": rng.normal(size=(4, 8, 2))}


def of(given_bindings, **settings):
    return CircuitBatch.of(circuit(), given_bindings, **({"shots": SHOTS, "seed": 7} | settings))


def test_the_shape_error_is_the_one_of_the_design():
    with pytest.raises(BindingError) as caught:
        of(bindings() | {"weights": np.zeros((4, 8))})
    assert str(caught.value) == "'weights' has shape (4, 8), the circuit needs (4, 8, 2) or (batch, 4, 8, 2)."


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"wieghts": 0},
            "'wieghts' is not a parameter of the circuit. Did you mean 'weights'? It has ['weights', 'x'].",
        ),
        ({"x": np.zeros((3, 3))}, "'x' has shape (3, 3), the circuit needs (2,) or (batch, 2)."),
        ({"x": np.zeros((2, 3, 2))}, "'x' has shape (2, 3, 2)"),
        ({"x": 0.5}, "'x' has shape ()"),
        ({"x": np.zeros((0, 2))}, "'x' has shape (0, 2): a batch has at least one row."),
        ({"x": [0.0, np.nan]}, "'x' has 1 entries that are NaN or infinite"),
        ({"x": [[np.inf, -np.inf]]}, "'x' has 2 entries that are NaN or infinite"),
        ({"x": [0.0, 1j]}, "'x' has dtype complex128; a binding is an array of real numbers."),
        ({"x": ["0", "1"]}, "'x' has dtype <U1"),
        ({"x": [0.0, None]}, "'x' has dtype object"),
        ({"x": [[0.0], [1.0, 2.0]]}, "'x' cannot be made an array of real numbers"),
        (
            {"x": np.zeros((3, 2)), "weights": np.zeros((5, 4, 8, 2))},
            "different batch sizes: {'weights': 5, 'x': 3}.",
        ),
    ],
)
def test_bindings_that_do_not_fit_are_refused_with_the_reason(change, text):
    with pytest.raises(BindingError, match=re.escape(text)):
        of(bindings() | change)


def test_missing_bindings_and_other_types_are_refused():
    with pytest.raises(
        BindingError, match=re.escape("No array for parameter 'weights'; the circuit needs (4, 8, 2)")
    ):
        of({"x": np.zeros(2)})
    with pytest.raises(BindingError, match="Bindings are a dict from parameter name to array, got list"):
        of([1, 2])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"shots": 0}, "shots must be an integer from 1"),
        ({"shots": -5}, "got -5"),
        ({"shots": 10.0}, "got 10.0"),
        ({"shots": True}, "got True"),
        ({"shots": 2**31}, "got 2147483648"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"seed": 2**64}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"outputs": Z(0)}, r"got Z(0). Wrap it: qs.Expectations([...])."),
        ({"outputs": "Counts"}, "outputs must be one of Expectations, Variance, Probabilities, Counts"),
        (
            {"outputs": qs.Expectations([Z(2)])},
            "Expectations names qubit 2; this circuit has the qubits 0 to 1.",
        ),
        ({"outputs": qs.Probabilities([0, 5])}, "Probabilities names qubit 5"),
        ({"outputs": qs.StateVector()}, "StateVector() is exact: leave shots out"),
        ({"outputs": qs.DensityMatrix()}, "DensityMatrix() is exact"),
        ({"outputs": qs.Counts(), "shots": None}, "Counts() is measured: give shots=1000"),
        ({"outputs": qs.Samples(), "shots": None}, "Samples() is measured"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_reason(settings, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        of(bindings(), **settings)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: qs.Expectations([]), "Expectations needs observables such as"),
        (lambda: qs.Expectations(5), "got 5"),
        (lambda: qs.Variance(["Z"]), "Variance needs observables"),
        (lambda: qs.Probabilities([0, 0]), "Probabilities needs different qubit numbers"),
        (lambda: qs.Probabilities([]), "from 0 up"),
        (lambda: qs.Probabilities(-1), "got -1"),
        (lambda: qs.Probabilities(0.5), "got 0.5"),
        (lambda: qs.Probabilities([True]), "got [True]"),
        (lambda: qs.DensityMatrix("01"), "got '01'"),
    ],
)
def test_outputs_check_what_they_name(make, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        make()


def test_outputs_are_values():
    assert qs.Expectations(Z(0)) == qs.Expectations([Z(0)]) == qs.Expectations(iter([Z(0)]))
    assert hash(qs.Probabilities([1, 0])) == hash(qs.Probabilities((1, 0)))
    assert qs.Probabilities(1) == qs.Probabilities([np.int64(1)])
    assert qs.Counts() == qs.Counts() != qs.Samples()


def test_defaults_are_counts_with_shots_and_probabilities_without():
    assert of(bindings()).outputs == qs.Counts()
    assert of(bindings(), shots=None).outputs == qs.Probabilities()


def test_shape_decides_between_shared_and_per_sample():
    batch = of(bindings(5))
    assert (batch.size, len(batch), batch.per_sample) == (5, 5, {"x"})
    assert batch.row_bindings(3)["x"].tolist() == batch.bindings["x"][3].tolist()
    assert of(bindings()).size == 1
    assert of(bindings(1)).per_sample == {"x"}


def test_bindings_are_read_only_float64_and_not_copied_in_vain():
    mine = bindings()
    batch = of(mine)
    assert np.shares_memory(batch.bindings["x"], mine["x"])
    with pytest.raises(ValueError, match="read-only"):
        batch.bindings["x"][0] = 1
    mine["x"][0] = 2  # the caller's own array stays writeable
    assert of(bindings() | {"x": np.array([1, 2], dtype=np.int8)}).bindings["x"].dtype == np.float64


def test_only_circuits_make_batches():
    with pytest.raises(OptionError, match="A circuit is a QuantumCircuit or its frozen Template, got str"):
        CircuitBatch.of("circuit")


@given(st.integers(1, 6), st.data())
def test_a_rows_key_depends_on_nothing_but_the_row(size, data):
    whole = of(bindings(size))
    order = data.draw(st.permutations(range(size)))
    shuffled = of(bindings(size) | {"x": bindings(size)["x"][list(order)]})
    assert shuffled.stream_keys.tolist() == whole.stream_keys[list(order)].tolist()
    for row in range(size):
        assert of(whole.row_bindings(row)).stream_keys.tolist() == [whole.stream_keys[row]]
    copies = {name: np.broadcast_to(array, (size, *array.shape[-array.ndim + (name == "x"):])) if name == "weights" else array
              for name, array in bindings(size).items()}  # fmt: skip
    assert of(copies).stream_keys.tolist() == whole.stream_keys.tolist()


def test_rows_that_are_equal_have_different_keys():
    same = bindings() | {"x": np.ones((4, 2))}
    keys = of(same).stream_keys
    assert len(set(keys.tolist())) == 4
    assert of(same | {"x": np.ones((2, 2))}).stream_keys.tolist() == keys[:2].tolist()


def test_keys_depend_on_seed_circuit_and_values():
    base = of(bindings()).stream_keys[0]
    other = CircuitBatch.of(circuit().h(0), bindings(), shots=SHOTS, seed=7).stream_keys[0]
    assert len({base, of(bindings(), seed=8).stream_keys[0], of(bindings(seed=1)).stream_keys[0], other}) == 4
    assert base == of(bindings(), shots=5, outputs=qs.Samples()).stream_keys[0]


def test_the_sign_of_zero_does_not_matter():
    assert of(bindings() | {"x": [0.0, 1.0]}).stream_keys == of(bindings() | {"x": [-0.0, 1.0]}).stream_keys


def test_without_a_seed_every_batch_is_fresh_and_records_its_own():
    first, second = of(bindings(), seed=None), of(bindings(), seed=None)
    assert first.seed != second.seed
    assert of(bindings(), seed=first.seed).stream_keys == first.stream_keys


def test_exact_batches_have_no_keys():
    with pytest.raises(OptionError, match=r"An exact batch \(shots=None\) has no stream keys"):
        _ = of(bindings(), shots=None, seed=None).stream_keys


def test_derived_batches_carry_their_rows_keys():
    batch = of(bindings(6))
    keys = batch.stream_keys.tolist()
    compiled = QuantumCircuit(2).rx(0, Parameter("x", (2,))[0]).freeze()
    assert batch.replace(circuit=compiled, bindings={"x": batch.bindings["x"]}).stream_keys.tolist() == keys
    assert batch.replace(shots=3, outputs=qs.Samples()).stream_keys.tolist() == keys
    assert batch.rows(2, 5).stream_keys.tolist() == keys[2:5]
    assert batch.rows(2, 5).bindings["x"].tolist() == batch.bindings["x"][2:5].tolist()
    assert batch.rows(2, 5).size == 3


def test_reprs_tell_the_size_and_the_way():
    assert re.fullmatch(
        r"<CircuitBatch: 3 rows of <Template .*>, Counts, 100 shots, seed 7>", repr(of(bindings(3)))
    )
    assert repr(of(bindings(), shots=None)).endswith("Probabilities, exact>")
    result = qs.BatchResult(counts=({1: 3, 2: 5},), n_qubits=2, backend="b", shots=8, seed=1)
    assert (
        repr(result)
        == "<BatchResult from 'b': counts of 1 rows, the first {'10': 5, '01': 3}, 8 shots, seed 1>"
    )
    assert result.bitstring_counts() == ({"01": 3, "10": 5},)
    with pytest.raises(OptionError, match="has no counts"):
        qs.BatchResult(values=np.zeros(1), n_qubits=1, backend="b").bitstring_counts()


def test_an_estimate_and_capabilities_are_plain_data():
    capabilities = qs.Capabilities(max_qubits=5)
    assert capabilities.summary() == "5 qubits, shots, free, local"
    assert (
        capabilities.with_changes(paid=True, local=False, noise=True).summary()
        == "5 qubits, shots, noise, paid, remote"
    )
