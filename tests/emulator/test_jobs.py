# SPDX-License-Identifier: Apache-2.0
"""The life of jobs as a client sees it: submit, look, list, cancel, delete, clone, move, results."""

import pytest

from emulator.bodies import BELL, H0, X0, batch, job

JOB_KEYS = {
    "id", "status", "type", "backend", "dry_run", "submitter_id", "project_id", "parent_job_id", "child_job_ids",
    "session_id", "metadata", "name", "submitted_at", "started_at", "completed_at", "predicted_execution_duration_ms",
    "predicted_wait_time_ms", "execution_duration_ms", "failure", "cost_model", "settings", "stats", "output", "results",
}  # fmt: skip
"""Required, if only with null, by IonQ's own client; `shots` and `noise` are optional."""


def test_submitting_answers_with_the_three_keys(api):
    reply = api.post("/jobs", job(*BELL))
    assert reply.status_code == 201
    assert set(reply.json()) == {"id", "status", "session_id"}
    assert reply.json()["status"] == "submitted"
    assert reply.headers["x-request-id"]


def test_a_job_has_every_key_at_every_time(start):
    api = start(speed=1.0)
    metadata = {"qstore_tag": "t", "note": "ü"}
    running = api.get(f"/jobs/{api.submit(*BELL, name='bell', metadata=metadata, shots=10)}").json()
    assert set(running) - {"shots", "noise"} == JOB_KEYS
    assert running["metadata"] == metadata
    assert running["name"] == "bell"
    assert running["results"] is None
    assert running["noise"] == {"model": "ideal"}
    assert "shots" not in running  # ideal simulations have none
    api.emulator.advance(10)
    done = api.finished(running["id"])
    assert set(done) - {"shots", "noise"} == JOB_KEYS
    assert done["stats"]["qubits"] == 2
    assert done["stats"]["gate_counts"] == {"1q": 1, "2q": 1}
    assert "warning" not in done


def test_status_walks_with_the_clock(start):
    api = start(speed=1.0, queue_s=100.0)
    job_id = api.submit(H0, backend="qpu.aria-1", shots=100_000)
    seen = [api.get(f"/jobs/{job_id}").json()["status"]]
    for seconds in (10, 100):
        api.emulator.advance(seconds)
        seen.append(api.get(f"/jobs/{job_id}").json()["status"])
    api.emulator.advance(100)
    found = api.finished(job_id)
    assert [*seen, found["status"]] == ["submitted", "ready", "started", "completed"]
    assert found["submitted_at"] < found["started_at"] < found["completed_at"]
    assert found["predicted_wait_time_ms"] == 100_100
    # 100,000 times one gate of 135 us, 300 us to read and 20 us to reset
    assert found["execution_duration_ms"] == 45_500


def test_results_are_linked_in_both_styles(api):
    ideal = api.finished(api.submit(*BELL))["results"]
    assert ideal["probabilities"]["url"].startswith("/v0.4/jobs/")
    assert "shots" not in ideal
    job_id = api.submit(*BELL, backend="qpu.aria-1", shots=100)
    results = api.finished(job_id)["results"]
    for name in ("probabilities", "histogram", "shots"):
        path = results[name]["url"].removeprefix("/v0.4")
        assert api.get(path).status_code == 200
        descriptor = results[f"ionq.result.{name}.json.v1"]
        assert set(descriptor) == {"id", "format", "media_type"}
        assert api.get(f"/jobs/{job_id}/artifacts/{descriptor['id']}").json() == api.get(path).json()


def test_version_2_has_bits_by_register(api):
    job_id = api.submit(X0, {"gate": "z", "target": 1}, backend="qpu.aria-1", shots=50)
    results = api.finished(job_id)["results"]

    def artifact(name):
        return api.get(f"/jobs/{job_id}/artifacts/{results[f'ionq.result.{name}.json.v2']['id']}").json()

    histogram = api.get(f"/jobs/{job_id}/results/histogram").json()
    assert artifact("histogram") == {
        "histogram": {"registers": {"output_all": {format(int(k), "02b"): c for k, c in histogram.items()}}}
    }
    shots = api.get(f"/jobs/{job_id}/results/shots").json()
    assert artifact("shots")["shots"] == [
        {"registers": {"output_all": [int(each) & 1, int(each) >> 1]}} for each in shots
    ]
    assert artifact("probabilities")["probabilities"]["registers"]["output_all"]["01"] > 0.9


def test_results_of_an_unfinished_or_unknown_job_are_not_found(start):
    api = start(speed=1.0)
    job_id = api.submit(*BELL)
    for path in (f"/jobs/{job_id}/results/probabilities", f"/jobs/{job_id}/results/shots", "/jobs/nope",
                 "/jobs/nope/results/probabilities", f"/jobs/{job_id}/artifacts/nope"):  # fmt: skip
        reply = api.get(path)
        assert reply.status_code == 404
        assert set(reply.json()) == {"statusCode", "error", "message"}


def test_ideal_simulations_have_no_shots(api):
    job_id = api.submit(*BELL, shots=100)
    api.finished(job_id)
    assert api.get(f"/jobs/{job_id}/results/shots").status_code == 404
    assert api.get(f"/jobs/{job_id}/results/histogram").status_code == 404


def test_a_batch_is_a_parent_and_children_in_order(api):
    body = batch([X0], BELL, [{"gate": "x", "target": 2}])
    body["input"]["circuits"][1]["name"] = "bell"
    parent = api.finished(api.post("/jobs", body).json()["id"])
    children = [api.get(f"/jobs/{child}").json() for child in parent["child_job_ids"]]
    assert [child["parent_job_id"] for child in children] == [parent["id"]] * 3
    assert [child["name"] for child in children] == [None, "bell", None]
    assert [child["type"] for child in children] == ["ionq.circuit.v1"] * 3
    assert parent["stats"]["circuits"] == 3
    assert parent["stats"]["qubits"] == 3
    found = api.get(parent["results"]["probabilities"]["url"].removeprefix("/v0.4")).json()
    assert list(found) == parent["child_job_ids"]
    assert [found[child["id"]] for child in (children[0], children[2])] == [{"1": 1.0}, {"4": 1.0}]
    # What cirq-ionq asks for when it has forgotten that the job is a batch.
    assert api.get(f"/jobs/{parent['id']}/results/probabilities").json() == found
    for child in children:
        assert api.get(f"/jobs/{child['id']}/results/probabilities").json() == found[child["id"]]
    assert api.get(f"/jobs/{children[0]['id']}/results/probabilities/aggregated").status_code == 404


def test_a_gate_set_of_its_own_for_each_circuit(api):
    body = batch([X0], [{"gate": "gpi", "target": 0, "phase": 0}])
    body["input"]["circuits"][1] |= {"gateset": "native", "qubits": 2}
    found = api.finished(api.post("/jobs", body).json()["id"])
    assert found["status"] == "completed"
    assert api.get(f"/jobs/{found['child_job_ids'][1]}").json()["stats"]["qubits"] == 2


def test_cancelling(start):
    api = start(speed=1.0)
    job_id = api.submit(*BELL, backend="qpu.aria-1")
    assert api.put(f"/jobs/{job_id}/status/cancel").json() == {"id": job_id, "status": "canceled"}
    assert api.get(f"/jobs/{job_id}").json()["status"] == "canceled"
    assert api.get(f"/jobs/{job_id}").json()["failure"] is None
    api.emulator.advance(1000)
    assert api.emulator.stats.billed == {}
    assert api.get(f"/jobs/{job_id}/cost").json()["estimated_cost"]["value"] > 0
    assert "cost" not in api.get(f"/jobs/{job_id}/cost").json()


def test_cancelling_a_batch_cancels_its_children(start):
    api = start(speed=1.0)
    job_id = api.post("/jobs", batch(BELL, BELL, backend="qpu.aria-1")).json()["id"]
    api.put(f"/jobs/{job_id}/status/cancel")
    children = api.get(f"/jobs/{job_id}").json()["child_job_ids"]
    assert {api.get(f"/jobs/{child}").json()["status"] for child in children} == {"canceled"}


def test_a_completed_job_stays_completed(api):
    job_id = api.submit(*BELL)
    api.finished(job_id)
    assert api.put(f"/jobs/{job_id}/status/cancel").json()["status"] == "completed"
    assert api.get(f"/jobs/{job_id}/results/probabilities").status_code == 200


def test_several_at_once(start):
    api = start(speed=1.0)
    ids = [api.submit(*BELL) for _ in range(3)]
    assert api.put("/jobs/status/cancel", {"ids": ids[:2]}).json() == {"ids": ids[:2], "status": "canceled"}
    assert api.delete("/jobs", {"ids": [ids[0], "nope"]}).status_code == 404
    assert api.get(f"/jobs/{ids[0]}").status_code == 200  # all of them, or none
    assert api.delete("/jobs", {"ids": ids[:2]}).json() == {"ids": ids[:2], "status": "deleted"}
    assert [api.get(f"/jobs/{each}").status_code for each in ids] == [404, 404, 200]
    assert api.delete("/jobs", {"ids": []}).json()["validation"]["keys"] == ["ids"]


def test_deleting_forgets_the_job_but_not_the_bill(api):
    job_id = api.submit(*BELL, backend="qpu.aria-1", metadata={"qstore_tag": "t"})
    api.finished(job_id)
    spent = api.emulator.stats.spent_usd
    assert api.delete(f"/jobs/{job_id}").json() == {"id": job_id, "status": "deleted"}
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/results/probabilities", f"/jobs/{job_id}/cost"):
        assert api.get(path).status_code == 404
    assert api.get("/jobs").json()["jobs"] == []
    assert api.emulator.stats.spent_usd == spent
    assert api.emulator.stats.billed == {"t": 1}


def test_listing_filters_and_pages(start):
    api = start(page_size=3)
    ids = [api.submit(H0, backend="qpu.aria-1" if k % 2 else "simulator") for k in range(7)]
    parent = api.post("/jobs", batch(BELL, BELL)).json()["id"]
    api.emulator.wait_until_idle()

    def listed(**query):
        found = []
        while True:
            page = api.get("/jobs", **query).json()
            assert len(page["jobs"]) <= 3
            found += [each["id"] for each in page["jobs"]]
            if page["next"] is None:
                return found
            query["next"] = page["next"]

    assert listed() == [parent, *reversed(ids)]
    assert listed(target="qpu.aria-1") == [ids[5], ids[3], ids[1]]
    assert listed(status="completed", limit=2) == [parent, *reversed(ids)]
    assert listed(status="failed") == []
    assert listed(ids=f"{ids[0]},{ids[4]}") == [ids[4], ids[0]]
    assert len(listed(parent_job_id=parent)) == 2
    assert api.get("/jobs", limit="0").json()["validation"]["keys"] == ["limit"]
    assert api.get("/jobs", next="!").status_code == 400


def test_new_jobs_do_not_move_the_pages(start):
    api = start(page_size=2)
    ids = [api.submit(H0) for _ in range(4)]
    first = api.get("/jobs").json()
    api.submit(H0)
    second = api.get("/jobs", next=first["next"]).json()
    assert [each["id"] for each in (*first["jobs"], *second["jobs"])] == list(reversed(ids))


def test_a_body_on_a_get_is_ignored(api):
    """cirq-ionq sends its limit that way."""
    api.submit(H0)
    reply = api.http.request("GET", f"{api.emulator.url}/jobs", json={"limit": 1000})
    assert len(reply.json()["jobs"]) == 1


def test_clone_and_move(start):
    api = start(speed=1.0)
    job_id = api.submit(*BELL, backend="qpu.aria-1", shots=100, name="first")
    copy = api.post(f"/jobs/{job_id}/clone", {"shots": 200}).json()["id"]
    moved = api.post(f"/jobs/{job_id}/move", {"backend": "qpu.forte-1"}).json()["id"]
    assert [api.get(f"/jobs/{each}").json()["shots"] for each in (job_id, copy, moved)] == [100, 200, 100]
    assert api.get(f"/jobs/{copy}").json()["name"] == "first"
    assert api.get(f"/jobs/{job_id}").json()["status"] == "canceled"
    assert api.get(f"/jobs/{moved}").json()["backend"] == "qpu.forte-1"
    assert api.post(f"/jobs/{job_id}/move", {}).status_code == 400
    assert api.post("/jobs/nope/clone", {}).status_code == 404


def test_a_native_job_can_be_looked_at_as_it_ran(api):
    gates = [{"gate": "gpi2", "target": 0, "phase": 0.25}]
    job_id = api.submit(*gates, gateset="native")
    found = api.finished(job_id)
    (artifact,) = found["output"]["compilation"]["compiled_circuits"].values()
    assert api.get(f"/jobs/{job_id}/artifacts/{artifact['id']}").json()["circuit"] == gates
    assert api.get(f"/jobs/{job_id}/circuits/native").json()["circuit"] == gates


@pytest.mark.parametrize("backend", ["qpu.aria-1", "qpu.forte-1"])
def test_other_jobs_are_shown_in_native_gates_that_do_the_same(start, backend):
    """With a swap, a flip at the end, an idle qubit and symbols."""
    api = start()
    gates = [
        {"gate": "ry", "target": 0, "rotation": 0.7}, {"gate": "cnot", "control": 0, "target": 3},
        {"gate": "xx", "targets": [0, 1], "rotation": 4.1}, {"gate": "swap", "targets": [1, 3]},
        {"gate": "x", "target": 1}, {"gate": "rz", "target": 3, "rotation": 0.4}, {"gate": "h", "target": 3},
    ]  # fmt: skip
    job_id = api.submit(*gates, backend=backend, shots=10, qubits=5)
    api.finished(job_id)
    found = api.get(f"/jobs/{job_id}/circuits/native").json()
    assert {gate["gate"] for gate in found["circuit"]} <= {
        "gpi",
        "gpi2",
        "ms" if backend == "qpu.aria-1" else "zz",
    }
    expected = api.probabilities(*gates, qubits=5)
    same = api.probabilities(*found["circuit"], gateset="native", qubits=found["qubits"])
    assert {k: p for k, p in same.items() if p > 1e-9} == pytest.approx(expected, abs=1e-9)


def test_what_has_no_compiled_circuit(start):
    api = start(speed=1.0)
    waiting = api.submit(*BELL)
    assert api.get(f"/jobs/{waiting}/circuits/native").status_code == 404
    parent = api.post("/jobs", batch(BELL, [X0])).json()["id"]
    failed = api.submit({"gate": "u3", "target": 0})
    api.emulator.advance(100)
    children = api.finished(parent)["child_job_ids"]
    assert [api.get(f"/jobs/{each}/circuits/native").status_code for each in (parent, failed)] == [404, 404]
    assert [len(api.get(f"/jobs/{each}/circuits/native").json()["circuit"]) > 0 for each in children] == [
        True,
        True,
    ]


def test_ids_repeat_with_the_seed(start):
    assert start(seed=4).submit(H0) == start(seed=4).submit(H0) != start(seed=5).submit(H0)
    assert start(seed=None).submit(H0) != start(seed=None).submit(H0)


@pytest.mark.parametrize(
    ("header", "status"),
    [("apiKey right", 201), ("apiKey wrong", 401), ("Bearer right", 401), ("apiKey", 401), ("", 401)],
)
def test_keys(start, header, status):
    api = start(api_key="right")
    headers = {"Authorization": header} if header else {"Authorization": ""}
    assert api.post("/jobs", job(*BELL), **headers).status_code == status
    assert api.http.get(f"{api.emulator.url}/backends", headers=headers).status_code == 200
    assert "right" not in repr(api.emulator.options)


def test_unknown_paths_and_methods(api):
    for reply, status in (
        (api.get("/calibrations/current"), 404), (api.get("/nope"), 404), (api.put("/jobs"), 405),
        (api.http.get(api.emulator.root + "/v0.3/jobs"), 404),
    ):  # fmt: skip
        assert reply.status_code == status
        assert reply.json()["statusCode"] == status
    assert "v0.4" in api.http.get(api.emulator.root + "/v0.3/jobs").json()["message"]
