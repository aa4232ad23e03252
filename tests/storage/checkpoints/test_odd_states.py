# SPDX-License-Identifier: Apache-2.0
"""States that look like data and are more, or less: refused when they are saved, never found missing when they are loaded."""

import collections
import logging

import numpy as np
import pytest

import torch
from qstore.errors import NotStored, OptionError
from qstore_storage.checkpoints import CheckpointManager


class Unwilling:
    """As a key of JAX's, or a symbolic tensor: has `__array__`, and will not."""

    def __init__(self, error):
        self._error = error

    def __array__(self, *args, **kwargs):
        raise self._error


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.ma.masked_array([1.0, 2.0], [True, False]), "masked array"),
     (np.array(["a", "bb"], dtype=np.dtypes.StringDType()), "which a checkpoint does not hold"),
     (Unwilling(NotImplementedError("symbolic")), "cannot be read as an array: symbolic"),
     (Unwilling(TypeError("a key")), "cannot be read as an array: a key"),
     (1 << 100_000, "an integer of 100001 bits"), (-(1 << 80_000), "an integer of 80001 bits")],
    ids=["masked", "strings", "symbolic", "key", "long", "negative"],
)  # fmt: skip
def test_what_would_come_back_as_something_else_is_refused_with_its_place(tmp_path, value, text):
    with CheckpointManager(tmp_path) as checkpoints:
        with pytest.raises(OptionError, match=rf"model_state\['x'\] .*{text}"):
            checkpoints.save(1, {"x": value})
        with pytest.raises(NotStored):
            checkpoints.load()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_are_refused(tmp_path):
    with (
        CheckpointManager(tmp_path) as checkpoints,
        pytest.raises(OptionError, match=r"model_state\['x'\] is a nested tensor"),
    ):
        checkpoints.save(1, {"x": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])})


def test_the_longest_integers_that_are_saved_are_loaded(tmp_path):
    numbers = [(1 << 79_980), -(1 << 79_980), 2**63, -(2**63) - 1]
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, numbers)
        assert checkpoints.load().model_state == numbers


def test_a_view_of_every_other_byte_is_kept(tmp_path):
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, memoryview(b"abcdef")[::2])
        assert checkpoints.load().model_state == b"ace"


def schedule(optimizer):
    schedules = torch.optim.lr_scheduler
    return schedules.SequentialLR(
        optimizer,
        [schedules.ConstantLR(optimizer, 1.0, 1), schedules.MultiStepLR(optimizer, [1, 1, 3])],
        milestones=[3],
    )


def rates(optimizer, scheduler, steps):
    found = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
def test_a_schedule_that_counts_its_milestones_goes_on(tmp_path):
    # MultiStepLR asks the Counter of its state for `elements()` when SequentialLR begins it.
    whole = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    expected = rates(whole, schedule(whole), 8)
    first, second = (torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0) for _ in range(2))
    scheduler = schedule(first)
    before = rates(first, scheduler, 2)
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, first.state_dict(), scheduler.state_dict())
        found = checkpoints.load()
        counts = checkpoints.describe(1)["entries"]
    second.load_state_dict(found.model_state)
    scheduler = schedule(second)
    scheduler.load_state_dict(found.optimizer_state)
    assert before + rates(second, scheduler, 6) == expected
    assert any("milestones" in name for name in counts)


def test_counters_stay_counters(tmp_path):
    with CheckpointManager(tmp_path) as checkpoints:
        checkpoints.save(1, {"seen": collections.Counter({(1, 2): 3, "a": -1})})
        found = checkpoints.load().model_state["seen"]
    assert type(found) is collections.Counter
    assert found == {(1, 2): 3, "a": -1}


def test_a_step_below_those_that_are_kept_is_not_let_go_of_as_soon_as_it_is_saved(tmp_path, caplog):
    with CheckpointManager(tmp_path, keep=1) as checkpoints:
        checkpoints.save(10, {"w": 10})
        checkpoints.wait()
        with caplog.at_level(logging.WARNING, "qstore.storage.checkpoints"):
            checkpoints.save(5, {"w": 5})
            checkpoints.wait()
        assert checkpoints.load(5).model_state == {"w": 5}
        assert "Step 5 is below" in caplog.text
        checkpoints.save(6, {"w": 6})
        checkpoints.wait()
        assert [info.step for info in checkpoints.list_checkpoints()] == [6, 10]
        checkpoints.save(11, {"w": 11})
        checkpoints.wait()
        assert [info.step for info in checkpoints.list_checkpoints()] == [11]


def test_a_home_of_nobody_is_refused():
    with pytest.raises(OptionError, match="nosuchuser"):
        CheckpointManager("~nosuchuser/run")
