# SPDX-License-Identifier: Apache-2.0
"""Somebody else's distribution gets in by the door that ours use, and a broken one beside it harms nothing.

Whether they are installed does not matter here: what an installation writes is written into a temporary folder.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = """
import json, sys
import numpy as np
import qstore as qs

w = qs.Parameter("w", (2,))
circuit = qs.QuantumCircuit(2).ry(0, w[0]).cx(0, 1).ry(1, w[1])
bindings = {"w": np.array([[0.3, 0.8]] * 6)}
outputs = qs.Expectations([qs.Z(0) + qs.X(1), qs.Z(0) @ qs.Z(1)])
backend = qs.get_backend("acme.dice", sides=20)
result = qs.run(circuit, bindings, outputs, shots=4000, seed=3, backend=backend)
values, gradients = qs.value_and_vjp(circuit, bindings, outputs, shots=4000, seed=3, backend="dice",
                                     gradient_method=sys.argv[1])
print(json.dumps({
    "sides": backend.sides, "values": result.values.tolist(), "errors": result.standard_errors.tolist(),
    "shape": gradients["w"].shape, "sum": gradients["w"].sum(axis=1).tolist(),
}))
"""


def installed(tmp_path, *names):
    """The environment variables of a Python that has these distributions."""
    paths = []
    for name in names:
        project = tomllib.loads((HERE / name / "pyproject.toml").read_text())["project"]
        information = tmp_path / f"{name.replace('-', '_')}-{project['version']}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n"
        (information / "METADATA").write_text(metadata)
        points = "\n".join(f"{key} = {value}" for key, value in project["entry-points"]["qstore"].items())
        (information / "entry_points.txt").write_text(f"[qstore]\n{points}\n")
        paths.append(str(HERE / name / "src"))
    # In front of an installed copy, so that it is this one that is tested.
    return os.environ | {"PYTHONPATH": os.pathsep.join([*paths, str(tmp_path)])}


@pytest.fixture
def both(tmp_path):
    return installed(tmp_path, "qstore-acme", "qstore-broken")


def python(environment, *arguments, code=0, cwd=None):
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False,
                          cwd=cwd)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("method", ["parameter_shift", "five_points"])
def test_expectations_and_gradients_work_on_a_backend_that_only_counts(both, method):
    found = json.loads(python(both, "-c", PROGRAM, method))
    assert found["sides"] == 20
    assert found["shape"] == [6, 2]
    # Exact: <Z0> = cos a, <X1> = cos a sin b, <Z0 Z1> = cos b. Five standard errors: false alarms at 6e-7 per value.
    from math import cos, sin

    exact = [cos(0.3) + sin(0.8) * cos(0.3), cos(0.8)]
    for values, errors in zip(found["values"], found["errors"], strict=True):
        for value, error, wanted in zip(values, errors, exact, strict=True):
            assert abs(value - wanted) <= 5 * error
    slope = -sin(0.3) - sin(0.8) * sin(0.3) + cos(0.8) * cos(0.3) - sin(0.8)
    # Shifted circuits of two observables, each with an error of at most 2 / sqrt(4000): 5 sigmas are below 1.
    assert all(abs(row - slope) < 1.0 for row in found["sum"])


ROUTED = """
import qstore as qs
from qstore.routing import BackendRouter
router = BackendRouter(candidates=["acme.dice"])
print(qs.run(qs.QuantumCircuit(2).h(0).cx(0, 1), shots=100, seed=1, backend=router).backend)
print(qs.run(qs.QuantumCircuit(2).h(0).cx(0, 1), shots=100, seed=1, backend="auto").backend)
"""


def test_the_router_picks_it(both):
    assert python(both, "-c", ROUTED).split()[0] == "acme.dice"
    # It is the only backend that this environment allows.
    assert python(both | {"QSTORE_PLUGINS": "acme"}, "-c", ROUTED).split() == ["acme.dice", "acme.dice"]


def test_it_is_listed_with_its_distribution(both):
    listed = json.loads(python(both, "-m", "qstore", "backends", "--json"))
    (record,) = [record for record in listed if record["name"] == "acme.dice"]
    assert record["distribution"] == "qstore-acme 0.3.0"
    assert record["aliases"] == ["dice"]
    assert record["capabilities"]["max_qubits"] == 10


def test_the_doctor_names_what_is_broken_and_why_and_lets_it_pass_unless_strict(both):
    told = python(both, "-m", "qstore", "doctor")
    assert "plugin 'raises' of qstore-broken 0.1.0: RuntimeError while loading" in told
    assert "no licence key" in told
    assert "plugin 'needs-more' of qstore-broken 0.1.0: ModuleNotFoundError while loading" in told
    assert "install 'quantum_hardware_driver_that_nobody_has'" in told
    assert "plugin 'from-the-past' of qstore-broken 0.1.0: 'old': it was written for plugin API 0.9" in told
    python(both, "-m", "qstore", "doctor", "--strict", code=1)
    found = json.loads(python(both, "-m", "qstore", "doctor", "--json"))
    assert {each["trouble"] for each in found["problems"]} == {
        "broken",
        "missing dependency",
        "wrong API version",
    }
    names = {(each["kind"], each["name"], each["state"]) for each in found["plugins"]}
    assert {
        ("backend", "acme.dice", "ok"),
        ("compiler", "swaps_as_cx", "ok"),
        ("gradient method", "five_points", "ok"),
    } <= names


def test_choosing_plugins_leaves_the_broken_ones_out(both):
    chosen = both | {"QSTORE_PLUGINS": "acme", "QSTORE_BACKEND": "acme.dice"}
    found = json.loads(python(chosen, "-m", "qstore", "doctor", "--strict", "--json"))
    assert found["problems"] == []
    assert {each["name"] for each in found["plugins"] if each["distribution"].startswith("qstore-acme")} == {
        "acme.dice", "swaps_as_cx", "five_points"
    }  # fmt: skip


def test_the_conformance_kit_passes_all_three_of_its_things(both, tmp_path):
    asked = (
        "--qstore-backend",
        "acme.dice",
        "--qstore-compiler",
        "swaps_as_cx",
        "--qstore-gradient",
        "five_points",
    )
    short = (
        "bit order",
        "shots",
        "compiler/other_operations[reset]",
        "compiler/random_circuits[0]",
        "gradient method",
    )
    only = [part for group in short for part in ("--qstore-only", group)]
    told = python(both, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked, *only, cwd=tmp_path)
    assert told.count("Report card of") == 3
    assert told.count(" 0 broken") == 3
