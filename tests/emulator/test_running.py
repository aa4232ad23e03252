# SPDX-License-Identifier: Apache-2.0
"""Starting and ending: the context manager, the database, the command."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx2
import pytest

from emulator.bodies import BELL, H0, batch, job
from qstore.errors import OptionError
from qstore_ionq.emulator import Emulator
from qstore_ionq.emulator.command import main

COMMAND = [sys.executable, "-m", "qstore_ionq.emulator"]


def test_an_emulator_ends_with_its_block_and_leaves_nothing():
    before = threading.active_count()
    with Emulator() as emulator:
        port = emulator.port
        assert emulator.url == f"http://127.0.0.1:{port}/v0.4"
        assert repr(emulator) == f"<Emulator: {emulator.url}>"
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(OptionError, match="not running"):
        emulator.url  # noqa: B018  # the access is the test
    with emulator as again:  # once more, with nothing of the first time
        assert again.stats.jobs == {}


def test_an_emulator_cannot_be_entered_twice(api):
    with pytest.raises(OptionError, match="running already"):
        api.emulator.__enter__()


def test_a_port_that_is_taken(api):
    with pytest.raises(OptionError, match="cannot be used"), Emulator(port=api.emulator.port):
        pass


def test_it_listens_on_this_computer_only(api):
    """Another address of this computer is another computer's way in."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", api.emulator.port), timeout=5)


def test_jobs_outlive_the_emulator_in_a_database(start, tmp_path):
    path = tmp_path / "jobs.sqlite"
    first = start(database=path)
    exact = first.submit(*BELL, metadata={"qstore_tag": "t"})
    sampled = first.submit(*BELL, backend="qpu.aria-1", shots=200)
    parent = first.post("/jobs", batch(BELL, [H0])).json()["id"]
    deleted = first.submit(H0, backend="qpu.aria-1", shots=100)
    session = first.post("/sessions", {"backend": "qpu.aria-1"}).json()["id"]
    first.emulator.wait_until_idle()
    first.delete(f"/jobs/{deleted}")
    paths = [f"/jobs/{each}" for each in (exact, sampled, parent)]
    paths += [f"/jobs/{exact}/results/probabilities", f"/jobs/{sampled}/results/shots", f"/sessions/{session}",
              f"/jobs/{parent}/results/probabilities/aggregated", f"/jobs/{sampled}/cost"]  # fmt: skip
    before = [first.get(each).json() for each in paths]
    spent = first.emulator.stats.spent_usd
    first.emulator.__exit__()

    second = start(database=path)
    assert [second.get(each).json() for each in paths] == before
    assert second.emulator.stats.spent_usd == spent
    assert second.get(f"/jobs/{deleted}").status_code == 404
    assert second.submit(*BELL) not in {exact, sampled, parent, deleted}
    assert second.emulator.stats.accepted["t"] == 1


def test_what_was_running_is_finished_by_the_next_emulator(start, tmp_path):
    path = tmp_path / "jobs.sqlite"
    options = {"database": path, "seed": 8}
    first = start(**options, speed=1.0)
    ids = [first.submit(*BELL, backend="qpu.aria-1", shots=200) for _ in range(2)]
    ids.append(first.post("/jobs", batch(BELL, [H0], backend="qpu.aria-1", shots=100)).json()["id"])
    failed = first.submit({"gate": "u3", "target": 0})
    first.emulator.__exit__()
    second = start(**options, speed=1.0)
    second.emulator.advance(1000)
    assert [second.finished(each)["status"] for each in (*ids, failed)] == ["completed"] * 3 + ["failed"]
    found = [second.get(f"/jobs/{each}/results/probabilities").json() for each in ids]
    # The outcomes are the ones that the first would have drawn.
    third = start(seed=8)
    same = [third.submit(*BELL, backend="qpu.aria-1", shots=200) for _ in range(2)]
    third.emulator.wait_until_idle()
    assert [third.get(f"/jobs/{each}/results/probabilities").json() for each in same] == found[:2]


def test_one_emulator_on_a_database(start, tmp_path):
    path = tmp_path / "jobs.sqlite"
    start(database=path)
    with pytest.raises(OptionError, match="locked"):
        start(database=path)


@pytest.mark.parametrize(
    "content",
    [b"no database at all, but long enough to be looked at" * 20, b"SQLite format 3\0" + b"x" * 200],
)
def test_a_file_that_is_no_database(tmp_path, content):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(content)
    with pytest.raises(OptionError, match="not the database"), Emulator(database=path):
        pass
    assert path.read_bytes() == content


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_help_teaches():
    text = run("--help").stdout
    for part in ("--port", "--seed", "--faults", "--strict", "--db", "--latency", "cirq_ionq.Service", "IONQ_API_URL",
                 "APIClient.BASE_URL", "QSTORE_IONQ_URL", "[[fault]]", "_emulator/faults"):  # fmt: skip
        assert part in text


def test_the_list_of_faults(capsys):
    assert main(["--list-faults"]) == 0
    text = capsys.readouterr().out
    for part in ("gzip_bomb", "retry_after", "submit", "child_twice"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "no.toml"], "cannot be read"),
        (["--speed", "0"], "speed"),
        (["--port", "99999"], "99999"),
    ],
)
def test_bad_arguments_end_with_a_message(arguments, words, capsys):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "Traceback" not in message


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_interrupted(tmp_path, number):
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "status"\nroute = "list"\nstatus = 418\n', encoding="utf-8")
    arguments = ["--port", "0", "--seed", "1", "--faults", str(plan), "--db", str(tmp_path / "jobs.sqlite"),
                 "--key", "right", "--speed", "inf"]  # fmt: skip
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/v0\.4", line)[0]
        headers = {"Authorization": "apiKey right"}
        assert httpx2.get(f"{url}/jobs", headers=headers).status_code == 418
        reply = httpx2.post(f"{url}/jobs", headers=headers, content=json.dumps(job(*BELL)))
        assert reply.status_code == 201
        assert (
            httpx2.post(f"{url}/jobs", headers={"Authorization": "apiKey wrong"}, content="{}").status_code
            == 401
        )
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
        assert (process.returncode, rest, errors) == (0, "", "")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
