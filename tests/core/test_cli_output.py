# SPDX-License-Identifier: Apache-2.0
"""What commands print, whatever is in it: JSON that is JSON, and text on terminals that cannot show all of it."""

import json
import math
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from dense_backend import DenseBackend

import qstore as qs
from qstore.cli import main
from qstore.cli.json_text import json_text
from qstore.routing import candidates


class Boundless(DenseBackend):
    """Does not know how long it takes, or how well."""

    name = "boundless"

    def estimate(self, batch):
        return qs.batch.Estimate(usd=Decimal(0), seconds=math.inf, error=math.nan, model="nobody knows")


class Candidate:
    name = "boundless"

    def backend(self, *_):
        return Boundless()


def refuse(constant):
    raise ValueError(constant)


def test_an_estimate_without_end_is_null_in_json(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(candidates, "candidates_from", lambda _: [Candidate()])
    path = tmp_path / "coin.json"
    path.write_text(qs.QuantumCircuit(1).h(0).to_json(), encoding="utf-8")
    assert main(["estimate", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert (found["seconds"], found["error"]) == (None, None)


@pytest.mark.parametrize(("value", "text"), [
    ([math.nan, -math.inf, 1.5], [None, None, 1.5]), ({"a": ({"b": math.inf},)}, {"a": [{"b": None}]}),
    ({"usd": Decimal("0.1"), "gates": frozenset({"x", "h"})}, {"usd": "0.1", "gates": ["h", "x"]}),
])  # fmt: skip
def test_json_is_json(value, text):
    assert json.loads(json_text(value), parse_constant=refuse) == text


def test_a_terminal_that_cannot_show_a_name_shows_its_number(tmp_path):
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "QSTORE_BUDGET_NAME": "thèse",
        "QSTORE_CONFIG": os.devnull,
    }
    done = subprocess.run([sys.executable, "-m", "qstore", "config"], env=environment, capture_output=True, check=False,
                          cwd=tmp_path, timeout=100)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"th\\xe8se" in done.stdout


def test_an_observable_that_begins_with_a_minus(capsys, tmp_path):
    path = tmp_path / "coin.json"
    path.write_text(qs.QuantumCircuit(1).x(0).to_json(), encoding="utf-8")
    assert main(["run", str(path), "--observable=-Z0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["values"] == [[1.0]]
