# SPDX-License-Identifier: Apache-2.0
"""The conformance kit on our own, in short; `nox -s conformance` runs all of it on everything that is installed."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from qstore.plugins import loaded_plugins
from qstore.testing import StrictBackend, examine_backend
from qstore.testing.checks import BACKEND_CHECKS
from qstore.testing.examine import examine
from qstore.testing.faults.backend_faults import BACKEND_FAULTS
from qstore.testing.faults.other_faults import COMPILER_FAULTS, CONVERTER_FAULTS, GRADIENT_FAULTS
from qstore.testing.faults.store_faults import STORE_FAULTS
from qstore.testing.stores import CHECKS, StoreExam

SHORT = (
    "honesty",
    "facts",
    "bit order",
    "small things",
    "bindings",
    "outputs",
    "shots",
    "seeds",
    "estimates",
    "bad input",
)


@pytest.mark.parametrize("backend", ["strict", "loopback", "statevector"])
def test_our_backends_keep_their_contract(backend):
    card = examine_backend(backend, only=SHORT)
    assert card.passed, card.text()
    assert len(card.verdicts) > 120


def test_there_are_enough_checks_each_with_a_name_of_its_own():
    assert len(BACKEND_CHECKS) >= 150
    assert len({check.name for check in BACKEND_CHECKS}) == len(BACKEND_CHECKS)
    assert all(check.about for check in BACKEND_CHECKS)


def test_there_are_enough_planted_faults():
    faults = [*BACKEND_FAULTS, *CONVERTER_FAULTS, *COMPILER_FAULTS, *GRADIENT_FAULTS, *STORE_FAULTS]
    assert len(BACKEND_FAULTS) >= 40
    assert len({id(fault) for fault in faults}) == len(faults)


def test_coverage_falls_with_what_is_not_declared():
    everything = examine_backend("strict", only=["outputs", "noise"])
    little = examine_backend("loopback", only=["outputs", "noise"])
    assert everything.coverage == 1.0
    assert little.passed
    assert little.coverage < 0.4
    assert "not claimed" in little.text()


def pytest_run(tmp_path, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
    )


def test_the_command_prints_a_card_and_its_exit_code_is_the_verdict(tmp_path):
    done = pytest_run(
        tmp_path,
        "--pyargs",
        "qstore.testing",
        "--qstore-backend",
        "loopback",
        "--qstore-only",
        "small things",
    )
    assert done.returncode == 0, done.stdout
    assert "Report card of backend loopback" in done.stdout
    assert "coverage 100%, 0 broken, 0 not claimed" in done.stdout


BROKEN = """
from dataclasses import replace
from qstore.testing import StrictBackend


class Broken(StrictBackend):
    def estimate(self, batch):
        return replace(super().estimate(batch), usd=1)
"""


def test_a_broken_claim_fails_the_run(tmp_path):
    (tmp_path / "broken_backend.py").write_text(BROKEN)
    done = pytest_run(
        tmp_path,
        "-p",
        "broken_backend",
        "--qstore-backend",
        "broken_backend:Broken",
        "--qstore-only",
        "estimates",
    )
    assert done.returncode == 1
    assert "it is declared as free, and estimates $1" in done.stdout


def test_an_expected_failure_has_to_go_on_failing():
    class Priced(StrictBackend):
        def estimate(self, batch):
            return replace(super().estimate(batch), usd=1)

    known = {"estimates/paid": "ticket 12", "estimates/billed": "ticket 12"}
    card = examine_backend(Priced, only=["estimates"], expected_failures=known)
    assert card.passed, card.text()
    assert "estimates/paid: ticket 12 (what is declared free" in card.text()
    card = examine_backend(
        Priced, only=["estimates"], expected_failures=known | {"estimates/form": "ticket 13"}
    )
    assert not card.passed
    assert "estimates/form: expected to fail (ticket 13) and passed: take it off the list" in card.text()


def test_pytest_loads_nothing_of_the_kit_without_its_options(tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\ndef test_nothing():\n    assert 'qstore' not in sys.modules\n"
    )
    done = pytest_run(tmp_path, "test_nothing.py")
    assert done.returncode == 0, done.stdout


def test_a_backend_that_does_more_than_it_says_is_told_so():
    class Modest(StrictBackend):
        capabilities = StrictBackend.capabilities.with_changes(
            exact_outputs=frozenset({"Probabilities"}),
            differentiable_outputs=frozenset(),
            differentiates_noise=False,
        )

        def validate(self, batch):
            """Takes everything."""

    card = examine_backend(Modest, only=["honesty"])
    remarks = {remark for verdict in card.verdicts for remark in verdict.remarks}
    assert "exact Variance works and is not declared" in remarks
    assert card.passed, card.text()


def test_a_paid_backend_is_asked_for_nothing_without_a_budget():
    asked = []

    class Paid(StrictBackend):
        capabilities = StrictBackend.capabilities.with_changes(paid=True)

        def estimate(self, batch):
            return replace(super().estimate(batch), usd=1)

        def run_sync(self, batch):
            asked.append(batch)
            return super().run_sync(batch)

    card = examine_backend(Paid, only=["bit order", "bindings", "shots"])
    assert asked == []
    assert card.count("not claimed") == len(card.verdicts)


def test_the_backends_of_the_kit_are_not_registered():
    assert not {"strict", "loopback"} & set(loaded_plugins().backends.names)


@pytest.mark.parametrize("store", ["checkpoints.zarr", "metrics.parquet", "states.embedded"])
def test_our_stores_keep_their_contract(store):
    card = examine(f"store {store}", CHECKS, StoreExam.of(store))
    assert card.passed, card.text()
    assert card.coverage == 1.0
