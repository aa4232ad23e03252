# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault, seen by a client over a real socket."""

import asyncio
import email.utils
import gzip
import json
import socket
import threading
import time
import zlib
from pathlib import Path

import httpx2
import pytest

from emulator.bodies import BELL, H0, batch, job
from qstore_ionq.emulator import Fault, FaultPlan, Listing
from qstore_ionq.emulator.faults import KINDS

TAGGED = job(*BELL, metadata={"qstore_tag": "t"})


def try_to_submit(api, body=TAGGED):
    try:
        return api.post("/jobs", body)
    except httpx2.TransportError as exc:
        return exc


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "seen"),
    [("reset", httpx2.ReadError), ("close", httpx2.RemoteProtocolError), ("hang", httpx2.ReadTimeout)],
)
def test_broken_connections_before_and_after_a_job_is_accepted(api, kind, seen, stage):
    api.emulator.set_faults(Fault(kind=kind, route="submit", stage=stage, attempts=(1,)))
    api.http.timeout = httpx2.Timeout(20, read=0.5 if kind == "hang" else 20)
    assert isinstance(try_to_submit(api), seen)
    assert api.emulator.stats.accepted == ({"t": 1} if stage == "after" else {})
    api.http.timeout = httpx2.Timeout(20)
    assert try_to_submit(api).status_code == 201
    assert api.emulator.stats.faults == {f"{kind} after" if stage == "after" else kind: 1}
    assert api.emulator.stats.duplicates == (1 if stage == "after" else 0)


def test_a_reset_is_a_reset_and_a_close_is_none(api):
    """Below any client library."""
    for kind, error in (("reset", ConnectionResetError), ("close", None)):
        api.emulator.set_faults(Fault(kind=kind))
        with socket.create_connection(("127.0.0.1", api.emulator.port), timeout=5) as raw:
            raw.sendall(b"GET /v0.4/backends HTTP/1.1\r\nHost: x\r\n\r\n")
            if error is None:
                assert raw.recv(100) == b""
            else:
                with pytest.raises(error):
                    raw.recv(100)


def test_refused_connections_and_afterwards_the_same_port(api):
    port = api.emulator.port
    api.emulator.set_faults(Fault(kind="refuse", route="submit", seconds=0.3, attempts=(1,)))
    assert isinstance(try_to_submit(api), httpx2.ReadError)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    until = time.monotonic() + 60
    while isinstance(found := try_to_submit(api), httpx2.ConnectError):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert found.status_code == 201
    assert api.emulator.port == port
    assert api.emulator.stats.accepted == {"t": 1}


def test_clear_faults_ends_a_refusal(api):
    api.emulator.refuse(60)
    assert isinstance(try_to_submit(api), httpx2.ConnectError)
    api.emulator.clear_faults()
    assert try_to_submit(api).status_code == 201
    api.emulator.clear_faults()  # nothing is refused: nothing happens
    assert try_to_submit(api).status_code == 201


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 520, 529, 530]
)
def test_every_status_before_and_after(api, status):
    api.emulator.set_faults([
        Fault(kind="status", status=status, route="submit", attempts=(1,)),
        Fault(kind="status", status=status, route="submit", attempts=(2,), stage="after"),
    ])  # fmt: skip
    replies = [try_to_submit(api) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [status, status, 201]
    assert replies[0].json()["statusCode"] == status
    assert api.emulator.stats.accepted == {"t": 2}


@pytest.mark.parametrize("given", ["2", "-5", "1e9", "1000000000", "soon", "0.5", None])
def test_retry_after_is_sent_as_it_is(api, given):
    api.emulator.set_faults(Fault(kind="status", status=429, retry_after=given))
    assert api.get("/jobs").headers.get("retry-after") == given


def test_retry_after_as_a_date_of_the_services_clock(start):
    api = start(clock_offset_s=3600)
    api.emulator.set_faults(Fault(kind="status", status=429, retry_after="date:+30"))
    headers = api.get("/jobs").headers
    wait = email.utils.parsedate_to_datetime(headers["retry-after"]) - email.utils.parsedate_to_datetime(
        headers["date"]
    )
    assert abs(wait.total_seconds() - 30) <= 1


def test_errors_in_other_forms(api):
    api.emulator.set_faults([
        Fault(kind="status", form="html", attempts=(1,)), Fault(kind="status", form="empty", attempts=(2,)),
    ])  # fmt: skip
    page, empty = api.get("/jobs"), api.get("/jobs")
    assert page.headers["content-type"] == "text/html"
    assert page.text.startswith("<!doctype html>")
    assert empty.content == b""


def completed(api, *gates, **fields):
    job_id = api.submit(*(gates or BELL), **fields)
    api.finished(job_id)
    return job_id


PAYLOADS = {
    "truncated": lambda text, good: text == good[: len(good) // 2],
    "html": lambda text, good: text.startswith("<!doctype html>"),
    "empty": lambda text, good: text == "",
    "deep": lambda text, good: text == "[" * 200_000 + "]" * 200_000,
    "wrong_type": lambda text, good: text == "[]",
    "nan": lambda text, good: text == good.replace("0.5", "NaN", 1) or "NaN" in text,
    "duplicate_key": lambda text, good: text.count('"0":') == 2,
    "bad_sum": lambda text, good: sum(json.loads(text).values()) == pytest.approx(0.5),
    "negative": lambda text, good: (
        min(json.loads(text).values()) < 0 and sum(json.loads(text).values()) == pytest.approx(1)
    ),
    "too_wide": lambda text, good: str(1 << 40) in json.loads(text),
    "missing": lambda text, good: set(json.loads(text)) == {"3"},
    "extra": lambda text, good: set(json.loads(good)) < set(json.loads(text)),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_results_that_are_not_what_they_should_be(api, kind):
    job_id = completed(api)
    good = api.get(f"/jobs/{job_id}/results/probabilities").text
    api.emulator.set_faults(Fault(kind=kind, route="result"))
    reply = api.get(f"/jobs/{job_id}/results/probabilities")
    assert reply.status_code == 200
    assert reply.text != good
    assert PAYLOADS[kind](reply.text, good)
    api.emulator.clear_faults()
    assert api.get(f"/jobs/{job_id}/results/probabilities").text == good


def test_an_accepted_job_whose_answer_has_no_id(api):
    api.emulator.set_faults(Fault(kind="missing", route="submit"))
    assert try_to_submit(api).json() == {"status": "submitted", "session_id": None}
    assert api.emulator.stats.accepted == {"t": 1}


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("status", "defrosting", lambda body: body["status"]),
        ("status", "submitted", lambda body: body["status"]),
        ("stats.qubits", "two", lambda body: body["stats"]["qubits"]),
        ("results", None, lambda body: body["results"]),
        ("child_job_ids.0", 7, lambda body: body["child_job_ids"][0]),
    ],
)
def test_any_field_can_be_changed(api, field, value, read):
    body = batch(BELL, BELL) if field.startswith("child") else job(*BELL)
    job_id = api.post("/jobs", body).json()["id"]
    api.emulator.wait_until_idle()
    api.emulator.set_faults(Fault(kind="set", route="job", field=field, value=value, attempts=(2,)))
    replies = [api.get(f"/jobs/{job_id}").json() for _ in range(3)]
    assert read(replies[1]) == value
    assert replies[0] == replies[2]
    assert read(replies[0]) != value


def test_a_job_that_seems_stuck_goes_on_when_the_fault_is_gone(api):
    job_id = completed(api)
    api.emulator.set_faults(Fault(kind="set", route="job", field="status", value="submitted"))
    assert {api.get(f"/jobs/{job_id}").json()["status"] for _ in range(5)} == {"submitted"}
    api.emulator.clear_faults()
    assert api.get(f"/jobs/{job_id}").json()["status"] == "completed"


CHILDREN = {
    "child_missing": lambda found, good: found == [each for i, each in enumerate(good) if i != 2],
    "child_twice": lambda found, good: sorted(found) == sorted([*good, good[2]]),
    "reordered": lambda found, good: found == good[::-1],
}


@pytest.mark.parametrize("route", ["job", "result"])
@pytest.mark.parametrize("kind", CHILDREN)
def test_batches_with_missing_doubled_and_reordered_children(api, kind, route):
    job_id = api.post("/jobs", batch(*[[H0]] * 5)).json()["id"]
    good = api.finished(job_id)["child_job_ids"]
    api.emulator.set_faults(Fault(kind=kind, route=route, **({} if kind == "reordered" else {"index": 2})))
    if route == "job":
        found = api.get(f"/jobs/{job_id}").json()["child_job_ids"]
    else:
        text = api.get(f"/jobs/{job_id}/results/probabilities/aggregated").text
        found = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert CHILDREN[kind](found, good)


def test_one_failed_child_leaves_the_others(api):
    api.emulator.set_faults(Fault(kind="fail_child", route="submit", index=3, code="QuantumComputerError"))
    job_id = api.post("/jobs", batch(*[BELL] * 5, metadata={"qstore_tag": "t"})).json()["id"]
    parent = api.finished(job_id)
    assert parent["status"] == "completed"
    children = [api.get(f"/jobs/{child}").json() for child in parent["child_job_ids"]]
    assert [each["status"] for each in children] == ["completed"] * 3 + ["failed", "completed"]
    assert children[3]["failure"]["code"] == "QuantumComputerError"
    found = api.get(f"/jobs/{job_id}/results/probabilities/aggregated").json()
    assert list(found) == [each["id"] for i, each in enumerate(children) if i != 3]
    assert api.emulator.stats.billed == {"t": 1}


def test_failed_cancelled_and_forgotten_jobs(api):
    api.emulator.set_faults([
        Fault(kind="fail", route="submit", attempts=(1,), code="SystemCancel", message="Too hot."),
        Fault(kind="cancel", route="job", attempts=(2,)), Fault(kind="forget", route="job", attempts=(3,)),
    ])  # fmt: skip
    failed = api.submit(*BELL)
    assert api.finished(failed)["failure"] == {"code": "SystemCancel", "message": "Too hot."}
    api.emulator.set_faults(Fault(kind="cancel", route="job", attempts=(2,)))
    slow = api.submit(*BELL, name="slow", shots=7)
    api.emulator.wait_until_idle()
    assert [api.get(f"/jobs/{slow}").json()["status"] for _ in range(2)] == ["completed", "completed"]
    api.emulator.set_faults(Fault(kind="forget", route="job", attempts=(2,)))
    assert [api.get(f"/jobs/{slow}").status_code for _ in range(3)] == [200, 404, 404]


def test_a_job_cancelled_under_its_owner(start):
    api = start(Fault(kind="cancel", route="job", attempts=(3,)), speed=1.0)
    job_id = api.submit(*BELL, backend="qpu.aria-1", metadata={"qstore_tag": "t"})
    seen = [api.get(f"/jobs/{job_id}").json()["status"] for _ in range(4)]
    assert seen == ["submitted", "submitted", "canceled", "canceled"]
    assert api.emulator.stats.billed == {}


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_answer_arrives_byte_by_byte(api, part):
    api.emulator.set_faults(Fault(kind="slow", route="backends", part=part, seconds=0.001))
    with socket.create_connection(("127.0.0.1", api.emulator.port), timeout=10) as raw:
        raw.sendall(b"GET /v0.4/backends/simulator HTTP/1.1\r\nHost: x\r\n\r\n")
        pieces = []
        while piece := raw.recv(65536):
            pieces.append(piece)
    answer = b"".join(pieces)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["backend"] == "simulator"
    assert len(pieces) > len(head if part == "head" else body) // 4


def test_a_slow_answer_ends_with_its_client(api):
    api.emulator.set_faults(Fault(kind="slow", route="backends", seconds=60.0))
    api.http.timeout = httpx2.Timeout(5, read=0.1)
    with pytest.raises(httpx2.ReadTimeout):
        api.get("/backends")
    api.emulator.__exit__()  # and with the emulator, at once
    assert repr(api.emulator) == "<Emulator: not running>"


def test_a_body_that_is_cut(api):
    api.emulator.set_faults(Fault(kind="cut", route="backends"))
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
        api.get("/backends")


def test_a_huge_body_is_streamed(api):
    api.emulator.set_faults(Fault(kind="huge", route="backends", size=3_000_001))
    with api.http.stream("GET", api.emulator.url + "/backends") as reply:
        assert reply.headers["content-length"] == "3000001"
        assert sum(len(chunk) for chunk in reply.iter_raw()) == 3_000_001
    api.emulator.set_faults(Fault(kind="huge", route="backends"))
    with api.http.stream("GET", api.emulator.url + "/backends") as reply:
        assert reply.headers["content-length"] == str(1 << 30)  # read by nobody
    api.emulator.clear_faults()
    assert api.get("/backends").status_code == 200


def test_a_gzip_bomb_unpacks_to_its_size(api):
    size = 8 << 20
    api.emulator.set_faults(Fault(kind="gzip_bomb", route="backends", size=size))
    with api.http.stream("GET", api.emulator.url + "/backends") as reply:
        assert reply.headers["content-encoding"] == "gzip"
        packed = b"".join(reply.iter_raw())
    assert len(packed) < size / 500
    assert len(zlib.decompressobj(31).decompress(packed[:-8])) == size
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(packed)


def test_wrong_dates(start):
    api = start(clock_offset_s=-86400)
    before = time.time()
    day_before = email.utils.parsedate_to_datetime(api.get("/backends").headers["date"]).timestamp()
    assert before - 1 <= day_before + 86400 <= time.time() + 1  # headers have whole seconds
    submitted = api.finished(api.submit(*BELL))["submitted_at"]
    api.emulator.set_faults(Fault(kind="date", seconds=-7200))
    reply = api.get("/jobs")
    shifted = email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
    assert before - 1 <= shifted + 86400 + 7200 <= time.time() + 1
    assert reply.json()["jobs"][0]["submitted_at"] == submitted


def test_a_delay(api):
    api.emulator.set_faults(Fault(kind="delay", route="submit", seconds=0.2))
    assert try_to_submit(api).status_code == 201
    assert api.emulator.exchanges[-1].took_s >= 0.2


def test_listings_lag(start):
    api = start(FaultPlan(listing=Listing(lag_s=30.0)))
    job_id = api.submit(*BELL)
    assert api.get("/jobs").json()["jobs"] == []
    assert api.get(f"/jobs/{job_id}").status_code == 200
    api.emulator.advance(31)
    assert [each["id"] for each in api.get("/jobs").json()["jobs"]] == [job_id]


def test_pages_that_shift_while_they_are_read(start):
    api = start(FaultPlan(listing=Listing(page_size=2, shifting=True)))
    ids = [api.submit(H0) for _ in range(4)]
    first = api.get("/jobs").json()
    api.submit(H0)
    second = api.get("/jobs", next=first["next"]).json()
    assert [each["id"] for each in first["jobs"]] == [ids[3], ids[2]]
    assert [each["id"] for each in second["jobs"]] == [ids[2], ids[1]]  # one of them again


def test_attempts_are_counted_for_each_thing_by_itself(api):
    api.emulator.set_faults(Fault(kind="status", status=503, route="submit", attempts="1-2"))
    one, other = job(*BELL, metadata={"qstore_tag": "one"}), job(*BELL, metadata={"qstore_tag": "other"})
    seen = [try_to_submit(api, body).status_code for body in (one, other, one, other, one, other)]
    assert seen == [503, 503, 503, 503, 201, 201]
    assert [each.attempt for each in api.emulator.exchanges] == [1, 1, 2, 2, 3, 3]
    assert api.emulator.fired() == [4]


def test_without_a_tag_the_content_tells_submissions_apart(api):
    api.emulator.set_faults(Fault(kind="status", route="submit", attempts=(1,)))
    assert [try_to_submit(api, body).status_code for body in (job(*BELL), job(H0), job(*BELL))] == [
        503,
        503,
        201,
    ]


def test_chances_do_not_depend_on_the_order(start):
    def hit(order):
        api = start(FaultPlan(faults=(Fault(kind="status", route="submit", probability=0.5),), seed=9))
        return {k: try_to_submit(api, job(H0, metadata={"qstore_tag": str(k)})).status_code for k in order}

    first = hit(range(60))
    assert first == hit(reversed(range(60)))
    assert 15 < list(first.values()).count(503) < 45


def test_a_fault_happens_so_often_and_no_more(api):
    api.emulator.set_faults(Fault(kind="status", times=2))
    assert [api.get("/jobs").status_code for _ in range(4)] == [503, 503, 200, 200]


def test_the_first_fault_that_fits_happens(api):
    api.emulator.set_faults([
        Fault(kind="status", status=500, route="job"), Fault(kind="status", status=502), Fault(kind="status", status=503),
    ])  # fmt: skip
    assert api.get("/jobs").status_code == 502
    assert api.get("/jobs/x").status_code == 500


def test_latency_is_shared_by_requests_at_the_same_time(start):
    api = start(latency_s=0.3)
    threads = [threading.Thread(target=lambda: httpx2.get(f"{api.emulator.url}/backends")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.emulator.stats.max_requests_in_flight > 1
    assert min(each.took_s for each in api.emulator.exchanges) >= 0.3


def test_a_client_that_leaves_does_not_disturb_the_next(api):
    for content in (
        b"",
        b"POST /v0.4/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        b"nonsense\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", api.emulator.port), timeout=5) as raw:
            raw.sendall(content)
    assert try_to_submit(api).status_code == 201
    assert api.emulator.stats.max_requests_in_flight <= 2


def test_every_kind_is_tested_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def test_all_of_it_at_once_leaves_nothing_behind(start):
    """Every kind by chance, 20 clients at a time: afterwards all is well, and no connection or request is left over."""
    settings = {
        "hang": {"seconds": 0.05}, "slow": {"seconds": 0.0001, "route": "submit"}, "refuse": {"seconds": 0.02},
        "huge": {"size": 1 << 20}, "gzip_bomb": {"size": 1 << 20}, "delay": {"seconds": 0.02},
        "set": {"field": "status", "value": "?"},
    }  # fmt: skip
    plan = [
        Fault(kind=kind, probability=0.015, stage=stage, **settings.get(kind, {}))
        for kind, row in KINDS.items()
        for stage in (("before", "after") if "stage" in row.takes else ("before",))
    ]
    api = start(FaultPlan(faults=tuple(plan), seed=3))
    answers = asyncio.run(storm(api, 300))
    assert {201, 200, "ReadError"} <= answers
    assert len(api.emulator.stats.faults) > 20
    traffic = api.emulator._front.traffic
    wait_until(lambda: traffic.in_flight == 0)  # an answer that still breaks could refuse the next client
    api.emulator.clear_faults()
    api.emulator.wait_until_idle()
    assert api.probabilities(*BELL) == pytest.approx({"0": 0.5, "3": 0.5})
    api.http.close()
    wait_until(lambda: (traffic.open_connections, traffic.in_flight) == (0, 0))


def wait_until(happened, seconds=60):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


async def storm(api, count):
    """Submissions and looks at them; what came back."""
    answers = set()
    limits = httpx2.Limits(max_connections=20)
    async with httpx2.AsyncClient(headers=dict(api.http.headers), timeout=10, limits=limits) as client:

        async def ask(method, path, body=None):
            try:
                reply = await client.request(method, api.emulator.url + path, json=body)
                answers.add(reply.status_code)
                return reply.json().get("id", "x")
            except httpx2.TransportError as exc:
                answers.add(type(exc).__name__)
            except (ValueError, RecursionError, AttributeError, httpx2.DecodingError):
                answers.add("unreadable")
            return "x"

        async def work(numbers):
            for number in numbers:
                body = batch(BELL, [H0]) if number % 3 else job(*BELL, backend="qpu.aria-1")
                job_id = await ask("POST", "/jobs", body | {"metadata": {"qstore_tag": str(number)}})
                await ask("GET", f"/jobs/{job_id}")
                await ask("GET", f"/jobs/{job_id}/results/probabilities")

        numbers = iter(range(count))
        await asyncio.gather(*(work(numbers) for _ in range(20)))
    return answers
