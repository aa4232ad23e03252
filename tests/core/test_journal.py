# SPDX-License-Identifier: Apache-2.0
"""The journal: what is written survives, one process writes one, and orphans find a new home."""

import json
import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import pytest

from qstore.errors import ExecutionError, OptionError
from qstore.execution import job_table
from qstore.execution.file_lock import FileLock, holding
from qstore.execution.job_rows import CONFIRMED, OVER, TRANSITIONS, UNSENT, JobState, OtherJob
from qstore.execution.jobs import JobRequest, job_tag
from qstore.execution.journal import Journal, run_journal
from qstore.execution.runs_folder import RunFolder, run_names

S = JobState
PATHS = {
    S.NEW: (),
    S.RESERVED: (S.RESERVED,),
    S.SENT: (S.RESERVED, S.SENT),
    S.AMBIGUOUS: (S.SENT, S.AMBIGUOUS),
    S.HELD: (S.SENT, S.AMBIGUOUS, S.HELD),
    S.ACCEPTED: (S.SENT, S.ACCEPTED),
    S.DONE: (S.SENT, S.ACCEPTED, S.DONE),
    S.FAILED: (S.SENT, S.ACCEPTED, S.FAILED),
    S.CANCELLED: (S.SENT, S.ACCEPTED, S.CANCELLED),
}
"""How a row gets to each state."""


def job(number=0, *, paid=False):
    content = {"number": number}
    return JobRequest(
        job_tag("run", content, b"", {}), "fake.qpu", "qpu", content, 2, 100, paid, Decimal("1.5")
    )


@pytest.fixture
def folder(tmp_path):
    return RunFolder("run", tmp_path)


@pytest.fixture
def opened(folder):
    made = []

    def make():
        made.append(Journal(folder))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


def claim(journal, *requests, **options):
    return journal.claim(requests, **options).result()


def brought(journal, request, state):
    """The row of a request, brought to a state."""
    (row,) = claim(journal, request)
    for each in PATHS[state]:
        facts = {"job_id": "job-1"} if each is S.ACCEPTED else {"result": {"a": 1}} if each is S.DONE else {}
        row = journal.record(request.tag, each, **facts).result()
    return row


def test_a_row_keeps_what_the_request_says(opened):
    journal = opened()
    (row,) = claim(journal, job(3, paid=True), ledger="/x/ledger.sqlite")
    assert (row.state, row.backend, row.target, row.circuits, row.shots) == (S.NEW, "fake.qpu", "qpu", 2, 100)
    assert (row.paid, row.estimated_usd, row.ledger, row.ledger_tag) == (
        True,
        Decimal("1.5"),
        "/x/ledger.sqlite",
        job(3).tag,
    )
    assert (row.submissions, row.job_id, row.has_result, row.elsewhere) == (0, "", False, "")
    assert journal.content(row.tag).result() == {"number": 3}
    assert journal.row(job(4).tag).result() is None
    with pytest.raises(ExecutionError, match="The journal has no result for job"):
        journal.result(row.tag).result()


def test_claiming_again_changes_nothing(opened):
    journal = opened()
    first = brought(journal, job(), S.ACCEPTED)
    assert claim(journal, job(), job()) == [first, first]


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("target", S)
def test_states_follow_each_other_as_drawn(opened, state, target):
    journal = opened()
    row = brought(journal, job(), state)
    assert row.state is state
    if target in TRANSITIONS[state]:
        after = journal.record(job().tag, target).result()
        assert (after.state, after.revision) == (target, row.revision + 1)
    else:
        with pytest.raises(ExecutionError, match=f"is {state.value}, which cannot become {target.value}"):
            journal.record(job().tag, target).result()
        assert journal.row(job().tag).result() == row


def test_the_tables_of_states_are_total():
    assert set(TRANSITIONS) == set(S) == set(PATHS)
    assert not UNSENT & CONFIRMED
    assert OVER < CONFIRMED
    # Nothing that may have been accepted becomes unsent unless the service said so itself.
    assert all(not TRANSITIONS[state] & UNSENT for state in (S.AMBIGUOUS, S.HELD, S.ACCEPTED, S.DONE))


def test_submissions_are_counted_without_those_that_were_not_accepted(opened):
    journal = opened()
    claim(journal, job())
    steps = [
        (S.SENT, 1),
        (S.NEW, 0),
        (S.SENT, 1),
        (S.RESERVED, 0),
        (S.SENT, 1),
        (S.AMBIGUOUS, 1),
        (S.SENT, 2),
        (S.AMBIGUOUS, 2),
    ]
    for state, submissions in steps:
        assert journal.record(job().tag, state).result().submissions == submissions


def test_unknown_facts_and_jobs_are_refused(opened):
    journal = opened()
    claim(journal, job())
    with pytest.raises(ExecutionError, match=r"A job has no \['jobid'\]"):
        journal.record(job().tag, S.SENT, jobid="x").result()
    with pytest.raises(ExecutionError, match="The journal has no job"):
        journal.record(job(1).tag, S.SENT).result()
    with pytest.raises(OptionError, match="cannot be written as JSON"):
        journal.claim([JobRequest("0" * 64, "b", "t", {"x": object()}, 1, 1, False)])


def test_results_are_kept_and_capped(opened, monkeypatch):
    journal = opened()
    brought(journal, job(), S.ACCEPTED)
    monkeypatch.setattr(job_table, "MAX_RESULT_BYTES", 100)
    with pytest.raises(
        ExecutionError, match="A result of 2010 characters is not stored; the limit is 100 bytes"
    ):
        journal.record(job().tag, S.DONE, result={"long": "x" * 1999}).result()
    with pytest.raises(OptionError, match="A job's result cannot be written as JSON"):
        journal.record(job().tag, S.DONE, result={"x": float("nan")}).result()
    journal.record(job().tag, S.DONE, result={"é": [1, 2.5, None]}, billed_usd=Decimal("0.1")).result()
    assert journal.result(job().tag).result() == {"é": [1, 2.5, None]}
    assert journal.row(job().tag).result().billed_usd == Decimal("0.1")


def test_paid_jobs_wait_for_the_disk_and_free_ones_do_not(opened):
    journal = opened()

    def synchronous():
        return journal._database.write(lambda t: t.connection.execute("PRAGMA synchronous").fetchone()[0])

    claim(journal, job(0))
    assert synchronous() == 1
    claim(journal, job(1, paid=True))
    assert synchronous() == 2
    claim(journal, job(2))
    assert synchronous() == 2


def test_only_what_was_never_sent_is_dropped(opened):
    journal = opened()
    states = (S.NEW, S.RESERVED, S.SENT, S.AMBIGUOUS, S.ACCEPTED)
    for number, state in enumerate(states):
        brought(journal, job(number), state)
    journal.drop_unsent([job(number).tag for number in range(9)]).result()
    assert {row.state for row in journal.rows().result()} == {S.SENT, S.AMBIGUOUS, S.ACCEPTED}


@pytest.mark.parametrize("state", [S.FAILED, S.CANCELLED])
@pytest.mark.parametrize(
    ("paid", "billed", "options", "starts"),
    [
        (False, None, {}, True),
        (True, None, {}, False),
        (True, Decimal("0.5"), {}, False),
        (True, Decimal(0), {}, True),
        (True, None, {"pay_again": True}, True),
        (False, None, {"again": False}, False),
    ],
)
def test_what_ended_badly_starts_again_if_that_pays_for_nothing_twice(
    opened, state, paid, billed, options, starts
):
    journal = opened()
    request = job(paid=paid)
    brought(journal, request, S.ACCEPTED)
    journal.record(request.tag, state, billed_usd=billed, failure="why").result()
    (row,) = claim(journal, request, **options)
    assert (row.state is S.NEW) == starts
    assert (row.failure, row.job_id) == (("", "") if starts else ("why", "job-1"))
    assert journal.others(request.tag).result() == ([OtherJob("job-1", "failed", billed)] if starts else [])
    assert (row.ledger_tag != request.tag) == starts


# Processes


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


# Trouble with the disk


def test_a_damaged_orphan_is_not_passed_over(opened, folder):
    journal = opened()
    path = journal.path
    brought(journal, job(), S.SENT)
    journal.close()
    path.write_bytes(b"damaged" * 1000)
    with pytest.raises(
        ExecutionError, match=r"The journal .* cannot be used: it is no database; move it away"
    ):
        Journal(folder)
    assert path.exists()


def test_a_journal_of_a_later_release_is_not_passed_over(opened, folder):
    journal = opened()
    journal._database.write(lambda t: t.connection.execute("PRAGMA user_version=99"))
    journal.close()
    with pytest.raises(
        ExecutionError, match=r"was written by a later qstore \(format 99\): upgrade qstore-core"
    ):
        Journal(folder)


def test_a_process_that_died_before_it_made_tables_is_no_trouble(opened, folder):
    folder.make()
    (folder.path / "journal-0-1-00000000.sqlite").touch()
    (folder.path / "journal-0-2-00000000.lock").touch()
    assert opened().rows().result() == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ExecutionError, match=r"The folder .* cannot be made: .* Set QSTORE_HOME to a folder"):
        Journal(RunFolder("run", tmp_path))


def test_a_full_disk_keeps_what_was_written(opened):
    journal = opened()
    brought(journal, job(0), S.SENT)
    database = journal._database
    pages = database.write(lambda t: t.connection.execute("PRAGMA page_count").fetchone()[0])
    database.write(lambda t: t.connection.execute(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(ExecutionError, match="the disk is full"):
        claim(journal, *(job(n) for n in range(1, 200)))
    assert [row.state for row in journal.rows().result()] == [S.SENT]
    database.write(lambda t: t.connection.execute("PRAGMA max_page_count=1000000"))
    claim(journal, *(job(n) for n in range(1, 200)))
    assert len(journal.rows().result()) == 200


FULL = """
import resource, sys
from pathlib import Path
from qstore.errors import ExecutionError
from qstore.execution.jobs import JobRequest
from qstore.execution.journal import run_journal
journal = run_journal("run", home=Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
done = 0
try:
    for n in range(10_000):
        journal.claim([JobRequest(f"{n:064x}", "b", "t", {"n": "x" * 1000}, 1, 1, True)]).result()
        done += 1
except ExecutionError as exc:
    print(done, exc)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on the size of files")
def test_a_write_that_the_system_refuses_is_an_error_and_loses_nothing(opened, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    written, _, message = done.stdout.partition(" ")
    assert "cannot be used: the disk" in message
    assert len(opened().rows().result()) == int(written)


# Locks


def test_a_lock_is_held_once_and_freed_by_its_release(tmp_path):
    lock = FileLock.taken(tmp_path / "x.lock")
    assert FileLock.taken(tmp_path / "x.lock") is None
    lock.release()
    lock.release()
    again = FileLock.taken(tmp_path / "x.lock")
    assert again is not None
    again.release()


def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path, monkeypatch):
    import qstore.execution.file_lock as module

    real = module._lock

    def removed_meanwhile(descriptor):
        (tmp_path / "x.lock").unlink()
        return real(descriptor)

    monkeypatch.setattr(module, "_lock", removed_meanwhile)
    assert FileLock.taken(tmp_path / "x.lock") is None


def test_waiting_for_a_lock_ends(tmp_path):
    lock = FileLock.taken(tmp_path / "x.lock")
    with (
        pytest.raises(ExecutionError, match=r"Another process has been holding .* for 0 s"),
        holding(tmp_path / "x.lock", 0.0),
    ):
        pass
    with (
        pytest.raises(ExecutionError, match=r"The lock .* cannot be taken"),
        holding(tmp_path / "no" / "x.lock", 0.0),
    ):
        pass
    threading.Timer(0.05, lock.release).start()
    with holding(tmp_path / "x.lock", 30.0):
        assert FileLock.taken(tmp_path / "x.lock") is None
