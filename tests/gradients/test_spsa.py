# SPDX-License-Identifier: Apache-2.0
"""Random directions: seeded, different by step and row, independent of how the batch was cut up."""

import numpy as np
import pytest

import qstore as qs
from gradients.models import OUTPUTS, mixed, mixed_bindings
from qstore.batch import CircuitBatch
from qstore.errors import OptionError
from qstore.gradients import vjp
from qstore.gradients.spsa import Spsa


def moved(method, rows=4, step=0, wrt=("x", "w")):
    """The moved bindings of a batch: (2, samples, B, ...) by name, and the batch's own."""
    batch = CircuitBatch.of(mixed(), mixed_bindings(rows), OUTPUTS[0])
    _, both = method.expand(batch, wrt=wrt, step=step)
    return {
        name: both.bindings[name].reshape(2, -1, rows, *batch.bindings[name].shape[name == "x" :])
        for name in wrt
    }


def test_both_sides_lie_at_the_same_distance_in_every_entry():
    found = moved(Spsa(0.1, samples=3))
    here = mixed_bindings(4)
    for name, array in found.items():
        above, below = array - here[name]
        np.testing.assert_allclose(np.abs(above), 0.1)
        np.testing.assert_allclose(above, -below)


def test_the_step_shrinks_the_move_by_the_stated_power():
    for step in (0, 1, 9):
        above, _ = moved(Spsa(0.1, decay=0.5), step=step)["w"] - mixed_bindings()["w"]
        np.testing.assert_allclose(np.abs(above), 0.1 / (step + 1) ** 0.5)
    with pytest.raises(OptionError, match="must be an integer from 0 up, got -1"):
        moved(Spsa(), step=-1)


def test_directions_repeat_with_the_seed_and_change_with_seed_step_row_and_sample():
    first = moved(Spsa(0.1, samples=4))
    assert all(np.array_equal(first[name], array) for name, array in moved(Spsa(0.1, samples=4)).items())
    assert not np.array_equal(first["w"], moved(Spsa(0.1, samples=4, seed=1))["w"])
    assert not np.array_equal(np.sign(first["w"] - mixed_bindings()["w"]),
                              np.sign(moved(Spsa(0.1, samples=4), step=1)["w"] - mixed_bindings()["w"]))  # fmt: skip
    signs = np.concatenate(
        [(first[name][0] - mixed_bindings(4)[name]).reshape(4, 4, -1) > 0 for name in first], axis=2
    )
    assert len({signs[sample, row].tobytes() for sample in range(4) for row in range(4)}) > 12


def test_a_rows_directions_do_not_depend_on_the_batch_it_travels_in_nor_on_what_else_is_asked_for():
    together, bindings = moved(Spsa(samples=2), rows=4), mixed_bindings(4)
    batch = CircuitBatch.of(mixed(), {"x": bindings["x"][2:3], "w": bindings["w"]}, OUTPUTS[0])
    _, alone = Spsa(samples=2).expand(batch, wrt=("x", "w"), step=0)
    for name in together:
        np.testing.assert_array_equal(
            together[name][:, :, 2].reshape(alone.bindings[name].shape), alone.bindings[name]
        )
    np.testing.assert_array_equal(moved(Spsa(), wrt=("w",))["w"], moved(Spsa())["w"])


def test_signs_are_fair_and_independent():
    """4096 directions of six signs: means and products have standard deviation 1/64; five of them bound all 21."""
    found = moved(Spsa(0.1, samples=1024))
    signs = np.concatenate(
        [np.sign(found[n][0] - mixed_bindings(4)[n]).reshape(4096, -1) for n in found], axis=1
    )
    moments = signs.T @ signs / 4096 - np.eye(6)
    assert np.abs(moments).max() < 5 / 64
    assert np.abs(signs.mean(axis=0)).max() < 5 / 64


def test_directions_of_its_own_for_every_row_keep_the_noise_of_a_large_batch_down():
    """Equal rows: with one direction for all, the relative noise would not fall with the batch."""
    bindings = mixed_bindings(1) | {"x": np.tile(mixed_bindings(1)["x"], (64, 1))}
    large = vjp(mixed(), bindings, OUTPUTS[0], gradient_method=Spsa(1e-3, samples=16))
    small = vjp(mixed(), mixed_bindings(1), OUTPUTS[0], gradient_method=Spsa(1e-3, samples=16))
    relative = [np.linalg.norm(f.standard_errors["w"]) / (f.result.values.shape[0]) for f in (large, small)]
    assert relative[0] < 0.25 * relative[1]


def test_more_than_sixty_four_entries_take_more_than_one_word():
    w = qs.Parameter("w", (150,))
    circuit = qs.QuantumCircuit(1)
    for entry in w:
        circuit.rx(0, entry)
    batch = CircuitBatch.of(circuit, {"w": np.zeros(150)}, qs.Expectations([qs.Z(0)]))
    _, both = Spsa(0.1).expand(batch, wrt=("w",), step=0)
    signs = both.bindings["w"][0] > 0
    assert not np.array_equal(signs[:64], signs[64:128])
    assert 40 < signs.sum() < 110


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epsilon": 0}, "epsilon must be a positive number, got 0"),
        ({"epsilon": True}, "epsilon must be a positive number, got True"),
        ({"samples": 0}, "samples must be an integer from 1 up, got 0"),
        ({"samples": 1.5}, "samples must be an integer from 1 up, got 1.5"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"decay": -0.1}, "decay must be a number from 0 up"),
    ],
)
def test_options_out_of_range_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        Spsa(**options)
