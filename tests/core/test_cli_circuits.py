# SPDX-License-Identifier: Apache-2.0
"""`qstore run`, `estimate` and `explain`: what goes in, what comes out where, and what is refused."""

import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from dense_backend import DenseBackend

import qstore as qs
from qstore.accounting import Ledger
from qstore.cli import main, paying
from qstore.cli.observable_text import parse_observable
from qstore.errors import OptionError

BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[0];\ncx q[0],q[1];\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("QSTORE_CONFIG", os.devnull)
    monkeypatch.delenv("QSTORE_BACKEND", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bell.qasm").write_text(BELL, encoding="utf-8")
    theta, w = qs.Parameter("theta"), qs.Parameter("w", shape=(2,))
    ansatz = qs.QuantumCircuit(2).ry(0, theta).ry(1, w[0]).rx(1, w[1])
    (tmp_path / "ansatz.json").write_text(ansatz.to_json(), encoding="utf-8")
    return tmp_path


def qstore(capsys, *arguments, status=0):
    assert main([*arguments]) == status
    return capsys.readouterr()


def said(err):
    """What a command says on stderr; the simulator's word about its first compilation is not the command's."""
    lines = (err if isinstance(err, str) else err.decode()).splitlines()
    return [line for line in lines if not line.startswith("qstore.sim: Compiling")]


def record(capsys, *arguments, status=0):
    out, _ = qstore(capsys, *arguments, "--json", status=status)
    return json.loads(out)


# ---- run ---------------------------------------------------------------------------------------------------------------


def test_counts_are_drawn_as_bars_with_the_most_frequent_first(capsys):
    out, err = qstore(capsys, "run", "bell.qasm", "--shots", "1000", "--seed", "7")
    expected = qs.run(qs.QuantumCircuit(2).h(0).cx(0, 1), shots=1000, seed=7).bitstring_counts()[0]
    lines = out.splitlines()
    assert lines[0].split() == ["outcome", "count", "share"]
    (first, n_first, share, bar), (second, n_second, *_) = (line.split() for line in lines[2:4])
    assert {first: int(n_first), second: int(n_second)} == expected
    assert int(n_first) >= int(n_second)
    assert share == f"{int(n_first) / 1000:.1%}"
    assert len(bar) == 24
    assert lines[-1].startswith("backend statevector; 1000 shots, seed 7")
    assert said(err) == []


def test_the_same_seed_gives_the_same_counts_from_a_file_and_from_standard_input(capsys, monkeypatch):
    first = record(capsys, "run", "bell.qasm", "--shots", "100", "--seed", "3")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BELL.encode())))
    assert record(capsys, "run", "-", "--shots", "100", "--seed", "3")["counts"] == first["counts"]


def test_without_shots_there_are_probabilities(capsys):
    found = record(capsys, "run", "bell.qasm")
    assert found["probabilities"][0] == pytest.approx({"00": 0.5, "11": 0.5})
    out, _ = qstore(capsys, "run", "bell.qasm")
    assert "00          0.500000" in out
    assert "01" not in out


def test_many_outcomes_are_cut_and_the_rest_is_counted(capsys, folder):
    circuit = qs.QuantumCircuit(6)
    for qubit in range(6):
        circuit.h(qubit)
    (folder / "wide.json").write_text(circuit.to_json())
    out, _ = qstore(capsys, "run", "wide.json", "--top", "4")
    assert out.splitlines()[2].startswith("000000")
    assert "... and 60 more outcomes (93.8%); --top shows more." in out
    assert len(record(capsys, "run", "wide.json", "--top", "4")["probabilities"][0]) == 64


def test_expectations_of_a_batch(capsys):
    arguments = ("run", "ansatz.json", "--bind", "theta=0,pi/2,-3*pi/4", "--bind", "w=0,1e-3",
                 "--observable", "Z0", "--observable", "0.5*X(0) - Z0 Z1")  # fmt: skip
    found = record(capsys, *arguments)
    angles = np.array([0, np.pi / 2, -3 * np.pi / 4])
    assert np.array(found["values"])[:, 0] == pytest.approx(np.cos(angles))
    assert np.array(found["values"])[:, 1] == pytest.approx(
        0.5 * np.sin(angles) - np.cos(angles) * np.cos(1e-3)
    )
    out, _ = qstore(capsys, *arguments)
    assert out.splitlines()[0].split() == ["row", "observable", "value"]
    assert len(out.splitlines()) == 2 + 6 + 2
    shot, _ = qstore(capsys, *arguments, "--shots", "10")
    assert "standard error" in shot


def test_a_long_batch_is_cut_for_people_but_not_for_scripts(capsys):
    arguments = ("run", "ansatz.json", "--bind", f"theta={','.join('0' * 12)}", "--bind", "w=0,0")
    out, _ = qstore(capsys, *arguments)
    assert "... and 4 more rows" in out
    assert len(record(capsys, *arguments)["probabilities"]) == 12


def test_the_output_file_holds_what_json_prints_and_is_replaced_whole(capsys, folder):
    (folder / "out.json").write_text("old")
    out, _ = qstore(
        capsys, "run", "bell.qasm", "--shots", "50", "--seed", "1", "--json", "--output", "out.json"
    )
    assert json.loads((folder / "out.json").read_text()) == json.loads(out)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "ansatz.json",
        "bell.qasm",
        "out.json",
    ]


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(capsys, monkeypatch):
    monkeypatch.setattr(paying, "execute", lambda *_: pytest.fail("it ran"))
    for target in (".", "missing/out.json"):
        _, err = qstore(capsys, "run", "bell.qasm", "--output", target, status=1)
        assert f"OptionError: --output {target}: cannot be written" in err


def test_options_of_the_backend(capsys):
    assert (
        record(capsys, "run", "bell.qasm", "--backend", "statevector", "--option", "precision=single")[
            "backend"
        ]
        == "statevector"
    )
    _, err = qstore(
        capsys, "run", "bell.qasm", "--backend", "statevector", "--option", "precison=single", status=1
    )
    assert "does not take the options" in err
    _, err = qstore(capsys, "run", "bell.qasm", "--option", "precision", status=1)
    assert "--option takes NAME=VALUE" in err


REFUSED = {
    "no file": (("nowhere.qasm",), "OptionError: nowhere.qasm cannot be read: No such file"),
    "a folder": ((".",), "OptionError: . cannot be read"),
    "no backend": (
        ("bell.qasm", "--backend", "statevectr"),
        "BackendUnavailable: No backend named 'statevectr'",
    ),
    "no shots": (("bell.qasm", "--shots", "0"), "OptionError: shots must be an integer from 1"),
    "no binding": (("ansatz.json",), "BindingError: No array for parameter 'theta'"),
    "unknown": (
        ("ansatz.json", "--bind", "thta=1"),
        "'thta' is not a parameter of the circuit. Did you mean 'theta'?",
    ),
    "twice": (("ansatz.json", "--bind", "theta=1", "--bind", "theta=2"), "--bind gives 'theta' twice"),
    "no values": (("ansatz.json", "--bind", "theta"), "--bind takes NAME=VALUES"),
    "no number": (("ansatz.json", "--bind", "theta=pie"), "--bind theta: 'pie' is no number"),
    "by zero": (("ansatz.json", "--bind", "theta=pi/0"), "--bind theta: 'pi/0' is no number"),
    "too few": (
        ("ansatz.json", "--bind", "w=1,2,3"),
        "'w' has 3 values, the circuit needs 2 (shape (2,)) or a multiple",
    ),
    "infinite": (
        ("ansatz.json", "--bind", "theta=inf", "--bind", "w=0,0"),
        "BindingError: 'theta' has 1 entries",
    ),
    "observable": (
        ("bell.qasm", "--observable", "Z0 Q1"),
        "Observable 'Z0 Q1': 'Q1' at character 3 cannot be read.",
    ),
    "run name": (("bell.qasm", "--run", "../up"), "'../up' cannot name a run"),
    "budget": (("bell.qasm", "--budget", "lots"), "budget_usd must be an amount of dollars"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_on_stderr_and_exits_with_1(case, capsys):
    arguments, reason = REFUSED[case]
    out, err = qstore(capsys, "run", *arguments, status=1)
    assert out == ""
    assert reason in err
    assert said(err)[0].startswith("qstore: ")


DAMAGED = {
    "empty": (b" \n", "f.qasm is empty"),
    "binary": (b"\x93NUMPY\xff\xfe", "f.qasm: no text in UTF-8"),
    "prose": (b"Once upon a time", "f.qasm: neither a circuit of qstore's JSON nor a text"),
    "qasm": (b"OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n", "f.qasm: Line 3, column 1"),
    "json": (b'{"format": "qstore-circuit"', "f.qasm: Not JSON"),
    "another json": (b'{"a": 1}', "f.qasm: Not a qstore-circuit document"),
    "deep json": (b'{"a":' * 100_000, "f.qasm: Not JSON"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_circuit_is_refused_with_the_name_of_its_file(case, capsys, folder):
    content, reason = DAMAGED[case]
    (folder / "f.qasm").write_bytes(content)
    _, err = qstore(capsys, "run", "f.qasm", status=1)
    assert f"qstore: CircuitFormatError: {reason}" in err


def test_an_endless_input_is_cut_off(capsys, monkeypatch):
    monkeypatch.setattr("qstore.cli.circuit_input.MAX_BYTES", 1000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b" " * 2000)))
    _, err = qstore(capsys, "run", "-", status=1)
    assert "standard input has more than 1000 bytes" in err


# ---- money -----------------------------------------------------------------------------------------------------------------


class Paid(DenseBackend):
    """A machine that takes a dollar a batch."""

    name = "stranger.qpu"

    def __init__(self):
        super().__init__()
        self.capabilities = self.capabilities.with_changes(paid=True, local=False)
        self.sent = 0

    def estimate(self, batch):
        return qs.batch.Estimate(usd=Decimal(1), seconds=1.0, error=0.0, model="a dollar each")

    async def run(self, batch):
        self.sent += 1
        return await super().run(batch)


@pytest.fixture
def paid(monkeypatch):
    backend = Paid()
    monkeypatch.setattr(paying, "resolve_backend", lambda _: backend)
    return backend


def test_a_paid_backend_without_a_budget_is_refused_with_the_price(paid, capsys):
    _, err = qstore(capsys, "run", "bell.qasm", "--backend", "stranger.qpu", "--shots", "10", status=1)
    assert "BudgetExceeded: Backend 'stranger.qpu' costs money, $1.00" in err
    assert "--budget" in err
    assert paid.sent == 0


def test_a_budget_lets_as_much_through_as_it_has_over_all_commands(paid, capsys):
    arguments = (
        "run",
        "bell.qasm",
        "--backend",
        "stranger.qpu",
        "--shots",
        "10",
        "--budget",
        "2.50",
        "--run",
        "night",
    )
    qstore(capsys, *arguments)
    qstore(capsys, *arguments)
    _, err = qstore(capsys, *arguments, status=1)
    assert "BudgetExceeded" in err
    assert paid.sent == 2
    with Ledger() as ledger:
        assert ledger.cost_report().total_usd == 2


# ---- estimate ----------------------------------------------------------------------------------------------------------------


def test_estimates_of_all_backends_with_the_reason_where_there_is_none(capsys):
    out, err = qstore(capsys, "estimate", "bell.qasm", "--shots", "1000")
    assert said(err) == []
    assert out.splitlines()[0].split() == ["backend", "cost", "time", "error", "source"]
    assert "statevector" in out
    assert "free" in out
    assert "\n[1] " in out
    lines = record(capsys, "estimate", "bell.qasm", "--backend", "statevector")
    assert [sorted(line) for line in lines] == [["backend", "error", "model", "seconds", "usd"]]
    assert Decimal(lines[0]["usd"]) == 0
    assert lines[0]["error"] == 0


def test_an_estimate_that_no_backend_can_give_exits_with_1(capsys, folder):
    circuit = qs.QuantumCircuit(60).h(0)
    (folder / "large.json").write_text(circuit.to_json())
    (line,) = record(capsys, "estimate", "large.json", "--backend", "statevector", status=1)
    assert line["backend"] == "statevector"
    assert "60" in line["reason"]
    out, err = qstore(capsys, "estimate", "large.json", "--backend", "statevector", status=1)
    assert out.startswith("Cannot run it:\n  statevector: ")
    assert "no backend here can run this circuit" in err


# ---- explain -----------------------------------------------------------------------------------------------------------------


def test_the_router_explains_its_choice(capsys):
    out, _ = qstore(capsys, "explain", "bell.qasm")
    assert "'statevector' runs it" in out
    assert "No budget" in out
    found = record(capsys, "explain", "bell.qasm", "--budget", "5", "--prefer", "accuracy=1")
    assert found["chosen"] == "statevector"
    assert "5" in found["budget"]
    assert found["weights"]["accuracy"] == 1


def test_no_candidate_exits_with_1(capsys, folder):
    (folder / "large.json").write_text(qs.QuantumCircuit(60).h(0).to_json())
    out, _ = qstore(capsys, "explain", "large.json", "--backend", "statevector", status=1)
    assert "no backend can run it" in out


# ---- observables in words -------------------------------------------------------------------------------------------------------

OBSERVABLES = {
    "Z0": qs.Z(0),
    "z0 Z1": qs.Z(0) @ qs.Z(1),
    "Z(0) @ Z(1)": qs.Z(0) @ qs.Z(1),
    "Z0*X1": qs.Z(0) @ qs.X(1),
    "0.5*X0 - 1.25 Z0 Z1 + 2": 0.5 * qs.X(0) - 1.25 * qs.Z(0) @ qs.Z(1) + 2,
    "-Y3": -qs.Y(3),
    "+ 1e-3 I": 1e-3 * qs.I(),
    "2*3*I0*Z10": 6 * qs.Z(10),
    "Z0 Z0": qs.I(),
    "X0 + X0": 2 * qs.X(0),
}


@pytest.mark.parametrize("text", OBSERVABLES)
def test_an_observable_in_words(text):
    assert parse_observable(text) == OBSERVABLES[text]


@pytest.mark.parametrize(
    "text",
    ["", "  ", "Z", "Z0 +", "Z0 *", "* Z0", "- - Z0", "Z0 ** Z1", "Q0", "Z-1", "Z1024", "Z99999999999", "Z0)", "1e999*Z0",
     "X0 Z0", "Z0; import os", "Z0 + + Z1", "é"],
)  # fmt: skip
def test_what_is_no_observable_is_refused(text):
    with pytest.raises(OptionError, match="Observable"):
        parse_observable(text)


def test_what_an_observable_prints_is_read_again():
    observable = qs.Z(0) @ qs.Z(1) + 0.5 * qs.X(2) - 3.25 * qs.Y(0) @ qs.X(5) + 1e-7
    assert parse_observable(repr(observable)) == observable


# ---- as a process ----------------------------------------------------------------------------------------------------------------


def process(*arguments, folder, **options):
    return subprocess.run([sys.executable, "-m", "qstore", *arguments], cwd=folder, capture_output=True, check=False,
                          timeout=100, **options)  # fmt: skip


def test_a_circuit_through_a_pipe(folder):
    done = process("run", "-", "--shots", "10", "--json", folder=folder, input=BELL.encode())
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["counts"][0].values()) == 10


def test_a_reader_that_leaves_is_no_trouble(folder):
    with subprocess.Popen(
        [sys.executable, "-m", "qstore", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as gone:
        gone.stdout.close()
        assert said(gone.stderr.read()) == []
    (folder / "wide.json").write_text(qs.QuantumCircuit(1).h(0).to_json())
    with subprocess.Popen(
        [sys.executable, "-m", "qstore", "run", "wide.json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as gone:
        gone.stdout.close()
        assert said(gone.stderr.read()) == []
    assert gone.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")  # noqa: PTH110  # a device
def test_a_full_disk_is_said_and_no_traceback(folder):
    with open("/dev/full", "wb") as full:  # noqa: PTH123  # a device
        done = subprocess.run([sys.executable, "-m", "qstore", "run", "bell.qasm"], cwd=folder, stdout=full,
                              stderr=subprocess.PIPE, check=False)  # fmt: skip
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_plain_bars(folder):
    done = process("run", "bell.qasm", folder=folder, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"########" in done.stdout
