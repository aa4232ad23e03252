# SPDX-License-Identifier: Apache-2.0
"""A small part of `python -m faults.service`: a cell of every kind, with three seeds, and the control arm."""

import pytest

from faults.service.grid import FAULTS, Case, run
from faults.service.naive import duplicates
from qstore_ionq.emulator import Emulator

CELLS = [
    Case("submit: reset after", 1, "first", "ionq.aria-1"),
    Case("submit: reset after", 20, "third", "ionq.simulator"),
    Case("submit: 503 after", 20, "first", "ionq.aria-1"),
    Case("submit: 502 before", 1, "every", "ionq.aria-1"),
    Case("submit: 429, soon", 1, "first", "ionq.simulator"),
    Case("job: reset", 20, "third", "ionq.aria-1"),
    Case("result: reordered", 20, "every", "ionq.aria-1"),
    Case("result: negative", 1, "every", "ionq.simulator"),
]


@pytest.fixture(scope="module")
def emulator():
    with Emulator(speed=float("inf")) as running:
        yield running


@pytest.mark.parametrize("case", CELLS, ids=str)
def test_a_cell_of_the_grid(emulator, case, tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    assert case.fault in FAULTS
    assert run(case, emulator, 3) == []


def test_a_client_that_simply_tries_again_pays_twice(emulator):
    assert duplicates(emulator, 200) >= 10
