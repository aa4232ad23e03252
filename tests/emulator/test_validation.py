# SPDX-License-Identifier: Apache-2.0
"""What is accepted: all that the real clients send; with `--strict`, only what the schema lists."""

import json
from pathlib import Path

import pytest

from emulator.bodies import BELL, H0, batch, job

RECORDED = json.loads((Path(__file__).parent / "recorded" / "submissions.json").read_text(encoding="utf-8"))
SUBMISSIONS = RECORDED["submissions"]
NAMES = [f"{each['client']}-{index}" for index, each in enumerate(SUBMISSIONS)]


def test_the_recordings_are_there():
    assert {each["client"] for each in SUBMISSIONS} == {"cirq-ionq", "qiskit-ionq", "pennylane-ionq"}
    assert len(SUBMISSIONS) == 31


def send(api, submission):
    """As it was sent: PennyLane's without a Content-Type."""
    content = json.dumps(submission["body"]).encode()
    headers = {name: value for name, value in submission["headers"].items() if name == "Content-Type"}
    return api.http.post(f"{api.emulator.url}/jobs", content=content, headers=headers)


def test_everything_that_the_real_clients_sent_is_accepted_and_runs(api):
    ids = []
    for submission in SUBMISSIONS:
        reply = send(api, submission)
        assert reply.status_code == 201, (submission, reply.text)
        ids.append(reply.json()["id"])
    api.emulator.wait_until_idle()
    for job_id, submission in zip(ids, SUBMISSIONS, strict=True):
        found = api.get(f"/jobs/{job_id}").json()
        assert found["status"] == "completed", (submission, found["failure"])
        assert found["metadata"] == submission["body"].get("metadata")


DEVIATIONS = {
    "shots as text": ({"shots": "1000"}, "shots"),
    "an unknown key": ({"lang": "json"}, "lang"),
    "a null seed": ({"noise": {"model": "ideal", "seed": None}}, "noise.seed"),
    "an unknown setting": ({"settings": {"compilation": {"optimizer": 2}}}, "settings.compilation.optimizer"),
    "a long key": ({"metadata": {"k" * 41: "v"}}, "metadata." + "k" * 40),
    "a phase of zz": (
        {"input": {"gateset": "native", "circuit": [{"gate": "zz", "targets": [0, 1], "phase": 0.1}]}},
        "input.circuit.0.phase",
    ),
    "an unknown field of a gate": (
        {"input": {"gateset": "qis", "circuit": [{"gate": "h", "target": 0, "label": "x"}]}},
        "input.circuit.0.label",
    ),
    "z with a rotation": (
        {"input": {"gateset": "qis", "circuit": [{"gate": "z", "target": 0, "rotation": 0.1}]}},
        "input.circuit.0.rotation",
    ),
    "an unknown key of the input": ({"input": {"gateset": "qis", "circuit": [H0], "format": "v0"}}, "input.format"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEVIATIONS)
def test_deviations_are_tolerated_unless_strict(start, case):
    change, key = DEVIATIONS[case]
    body = job(*BELL) | change
    assert start().post("/jobs", body).status_code == 201
    reply = start(strict=True).post("/jobs", body)
    assert reply.status_code == 400
    assert reply.json()["validation"] == {"source": "body", "keys": [key]}


def test_strict_accepts_what_the_schema_lists(start):
    api = start(strict=True)
    body = job(
        *BELL, shots=100, name="n", metadata={"a": "b"}, dry_run=False, noise={"model": "aria-1", "seed": 5},
        settings={"error_mitigation": {"debiasing": False}, "compilation": {"opt": 1, "precision": "1E-3"}}, qubits=2,
    )  # fmt: skip
    assert api.post("/jobs", body).status_code == 201
    assert api.post("/jobs", batch(BELL, BELL)).status_code == 201
    assert api.get("/jobs").status_code == 200


def test_strict_looks_at_requests_too(start):
    api = start(strict=True)
    content = json.dumps(job(*BELL)).encode()
    assert "Content-Type" in api.http.post(f"{api.emulator.url}/jobs", content=content).json()["message"]
    assert api.http.request("GET", f"{api.emulator.url}/jobs", json={"limit": 3}).status_code == 400
    job_id = api.submit(*BELL)
    api.finished(job_id)
    assert api.get(f"/jobs/{job_id}/results/probabilities", sharpen="True").status_code == 400
    assert api.get(f"/jobs/{job_id}/results/probabilities", sharpen="true").status_code == 200


BAD = {
    "no object": ([], [""]),
    "nothing": ({}, ["type", "backend", "input"]),
    "an old type": (job(*BELL) | {"type": "ionq.circuit.v0"}, ["type"]),
    "a type that is not run here": (job(*BELL) | {"type": "quantum-function"}, ["type"]),
    "an unknown backend": (job(*BELL, backend="qpu.nope"), ["backend"]),
    "no shots": (job(*BELL, shots=0), ["shots"]),
    "too many shots": (job(*BELL, shots=1_000_001), ["shots"]),
    "half a shot": (job(*BELL, shots=1.5), ["shots"]),
    "shots in words": (job(*BELL, shots="many"), ["shots"]),
    "metadata that is no text": (job(*BELL, metadata={"a": 1, "b": "x"}), ["metadata.a"]),
    "a name that is no text": (job(*BELL, name=3), ["name"]),
    "an unknown noise model": (job(*BELL, noise={"model": "tempo"}), ["noise.model"]),
    "a seed that is too large": (job(*BELL, noise={"model": "aria-1", "seed": 2**31}), ["noise.seed"]),
    "no gate set": ({**job(*BELL), "input": {"circuit": []}}, ["input.gateset"]),
    "an unknown gate set": (job(*BELL, gateset="cirq"), ["input.gateset"]),
    "no circuit": ({**job(*BELL), "input": {"gateset": "qis"}}, ["input.circuit"]),
    "a gate that is no object": (job("h"), ["input.circuit.0"]),
    "a gate without a name": (job({"target": 0}), ["input.circuit.0"]),
    "no qubits": (job(*BELL, qubits=0), ["input.qubits"]),
    "an empty batch": (batch(), ["input.circuits"]),
    "a circuit beside circuits": (
        {**batch(BELL), "input": {"gateset": "qis", "circuits": [{"circuit": [H0]}], "circuit": [H0]}}, ["input.circuit"],
    ),
    "a circuit of a batch": (batch(BELL, ["h"]), ["input.circuits.1.circuit.0"]),
    "debiasing in words": (
        job(*BELL, settings={"error_mitigation": {"debiasing": "yes"}}), ["settings.error_mitigation.debiasing"],
    ),
    "a program that is none": (
        {"type": "ionq.qasm3.v1", "backend": "simulator", "input": {"data": 3}}, ["input.data"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_bodies_are_refused_with_the_fields_that_are_wrong(api, case):
    body, keys = BAD[case]
    reply = api.post("/jobs", body)
    assert reply.status_code == 400
    found = reply.json()
    assert found["validation"] == {"source": "body", "keys": keys}
    assert (found["statusCode"], found["error"]) == (400, "Bad Request")
    assert api.emulator.stats.accepted == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 300_000, b'{"shots": NaN}', b'{"shots": ' + b"9" * 5000 + b"}", b"\xff\xfe"],
    ids=["empty", "cut", "deep", "nan", "long number", "no text"],
)
def test_what_is_no_json_is_refused(api, content):
    reply = api.http.post(f"{api.emulator.url}/jobs", content=content)
    assert reply.status_code == 400
    assert reply.json()["error"] == "Bad Request"


def test_limits_of_size(api):
    assert api.http.post(f"{api.emulator.url}/jobs", content=b" " * 10_000_001).status_code == 413
    many = {"circuit": [H0]}
    body = {
        "type": "ionq.multi-circuit.v1",
        "backend": "simulator",
        "input": {"gateset": "qis", "circuits": [many] * 5001},
    }
    assert api.post("/jobs", body).json()["validation"]["keys"] == ["input.circuits"]
    body["input"]["circuits"] = [{"circuit": [H0] * 1501}] * 100
    assert "150000 gates" in api.post("/jobs", body).json()["message"]


def test_the_rate_limit_answers_429(start):
    api = start(rate_limit=5.0)
    replies = [api.get("/backends") for _ in range(20)]
    limited = [reply for reply in replies if reply.status_code == 429]
    assert len(limited) >= 10
    assert {reply.headers["retry-after"] for reply in limited} == {"1"}
