# SPDX-License-Identifier: Apache-2.0
"""Money, estimates, backends, characterizations, sessions, usage."""

import pytest

from emulator.bodies import BELL, H0, batch

FOUR_NINES = {"gate": "rx", "target": 0, "rotation": 0.1}


def cost(api, job_id):
    return api.get(f"/jobs/{job_id}/cost").json()


def test_simulations_are_free(api):
    job_id = api.submit(*BELL, shots=1000, noise={"model": "aria-1"})
    assert api.finished(job_id)["cost_model"] is None
    assert cost(api, job_id) == {
        "dry_run": False, "estimated_cost": {"value": 0.0, "unit": "usd"}, "cost": {"value": 0.0, "unit": "usd"}
    }  # fmt: skip


def test_gate_shots_with_a_minimum(api):
    def billed(gates, shots, **settings):
        job_id = api.submit(*gates, backend="qpu.forte-1", shots=shots, settings=settings)
        api.finished(job_id)
        return cost(api, job_id)["cost"]["value"]

    off = {"error_mitigation": {"debiasing": False}}
    assert billed(BELL, 100) == 12.4166
    assert billed(BELL, 1000) == 97.5  # debiased by itself
    assert billed(BELL, 1000, **off) == 12.4166
    assert billed([FOUR_NINES] * 20 + [BELL[1]] * 10, 5000, **off) == pytest.approx(
        5000 * (20 * 0.00022 + 10 * 0.000975)
    )


def test_gates_with_controls_are_billed_as_their_share(api):
    """k controls on N qubits count as 6(N-2) two-qubit gates."""
    job_id = api.submit({"gate": "x", "target": 3, "controls": [0, 1, 2]}, backend="qpu.forte-1", shots=100)
    assert api.finished(job_id)["stats"]["gate_counts"] == {"1q": 0, "2q": 12}


def test_a_batch_has_one_minimum(api):
    job_id = api.post("/jobs", batch(*[BELL] * 5, backend="qpu.forte-1", shots=100)).json()["id"]
    found = api.finished(job_id)
    assert cost(api, job_id)["cost"]["value"] == 12.4166
    assert found["stats"]["gate_counts"] == {"1q": 5, "2q": 5}
    assert api.emulator.stats.spent_usd == "12.416600"


def test_brakets_prices(start):
    api = start(prices="braket")
    for backend, price in (("qpu.forte-1", 0.3 + 100 * 0.08), ("qpu.aria-1", 0.3 + 100 * 0.03)):
        job_id = api.submit(*BELL, backend=backend, shots=100)
        api.finished(job_id)
        assert cost(api, job_id)["cost"]["value"] == pytest.approx(price)


def test_money_is_charged_when_a_job_ran(start):
    api = start(speed=1.0)
    job_id = api.submit(*BELL, backend="qpu.aria-1", shots=100)
    assert float(api.emulator.stats.spent_usd) == 0
    assert "cost" not in cost(api, job_id)
    api.emulator.advance(1000)
    api.emulator.wait_until_idle()
    assert float(api.emulator.stats.spent_usd) == 12.4166


def test_dry_runs_are_priced_and_have_no_result(api):
    job_id = api.submit(*BELL, backend="qpu.aria-1", shots=100, dry_run=True)
    found = api.finished(job_id)
    assert (found["status"], found["results"], found["dry_run"]) == ("completed", None, True)
    assert cost(api, job_id)["estimated_cost"]["value"] == 12.4166
    assert cost(api, job_id)["cost"]["value"] == 0
    assert api.get(f"/jobs/{job_id}/results/probabilities").status_code == 404
    simulated = api.finished(api.submit(*BELL, dry_run=True))
    assert simulated["results"] is not None  # no effect there


def test_estimates_speak_the_names_of_may_and_of_september(api):
    query = {
        "backend": "qpu.forte-1",
        "type": "ionq.circuit.v1",
        "qubits": 3,
        "shots": 5000,
        "1q_gates": 20,
        "2q_gates": 10,
    }
    found = api.get("/jobs/estimate", **query).json()
    price = 5000 * (20 * 0.00022 + 10 * 0.000975)
    assert found["estimated_cost"] == found["estimated_total_cost"] == pytest.approx(price)
    assert found["input_values"]["backend"] == "qpu.forte-1"
    assert found["rate_information"]["cost_2q_gate"] == 0.000975
    assert found["rate_card"]["rates"][0]["job_cost_minimum"] == 12.4166
    assert found["estimated_execution_time"] == round(5000 * (20 * 130e-6 + 10 * 970e-6 + 200e-6) * 1000)
    mitigated = api.get("/jobs/estimate", **query, error_mitigation="true").json()
    assert mitigated["estimated_cost"] == 97.5
    assert api.get("/jobs/estimate", backend="simulator").json()["estimated_cost"] == 0
    assert api.get("/jobs/estimate", backend="nope").status_code == 400
    assert api.get("/jobs/estimate", **{**query, "shots": "x"}).json()["validation"]["keys"] == ["shots"]


def test_an_estimate_is_what_is_billed(api):
    gates = [FOUR_NINES] * 30 + [BELL[1]] * 20
    found = api.get(
        "/jobs/estimate", backend="qpu.aria-1", shots=400, **{"1q_gates": 30, "2q_gates": 20}
    ).json()
    job_id = api.submit(*gates, backend="qpu.aria-1", shots=400)
    api.finished(job_id)
    assert cost(api, job_id)["cost"]["value"] == found["estimated_cost"]


def test_backends_need_no_key(api):
    found = api.http.get(f"{api.emulator.url}/backends", headers={"Authorization": ""}).json()
    by_name = {each["backend"]: each for each in found}
    assert by_name["simulator"]["qubits"] == 29
    assert "aria-1" in by_name["simulator"]["noise_models"]
    assert by_name["qpu.forte-1"]["supported_native_gates"] == ["gpi", "gpi2", "zz"]
    assert by_name["qpu.aria-1"]["supported_native_gates"] == ["gpi", "gpi2", "ms"]
    for name, each in by_name.items():
        assert api.get(f"/backends/{name}").json()["qubits"] == each["qubits"]
    assert api.get("/backends/qpu.qpu").status_code == 404


def test_characterizations(api):
    (found,) = api.get("/backends/qpu.aria-1/characterizations", limit=1).json()["characterizations"]
    assert found["fidelity"]["2q"]["median"] == 0.9872
    assert found["timing"]["2q"] == 600e-6
    assert len(found["connectivity"]) == 25 * 24 // 2
    assert api.get(f"/backends/qpu.aria-1/characterizations/{found['id']}").json() == found
    assert api.get("/backends/qpu.aria-1").json()["characterization_id"] == found["id"]
    assert api.get("/backends/simulator/characterizations").json()["characterizations"] == []
    assert (
        api.get("/backends/qpu.aria-1/characterizations", start="2030-01-01").json()["characterizations"]
        == []
    )
    assert api.get("/backends/qpu.aria-1/characterizations", limit=11).status_code == 400
    assert api.get("/backends/qpu.forte-1/characterizations/" + found["id"]).status_code == 404


def session(api, **settings):
    reply = api.post("/sessions", {"backend": "qpu.forte-1", "settings": settings})
    assert reply.status_code == 201
    return reply.json()


def test_sessions_take_jobs_until_they_end(api):
    made = session(api)
    assert (made["status"], made["active"], made["started_at"]) == ("created", True, None)
    job_id = api.submit(H0, backend="qpu.forte-1", session_id=made["id"])
    assert api.get(f"/jobs/{job_id}").json()["session_id"] == made["id"]
    assert api.get(f"/sessions/{made['id']}").json()["status"] == "started"
    assert [each["id"] for each in api.get(f"/sessions/{made['id']}/jobs").json()["jobs"]] == [job_id]
    assert [each["id"] for each in api.get("/jobs", session_id=made["id"]).json()["jobs"]] == [job_id]
    ended = api.post(f"/sessions/{made['id']}/end").json()
    assert (ended["status"], ended["active"]) == ("ended", False)
    assert [each["id"] for each in api.get("/sessions", active="false").json()["sessions"]] == [made["id"]]
    assert api.get("/sessions", active="true").json()["sessions"] == []
    assert refused(api, made) == ["session_id"]


def refused(api, made, **fields):
    from emulator.bodies import job

    reply = api.post("/jobs", job(H0, **{"backend": "qpu.forte-1", "session_id": made["id"]} | fields))
    assert reply.status_code == 400
    return reply.json()["validation"]["keys"]


def test_limits_of_sessions(start):
    api = start(speed=1.0)
    counted = session(api, job_count_limit=1)
    api.submit(H0, backend="qpu.forte-1", session_id=counted["id"])
    assert refused(api, counted) == ["session_id"]
    costly = session(api, cost_limit={"unit": "usd", "value": 20})
    api.submit(H0, backend="qpu.forte-1", session_id=costly["id"])
    assert refused(api, costly) == ["session_id"]
    timed = session(api, duration_limit_min=10)
    assert refused(api, timed, backend="qpu.aria-1") == ["session_id"]
    api.emulator.advance(601)
    assert refused(api, timed) == ["session_id"]
    assert api.get(f"/sessions/{timed['id']}").json()["status"] == "ended"
    assert refused(api, {"id": "nope"}) == ["session_id"]


def test_bad_sessions(api):
    assert api.post("/sessions", {"backend": "simulator"}).json()["validation"]["keys"] == ["backend"]
    bad = {"backend": "qpu.forte-1", "settings": {"job_count_limit": -1, "cost_limit": 3}}
    assert api.post("/sessions", bad).json()["validation"]["keys"] == [
        "settings.job_count_limit",
        "settings.cost_limit",
    ]
    assert api.get("/sessions/nope").status_code == 404


def test_usage_and_whoami(api):
    who = api.get("/whoami").json()
    assert set(who) == {"key_id", "key_name", "project_id"}
    for _ in range(2):
        api.finished(api.submit(*BELL, backend="qpu.aria-1", shots=100))
    api.finished(api.submit(*BELL))
    report = api.get("/organizations/any/usage", group_by="project").json()
    assert report["total"] == {"value": pytest.approx(2 * 12.4166), "unit": "usd"}
    assert len(api.get("/organizations/any/usage").json()["usage"]) == 2
    assert api.get("/organizations/any/usage", start_date="2099-01-01").json()["usage"] == []
    assert api.get("/organizations/any/usage", group_by="cat").status_code == 400


def test_schemas_of_formats(api):
    assert api.get("/schemas/formats/ionq.result.shots.json.v1").json()["type"] == "array"
    assert api.get("/schemas/formats/nope").status_code == 404
