# SPDX-License-Identifier: Apache-2.0
"""The `qstore` command: what it prints, its exit codes, and what it leaves unimported."""

import json
import os
import subprocess
import sys

import pytest

from qstore.cli import main
from qstore.plugins import loaded_plugins

HEAVY = (
    "torch",
    "tensorflow",
    "keras",
    "jax",
    "numba",
    "cirq",
    "qiskit",
    "pennylane",
    "braket",
    "zarr",
    "pyarrow",
    "httpx2",
)
STEMS = """
import os, sys
{code}
heavy = sorted(set(sys.modules) & set({heavy!r}))
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
COMMAND = """
from qstore.cli import main
sys.stdout = open(os.devnull, "w", encoding="utf-8")
main([{command!r}])
"""


@pytest.mark.parametrize(
    "code", ["import qstore", COMMAND.format(command="backends"), COMMAND.format(command="doctor")]
)
def test_heavy_libraries_stay_out(code):
    program = STEMS.format(code=code, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_qstore_brings_numpy_and_pluggy_and_nothing_else():
    program = (
        "import sys, numpy, pluggy; before = set(sys.modules); import qstore\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"numpy", "qstore"}  # numpy loads some of its own parts late


def test_importing_qstore_leaves_plugins_prices_and_event_loops_for_those_who_need_them():
    """Each costs milliseconds, in every process."""
    late = ("asyncio", "importlib.metadata", "pluggy", "sqlite3", "qstore.accounting.prices", "qstore.accounting.report",
            "qstore.plugins.manager", "qstore.plugins.specs", "qstore.plugins.stores", "qstore.routing", "qstore.layers")  # fmt: skip
    program = f"import sys, qstore; print(*(set(sys.modules) & {set(late)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_backends_lists_what_is_installed(capsys):
    assert main(["backends"]) == 0
    out = capsys.readouterr().out
    entries = list(loaded_plugins().backends)
    if not entries:
        assert "pip install qstore-sim" in out
    for entry in entries:
        assert entry.spec.name in out
        assert entry.distribution in out


def test_backends_as_json_is_complete(capsys):
    assert main(["backends", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == [entry.spec.name for entry in loaded_plugins().backends]
    for record in records:
        assert set(record) == {"name", "aliases", "summary", "distribution", "capabilities"}


def run(*arguments, **environment):
    return subprocess.run([sys.executable, "-m", "qstore", *arguments], env=os.environ | environment, capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_doctor_names_the_missing_default_backend_and_exits_with_1():
    done = run("doctor", QSTORE_PLUGINS="core")
    assert done.returncode == 1
    assert "plugin API 1.0" in done.stdout
    assert "gradient method  parameter_shift" in done.stdout
    assert "the default backend 'auto' has nothing to choose from\n    pip install qstore-sim" in done.stdout


def test_doctor_names_a_default_backend_that_is_misspelt():
    done = run("doctor", QSTORE_BACKEND="statevectr")
    assert done.returncode == 1
    assert "the default backend 'statevectr' is not installed\n    set QSTORE_BACKEND" in done.stdout


def broken_distribution(folder, module, points):
    information = folder / "qstore_odd-2.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: qstore-odd\nVersion: 2.0\n")
    (information / "entry_points.txt").write_text(f"[qstore]\n{points}\n")
    (folder / "qstore_odd.py").write_text(module)
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def test_a_plugin_that_raises_on_import_is_shown_and_breaks_nothing(tmp_path):
    path = broken_distribution(tmp_path, "raise RuntimeError('no licence key')", "odd = qstore_odd")
    doctor = run("doctor", PYTHONPATH=path)
    assert doctor.returncode == 0
    assert run("doctor", "--strict", PYTHONPATH=path).returncode == 1
    assert (
        "plugin 'odd' of qstore-odd 2.0: RuntimeError while loading 'qstore_odd': no licence key"
        in doctor.stdout
    )
    backends = run("backends", PYTHONPATH=path)
    assert backends.returncode == 0
    assert "1 broken plugin(s); run 'qstore doctor' to see why." in backends.stdout
    assert "Traceback" not in doctor.stderr + backends.stderr


COMMANDS = """
from qstore.plugins import BackendSpec, CommandSpec, hookimpl
@hookimpl
def qstore_commands():
    return [CommandSpec(name="odd", summary="100% odd %(x)", factory="qstore_odd:add", api_version=(1, 0))]
@hookimpl
def qstore_backends():
    return [BackendSpec(name="odd", summary="s", factory="qstore_gone.backend:Odd", api_version=(1, 0))]
def add(parser):
    raise ValueError("stranger's trouble")
"""


def test_a_strangers_broken_command_and_missing_factory_break_nothing(tmp_path):
    path = broken_distribution(tmp_path, COMMANDS, "odd = qstore_odd")
    backends = run("backends", PYTHONPATH=path)
    assert backends.returncode == 0
    assert backends.stderr == ""
    odd = run("odd", PYTHONPATH=path)
    assert odd.returncode == 1
    assert odd.stderr == "qstore: command 'odd' of qstore-odd 2.0 is broken: ValueError: stranger's trouble\n"
    assert "100% odd" in run("--help", PYTHONPATH=path).stdout
    doctor = run("doctor", PYTHONPATH=path)
    assert doctor.returncode == 0
    assert (
        "backend 'odd' of qstore-odd 2.0: 'qstore_gone.backend:Odd': importing the package around it failed"
        in doctor.stdout
    )


def test_no_command_prints_the_help_and_exits_with_2(capsys):
    assert main([]) == 2
    out = capsys.readouterr().out
    assert "backends" in out
    assert "doctor" in out


def test_an_unknown_command_exits_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bakends"])
    assert caught.value.code == 2
    assert "bakends" in capsys.readouterr().err
