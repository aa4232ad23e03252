# SPDX-License-Identifier: Apache-2.0
"""Settings: which place wins, what each may say, and settings files of every kind of damage."""

import contextvars
import os
import subprocess
import sys
import threading
import tracemalloc
from decimal import Decimal

import pytest
from dense_backend import DenseBackend

import qstore as qs
from qstore.accounting import Budget
from qstore.errors import BackendUnavailable, ConfigurationError, OptionError
from qstore.execution import (
    configure,
    configured,
    current_settings,
    default_backend_name,
    reload_settings,
    settings,
)
from qstore.execution.settings import explained_settings
from qstore.execution.settings_fields import BY_NAME, FIELDS
from qstore.execution.settings_file import MAX_BYTES, settings_path

NOTHING = {field.name: None for field in FIELDS}


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """A place for a settings file, in a process to which nobody has said anything."""
    for field in FIELDS:
        monkeypatch.delenv(field.variable, raising=False)
    monkeypatch.delenv("QSTORE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    configure(**NOTHING)
    path = tmp_path / "qstore" / "config.toml"
    path.parent.mkdir()
    reload_settings()
    yield path
    configure(**NOTHING)
    monkeypatch.undo()
    settings._file = None


def write(path, text):
    path.write_text(text, encoding="utf-8")
    reload_settings()


# ---- which place wins -------------------------------------------------------------------------------------------------

VALUES = {  # for each setting: in the file, in the environment, in a call, and what those three mean
    "default_backend": ('"one"', "two", "statevector", ("one", "two", "statevector")),
    "budget_usd": ("1.10", "2.20", 3.3, (Decimal("1.10"), Decimal("2.20"), Decimal("3.3"))),
    "daily_budget_usd": ("1", "$2", "3", (Decimal(1), Decimal(2), Decimal(3))),
    "budget_name": ('"a"', "b", "c", ("a", "b", "c")),
    "budget_time_zone": ('"Europe/Berlin"', "Asia/Tokyo", "UTC", ("Europe/Berlin", "Asia/Tokyo", "UTC")),
    "preferences": (
        "{cost = 1}", "speed=2", {"accuracy": 3},
        tuple({"cost": 0.0, "speed": 0.0, "accuracy": 0.0} | one for one in ({"cost": 1}, {"speed": 2}, {"accuracy": 3})),
    ),
    "max_concurrent": ("1", "2", 3, (1, 2, 3)),
    "cache_bytes": ('"1KiB"', "2kB", 3, (1024, 2000, 3)),
    "fallback": ('"none"', "next", "simulation", ("none", "next", "simulation")),
}  # fmt: skip


def test_the_table_has_every_setting():
    assert (
        set(VALUES)
        == set(BY_NAME)
        == set(settings.Settings.__slots__)
        == set(settings.Changes.__annotations__)
    )


@pytest.mark.parametrize("name", VALUES)
def test_a_call_beats_the_environment_beats_the_file_beats_the_default(name, file, monkeypatch):
    in_file, in_environment, in_call, (from_file, from_environment, from_call) = VALUES[name]

    def now():
        (found,) = [each for each in explained_settings() if each.name == name]
        assert getattr(current_settings(), name) == found.value
        return found.value, found.source

    assert now() == (BY_NAME[name].default, "default")
    write(file, f"{name} = {in_file}\n")
    assert now() == (from_file, f"file {file}")
    monkeypatch.setenv(BY_NAME[name].variable, in_environment)
    assert now() == (from_environment, f"environment variable {BY_NAME[name].variable}")
    configure(**{name: in_call})
    assert now() == (from_call, "configure()")
    with configured(**{name: None}):
        assert now()[0] == from_environment
    assert now()[0] == from_call
    configure(**{name: None})
    assert now()[0] == from_environment
    monkeypatch.setenv(BY_NAME[name].variable, "")
    assert now()[0] == from_file


def test_what_is_not_given_stays_as_it_is():
    configure(max_concurrent=7)
    configure(fallback="none")
    assert (current_settings().max_concurrent, current_settings().fallback) == (7, "none")
    configure()
    assert current_settings().max_concurrent == 7


def test_a_call_with_one_wrong_value_sets_nothing():
    with pytest.raises(OptionError, match="fallback must be 'simulation' or 'next' or 'none', got 'hope'"):
        configure(max_concurrent=7, fallback="hope")
    with pytest.raises(BackendUnavailable, match="Did you mean 'statevector'"):
        configure(max_concurrent=7, default_backend="statevectr")
    assert current_settings().max_concurrent == 100


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(OptionError, match=r"'max_concurent' is no setting\. Did you mean 'max_concurrent'"):
        configure(max_concurent=7)
    with pytest.raises(OptionError, match="'bugdet_usd'"), configured(bugdet_usd=7):
        pass


WRONG = [
    *[("default_backend", value) for value in ("", " ", 5, "a\nb", b"statevector")],
    *[("budget_usd", value) for value in (-1, "-0.01", "nan", "inf", float("nan"), True, "ten", [1], "1e999999999")],
    *[("daily_budget_usd", value) for value in (-1, {}, False)],
    *[("budget_name", value) for value in ("", "unlimited", 5, None.__class__)],
    *[("budget_time_zone", value) for value in ("Mars/Olympus", "../../etc/passwd", 5, "")],
    *[("preferences", value) for value in ({}, {"cost": 0}, {"cost": -1}, {"cost": float("inf")}, {"cost": "x"}, {"cost": True},
                                           "cost", "cost=", "cost=1,cost=2", 5, [0.1], {"cost": [1]})],
    *[("max_concurrent", value) for value in (0, -1, 1.5, True, "1e3", "many", 10**9, "9" * 5000)],
    *[("cache_bytes", value) for value in (-1, "1XB", "MiB", "1.5GiB", 2**60, "9" * 5000, None.__class__)],
    *[("fallback", value) for value in ("", "simulatoin", 5, True)],
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: repr(value)[:30])
def test_a_value_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name) as caught:
        configure(**{name: value})
    assert len(str(caught.value)) < 400


def test_a_preference_that_is_misspelt_is_named():
    with pytest.raises(
        OptionError,
        match=r"preferences: 'accurcy' is none of cost, speed, accuracy\. Did you mean 'accuracy'",
    ):
        configure(preferences={"accurcy": 1})


def test_a_wrong_variable_is_named_and_is_no_argument_of_the_callers(monkeypatch):
    monkeypatch.setenv("QSTORE_BUDGET_USD", "ten")
    with pytest.raises(
        ConfigurationError,
        match="In the environment variable QSTORE_BUDGET_USD: budget_usd must be an amount",
    ):
        current_settings()
    with pytest.raises(ConfigurationError):
        qs.run(qs.QuantumCircuit(1))
    assert qs.run(qs.QuantumCircuit(1), backend="statevector").backend == "statevector"


# ---- the budget that is meant ----------------------------------------------------------------------------------------


def test_no_budget_unless_somebody_names_one():
    assert current_settings().budget is None
    configure(daily_budget_usd=5)
    assert current_settings().budget is None
    configure(budget_usd=25, budget_name="thesis", budget_time_zone="Europe/Berlin")
    assert current_settings().budget == Budget(25, 5, "thesis", "Europe/Berlin")


def test_none_in_words_takes_a_budget_of_the_file_away(file, monkeypatch):
    write(file, "budget_usd = 100\ndaily_budget_usd = 5\n")
    monkeypatch.setenv("QSTORE_DAILY_BUDGET_USD", "none")
    assert current_settings().budget == Budget(100)
    configure(budget_usd="none")
    assert current_settings().budget is None


def test_a_tenth_of_a_dollar_in_a_file_is_a_tenth_of_a_dollar(file):
    write(file, "budget_usd = 0.1\n")
    assert current_settings().budget_usd == Decimal("0.1")


# ---- scopes ------------------------------------------------------------------------------------------------------------


def test_scopes_nest_and_end_even_by_an_exception():
    with configured(max_concurrent=1), configured(fallback="none") as inner:
        assert (inner.max_concurrent, inner.fallback) == (1, "none")
    with pytest.raises(ZeroDivisionError), configured(max_concurrent=2):
        1 / 0  # noqa: B018  # an exception of the caller's
    assert current_settings().max_concurrent == 100


def test_a_scope_is_its_own_threads():
    seen = []
    with configured(max_concurrent=1):
        thread = threading.Thread(target=lambda: seen.append(current_settings().max_concurrent))
        thread.start()
        thread.join()
        copied = contextvars.copy_context()
    assert seen == [100]
    assert copied.run(current_settings).max_concurrent == 1


def test_a_scope_reaches_a_backend_that_is_awaited_in_another_thread():
    class Asks(DenseBackend):
        async def run(self, batch):
            self.seen = current_settings().max_concurrent
            return await super().run(batch)

    backend = Asks()
    with configured(max_concurrent=3):
        qs.run(qs.QuantumCircuit(1), shots=5, backend=backend)
    assert backend.seen == 3


def test_settings_are_the_same_object_until_something_changes(file, monkeypatch):
    first = current_settings()
    assert current_settings() is first
    monkeypatch.setenv("QSTORE_FALLBACK", "none")
    second = current_settings()
    assert second is not first
    monkeypatch.delenv("QSTORE_FALLBACK")
    assert current_settings() == first
    configure(max_concurrent=3)
    assert current_settings().max_concurrent == 3
    write(file, 'fallback = "none"\n')
    assert current_settings().fallback == "none"


def test_an_environment_that_was_replaced_is_looked_at_too(monkeypatch):
    monkeypatch.setattr(os, "environ", {"QSTORE_FALLBACK": "none"})
    assert current_settings().fallback == "none"


def test_settings_cannot_be_changed_in_place():
    found = current_settings()
    with pytest.raises(AttributeError):
        found.max_concurrent = 5
    with pytest.raises(TypeError):
        found.preferences["cost"] = 5


def test_the_default_backend_is_the_one_that_runs():
    with configured(default_backend="statevector"):
        assert default_backend_name() == "statevector"
        assert qs.run(qs.QuantumCircuit(1)).backend == "statevector"


# ---- files ---------------------------------------------------------------------------------------------------------------

FILES = {
    "unknown setting": ('defalt_backend = "x"\n', "'defalt_backend', which is no setting. Did you mean 'default_backend'"),
    "unknown table": ("[router]\ncost = 1\n", "'router', which is no setting"),
    "unknown in a table": ("[preferences]\nkost = 1\n", "preferences: 'kost' is none of cost, speed, accuracy. Did you mean 'cost'"),
    "wrong type": ("max_concurrent = [1]\n", r"max_concurrent must be a whole number from 1 to 1000000, got \[1\]"),
    "not TOML": ("default_backend = statevector\n", r"is not valid TOML: Invalid value \(at line 1, column 19\)"),
    "twice": ("max_concurrent = 1\nmax_concurrent = 2\n", "is not valid TOML: Cannot overwrite a value"),
    "nested": (f"budget_usd = {'[' * 20_000}", "is not valid TOML: it is nested too deeply"),
    "digits": (f"max_concurrent = {'9' * 10_000}\n", "is not valid TOML"),
    "decimal": ("budget_usd = 1e999999999999999999999999\n", "budget_usd must be an amount|is not valid TOML"),
    "date": ("budget_usd = 2026-11-21\n", "budget_usd must be an amount of dollars"),
    "null": ("max_concurrent = \0\n", "is not valid TOML"),
    "long name": (f"{'x' * 5000} = 1\n", r"'x{60}\.\.\.', which is no setting"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_says_what_cannot_be_is_named_with_the_reason(case, file):
    text, reason = FILES[case]
    with pytest.raises(ConfigurationError, match=reason) as caught:
        write(file, text)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["ionq_api_key", "API_KEY", "token", "keyring", "password", "client_secret"])
def test_a_secret_in_the_file_is_refused_and_never_shown(name, file):
    with pytest.raises(ConfigurationError, match="Secrets do not belong there") as caught:
        write(file, f'{name} = "hunter2"\n')
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(ConfigurationError) as caught:
        write(file, f'{name} = hunter2"\n')
    assert "hunter2" not in str(caught.value)


def test_bytes_that_are_no_text_and_files_that_are_too_long(file):
    file.write_bytes(b"default_backend = '\xff\xfe'\n")
    with pytest.raises(ConfigurationError, match="is not UTF-8: invalid start byte at byte 19"):
        reload_settings()
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="has more than 65536 bytes"):
        reload_settings()


def test_a_byte_order_mark_and_windows_line_ends_are_fine(file):
    file.write_bytes(b"\xef\xbb\xbfmax_concurrent = 5\r\n[preferences]\r\ncost = 1\r\n")
    assert reload_settings().max_concurrent == 5


def test_a_folder_or_an_endless_device_is_no_file(file, monkeypatch):
    file.mkdir()
    with pytest.raises(ConfigurationError, match="is no regular file"):
        reload_settings()
    if os.name == "posix":
        monkeypatch.setenv("QSTORE_CONFIG", "/dev/zero")
        with pytest.raises(ConfigurationError, match="is no regular file"):
            reload_settings()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_does_not_keep_the_reader_waiting(file):
    os.mkfifo(file)
    with pytest.raises(ConfigurationError, match="is no regular file"):
        reload_settings()


def test_a_file_that_is_named_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(
        ConfigurationError, match=r"no settings file .*missing.toml, which QSTORE_CONFIG names"
    ):
        reload_settings()
    monkeypatch.setenv("QSTORE_CONFIG", os.devnull)
    assert reload_settings().max_concurrent == 100


def test_a_relative_folder_of_xdg_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    if sys.platform != "win32":
        assert settings_path() == tmp_path / ".config" / "qstore" / "config.toml"


def test_a_wide_file_costs_no_memory_to_speak_of(file):
    tracemalloc.start()
    with pytest.raises(ConfigurationError):
        write(file, "x.y = 1\n" * 100 + "a" * (MAX_BYTES // 2) + " = 1\n")
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_damaged_file_does_not_stop_what_needs_no_settings(file):
    file.write_text("nonsense", encoding="utf-8")
    program = "import qstore as qs; print(qs.run(qs.QuantumCircuit(1), backend='statevector').backend)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "statevector")


def test_tomllib_is_only_imported_where_there_is_a_file(file):
    program = "import sys, qstore as qs; qs.configure(); qs.run(qs.QuantumCircuit(1)); sys.exit('tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    file.write_text("max_concurrent = 5\n", encoding="utf-8")
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_finds_the_lock_free():
    program = (
        "import os, threading, qstore.execution.settings as s\n"
        "held = threading.Event()\n"
        "def hold():\n    s._lock.acquire(); held.set(); threading.Event().wait(20)\n"
        "threading.Thread(target=hold, daemon=True).start(); held.wait()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    s.configure(max_concurrent=5); os._exit(s.current_settings().max_concurrent)\n"
        "os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=False, timeout=30)
    assert done.returncode == 5
