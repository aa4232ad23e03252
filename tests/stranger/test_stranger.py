# SPDX-License-Identifier: Apache-2.0
"""A stranger's distribution gets in by the door that ours use, and everything works on it.

Whether it is installed does not matter here: what an installation writes is written into a temporary folder.
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
backend = qs.get_backend("stranger.dice", sides=20)
result = qs.run(circuit, bindings, outputs, shots=4000, seed=3, backend=backend)
values, gradients = qs.value_and_vjp(circuit, bindings, outputs, shots=4000, seed=3, backend="dice")
print(json.dumps({
    "sides": backend.sides, "values": result.values.tolist(), "errors": result.standard_errors.tolist(),
    "shape": gradients["w"].shape, "sum": gradients["w"].sum(axis=1).tolist(),
}))
"""


@pytest.fixture
def environment(tmp_path):
    """The environment variables of a Python that has the distribution."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    information = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (information / "METADATA").write_text(metadata)
    points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["qstore"].items())
    (information / "entry_points.txt").write_text(f"[qstore]\n{points}\n")
    # In front of an installed copy, so that it is this one that is tested.
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE / "src"), str(tmp_path)])}


def python(environment, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_expectations_and_gradients_work_on_a_backend_that_only_counts(environment):
    found = json.loads(python(environment, "-c", PROGRAM))
    assert found["sides"] == 20
    assert found["shape"] == [6, 2]
    # Exact: <Z0> = cos a, <X1> = cos a sin b, <Z0 Z1> = cos b. Five standard errors: false alarms at 6e-7 per value.
    from math import cos, sin

    exact = [cos(0.3) + sin(0.8) * cos(0.3), cos(0.8)]
    for values, errors in zip(found["values"], found["errors"], strict=True):
        for value, error, wanted in zip(values, errors, exact, strict=True):
            assert abs(value - wanted) <= 5 * error
    slope = -sin(0.3) - sin(0.8) * sin(0.3) + cos(0.8) * cos(0.3) - sin(0.8)
    # Four shifted circuits of two observables, each with an error of at most 2 / sqrt(4000): 5 sigmas are below 0.6.
    assert all(abs(row - slope) < 0.6 for row in found["sum"])


def test_it_is_listed_with_its_distribution(environment):
    listed = json.loads(python(environment, "-m", "qstore", "backends", "--json"))
    (record,) = [record for record in listed if record["name"] == "stranger.dice"]
    assert record["distribution"] == "qstore-stranger 0.3.0"
    assert record["aliases"] == ["dice"]
    assert record["capabilities"]["max_qubits"] == 10
    assert "stranger.dice" in python(environment, "-m", "qstore", "backends")
