# SPDX-License-Identifier: Apache-2.0
"""Stores by name: what is installed is opened, anything else is refused with what to do; the kit's own checks of stores."""

from dataclasses import replace

import pytest

from qstore.errors import BackendUnavailable, OptionError, PluginError
from qstore.plugins import StoreSpec, loaded_plugins, open_store, stores
from qstore.plugins.registry import Registered, Registry
from qstore.testing.examine import examine
from qstore.testing.selfcheck import store_trials
from qstore.testing.stores import CHECKS, StoreExam
from qstore.testing.stores.memory import MemoryCheckpoints

MEMORY = "qstore.testing.stores.memory"


def spec(name, factory, *aliases):
    return StoreSpec(name=name, summary="in memory", factory=factory, api_version=(1, 0), aliases=aliases)


@pytest.fixture
def installed(monkeypatch):
    specs = (
        spec("checkpoints.memory", f"{MEMORY}:MemoryCheckpoints", "checkpoints"),
        spec("metrics.wrong", f"{MEMORY}:MemoryCheckpoints"),
    )
    entries = {name: Registered(each, "acme 1.0") for each in specs for name in (each.name, *each.aliases)}
    monkeypatch.setattr(stores, "loaded_plugins", lambda: replace(loaded_plugins(), stores=Registry(entries)))


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints.memory"])
def test_a_store_is_opened_by_its_name_or_by_its_kind(installed, tmp_path, name):
    assert isinstance(open_store(name, directory=tmp_path), MemoryCheckpoints)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("models", OptionError, "begins with checkpoints, metrics, states"),
        (None, OptionError, "got None"),
        ("checkpoints.memroy", BackendUnavailable, "Did you mean 'checkpoints.memory'"),
        ("states", BackendUnavailable, "pip install qstore-storage"),
        ("metrics.wrong", PluginError, "which is no MetricsStore"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(installed, tmp_path, name, error, says):
    with pytest.raises(error, match=says):
        open_store(name, directory=tmp_path)


def test_an_option_that_the_store_does_not_take_is_named(installed, tmp_path):
    with pytest.raises(OptionError, match="'path'"):
        open_store("checkpoints", path=tmp_path)


@pytest.mark.parametrize(("name", "run"), store_trials())
def test_the_kit_catches_every_planted_fault_and_accuses_no_good_store(name, run):
    found = run()
    assert found.right, f"{name}: {found.caught_by} {found.why}"


def test_a_store_is_examined_by_the_path_of_its_factory():
    card = examine("store", CHECKS, StoreExam.of(f"metrics={MEMORY}:MemoryMetrics"))
    assert card.passed, card.text()
    assert card.coverage == 1.0  # what is about other kinds is left out


def test_where_an_option_says_folder_the_store_is_opened_there():
    exam = StoreExam.of(f"checkpoints={MEMORY}:MemoryCheckpoints", options={"directory": "{folder}/deep"})
    assert examine("store", [check for check in CHECKS if check.name == "checkpoints/steps"], exam).passed
    assert any(path.name == "deep" for path in MemoryCheckpoints.kept)
