# SPDX-License-Identifier: Apache-2.0
"""A state folder and a key for every test, and an emulator for a whole file."""

import pytest

from ionq.fakes import KEY
from qstore.execution import journal
from qstore_ionq import facts


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Nothing of the machine's own: no journal, no key, no address that leads out of it."""
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    monkeypatch.setenv("QSTORE_IONQ_URL", "http://127.0.0.1:9/v0.4")
    monkeypatch.delenv("QSTORE_RUN", raising=False)
    monkeypatch.setattr(facts, "_known", {})
    yield
    for opened in journal._journals.values():
        opened.close()
    journal._journals.clear()


@pytest.fixture(scope="module")
def running_emulator():
    from qstore_ionq.emulator import Emulator

    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator, monkeypatch):
    """A fresh emulator, known to all backends by its address."""
    running_emulator.clear_faults()
    running_emulator.reset()
    monkeypatch.setenv("QSTORE_IONQ_URL", running_emulator.url)
    return running_emulator
