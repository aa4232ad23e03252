# SPDX-License-Identifier: Apache-2.0
"""An emulator of its own for a test, and a client that talks to it over real sockets."""

import httpx2
import pytest

from emulator.bodies import job
from qstore_ionq.emulator import Emulator

KEY = "a-key"


class Api:
    """A plain HTTP client of one emulator."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.http = httpx2.Client(headers={"Authorization": f"apiKey {KEY}"}, timeout=20)

    def get(self, path, **query):
        return self.http.get(self.emulator.url + path, params=query)

    def post(self, path, body=None, **headers):
        return self.http.post(self.emulator.url + path, json=body, headers=headers)

    def put(self, path, body=None):
        return self.http.put(self.emulator.url + path, json=body)

    def delete(self, path, body=None):
        return self.http.request("DELETE", self.emulator.url + path, json=body)

    def submit(self, *gates, **fields):
        """Submit one circuit; the job's id."""
        reply = self.post("/jobs", job(*gates, **fields))
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]

    def finished(self, job_id):
        """The job once all have ended."""
        self.emulator.wait_until_idle()
        return self.get(f"/jobs/{job_id}").json()

    def probabilities(self, *gates, **fields):
        job_id = self.submit(*gates, **fields)
        found = self.finished(job_id)
        assert found["status"] == "completed", found["failure"]
        return self.get(f"/jobs/{job_id}/results/probabilities").json()

    def failure(self, *gates, **fields):
        """The failure of a job that fails."""
        found = self.finished(self.submit(*gates, **fields))
        assert found["status"] == "failed"
        return found["failure"]


@pytest.fixture
def start():
    """Starts emulators with options; each ends with the test."""
    running = []

    def started(*args, **options):
        emulator = Emulator(*args, **{"seed": 3, "speed": float("inf")} | options)
        emulator.__enter__()
        api = Api(emulator)
        running.append(api)
        return api

    yield started
    for api in reversed(running):
        api.http.close()
        api.emulator.__exit__()


@pytest.fixture
def api(start):
    return start()
