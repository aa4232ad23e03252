# SPDX-License-Identifier: Apache-2.0
"""Fault plans: in TOML and in Python, what they refuse, and the routes that steer a running emulator."""

import pytest

from emulator.bodies import BELL, job
from qstore.errors import OptionError
from qstore_ionq.emulator import Emulator, Fault, FaultPlan, Listing, Options
from qstore_ionq.emulator.faults import KINDS, ROUTES

PLAN = """
seed = 7

[listing]
lag_s = 2.0
page_size = 5

[[fault]]
kind = "reset"
route = "submit"
attempts = [1, 3]
stage = "after"

[[fault]]
kind = "status"
route = "job"
status = 429
retry_after = "2"
probability = 0.2
attempts = "2-4"
"""
FAULTS = (
    Fault(kind="reset", route="submit", attempts=(1, 3), stage="after"),
    Fault(kind="status", route="job", status=429, retry_after="2", probability=0.2, attempts=(2, 3, 4)),
)


def test_a_plan_reads_from_toml_and_writes_what_it_reads(tmp_path):
    plan = FaultPlan.of_toml(PLAN)
    assert plan == FaultPlan(faults=FAULTS, listing=Listing(lag_s=2.0, page_size=5), seed=7)
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    assert FaultPlan.of(str(path)) == FaultPlan.of(path) == FaultPlan.of(plan) == plan
    assert FaultPlan.of(plan.as_mapping()) == plan
    assert FaultPlan.of(FAULTS[0]).faults == FAULTS[:1]
    assert FaultPlan.of(list(FAULTS)).faults == FAULTS
    assert FaultPlan.of(None) == FaultPlan()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = ", "no TOML"),
        ("speed = 3", "not speed"),
        ("seed = 1.5", "integer"),
        ("fault = 3", r"\[\[fault\]\]"),
        ("[[fault]]\nroute = 'job'", "needs a kind"),
        ("[[fault]]\nkind = 'resett'", "Did you mean 'reset'"),
        ("[[fault]]\nkind = 'reset'\nroute = 'jobs'", "Did you mean 'job'"),
        ("[[fault]]\nkind = 'reset'\nattempt = 1", "Did you mean 'attempts'"),
        ("[[fault]]\nkind = 'reset'\nstatus = 500", "has no 'status'"),
        ("[[fault]]\nkind = 'reset'\nstage = 'during'", "before, after"),
        ("[[fault]]\nkind = 'reset'\nattempts = [0]", "count from 1"),
        ("[[fault]]\nkind = 'reset'\nattempts = 'first'", "numbers"),
        ("[[fault]]\nkind = 'reset'\nprobability = 2", "from 0 to 1"),
        ("[[fault]]\nkind = 'status'\nstatus = 42", "from 100 to 599"),
        ("[listing]\nlag = 3", "Did you mean 'lag_s'"),
        ("[listing]\nlag_s = -1", "lag_s"),
        ("[listing]\npage_size = 0", "page_size"),
        ("listing = 3", "must be a table"),
    ],
)
def test_damaged_plans_say_what_is_wrong(text, words):
    with pytest.raises(OptionError, match=words):
        FaultPlan.of_toml(text)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(OptionError, match="cannot be read"):
        FaultPlan.of(tmp_path / "no.toml")
    with pytest.raises(OptionError, match="made of Fault"):
        FaultPlan.of(["reset"])


def test_every_kind_takes_settings_that_faults_have():
    names = set(Fault.__dataclass_fields__)
    for kind in KINDS.values():
        assert set(kind.takes) <= names
        assert kind.summary


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": 0}, "speed"), ({"latency_s": -1}, "latency_s"), ({"prices": "gold"}, "azure, braket"),
        ({"seed": "x"}, "seed"), ({"queue_s": float("inf")}, "finite"), ({"page_size": 0}, "page_size"),
        ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_options_out_of_their_range(options, words):
    with pytest.raises(OptionError, match=words):
        Emulator(**options)


def test_the_key_is_not_in_a_repr():
    assert "hidden-key" not in repr(Options(api_key="hidden-key"))
    assert "hidden-key" not in repr(Emulator(api_key="hidden-key"))


# ---- steering over HTTP ------------------------------------------------------------------------------------------------


def control(api, method, path, **more):
    return api.http.request(method, f"{api.emulator.root}/_emulator/{path}", **more)


def test_the_plan_can_be_set_over_http(api):
    toml = control(api, "PUT", "faults", content=PLAN.encode(), headers={"Content-Type": "application/toml"})
    assert FaultPlan.of(toml.json()["plan"]) == FaultPlan.of_toml(PLAN)
    rows = {"fault": [{"kind": "status", "status": 500, "route": "list"}]}
    assert control(api, "PUT", "faults", json=rows).status_code == 200
    assert api.get("/jobs").status_code == 500
    found = control(api, "GET", "faults").json()
    assert found["fired"] == [1]
    assert set(found["kinds"]) == set(KINDS)
    assert set(found["routes"]) == set(ROUTES)
    assert control(api, "DELETE", "faults").status_code == 200
    assert api.get("/jobs").status_code == 200


def test_a_bad_plan_over_http_leaves_the_old_one(api):
    api.emulator.set_faults(Fault(kind="status", status=500, route="list"))
    for more in (
        {"json": {"fault": [{"kind": "no"}]}}, {"json": []}, {"content": b"{"},
        {"content": b"\xff", "headers": {"Content-Type": "application/toml"}},
    ):  # fmt: skip
        assert control(api, "PUT", "faults", **more).status_code == 400
    assert api.get("/jobs").status_code == 500


def test_stats_requests_clock_and_reset_over_http(api):
    api.post("/jobs", job(*BELL, metadata={"qstore_tag": "t"}))
    api.emulator.wait_until_idle()
    stats = control(api, "GET", "stats").json()
    assert stats["accepted"] == stats["billed"] == {"t": 1}
    assert (stats["posts"], stats["duplicates"], stats["jobs"]) == (1, 0, {"completed": 1})
    (seen,) = control(api, "GET", "requests").json()["requests"]
    assert (seen["route"], seen["tag"], seen["status"], seen["attempt"]) == ("submit", "t", 201, 1)
    assert control(api, "GET", "requests", params={"limit": 0}).json()["requests"] == []
    before = control(api, "POST", "advance", json={"seconds": 100}).json()["now"]
    after = control(api, "POST", "advance", json={"seconds": 100}).json()["now"]
    assert after - before >= 100
    assert control(api, "POST", "advance", json={"seconds": -1}).status_code == 400
    control(api, "POST", "reset")
    assert control(api, "GET", "stats").json()["accepted"] == {}
    assert api.get("/jobs").json()["jobs"] == []


def test_the_emulators_own_routes_have_no_faults_and_are_not_counted(api):
    api.emulator.set_faults(Fault(kind="status", status=500))
    assert control(api, "GET", "stats").json()["requests"] == {}


def test_no_key_is_ever_kept(api):
    """Not in what the emulator remembers of requests, and not in what it shows."""
    api.submit(*BELL)
    api.get("/jobs")
    shown = [
        repr(api.emulator.exchanges),
        repr(api.emulator.stats),
        api.http.get(api.emulator.root + "/").text,
    ]
    shown += [control(api, "GET", name).text for name in ("stats", "requests", "faults")]
    assert not any("a-key" in each for each in shown)


def test_the_page_shows_jobs_money_and_faults_and_escapes_names(api):
    api.emulator.set_faults(Fault(kind="status", status=503, route="cost"))
    api.finished(api.submit(*BELL, backend="qpu.aria-1", shots=100, name="<script>alert(1)</script>"))
    api.get("/jobs/x/cost")
    reply = api.http.get(api.emulator.root + "/")
    assert reply.headers["content-type"].startswith("text/html")
    for part in ("qpu.aria-1", "$12.42", "status 503", "&lt;script&gt;", "completed", "/v0.4/jobs"):
        assert part in reply.text
    assert "<script" not in reply.text
