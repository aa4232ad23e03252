# SPDX-License-Identifier: Apache-2.0
"""The job service: tags, states, listings, bills, and results matched by the ids of children, however they come."""

import asyncio
import json
from decimal import Decimal

import pytest

import qstore as qs
from ionq.fakes import FakeService, answer
from qstore.errors import QStoreError, ServiceError
from qstore.execution.jobs import JobRequest, NotAccepted, RemoteState, Unclear
from qstore_ionq.api import IonQApi
from qstore_ionq.backend import IonQBackend
from qstore_ionq.secret import Secret
from qstore_ionq.service import IonQService, circuit_name
from qstore_ionq.transport import DeliveryError

TAG = "ab" * 32


def request(circuits=1, kind="probabilities", tag=TAG, shots=10, **read):
    gates = [[{"gate": "rx", "target": 0, "rotation": float(i)}] for i in range(circuits)]
    body = {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "name": "x",
        "shots": shots,
        "input": {"circuit": gates[0]},
    }
    if circuits > 1:
        named = [{"name": circuit_name(i), "circuit": each} for i, each in enumerate(gates)]
        body |= {"type": "ionq.multi-circuit.v1", "input": {"circuits": named}}
    content = {"body": body, "read": {"kind": kind, "widths": [8] * circuits, **read}}
    return JobRequest(tag, "ionq.simulator", "simulator", content, circuits, shots, False)


def of(fake, target="simulator"):
    return IonQService(IonQApi(fake.transport, Secret("test-key")), target)


def results_of(fake, asked, target="simulator"):
    async def run():
        service = of(fake, target)
        job = await service.submit(asked)
        done = await service.poll(job.job_id)
        return (await service.fetch(asked, done))["circuits"]

    return asyncio.run(run())


def numbered():
    """Circuit i is one rotation by i and gives the outcome i."""
    return FakeService(lambda circuit: {str(int(circuit[0]["rotation"])): 1.0})


def outcomes(results):
    """The outcome of each circuit, or why there is none."""
    return [
        next(iter(each["probabilities"])) if "probabilities" in each else each["failure"] for each in results
    ]


IN_ORDER = [str(i) for i in range(20)]


def test_the_tag_goes_into_the_metadata_and_is_found_again():
    fake = numbered()

    async def run():
        service = of(fake)
        job = await service.submit(request())
        await service.submit(request(tag="cd" * 32))
        (found,) = await service.find(TAG, 0.0)
        return job, found

    job, found = asyncio.run(run())
    assert fake.transport.sent("POST")[0].json["metadata"] == {"qstore_tag": TAG}
    assert job.state is RemoteState.QUEUED
    assert found.job_id == job.job_id
    assert found.state is RemoteState.COMPLETED
    assert found.created_s == 1795168800.0


def test_children_are_not_taken_for_jobs_of_the_tag():
    fake = numbered()

    async def run():
        service = of(fake)
        await service.submit(request(3))
        for job in fake.jobs.values():
            job["metadata"] = {"qstore_tag": TAG}  # as a service might, that copies it to the children
        return await service.find(TAG, 0.0)

    assert len(asyncio.run(run())) == 1


def test_one_circuit_and_twenty_come_back_in_their_order():
    assert outcomes(results_of(numbered(), request())) == ["0"]
    assert outcomes(results_of(numbered(), request(20))) == IN_ORDER


def changed_aggregate(fake, change):
    """Let `change` at the aggregated results and the parent before they are sent."""
    plain = fake.handle

    def handle(asked):
        found = plain(asked)
        return change(asked, found) or found

    fake.transport.handler = handle
    return fake


def test_results_that_come_in_another_order_are_matched_by_id():
    def change(asked, found):
        if asked.path.endswith("aggregated"):
            return answer(dict(reversed(list(json.loads(found.body).items()))))
        return None

    assert outcomes(results_of(changed_aggregate(numbered(), change), request(20))) == IN_ORDER


def test_one_failed_one_missing_and_one_twice_leave_the_others_whole():
    fake = numbered()

    def change(asked, found):
        if not asked.path.endswith("aggregated"):
            return None
        document = json.loads(found.body)
        children = list(document)
        fake.jobs[children[3]] |= {
            "status": "failed",
            "failure": {"code": "QuantumComputerError", "message": "dark"},
        }
        del document[children[3]]
        del fake.jobs[document.pop(children[7]) and children[7]]
        twice = f'"{children[11]}": {{"11": 1.0}}, '.encode()
        text = answer(document).body
        return answer(text[:1] + twice + text[1:])

    found = outcomes(results_of(changed_aggregate(fake, change), request(20)))
    assert found[3] == "QuantumComputerError: dark"
    assert "does not know its job" in found[7]
    assert [each for i, each in enumerate(found) if i not in (3, 7)] == [
        each for i, each in enumerate(IN_ORDER) if i not in (3, 7)
    ]


@pytest.mark.parametrize("damage", ["twice", "short", "long", "none", "numbers"])
def test_a_damaged_list_of_children_is_mended_by_their_names(damage):
    fake = numbered()

    def change(asked, found):
        job = fake.jobs.get(asked.path.removeprefix("/jobs/"))
        if asked.method != "GET" or job is None or not job["child_job_ids"]:
            return None
        ids = list(job["child_job_ids"])
        damaged = {"twice": [*ids[:5], ids[4], *ids[6:]], "short": ids[1:], "long": [*ids, "stranger"], "none": None,
                   "numbers": list(range(20))}[damage]  # fmt: skip
        return answer({**job, "child_job_ids": damaged})

    assert outcomes(results_of(changed_aggregate(fake, change), request(20))) == IN_ORDER


def test_a_child_that_cannot_be_found_by_its_name_either_has_no_result():
    fake = numbered()

    def change(asked, found):
        job = fake.jobs.get(asked.path.removeprefix("/jobs/"))
        if job is not None and job["child_job_ids"]:
            for child in job["child_job_ids"][:2]:
                fake.jobs[child]["name"] = None
            return answer({**job, "child_job_ids": job["child_job_ids"][:1]})
        return None

    found = outcomes(results_of(changed_aggregate(fake, change), request(4)))
    assert found[2:] == ["2", "3"]
    assert all("does not list this circuit" in each for each in found[:2])


def test_results_of_strangers_are_left_out():
    def change(asked, found):
        if asked.path.endswith("aggregated"):
            return answer({"stranger": {"5": 1.0}, **json.loads(found.body)})
        return None

    assert outcomes(results_of(changed_aggregate(numbered(), change), request(3))) == ["0", "1", "2"]


def test_a_damaged_result_of_one_child_is_asked_for_by_itself():
    def change(asked, found):
        if asked.path.endswith("aggregated"):
            document = json.loads(found.body)
            document[list(document)[1]] = {"1": 0.5}
            return answer(document)
        return None

    assert outcomes(results_of(changed_aggregate(numbered(), change), request(3))) == ["0", "1", "2"]


def test_a_result_that_stays_damaged_raises_so_that_the_job_is_kept():
    fake = numbered()
    fake.probabilities = lambda circuit: {"1": 0.5}
    with pytest.raises(ServiceError, match=r"sum to 0\.5"):
        results_of(fake, request(3))


@pytest.mark.parametrize(
    ("word", "state"),
    [("submitted", "QUEUED"), ("ready", "QUEUED"), ("started", "RUNNING"), ("running", "RUNNING"), ("completed", "COMPLETED"),
     ("failed", "FAILED"), ("canceled", "CANCELLED"), ("cancelled", "CANCELLED"), ("paused", "UNKNOWN"), ("", "UNKNOWN")],
)  # fmt: skip
def test_every_word_for_a_state_is_known_or_unknown(word, state):
    fake = numbered()

    async def run():
        service = of(fake)
        job = await service.submit(request())
        fake.jobs[job.job_id]["status"] = word
        return await service.poll(job.job_id)

    assert asyncio.run(run()).state is RemoteState[state]


@pytest.mark.parametrize(
    ("failure", "words"),
    [({"code": "TooManyShots", "message": "no"}, "TooManyShots: no"), ({"code": "X", "error": "old"}, "X: old"), (None, ""),
     ({"message": "no"}, "no"), ({}, "")],
)  # fmt: skip
def test_the_reason_of_a_failure_is_read_in_both_versions(failure, words):
    fake = numbered()

    async def run():
        service = of(fake)
        job = await service.submit(request())
        fake.jobs[job.job_id] |= {"status": "failed", "failure": failure}
        return await service.poll(job.job_id)

    assert asyncio.run(run()).failure == words


@pytest.mark.parametrize(
    ("change", "text"),
    [({"status": None}, "'status' is None"), ({"status": 5}, "'status' is 5"), ({"id": 5}, "'id' is 5"),
     ({"id": "other"}, "'id' is 'other', another job's"), ({"failure": "broken"}, "expected an object")],
)  # fmt: skip
def test_a_damaged_job_names_the_field(change, text):
    fake = numbered()

    async def run():
        service = of(fake)
        job = await service.submit(request())
        fake.overrides["GET", f"/jobs/{job.job_id}"] = lambda asked: answer(
            {**fake.jobs[job.job_id], **change}
        )
        await service.poll(job.job_id)

    with pytest.raises(ServiceError, match=text):
        asyncio.run(run())


def test_a_job_that_the_service_does_not_know_is_unknown_and_not_failed():
    assert asyncio.run(of(numbered()).poll("job-99")).state is RemoteState.UNKNOWN


@pytest.mark.parametrize("reply", [
    answer(b"<html>"), answer([]), answer({}), answer({"id": 5}, 201), answer({"id": "../../etc"}, 201),
    answer({"id": ""}, 201), answer(b'{"id": "a", "id": "b"}', 201), answer({}, 500), answer({}, 302),
    DeliveryError("lost", sent=True),
])  # fmt: skip
def test_an_answer_to_a_submission_that_says_nothing_is_unclear(reply):
    fake = numbered()
    fake.overrides["POST", "/jobs"] = lambda asked: reply
    with pytest.raises(Unclear):
        asyncio.run(of(fake).submit(request()))


def test_a_submission_of_which_nothing_left_was_not_accepted():
    fake = numbered()
    fake.overrides["POST", "/jobs"] = lambda asked: DeliveryError("refused", sent=False)
    with pytest.raises(NotAccepted):
        asyncio.run(of(fake).submit(request()))


def test_what_a_job_cost_is_asked_for_machines_only():
    def billed(target, **changes):
        fake = numbered()

        async def run():
            service = of(fake, target)
            job = await service.submit(request())
            fake.jobs[job.job_id] |= changes
            return (await service.poll(job.job_id)).billed_usd

        return asyncio.run(run())

    assert billed("simulator") == 0
    assert billed("qpu.aria-1") == Decimal("3.25")
    assert billed("qpu.aria-1", status="started") is None


UNREADABLE = [
    {"value": 325, "unit": "cents"},
    {"value": 5, "unit": "credits"},
    {"value": "3.25", "unit": "usd"},
    {"value": True, "unit": "usd"},
    {"value": -1, "unit": "usd"},
    {"value": None, "unit": "usd"},
    {"value": 5},
    {},
    "3.25",
    3.25,
]
FREE_WHEN_NOT_BILLED = {"completed": None, "failed": Decimal(0), "canceled": Decimal(0)}


def billed_for(status, cost):
    """What a machine's job of this status was charged, as it is read from the answer to GET /jobs/{id}/cost."""
    fake = numbered()

    async def run():
        service = of(fake, "qpu.aria-1")
        job = await service.submit(request())
        fake.jobs[job.job_id]["status"] = status
        fake.overrides["GET", f"/jobs/{job.job_id}/cost"] = lambda asked: cost
        return (await service.poll(job.job_id)).billed_usd

    return asyncio.run(run())


@pytest.mark.parametrize("status", FREE_WHEN_NOT_BILLED)
@pytest.mark.parametrize("cost", UNREADABLE)
def test_a_cost_that_cannot_be_read_is_not_known_and_never_nothing(status, cost, caplog):
    """A job that failed and was free is sent again by itself."""
    assert billed_for(status, answer({"cost": cost})) is None
    assert "not an amount in dollars" in caplog.text


@pytest.mark.parametrize("status", FREE_WHEN_NOT_BILLED)
@pytest.mark.parametrize("document", [{}, {"cost": None}])
def test_only_what_ran_is_charged(status, document):
    document = {"dry_run": False, "estimated_cost": {"value": 3.5, "unit": "usd"}, **document}
    assert billed_for(status, answer(document)) == FREE_WHEN_NOT_BILLED[status]


@pytest.mark.parametrize("status", FREE_WHEN_NOT_BILLED)
def test_a_cost_in_dollars_is_what_was_charged_however_the_job_ended(status):
    assert billed_for(status, answer({"cost": {"value": 3.25, "unit": "USD"}})) == Decimal("3.25")
    assert billed_for(status, answer({"message": "no such job"}, 404)) is None


def test_a_failed_job_whose_cost_cannot_be_read_is_not_sent_again():
    fake = FakeService()

    def handle(asked):
        if asked.path.endswith("/cost"):
            return answer({"cost": {"value": 325, "unit": "cents"}})
        found = fake.handle(asked)
        for job in fake.jobs.values():
            job |= {"status": "failed", "failure": {"code": "X", "message": "broke"}}
        return found

    fake.transport.handler = handle
    with qs.run_context("unread"):
        for _ in range(3):  # the script is started again
            backend = IonQBackend("ionq.aria-1", transport=fake.transport, settle_s=0.1, budget=1000)
            with pytest.raises(QStoreError, match="broke"):
                qs.run(qs.QuantumCircuit(1).h(0), shots=100, backend=backend, seed=3)
    assert len(fake.transport.sent("POST")) == 1


def test_a_job_that_failed_as_a_whole_but_not_in_all_circuits_still_gives_the_others():
    fake = numbered()

    async def run():
        service = of(fake)
        asked = request(3)
        job = await service.submit(asked)
        fake.jobs[job.job_id]["status"] = "failed"
        child = fake.jobs[job.job_id]["child_job_ids"][0]
        fake.jobs[child] |= {"status": "failed", "failure": {"code": "X", "message": "dark"}}
        fake.results.pop(child)
        done = await service.poll(job.job_id)
        return done.state, (await service.fetch(asked, done))["circuits"]

    state, results = asyncio.run(run())
    assert state is RemoteState.COMPLETED
    assert outcomes(results) == ["X: dark", "1", "2"]


def test_times_are_read_from_the_job():
    fake = numbered()

    async def run():
        service = of(fake)
        job = await service.submit(request())
        return await service.poll(job.job_id)

    job = asyncio.run(run())
    assert (job.queued_s, job.run_s) == (2.0, 2.5)


def paged(jobs, size, shift=0):
    """A listing in pages, newest first; `shift` jobs arrive before each further page is read."""

    def handle(asked):
        start = int(asked.query.get("next", 0))
        page = jobs[start : start + size]
        following = start + size if start + size < len(jobs) else None
        for _ in range(shift if following else 0):
            jobs.insert(0, {**jobs[0], "id": f"new-{len(jobs)}", "metadata": None})
        return answer({"jobs": page, "next": None if following is None else str(following)})

    return handle


def listed(number, tagged=(), age=lambda i: i):
    def time(i):
        seconds = 3600 - age(i)
        return f"2026-11-20T{10 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"

    return [{"id": f"job-{i}", "status": "ready", "parent_job_id": None, "submitted_at": time(i),
             "metadata": {"qstore_tag": TAG} if i in tagged else None, "failure": None} for i in range(number)]  # fmt: skip


@pytest.mark.parametrize("shift", [0, 1, 30])
def test_a_listing_is_read_to_its_end_also_while_it_grows(shift):
    fake = numbered()
    fake.overrides["GET", "/jobs"] = paged(listed(250, tagged=(3, 140, 249)), 100, shift)
    found = asyncio.run(of(fake).find(TAG, 0.0))
    assert [job.job_id for job in found] == ["job-249", "job-140", "job-3"]  # the oldest first


def test_a_search_ends_where_all_jobs_are_older_than_the_window():
    fake = numbered()
    fake.overrides["GET", "/jobs"] = paged(listed(3000, tagged=(3,)), 100)
    since = 1795168800.0 + 3590  # ten jobs are younger
    assert len(asyncio.run(of(fake).find(TAG, since))) == 1
    assert len(fake.transport.requests) <= 4


def test_a_listing_in_another_order_is_read_whole():
    fake = numbered()
    jobs = list(reversed(listed(900, tagged=(3,))))  # the oldest first
    fake.overrides["GET", "/jobs"] = paged(jobs, 100)
    assert len(asyncio.run(of(fake).find(TAG, 1795168800.0 + 3590))) == 1


@pytest.mark.parametrize(
    "page",
    [
        {"jobs": {}},
        {},
        {"jobs": [5]},
        {"jobs": [{}]},
        {"jobs": [], "next": 5},
        {"jobs": [], "next": "again"},
        [],
    ],
)
def test_a_damaged_listing_is_an_error_and_never_an_empty_one(page):
    """Else a job that is there would count as never accepted."""
    fake = numbered()
    fake.overrides["GET", "/jobs"] = lambda asked: answer(page)
    with pytest.raises(ServiceError):
        asyncio.run(of(fake).find(TAG, 0.0))


def test_the_servers_clock_is_heard_in_its_answers():
    fake = numbered()
    service = of(fake)
    assert service.server_time_s() is None
    fake.overrides["GET", "/jobs"] = lambda asked: answer({"jobs": []}, date="Fri, 20 Nov 2026 10:00:00 GMT")
    asyncio.run(service.find(TAG, 0.0))
    assert 0 <= service.server_time_s() - 1795168800.0 < 60
    fake.overrides["GET", "/jobs"] = lambda asked: answer({"jobs": []}, date="yesterday")
    asyncio.run(service.find(TAG, 0.0))
    assert service.server_time_s() is not None


def test_histograms_and_single_shots_are_read_from_their_own_addresses():
    for kind, document in (("histogram", {"3": 4, "0": 6}), ("shots", ["3"] * 4 + ["0"] * 6)):
        fake = numbered()
        fake.overrides["GET", f"/jobs/job-1/results/{kind}"] = lambda asked, found=document: answer(found)
        (result,) = results_of(fake, request(kind=kind))
        assert result == {"histogram": document} if kind == "histogram" else {"shots": [3] * 4 + [0] * 6}


def test_sharpening_is_asked_for_in_the_query():
    fake = numbered()
    results_of(fake, request(3, sharpen=True))
    assert [each.query for each in fake.transport.requests if each.path.endswith("aggregated")] == [
        {"sharpen": "true"}
    ]


def test_cancelling_a_job_that_is_over_or_unknown_is_fine():
    fake = numbered()
    for status in (200, 404, 409):
        fake.overrides["PUT", "/jobs/job-1/status/cancel"] = lambda asked, code=status: answer({}, code)
        asyncio.run(of(fake).cancel("job-1"))
    with pytest.raises(ServiceError):
        asyncio.run(of(fake).cancel("../job"))
