# SPDX-License-Identifier: Apache-2.0
"""What a journal writes is kept, and its states follow each other as drawn."""

from decimal import Decimal

import pytest
from journal_rows import PATHS, S, brought, claim, job

from qstore.errors import ExecutionError, OptionError
from qstore.execution import job_table
from qstore.execution.job_rows import CONFIRMED, OVER, TRANSITIONS, UNSENT, OtherJob
from qstore.execution.jobs import JobRequest


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
