# SPDX-License-Identifier: Apache-2.0
"""Scripts that are started again, killed, or forked: jobs are found, and nothing is paid for twice."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import qstore as qs
from qstore_ionq.backend import IonQBackend


def posts(emulator):
    return emulator.stats.posts


def test_the_same_named_run_takes_its_results_from_the_journal(emulator):
    results = []
    for _ in range(2):
        script = """
            import sys, json, numpy as np, qstore as qs
            x = qs.Parameter("x", (1,))
            circuit = qs.QuantumCircuit(1).ry(0, x[0])
            with qs.run_context("thesis"):
                result = qs.run(circuit, {"x": np.arange(3.0)[:, None]}, shots=100, backend=qs.get_backend("ionq.aria-1"))
            print(json.dumps([sorted(row.items()) for row in result.counts]))
        """
        results.append(subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True,
                                      env=os.environ).stdout)  # fmt: skip
    assert results[0] == results[1]
    assert posts(emulator) == 1


KILLED = """
    import os, signal, sys, threading, numpy as np, qstore as qs
    from qstore_ionq.api import IonQApi

    moment = int(sys.argv[1])
    plain, calls = IonQApi.{method}, 0

    async def counted(self, *args, **named):
        global calls
        calls += 1
        if {before} and calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        found = await plain(self, *args, **named)
        if not {before} and calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    if moment:
        IonQApi.{method} = counted
    x = qs.Parameter("x", (1,))
    circuit = qs.QuantumCircuit(1).ry(0, x[0])
    backend = qs.get_backend("ionq.aria-1", settle_s=0.2, budget=1000)
    with qs.run_context("digits"):
        for step in range(3):
            result = qs.run(circuit, {{"x": [[0.1 * step]]}}, shots=100, backend=backend)
            print(step, sorted(result.counts[0].items()), flush=True)
"""


@pytest.mark.parametrize(
    ("method", "before", "moment"),
    [("create_job", True, 1), ("create_job", False, 1), ("create_job", False, 2), ("job", True, 2), ("job", False, 3),
     ("result", True, 3), ("result", False, 3)],
)  # fmt: skip
def test_a_script_that_is_killed_and_started_again_pays_for_nothing_twice(emulator, method, before, moment):
    """Except where the kill came before the first byte left: there a paid job is held, for nobody can know."""
    script = textwrap.dedent(KILLED.format(method=method, before=before))

    def run(at):
        command = [sys.executable, "-c", script, str(at)]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)

    first = run(moment)
    assert first.returncode == -signal.SIGKILL, first.stderr
    again = run(0)
    stats = emulator.stats
    assert stats.duplicates == 0
    if method == "create_job" and before:
        assert again.returncode == 1
        assert "JobAmbiguous" in again.stderr
        assert stats.posts == 0
        return
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("\n") == 3
    assert stats.posts == 3
    assert sum(stats.billed.values()) == 3
    assert run(0).stdout == again.stdout  # and a third start finds everything in the journal
    assert emulator.stats.posts == 3


def test_jobs_of_a_killed_script_are_listed_resumed_and_cancelled_by_the_command(emulator):
    """`qstore jobs` makes the backend again by its registered name and speaks to the same service."""
    script = textwrap.dedent(KILLED.format(method="job", before=True))
    first = subprocess.run(
        [sys.executable, "-c", script, "1"], check=False, capture_output=True, env=os.environ
    )
    assert first.returncode == -signal.SIGKILL

    def command(*words):
        done = subprocess.run([sys.executable, "-m", "qstore", "jobs", *words], check=False, capture_output=True, text=True,
                              env=os.environ)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "ionq.aria-1" in command("list", "--open")
    assert "accepted" in command("list", "--run", "digits")
    command("resume", "--run", "digits")
    assert "done" in command("list", "--run", "digits")
    again = subprocess.run(
        [sys.executable, "-c", script, "0"], check=True, capture_output=True, text=True, env=os.environ
    )
    assert again.stdout.count("\n") == 3
    assert posts(emulator) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_uses_connections_and_a_journal_of_its_own(emulator):
    backend = IonQBackend("ionq.aria-1")
    circuit = qs.QuantumCircuit(1).x(0)
    qs.run(circuit, shots=10, seed=1, backend=backend)
    child = os.fork()
    if child == 0:
        try:
            found = qs.run(circuit, shots=10, seed=2, backend=backend)
            os._exit(0 if found.shots == 10 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert qs.run(circuit, shots=10, seed=3, backend=backend).shots == 10
    assert (posts(emulator), emulator.stats.duplicates) == (3, 0)


def test_a_script_started_again_in_another_session_finds_its_jobs(emulator):
    """The session is a circumstance: it is not part of a job's tag."""
    circuit = qs.QuantumCircuit(1).h(0)
    tags = []
    for session in range(2):
        backend = IonQBackend("ionq.aria-1", transport=None)
        with qs.run_context("in-sessions"), backend.open_session(jobs=5) as reserved:
            tags.append(reserved._settings.session)
            qs.run(circuit, shots=10, seed=4, backend=reserved)
        assert session or posts(emulator) == 1
    assert tags[0] != tags[1]
    assert posts(emulator) == 1
