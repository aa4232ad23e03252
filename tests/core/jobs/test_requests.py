# SPDX-License-Identifier: Apache-2.0
"""Options, tags, contents and results at their limits."""

import re
from decimal import Decimal

import pytest
from job_bench import job

from qstore.errors import (
    ExecutionError,
    OptionError,
    TransportError,
)
from qstore.execution.job_rows import JobState
from qstore.execution.jobs import (
    JobRequest,
    NotAccepted,
    RemoteJob,
    RemoteState,
    Unclear,
    job_tag,
)
from qstore.execution.retry import RetryQuota


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_ambiguous": "pray"}, "on_ambiguous must be 'hold' or 'resubmit', got 'pray'."),
        ({"max_in_flight": 0}, "max_in_flight must be an integer from 1 up, got 0."),
        ({"max_in_flight": 2.5}, "max_in_flight must be an integer from 1 up, got 2.5."),
        ({"settle_s": float("nan")}, "settle_s must be seconds from 0 up, got nan."),
    ],
)
def test_options_out_of_range_are_refused(bench, options, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        bench().runner(**options)


def test_a_tag_names_run_content_keys_and_settings_and_nothing_else():
    base = job_tag("run", {"a": 1, "b": [1.5]}, b"keys", {"shots": 10})
    assert base == job_tag("run", {"b": [1.5], "a": 1}, b"keys", {"shots": 10})
    others = [
        job_tag("runs", {"a": 1, "b": [1.5]}, b"keys", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.25]}, b"keys", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.5]}, b"key", {"shots": 10}),
        job_tag("run", {"a": 1, "b": [1.5]}, b"keys", {"shots": 11}),
    ]
    assert len({base, *others}) == 5
    assert re.fullmatch("[0-9a-f]{64}", base)


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b""}, {("a",): 1}])
def test_content_that_is_no_json_is_refused(content):
    with pytest.raises(OptionError, match="A job's content cannot be written as JSON"):
        job_tag("run", content, b"", {})


def test_requests_check_their_tag_and_estimate():
    with pytest.raises(OptionError, match="64 hexadecimal digits"):
        JobRequest("abc", "b", "t", {}, 1, None, False)
    with pytest.raises(OptionError, match="estimated_usd"):
        JobRequest("0" * 64, "b", "t", {}, 1, None, True, Decimal(-1))


def test_what_a_service_raises_tells_what_it_knows():
    assert not NotAccepted(True).throttled
    assert NotAccepted(True, 1.0).throttled
    assert NotAccepted(True, throttled=True).throttled
    assert Unclear("x", timeout=True).timeout
    assert RemoteJob("1", RemoteState.QUEUED).raw == {}


def test_a_result_that_is_too_long_to_store_is_delivered_and_fetched_again(bench, monkeypatch, caplog):
    monkeypatch.setattr("qstore.execution.job_table.MAX_RESULT_BYTES", 10)
    b = bench()
    (done,) = b.run(job())
    assert done.result["job"] == "job-1"
    assert b.row(job()).state is JobState.ACCEPTED
    assert "How job job-1 ended is not in the journal" in caplog.text
    assert b.run(job())[0].result == done.result
    assert b.billed(job()) == 1


def test_a_journal_that_cannot_be_written_sends_nothing(bench):
    b = bench()
    b.journal._database.write(lambda t: t.connection.execute("PRAGMA query_only=1"))
    with pytest.raises(ExecutionError, match=r"cannot be used: it is read-only"):
        b.run(job())
    assert b.service.calls == {}


def test_quota_is_shared_by_runners_that_are_given_one(bench):
    b = bench(submit=["always:refused"])
    quota = RetryQuota(capacity=50)
    for _ in range(2):
        with pytest.raises(TransportError):
            b.run(job(), retry=quota)
    assert b.service.calls["submit"] == 12
