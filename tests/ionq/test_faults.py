# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the wire, fault by fault, against the emulator: right results or a typed error, and never a second bill.

Every case runs a single circuit and a batch of twenty, on the free simulator and on a paid machine.
"""

import asyncio
import time

import numpy as np
import pytest

import qstore as qs
from qstore.errors import JobAmbiguous, JobCancelled, JobFailed, ServiceError, StillRunning, TransportError
from qstore_ionq import IncompleteJob
from qstore_ionq.backend import IonQBackend

X = qs.Parameter("x", (1,))
CIRCUIT = qs.QuantumCircuit(1).rx(0, X[0])
SIZES = pytest.mark.parametrize("rows", [1, 20], ids=["single", "batch"])
MACHINES = pytest.mark.parametrize("machine", ["ionq.simulator", "ionq.aria-1"])
ERRORS = [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529]


def run(machine, rows, **options):
    """Rotations by 0 and pi in turn: the outcome of row i is i % 2, on a machine nearly always."""
    angles = np.pi * (np.arange(rows) % 2)[:, None]
    chosen = {"settle_s": 1.0, "timeout_s": 5.0, "deadline_s": 60.0, **options}
    return qs.run(CIRCUIT, {"x": angles}, shots=40, seed=1, backend=IonQBackend(machine, **chosen))


def check(result, rows):
    for row in range(rows):
        assert result.counts[row].get(row % 2, 0) > 30


def once(kind, route="submit", **more):
    return {"fault": [{"kind": kind, "route": route, "attempts": [1], **more}]}


def always(kind, route, **more):
    return {"fault": [{"kind": kind, "route": route, **more}]}


ACCEPTED_THEN_LOST = {
    "reset": once("reset", stage="after"),
    "close": once("close", stage="after"),
    "hang": once("hang", stage="after", seconds=30),
    "cut": once("cut"),
    "truncated": once("truncated"),
    "html": once("html"),
    "empty": once("empty"),
    "wrong type": once("wrong_type"),
    "no id": once("missing", field="id"),
    "id is a number": once("set", field="id", value=5),
    "deep": once("deep"),
    "duplicate keys": once("duplicate_key"),
    "huge": once("huge"),
    "gzip bomb": once("gzip_bomb"),
    "slow body": once("slow", part="body"),
    "slow head": once("slow", part="head"),
    **{f"{status} after": once("status", status=status, stage="after") for status in ERRORS},
    "500 as html": once("status", status=500, stage="after", form="html"),
}


@SIZES
@MACHINES
@pytest.mark.parametrize("fault", ACCEPTED_THEN_LOST)
def test_an_accepted_job_whose_answer_is_lost_is_found_again(emulator, fault, machine, rows):
    emulator.set_faults(ACCEPTED_THEN_LOST[fault])
    check(run(machine, rows, timeout_s=0.5 if fault in ("hang", "slow body", "slow head") else 5.0), rows)
    stats = emulator.stats
    assert sum(emulator.fired()) == 1
    assert (stats.duplicates, sum(stats.accepted.values())) == (0, 1)


NOT_ACCEPTED = {
    "refused": once("refuse", seconds=0.3),
    "429": once("status", status=429, retry_after="0.2"),
    "429 without a time": once("status", status=429),
    "408": once("status", status=408),
    "425": once("status", status=425),
}


@SIZES
@MACHINES
@pytest.mark.parametrize("fault", ["429", "429 without a time", "408", "425"])
def test_what_was_certainly_not_accepted_is_sent_again(emulator, fault, machine, rows):
    emulator.set_faults(NOT_ACCEPTED[fault])
    check(run(machine, rows), rows)
    assert (emulator.stats.posts, emulator.stats.duplicates) == (2, 0)


@SIZES
@MACHINES
def test_a_service_that_cannot_be_reached_is_tried_again(emulator, machine, rows):
    emulator.refuse(0.5)
    check(run(machine, rows), rows)
    assert (emulator.stats.posts, emulator.stats.duplicates) == (1, 0)


def test_retry_after_is_kept(emulator):
    emulator.set_faults(once("status", status=429, retry_after="0.7"))
    run("ionq.simulator", 1)
    first, second = [each.at for each in emulator.exchanges if each.route == "submit"]
    assert second - first >= 0.7


NEVER_ARRIVED = {
    "reset before": once("reset", stage="before"),
    "close before": once("close", stage="before"),
    "500 before": once("status", status=500, stage="before"),
    "503 before": once("status", status=503, stage="before"),
}


@SIZES
@pytest.mark.parametrize("fault", NEVER_ARRIVED)
def test_on_the_free_simulator_a_lost_request_is_sent_again(emulator, fault, rows):
    emulator.set_faults(NEVER_ARRIVED[fault])
    check(run("ionq.simulator", rows, settle_s=0.2), rows)
    assert (emulator.stats.posts, sum(emulator.stats.accepted.values())) == (2, 1)


@SIZES
@pytest.mark.parametrize("fault", NEVER_ARRIVED)
def test_on_a_paid_machine_it_is_held_and_sent_again_only_on_request(emulator, fault, rows):
    emulator.set_faults(NEVER_ARRIVED[fault])
    with qs.run_context("held"):
        with pytest.raises(JobAmbiguous, match="It is held"):
            run("ionq.aria-1", rows, settle_s=0.2)
        with pytest.raises(JobAmbiguous):
            run("ionq.aria-1", rows, settle_s=0.2)
        assert (emulator.stats.posts, emulator.stats.billed) == (1, {})
        check(run("ionq.aria-1", rows, settle_s=0.2, on_ambiguous="resubmit"), rows)
    assert (emulator.stats.posts, emulator.stats.duplicates) == (2, 0)


def test_a_listing_that_lags_does_not_pay_twice(emulator):
    emulator.set_faults({**once("reset", stage="after"), "listing": {"lag_s": 1.5}})
    with qs.run_context("lagging"):
        with pytest.raises(JobAmbiguous):
            run("ionq.aria-1", 1, settle_s=0.3)
        time.sleep(1.5)
        check(run("ionq.aria-1", 1, settle_s=0.3), 1)
    assert (emulator.stats.posts, emulator.stats.duplicates) == (1, 0)


def test_a_listing_of_many_pages_is_searched_while_it_grows(emulator):
    for seed in range(25):
        qs.run(CIRCUIT, {"x": [[0.1 * seed]]}, shots=10, seed=seed, backend=IonQBackend())
    emulator.set_faults({**once("close", stage="after"), "listing": {"shifting": True, "page_size": 5}})
    check(run("ionq.aria-1", 1), 1)
    assert emulator.stats.duplicates == 0


READING = {
    "reset": {}, "close": {}, "cut": {}, "truncated": {}, "html": {}, "empty": {}, "wrong_type": {}, "deep": {},
    "duplicate_key": {}, "huge": {}, "gzip_bomb": {}, "status": {"status": 503}, "hang": {"seconds": 30},
}  # fmt: skip


@SIZES
@pytest.mark.parametrize("route", ["job", "result"])
@pytest.mark.parametrize("kind", READING)
def test_reading_is_simply_repeated(emulator, kind, route, rows):
    emulator.set_faults(once(kind, route, **READING[kind]))
    check(run("ionq.aria-1", rows, timeout_s=0.7 if kind == "hang" else 5.0), rows)
    assert sum(emulator.fired()) >= 1
    assert emulator.stats.posts == 1


DAMAGED = {
    "bad_sum": "the probabilities sum to 0.5",
    "negative": "has the value -",
    "too_wide": "is too wide",
    "nan": "NaN is not a number",
    "html": "not JSON",
    "truncated": "not JSON",
    "huge": "the answer has 1073741824 bytes",
    "gzip_bomb": "unpacks to more than 200 times its size",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_result_that_stays_damaged_names_the_trouble_and_the_job_is_kept(emulator, kind):
    emulator.set_faults(always(kind, "result"))
    with qs.run_context("damaged"):
        with pytest.raises(ServiceError, match=DAMAGED[kind]):
            run("ionq.simulator", 1)
        emulator.clear_faults()
        check(run("ionq.simulator", 1), 1)
    assert emulator.stats.posts == 1


@SIZES
def test_extra_fields_are_tolerated_everywhere(emulator, rows):
    emulator.set_faults(
        {"fault": [{"kind": "extra", "route": route} for route in ("submit", "job", "cost", "backends")]}
    )
    check(run("ionq.aria-1", rows), rows)


@pytest.mark.parametrize("field", ["id", "status"])
@pytest.mark.parametrize("kind", ["missing", "set"])
def test_a_damaged_job_names_the_field(emulator, kind, field):
    emulator.set_faults(always(kind, "job", field=field, **({"value": 5} if kind == "set" else {})))
    with pytest.raises(ServiceError, match=f"'{field}'"):
        run("ionq.simulator", 1)


@pytest.mark.parametrize("word", ["paused", "submitted", ""])
def test_a_job_that_never_ends_is_kept_and_taken_up_later(emulator, word):
    emulator.set_faults(always("set", "job", field="status", value=word))
    with qs.run_context("stuck"):
        with pytest.raises(StillRunning) as caught:
            run("ionq.aria-1", 1, deadline_s=0.6)
        assert caught.value.job_id
        emulator.clear_faults()
        check(run("ionq.aria-1", 1), 1)
    assert emulator.stats.posts == 1


def test_a_state_that_goes_backwards_changes_nothing(emulator):
    emulator.set_faults({"fault": [{"kind": "set", "route": "job", "attempts": [1], "field": "status", "value": "started"},
                                   {"kind": "set", "route": "job", "attempts": [2], "field": "status", "value": "submitted"}]})  # fmt: skip
    check(run("ionq.aria-1", 1), 1)
    assert emulator.stats.posts == 1


def test_a_job_that_the_service_forgets_is_never_sent_again_by_itself(emulator):
    emulator.set_faults(always("forget", "job"))
    with pytest.raises(StillRunning):
        run("ionq.aria-1", 1, deadline_s=0.6)
    assert emulator.stats.posts == 1


def test_a_failed_job_says_why(emulator):
    emulator.set_faults(once("fail", code="QuantumComputerError", message="the ions are lost"))
    with pytest.raises(JobFailed, match="QuantumComputerError: the ions are lost") as caught:
        run("ionq.aria-1", 1)
    assert caught.value.job_id in emulator.job_ids()
    assert emulator.stats.billed == {}


def test_a_job_that_somebody_else_cancels_says_so(emulator):
    emulator.set_faults(once("cancel"))
    with pytest.raises(JobCancelled):
        run("ionq.aria-1", 20)


def test_the_good_circuits_of_a_job_are_delivered_with_the_error(emulator):
    emulator.set_faults({"fault": [
        {"kind": "fail_child", "route": "submit", "index": 4, "code": "QuantumComputerError", "message": "dark"},
        {"kind": "child_missing", "route": "result", "index": 9},
        {"kind": "reordered", "route": "result"},
        {"kind": "child_twice", "route": "result", "index": 12},
    ]})  # fmt: skip
    with pytest.raises(
        IncompleteJob, match="1 of 20 circuits have no result; the first is row 4 of batch 0"
    ) as caught:
        run("ionq.aria-1", 20)
    (result,), (failures,) = caught.value.results, caught.value.failures
    assert failures == {4: "QuantumComputerError: dark"}
    assert result.counts[4] == {}
    for row in set(range(20)) - {4}:
        assert result.counts[row].get(row % 2, 0) > 30


def test_retries_come_to_an_end(emulator):
    """500 tokens at 5 for a retry: a hundred, and then a typed error; the job is kept."""
    emulator.set_faults(always("status", "job", status=503))
    with qs.run_context("storm"):
        with pytest.raises((TransportError, StillRunning)) as caught:
            run("ionq.simulator", 1, deadline_s=8.0)
        assert "accepted and is kept" in str(caught.value)
        emulator.clear_faults()
        check(run("ionq.simulator", 1), 1)
    assert emulator.stats.posts == 1


def test_a_clock_that_is_an_hour_off_does_no_harm(emulator):
    emulator.set_faults({"fault": [{"kind": "date", "route": "*", "seconds": 3600.0},
                                   {"kind": "reset", "route": "submit", "stage": "after", "attempts": [1]}]})  # fmt: skip
    try:
        check(run("ionq.simulator", 1), 1)
    finally:
        emulator.clear_faults()
    assert emulator.stats.duplicates == 0


STORM = [
    *({"kind": kind, "route": "submit", "stage": stage, "probability": 0.04} for kind in ("reset", "close") for stage in ("before", "after")),
    *({"kind": "status", "route": "submit", "status": status, "stage": stage, "probability": 0.02}
      for status in (429, 500, 502, 503) for stage in ("before", "after") if status > 429 or stage == "before"),
    *({"kind": kind, "route": "submit", "probability": 0.01} for kind in ("truncated", "html", "empty", "missing", "cut")),
    *({"kind": kind, "route": route, "probability": 0.01} for route in ("job", "result", "list", "cost")
      for kind in ("reset", "truncated", "html", "cut", "wrong_type")),
    *({"kind": "status", "route": route, "status": 503, "probability": 0.03} for route in ("job", "result", "list")),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "seed"), [("ionq.aria-1", 1), ("ionq.aria-1", 2), ("ionq.simulator", 3)])
def test_in_a_storm_of_faults_every_call_ends_and_nothing_is_paid_for_twice(emulator, machine, seed):
    """A quarter of the submissions and a tenth of the other requests go wrong, 80 jobs at once."""
    emulator.set_faults({"seed": seed, "fault": STORM})
    backend = IonQBackend(machine, settle_s=1.0, deadline_s=60.0, max_in_flight=20)

    async def many():
        runs = [
            qs.run_async(CIRCUIT, {"x": [[np.pi * (i % 2)]]}, shots=40, seed=i, backend=backend)
            for i in range(80)
        ]
        return await asyncio.gather(*runs, return_exceptions=True)

    with qs.run_context("storm"):
        during = asyncio.run(many())
        emulator.clear_faults()
        posts = emulator.stats.posts
        after = asyncio.run(many())
    # A chance of the plan may hit every attempt of a request: then the error says so, and the job is kept.
    typed = (qs.BatchResult, JobAmbiguous, ServiceError)
    assert [each for each in during if not isinstance(each, typed)] == []
    assert [each for each in after if not isinstance(each, (qs.BatchResult, JobAmbiguous))] == []
    good = [(i, each) for i, each in enumerate(after) if isinstance(each, qs.BatchResult)]
    for i, each in good:
        assert each.counts[0].get(i % 2, 0) > 30
    stats = emulator.stats
    assert stats.posts == posts
    assert posts >= 80
    assert sum(stats.faults.values()) > 10  # the storm was one
    if machine == "ionq.aria-1":
        assert stats.duplicates == 0
        assert sum(stats.billed.values()) == len(
            good
        )  # what is held was never accepted: the listing has no lag here
        assert len(good) > 50
    else:
        assert len(good) == 80
