# SPDX-License-Identifier: Apache-2.0
"""A small part of `python -m load.executor`, in seconds; what depends on the machine's other work is not judged here."""

import pytest

from load import runs


def without_times(problems):
    return [
        problem for problem in problems if "late by" not in problem and "bytes per circuit" not in problem
    ]


def test_twenty_circuits_are_one_request():
    _, problems = runs.twenty()
    assert not problems


@pytest.mark.parametrize("batch_size", ["adaptive", 1])
def test_two_thousand_circuits_are_never_more_than_a_hundred_at_a_time(batch_size):
    _, problems = runs.delayed(2000, latency_s=0.005, batch_size=batch_size)
    assert not without_times(problems)


def test_samples_wait_side_by_side():
    _, problems = runs.samples(latency_s=0.1)
    assert not problems


def test_three_hundred_circuits_through_http(tmp_path, monkeypatch):
    from qstore.execution import journal
    from qstore_ionq.emulator import Emulator

    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    monkeypatch.setenv("IONQ_API_KEY", "test")
    with Emulator(seed=1, speed=float("inf")) as emulator:
        _, problems = runs.twenty(emulator.root)
        assert not problems
        _, problems = runs.emulated(emulator.root, 300)
        assert not without_times(problems)
        _, problems = runs.emulated(emulator.root, 30, batch_size=1)
        assert not without_times(problems)
    for opened in journal._journals.values():
        opened.close()
    journal._journals.clear()
