# SPDX-License-Identifier: Apache-2.0
"""`qstore jobs`: what it lists and shows, and that it resumes and cancels by the backend's name."""

import json
import re
from decimal import Decimal

import pytest

from faults.core.server import PRICE, Server
from faults.core.world import install_plugin
from qstore.accounting import Budget, Ledger
from qstore.cli import main
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import JobRequest, job_tag
from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder
from qstore.plugins import reload_plugins


class Desk:
    """Jobs of a run that has ended, and a server that knows some of them."""

    def __init__(self, home):
        self.home = home
        self.server = Server(str(home / "server.sqlite"), course="quick")
        self.ledger = Ledger(home / "ledger.sqlite")

    def journal(self, run="night"):
        return Journal(RunFolder(run, self.home))

    def leave(self, number, *states, accepted=False, run="night", backend="fake.qpu", course="quick"):
        """A job whose process died when it was in the last of these states; its tag."""
        paid = backend == "fake.qpu"
        content = {"number": number, "course": course}
        tag = job_tag(run, content, b"", {})
        request = JobRequest(tag, backend, "machine", content, 1, 100, paid, PRICE if paid else Decimal(0))
        journal = self.journal(run)
        journal.claim([request], ledger=str(self.ledger.path) if paid else "").result()
        if paid and states:
            self.ledger.reserve(tag, PRICE, Budget(5))
        job_id = self.server.accept(tag, content, course) if accepted else ""
        for state in states:
            facts = {"job_id": job_id} if state is JobState.ACCEPTED else {}
            facts |= {"sent_server_s": self.server.clock() - 100.0} if state is JobState.SENT else {}
            facts |= {"result": {"a": 1}, "billed_usd": PRICE} if state is JobState.DONE else {}
            journal.record(tag, state, **facts).result()
        journal.close()
        return tag

    def row(self, tag, run="night"):
        (found,) = [row for row in RunFolder(run, self.home).overview() if row.tag == tag]
        return found

    def spent(self):
        report = self.ledger.report().get("default")
        return (report.reserved_usd, report.settled_usd) if report else (0, 0)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path))
    monkeypatch.setenv("FAULTS_SERVER", str(tmp_path / "server.sqlite"))
    monkeypatch.setenv("FAULTS_PLAN", "{}")
    install_plugin(tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    reload_plugins()
    made = Desk(tmp_path)
    yield made
    made.ledger.close()
    made.server.close()
    monkeypatch.undo()
    reload_plugins()


ACCEPTED = (JobState.SENT, JobState.ACCEPTED)
DONE = (*ACCEPTED, JobState.DONE)
HELD = (JobState.SENT, JobState.AMBIGUOUS, JobState.HELD)


def jobs(capsys, *arguments, status=0):
    assert main(["jobs", *arguments]) == status
    out, err = capsys.readouterr()
    return out + err


def test_without_jobs_the_list_says_where_it_looked(desk, capsys):
    assert jobs(capsys, "list") == f"No jobs in {desk.home / 'runs'}.\n"


def test_the_list_has_a_line_for_every_job_of_every_run(desk, capsys):
    done, held = desk.leave(0, *DONE, accepted=True), desk.leave(1, *HELD)
    free = desk.leave(2, run="other", backend="fake.sim")
    lines = jobs(capsys, "list").splitlines()
    assert re.split(r"  +", lines[0]) == [
        "run",
        "tag",
        "state",
        "backend",
        "job",
        "circuits",
        "shots",
        "cost",
        "made",
    ]
    assert [re.split(r"  +", line)[:8] for line in lines[2:]] == [
        ["night", done[:12], "done", "fake.qpu", "job-1", "1", "100", "$0.50"],
        ["night", held[:12], "held", "fake.qpu", "-", "1", "100", "~$0.50"],
        ["other", free[:12], "new", "fake.sim", "-", "1", "100", "free"],
    ]
    assert held[:12] in jobs(capsys, "list", "--open")
    assert done[:12] not in jobs(capsys, "list", "--open")
    assert free[:12] not in jobs(capsys, "list", "--run", "night")


def test_the_list_as_json_is_complete(desk, capsys):
    tag = desk.leave(0, *DONE, accepted=True)
    (record,) = json.loads(jobs(capsys, "list", "--json"))
    assert (record["run"], record["tag"], record["state"], record["billed_usd"]) == (
        "night",
        tag,
        "done",
        "0.50",
    )
    assert record["submissions"] == 1


def test_looking_changes_nothing_and_marks_what_is_being_worked_on(desk, capsys):
    tag = desk.leave(0, *HELD)
    live = desk.journal()
    before = sorted(path.name for path in (desk.home / "runs" / "night").iterdir())
    out = jobs(capsys, "list")
    assert re.search(rf"{tag[:12]}  held \*", out)
    assert "* in the hands of a process that is running" in out
    jobs(capsys, "show", tag[:8])
    assert sorted(path.name for path in (desk.home / "runs" / "night").iterdir()) == before
    assert "it is in the hands of a process that is running" in jobs(capsys, "resume", tag[:8])
    live.close()


def test_show_tells_a_jobs_history(desk, capsys):
    tag = desk.leave(0, *HELD)
    out = jobs(capsys, "show", tag[:10])
    assert re.search(rf"^tag +{tag}$", out, re.MULTILINE)
    history = re.findall(r"^  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (\w+)", out, re.MULTILINE)
    assert history == ["new", "sent", "ambiguous", "held"]
    assert '"number":0' in out


@pytest.mark.parametrize(
    ("given", "text"), [("zzz", "'zzz' is no job here"), ("", "'' could be any of 2 jobs")]
)
def test_a_name_that_fits_no_job_or_many(desk, capsys, given, text):
    desk.leave(0)
    desk.leave(1)
    assert text in jobs(capsys, "show", given, status=1)


def test_an_action_is_needed(desk, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["jobs"])
    assert caught.value.code == 2
    assert "ACTION" in capsys.readouterr().err


def test_resume_brings_accepted_and_lost_jobs_home(desk, capsys):
    accepted, lost = desk.leave(0, *ACCEPTED, accepted=True), desk.leave(1, JobState.SENT, accepted=True)
    unsent = desk.leave(2)
    assert desk.spent() == (2 * PRICE, 0)
    out = jobs(capsys, "resume")
    assert f"{accepted[:12]}  done: job job-1, billed $0.50" in out
    assert f"{lost[:12]}  done: job job-2, billed $0.50" in out
    assert unsent[:12] not in out
    assert desk.row(accepted).state is desk.row(lost).state is JobState.DONE
    assert desk.spent() == (0, 2 * PRICE)
    assert jobs(capsys, "resume") == "There is nothing to resume.\n"
    assert "it was never sent; start the script again" in jobs(capsys, "resume", unsent[:12])
    assert "it is done already" in jobs(capsys, "resume", "job-1")


def test_resume_holds_what_is_not_found_until_it_is_told_to_send_it_again(desk, capsys):
    tag = desk.leave(0, JobState.SENT)
    assert "JobAmbiguous" in jobs(capsys, "resume", status=1)
    assert desk.row(tag).state is JobState.HELD
    assert desk.server.billed() == {}
    assert "done: job job-1" in jobs(capsys, "resume", "--resubmit", "--settle", "0.1")
    assert desk.server.billed() == {tag: 1}
    assert desk.spent() == (0, PRICE)


def test_resume_sends_failed_jobs_again_only_when_it_is_told_to(desk, capsys):
    tag = desk.leave(0, *ACCEPTED, JobState.FAILED, accepted=True)
    assert jobs(capsys, "resume") == "There is nothing to resume.\n"
    assert "it is failed already" in jobs(capsys, "resume", tag[:12])
    assert "done: job job-2" in jobs(capsys, "resume", tag[:12], "--resubmit")


def test_resume_stops_at_its_deadline(desk, capsys):
    tag = desk.leave(0, *ACCEPTED, accepted=True, course="stuck")
    assert "StillRunning" in jobs(capsys, "resume", "--deadline", "0.1", status=1)
    assert desk.row(tag).state is JobState.ACCEPTED


def test_cancel_cancels_wherever_a_job_stands(desk, capsys):
    unsent = desk.leave(0)
    reserved = desk.leave(1, JobState.RESERVED)
    accepted = desk.leave(2, *ACCEPTED, accepted=True, course="stuck")
    lost = desk.leave(3, JobState.SENT, accepted=True, course="stuck")
    out = jobs(capsys, "cancel", unsent[:12], reserved[:12], accepted[:12], lost[:12])
    assert out.count("cancelled\n") == 4
    assert {desk.row(tag).state for tag in (unsent, reserved, accepted, lost)} == {JobState.CANCELLED}
    assert desk.server.state("job-1") == desk.server.state("job-2") == "cancelled"
    assert desk.spent()[0] == 0
    assert "it is cancelled already" in jobs(capsys, "cancel", unsent[:12])


def test_cancel_says_what_it_cannot_do(desk, capsys):
    gone, over = desk.leave(0, JobState.SENT), desk.leave(1, *ACCEPTED, accepted=True)
    desk.server.state("job-1")
    assert "JobAmbiguous" in jobs(capsys, "cancel", gone[:12], status=1)
    assert desk.row(gone).state is JobState.HELD
    assert "cancelled" in jobs(capsys, "cancel", over[:12])


def test_a_backend_that_cannot_be_made_is_named(desk, capsys):
    desk.leave(0, *ACCEPTED, accepted=True, backend="gone.qpu")
    assert "BackendUnavailable: No backend named 'gone.qpu'" in jobs(capsys, "resume", status=1)
