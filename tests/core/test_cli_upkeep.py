# SPDX-License-Identifier: Apache-2.0
"""`qstore costs`, `cache`, `config` and `jobs prune`: looking after money, disk and settings."""

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from qstore.accounting import Budget, Ledger
from qstore.cli import cache, main
from qstore.execution import configured
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import JobRequest, job_tag
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder, run_names
from qstore.execution.settings_fields import FIELDS
from qstore.plugins import CacheSpec
from qstore.plugins.registry import Registered, Registry


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for field in FIELDS:
        monkeypatch.delenv(field.variable, raising=False)
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    monkeypatch.setenv("QSTORE_CONFIG", os.devnull)
    return tmp_path


def qstore(capsys, *arguments, status=0):
    assert main([*arguments]) == status
    return capsys.readouterr()


# ---- costs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spent(home):
    with Ledger() as ledger:
        ledger.settle("a", Decimal("3.25"), Budget(100), backend="ionq.aria-1", run="digits")
        ledger.settle("b", Decimal("0.5"), Budget(100), backend="ionq.forte-1", run="digits")
        ledger.reserve("c", Decimal(2), Budget(100, name="thesis"), backend="ionq.aria-1", run="moons")
    return home


def test_costs_of_a_new_user_are_nothing_and_leave_nothing_behind(home, capsys):
    assert qstore(capsys, "costs").out == "Nothing was spent.\n"
    assert json.loads(qstore(capsys, "costs", "--json").out) == {"total_usd": "0", "rows": [], "left": None}
    assert list(home.iterdir()) == []


def test_costs_are_shown_by_budget_day_backend_and_run(spent, capsys):
    out = qstore(capsys, "costs").out
    for word in (
        "ionq.aria-1",
        "ionq.forte-1",
        "digits",
        "moons",
        "thesis",
        "$3.25",
        time.strftime("%Y-%m-", time.gmtime()),
    ):
        assert word in out
    assert out.splitlines()[-1].split() == ["total", "3", "$3.75", "$2.00"]


def test_costs_are_added_up_by_what_is_asked_for(spent, capsys):
    lines = [line.split() for line in qstore(capsys, "costs", "--by", "backend").out.splitlines()]
    assert lines == [
        ["backend", "spent"],
        lines[1],
        ["ionq.aria-1", "$5.25"],
        ["ionq.forte-1", "$0.50"],
        ["total", "$5.75"],
    ]
    found = json.loads(qstore(capsys, "costs", "--by", "run", "--by", "budget", "--json").out)
    assert {(row["run"], row["budget"], row["usd"]) for row in found["by"]} == {
        ("digits", "default", "3.75"),
        ("moons", "thesis", "2"),
    }


def test_costs_of_one_budget_and_what_is_left_of_it(spent, capsys):
    assert "thesis" not in qstore(capsys, "costs", "--budget", "default").out
    with configured(budget_usd=10):
        assert qstore(capsys, "costs").out.endswith("Of budget 'default' $6.25 are left.\n")
        assert "left" not in qstore(capsys, "costs", "--budget", "thesis").out
        assert json.loads(qstore(capsys, "costs", "--json").out)["left"] == {
            "budget": "default",
            "left_usd": "6.25",
        }


def test_costs_from_a_day_on(spent, capsys):
    assert "Nothing was spent" in qstore(capsys, "costs", "--since", "2999-01-01").out
    assert "$3.25" in qstore(capsys, "costs", "--since", "2020-01-01").out
    assert "--since takes a day such as" in qstore(capsys, "costs", "--since", "yesterday", status=1).err
    assert "time_zone must be" in qstore(capsys, "costs", "--time-zone", "Mars/Olympus", status=1).err
    assert "there is no such file" in qstore(capsys, "costs", "--ledger", "nowhere.sqlite", status=1).err


def test_ledgers_of_money_that_is_not_real_are_pointed_out(home, capsys):
    other = home / "ledger-emulator.sqlite"
    with Ledger(other) as ledger:
        ledger.settle("a", Decimal("3.25"), Budget(100), backend="ionq.aria-1", run="digits")
    assert str(other) in qstore(capsys, "costs").out
    assert "$3.25" in qstore(capsys, "costs", "--ledger", str(other)).out


def test_a_ledger_that_is_none_is_said(home, capsys):
    (home / "ledger.sqlite").write_bytes(b"not a database" * 100)
    assert "qstore: ExecutionError: The ledger" in qstore(capsys, "costs", status=1).err


# ---- cache ---------------------------------------------------------------------------------------------------------------


def entry(name, factory):
    spec = CacheSpec(name=name, summary="a stranger's", factory=f"{__name__}:{factory}", api_version=(1, 0))
    return Registered(spec, "stranger 1.0")


class Caches:
    """In the place of what is installed, so that no test deletes compiled kernels."""

    def __init__(self, folder):
        self.folder = folder
        self.factories = {}

    @property
    def caches(self):
        return Registry({name: entry(name, name) for name in self.factories})

    def add(self, name, answer):
        self.factories[name] = answer if callable(answer) else lambda: answer

    def load(self, path):
        return self.factories[path.rpartition(":")[2]]

    def file(self, name, size=10):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        return path


@pytest.fixture
def caches(home, monkeypatch):
    made = Caches(home / "caches")
    monkeypatch.setattr(cache, "loaded_plugins", lambda: made)
    monkeypatch.setattr(cache, "load_factory", made.load)
    return made


def test_caches_are_listed_with_size_and_place(caches, capsys):
    caches.add("kernels", [caches.file("a/one", 2048), str(caches.file("a/two", 1024))])
    caches.add("empty", [])
    rows = [line.split("  ") for line in qstore(capsys, "cache").out.splitlines()[2:]]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert rows == [
        ["empty", "0 B", "0", "-", "a stranger's", "stranger 1.0"],
        ["kernels", "3.0 KiB", "2", str(caches.folder / "a"), "a stranger's", "stranger 1.0"],
    ]
    empty, kernels = json.loads(qstore(capsys, "cache", "--json").out)
    assert (empty["bytes"], kernels["bytes"], len(kernels["files"])) == (0, 3072, 2)


def test_clearing_deletes_the_files_of_the_caches_that_are_named_and_no_others(caches, capsys):
    one, two = caches.file("a/one"), caches.file("b/two")
    caches.add("first", [one])
    caches.add("second", [two])
    assert qstore(capsys, "cache", "clear", "first").out == "first: 10 B in 1 files deleted\n"
    assert (one.exists(), two.exists()) == (False, True)
    qstore(capsys, "cache", "clear", "--all")
    assert not two.exists()


def test_clearing_needs_to_be_told_what(caches, capsys):
    caches.add("first", [])
    assert (
        "Say which caches to clear, or --all. There are: first."
        in qstore(capsys, "cache", "clear", status=1).err
    )
    assert "Did you mean 'first'" in qstore(capsys, "cache", "clear", "frist", status=1).err
    assert "Say which" in qstore(capsys, "cache", "clear", "first", "--all", status=1).err


def test_a_folder_is_never_deleted_and_a_link_is_not_followed(caches, capsys, home):
    precious = home / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    link = caches.file("a/file").with_name("link")
    link.symlink_to(precious / "thesis.tex")
    caches.add("odd", [precious, link, home / "gone"])
    qstore(capsys, "cache", "clear", "odd")
    assert (precious / "thesis.tex").exists()
    assert not link.is_symlink()


def test_a_strangers_cache_that_raises_is_said_and_the_others_are_shown(caches, capsys):
    caches.add("broken", lambda: 1 / 0)
    caches.add("fine", [caches.file("a/one")])
    out, err = qstore(capsys, "cache", status=1)
    assert "fine" in out
    assert err == "qstore: cache 'broken' of stranger 1.0: ZeroDivisionError: division by zero\n"


def test_the_routers_memory_is_a_cache_of_the_core(home, capsys):
    (home / "throughput.json").write_text("{}")
    (found,) = [
        each for each in json.loads(qstore(capsys, "cache", "--json").out) if each["name"] == "throughput"
    ]
    assert found["files"] == [str(home / "throughput.json")]
    qstore(capsys, "cache", "clear", "throughput")
    assert not (home / "throughput.json").exists()


# ---- config --------------------------------------------------------------------------------------------------------------


def test_config_shows_every_setting_and_where_it_came_from(capsys, monkeypatch, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('fallback = "none"\n')
    environment = os.environ | {
        "QSTORE_CONFIG": str(file),
        "QSTORE_BUDGET_USD": "25",
        "QSTORE_BUGDET_NAME": "x",
    }
    done = subprocess.run([sys.executable, "-m", "qstore", "config"], env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line and line[0] != "-"}
    assert {field.name for field in FIELDS} < set(rows)
    assert rows["budget_usd"].split() == ["budget_usd", "$25", "environment", "QSTORE_BUDGET_USD"]
    assert f"file {file}" in rows["fallback"]
    assert "default  " in rows["max_concurrent"]
    assert (
        "QSTORE_BUGDET_NAME is no setting and is passed over; did you mean QSTORE_BUDGET_NAME?" in done.stderr
    )


def test_config_as_json(capsys):
    with configured(preferences={"speed": 1}, budget_usd="1.10"):
        found = json.loads(qstore(capsys, "config", "--json").out)
    assert found["settings"]["preferences"] == {
        "value": {"cost": 0.0, "speed": 1.0, "accuracy": 0.0},
        "source": "configure()",
    }
    assert found["settings"]["budget_usd"]["value"] == "1.10"
    assert found["file"] == {"path": os.devnull, "exists": False}


def test_a_daily_limit_without_a_budget_is_pointed_out(capsys):
    with configured(daily_budget_usd=5):
        assert "limits nothing without budget_usd" in qstore(capsys, "config").err


def test_a_damaged_settings_file_stops_commands_with_its_name_but_not_the_help(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("nonsense")
    environment = os.environ | {"QSTORE_CONFIG": str(file)}

    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "qstore", *arguments], env=environment, capture_output=True, text=True,
                              check=False)  # fmt: skip

    failed = run("config")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"qstore: ConfigurationError: The settings file {file} is not valid TOML")
    assert run("--help").returncode == 0


# ---- jobs prune ----------------------------------------------------------------------------------------------------------


def leave(run, *states, age_days=60.0):
    """A journal of a run whose process is gone, with one job in the last of these states."""
    tag = job_tag(run, {"number": len(run_names())}, b"", {})
    journal = Journal(RunFolder(run))
    journal.claim([JobRequest(tag, "fake.qpu", "machine", {}, 1, 100, True, Decimal(1))]).result()
    for state in states:
        facts = {"job_id": "job-1"} if state is JobState.ACCEPTED else {}
        facts |= {"result": {"a": 1}, "billed_usd": Decimal("0.50")} if state is JobState.DONE else {}
        journal.record(tag, state, **facts).result()
    at_s = time.time() - age_days * 86400

    def age(transaction):
        transaction.connection.execute(
            "UPDATE jobs SET created_s = ?, finished_s = finished_s * 0 + ?", (at_s, at_s)
        )

    journal._database.write(age)
    return journal


DONE = (JobState.SENT, JobState.ACCEPTED, JobState.DONE)
DRAWN = "run-0123456789ab"


def test_pruning_only_says_what_it_would_do(capsys):
    leave(DRAWN, *DONE).close()
    out = qstore(capsys, "jobs", "prune").out
    assert [line.split() for line in out.splitlines()][2][:3] == [DRAWN, "1", "$0.50"]
    assert "would go" in out
    assert "Nothing was deleted" in out
    assert run_names() == [DRAWN]


def test_pruning_deletes_the_whole_folder_of_a_run_that_is_over(home, capsys):
    leave(DRAWN, *DONE).close()
    assert "deleted" in qstore(capsys, "jobs", "prune", "--yes").out
    assert run_names() == []
    assert not (home / "runs" / DRAWN).exists()
    assert qstore(capsys, "jobs", "prune", "--yes").out == "There are no such runs.\n"


KEPT = {
    "open": ((JobState.SENT, JobState.ACCEPTED), 60.0, "1 of its jobs are not over"),
    "never sent": ((), 60.0, "1 of its jobs are not over"),
    "held": ((JobState.SENT, JobState.AMBIGUOUS, JobState.HELD), 60.0, "1 of its jobs are not over"),
    "young": (DONE, 20.0, "one of its jobs ended later than that"),
}


@pytest.mark.parametrize("case", KEPT)
def test_pruning_keeps_what_is_not_over_or_too_young(case, capsys):
    states, age_days, reason = KEPT[case]
    leave(DRAWN, *states, age_days=age_days).close()
    assert reason in qstore(capsys, "jobs", "prune", "--yes").out
    assert len(RunFolder(DRAWN).overview()) == 1


def test_pruning_keeps_what_a_live_process_has_open(capsys):
    journal = leave(DRAWN, *DONE)
    assert "a process that is running has it open" in qstore(capsys, "jobs", "prune", "--yes").out
    journal.close()
    assert len(RunFolder(DRAWN).overview()) == 1


def test_one_open_job_in_another_journal_keeps_the_whole_run(capsys):
    first = leave(DRAWN, *DONE)
    second = leave(DRAWN, JobState.SENT, JobState.ACCEPTED)
    first.close()
    second.close()
    qstore(capsys, "jobs", "prune", "--yes")
    assert len(RunFolder(DRAWN).journals()) == 2


def test_a_run_that_somebody_named_goes_only_when_it_is_asked_for(capsys):
    leave("thesis", *DONE).close()
    out = qstore(capsys, "jobs", "prune", "--yes").out
    assert "There are no such runs." in out
    assert "1 runs have names that somebody gave them and stay" in out
    assert "deleted" in qstore(capsys, "jobs", "prune", "--yes", "--run", "thesis").out
    leave("thesis", *DONE).close()
    assert "deleted" in qstore(capsys, "jobs", "prune", "--yes", "--named").out


def test_pruning_refuses_what_makes_no_sense(capsys):
    assert "There is no run 'nobody'" in qstore(capsys, "jobs", "prune", "--run", "nobody", status=1).err
    assert "--older-than takes" in qstore(capsys, "jobs", "prune", "--older-than", "-1", status=1).err


def test_kernels_of_the_simulator_are_files_that_numba_made():
    kernel_files = pytest.importorskip("qstore_sim.cache_files").kernel_files
    files = kernel_files()
    assert all(path.suffix in {".nbi", ".nbc"} for path in files)
    assert all(isinstance(path, Path) and path.is_file() for path in files)
