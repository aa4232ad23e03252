# SPDX-License-Identifier: Apache-2.0
"""Damaged and later files, full disks, and locks."""

import shutil
import subprocess
import sys
import threading

import pytest
from journal_rows import S, brought, claim, job

from qstore.errors import ExecutionError
from qstore.execution.file_lock import FileLock, holding
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder


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


def test_a_folder_that_somebody_deleted_is_no_trouble_at_the_end(tmp_path):
    journal = Journal(RunFolder("run", tmp_path / "state"))
    shutil.rmtree(tmp_path / "state")
    journal.close(discard=True)
    assert not (tmp_path / "state").exists()


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
