# SPDX-License-Identifier: Apache-2.0
"""One process writes one journal; orphans find a new home, and what is shared is paid once."""

import json
import os
import signal
import subprocess
import sys

import pytest
from journal_rows import S, brought, claim, job

from qstore.errors import ExecutionError
from qstore.execution import job_table
from qstore.execution.file_lock import FileLock
from qstore.execution.job_rows import CONFIRMED, OtherJob
from qstore.execution.journal import Journal, run_journal
from qstore.execution.runs_folder import run_names


def lines(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_a_run_has_a_folder_with_a_locked_journal_per_process(opened, folder, tmp_path, monkeypatch):
    journal = opened()
    assert journal.run == "run"
    assert journal.path.name.startswith(f"journal-0-{os.getpid()}-")
    assert journal.path.parent == tmp_path / "runs" / "run"
    assert FileLock.taken(journal.path.with_suffix(".lock")) is None
    monkeypatch.setenv("RANK", "5")
    assert opened().path.name.startswith("journal-5-")
    assert run_names(tmp_path) == ["run"]
    assert run_names(tmp_path / "nowhere") == []


def test_two_live_journals_are_two_files(opened):
    first, second = opened(), opened()
    assert first.path != second.path
    brought(first, job(), S.NEW)
    assert second.rows().result() == []


@pytest.mark.parametrize("state", S)
def test_the_next_start_adopts_an_orphan(opened, folder, state):
    first = opened()
    before = brought(first, job(), state)
    first.note_other(job().tag, OtherJob("job-9", "duplicate", None)).result()
    first.close()
    second = opened()
    (after,) = second.rows().result()
    if state is S.RESERVED:  # what was set aside is given back
        assert after.state is S.NEW
    else:
        assert after == before
        assert second.others(job().tag).result() == [OtherJob("job-9", "duplicate", None)]
        assert folder.find([job().tag])[job().tag].rows["events"][0]["state"] == "new"
    assert [path for path in lines(folder) if path.endswith(".sqlite")] == [second.path.name]
    assert not first.path.with_suffix(".lock").exists()


def test_the_largest_orphan_is_renamed_and_the_others_are_merged_into_it(opened, folder):
    small, large = opened(), opened()
    brought(small, job(0), S.DONE)
    for number in range(1, 300):
        claim(large, job(number))
    for journal in (small, large):
        journal.close()
    inode = large.path.stat().st_ino
    assert inode != small.path.stat().st_ino
    third = opened()
    assert third.path.stat().st_ino == inode
    assert third.path.name not in (small.path.name, large.path.name)
    assert len(third.rows().result()) == 300
    assert lines(folder) == sorted(
        ["folder.lock", third.path.name, third.path.with_suffix(".lock").name]
        + [third.path.name + suffix for suffix in ("-shm", "-wal")]
    )


def test_orphans_of_orphans_are_merged_and_the_newer_row_counts(opened, folder):
    first, second = opened(), opened()
    brought(first, job(0), S.SENT)
    brought(second, job(1), S.DONE)
    old = folder.find([job(0).tag])[job(0).tag]
    for journal in (first, second):
        journal.close()
    third = opened()
    brought_row = third.record(job(0).tag, S.ACCEPTED, job_id="job-7").result()
    # A process that died after it merged and before it removed the orphan leaves both.
    fourth = Journal(folder)
    fourth._database.write(lambda t: job_table.insert(t.connection, old))
    fourth.close()
    fifth = opened()
    assert fifth.row(job(0).tag).result().state is S.SENT
    third.close()
    (row,) = claim(fifth, job(0))
    assert row == brought_row
    assert fifth.row(job(0).tag).result() == brought_row


def test_a_row_of_another_rank_waits_for_who_asks_for_it(opened, folder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    first = opened()
    brought(first, job(0), S.SENT)
    brought(first, job(1), S.SENT)
    first.close()
    monkeypatch.setenv("RANK", "0")
    zero = opened()
    assert zero.rows().result() == []
    assert claim(zero, job(1))[0].state is S.SENT
    monkeypatch.setenv("RANK", "1")
    one = opened()
    assert [row.tag for row in one.rows().result()] == [job(0).tag]
    (elsewhere,) = claim(one, job(1))
    assert elsewhere.elsewhere == str(zero.path)


def test_confirmed_rows_of_other_ranks_are_adopted_whole(opened, folder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    first = opened()
    brought(first, job(0), S.DONE)
    brought(first, job(1), S.ACCEPTED)
    first.close()
    monkeypatch.setenv("RANK", "0")
    assert len(opened().rows().result()) == 2
    assert len([path for path in lines(folder) if path.endswith(".sqlite")]) == 1


@pytest.mark.parametrize("state", S)
def test_what_a_live_process_is_at_is_left_to_it_and_what_is_confirmed_is_shared(opened, state, caplog):
    first, second = opened(), opened()
    theirs = brought(first, job(paid=True), state)
    (row,) = claim(second, job(paid=True))
    if state in CONFIRMED:
        assert row == theirs
        assert "was sent by another process of this run" in caplog.text
        assert second.row(row.tag).result() == theirs
        if state is S.DONE:
            assert second.result(row.tag).result() == {"a": 1}
    else:
        assert (row.elsewhere, row.state) == (str(first.path), state)
        assert second.row(row.tag).result() is None
        first.close()
        assert claim(second, job(paid=True))[0].elsewhere == ""
    assert first.path.exists()


def test_two_processes_do_not_both_start_a_failed_job_again(opened):
    first, second = opened(), opened()
    brought(first, job(), S.FAILED)
    claim(second, job(), again=False)
    assert claim(first, job())[0].state is S.NEW
    (row,) = claim(second, job())
    assert row.elsewhere == str(first.path)


CLAIMS = """
import sys
from pathlib import Path
from qstore.execution.jobs import JobRequest, job_tag
from qstore.execution.journal import run_journal
journal = run_journal("run", home=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
mine = 0
for start in range(0, 200, 20):
    requests = [JobRequest(job_tag("run", {"n": n}, b"", {}), "b", "t", {"n": n}, 1, 1, False) for n in range(start, start + 20)]
    mine += sum(not row.elsewhere for row in journal.claim(requests).result())
print(mine, flush=True)
sys.stdin.readline()
"""


def test_live_processes_that_claim_the_same_jobs_get_each_once(tmp_path):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        shares = [int(child.stdout.readline()) for child in children]
        assert sum(shares) == 200
    finally:
        for child in children:
            child.communicate("done\n")
    journal = run_journal("run", home=tmp_path)
    assert len(journal.rows().result()) == 200
    journal.close()


DIES = """
import os, signal, sys
from pathlib import Path
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import JobRequest
from qstore.execution.journal import run_journal
journal = run_journal("run", home=Path(sys.argv[1]))
for n in range(50):
    journal.claim([JobRequest(f"{n:064x}", "b", "t", {"n": n}, 1, 1, False)]).result()
    journal.record(f"{n:064x}", JobState.SENT).result()
    print(n, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_acknowledged_survives_a_kill(opened, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    assert done.stdout.split() == [str(n) for n in range(50)]
    rows = opened().rows().result()
    assert {row.tag for row in rows} == {f"{n:064x}" for n in range(50)}
    assert {row.state for row in rows} == {S.SENT}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_a_journal_of_its_own_and_holds_none_of_its_parents_locks(opened):
    journal = opened()
    brought(journal, job(0), S.DONE)
    to_parent, from_child = os.pipe()
    stop, go_on = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs must not outlive the test
        status = 1
        try:
            (shared,) = claim(journal, job(0))
            (own,) = claim(journal, job(1))
            os.write(
                from_child, json.dumps([str(journal.path), shared.state.value, own.state.value]).encode()
            )
            os.read(stop, 1)
            status = 0
        finally:
            os._exit(status)
    path, shared, own = json.loads(os.read(to_parent, 1000))
    assert path != str(journal.path)
    assert str(pid) in path
    assert (shared, own) == ("done", "new")
    (elsewhere,) = claim(journal, job(1))
    assert elsewhere.elsewhere == path
    lock = journal.path.with_suffix(".lock")
    assert FileLock.taken(lock) is None
    journal.close()
    freed = FileLock.taken(lock)  # although the child, which was born with the open file, lives
    assert freed is not None
    freed.release()
    os.write(go_on, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    for descriptor in (to_parent, from_child, stop, go_on):
        os.close(descriptor)
    assert {row.state for row in opened().rows().result()} == {S.DONE, S.NEW}


def test_a_closed_journal_is_opened_anew_by_name(tmp_path):
    first = run_journal("run", home=tmp_path)
    assert run_journal("run", home=tmp_path) is first
    claim(first, job())
    first.close()
    first.close()
    with pytest.raises(ExecutionError, match="is closed; nothing was written"):
        first.rows()
    second = run_journal("run", home=tmp_path)
    assert second is not first
    assert len(second.rows().result()) == 1
    second.close()


SCRIPT = """
from qstore.batch import current_run
from qstore.execution.jobs import JobRequest
from qstore.execution.journal import run_journal
journal = run_journal(current_run().name)
journal.claim([JobRequest("0" * 64, "b", "t", {}, 1, 1, False)]).result()
journal.record("0" * 64, __import__("qstore.execution.job_rows", fromlist=["x"]).JobState.CANCELLED).result()
"""


@pytest.mark.parametrize(("environment", "left"), [({}, []), ({"QSTORE_RUN": "named"}, ["named"])])
def test_a_run_with_a_drawn_name_leaves_nothing_of_free_jobs_that_are_over(tmp_path, environment, left):
    clean = {name: value for name, value in os.environ.items() if name != "QSTORE_RUN"}
    subprocess.run(
        [sys.executable, "-c", SCRIPT], env=clean | environment | {"QSTORE_HOME": str(tmp_path)}, check=True
    )
    assert run_names(tmp_path) == left
