# SPDX-License-Identifier: Apache-2.0
"""Sessions: a machine reserved for one user's jobs, within limits of number, time and money."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from qstore_ionq.emulator.devices import device_named
from qstore_ionq.emulator.jobs import Job
from qstore_ionq.emulator.options import Clock
from qstore_ionq.emulator.store import Store
from qstore_ionq.emulator.wire import ApiError, as_time, from_time

__all__ = ["ORGANIZATION", "PROJECT", "USER", "Sessions"]

ORGANIZATION = "0b8c1d6e-52a1-4b7e-9d13-6f1f0d9a1c01"
PROJECT = "5a1f7c34-90d2-4c8a-8d0a-2b6c1e7f5d02"
USER = "c2d9e8a7-1b3f-4f6e-a5c4-7e8f9a0b1c03"
"""Everybody is the same user of the same organization here."""

_LIMITS = {"job_count_limit": int, "duration_limit_min": (int, float)}


class Sessions:
    """The sessions in the store.

    Args:
        name: makes the id of the n-th thing of a kind.
    """

    def __init__(self, store: Store, clock: Clock, name: Callable[[str, int], str]) -> None:
        self._store, self._clock, self._name = store, clock, name

    def create(self, body: Any) -> dict[str, Any]:
        """Begin a session.

        Raises:
            ApiError: 400, no such machine or limits.
        """
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid request payload input: a session is a JSON object.", keys=("",))
        device = device_named(str(body.get("backend")))
        if device is None or device.is_simulator:
            raise ApiError(
                400, 'Invalid request payload input: "backend" must be a machine.', keys=("backend",)
            )
        settings = body.get("settings") or {}
        wrong = [key for key, kind in _LIMITS.items() if not _is_limit(settings, key, kind)]
        cost = settings.get("cost_limit") if isinstance(settings, dict) else None
        if cost is not None and not (isinstance(cost, dict) and isinstance(cost.get("value"), (int, float))):
            wrong.append("cost_limit")
        if wrong:
            keys = tuple(f"settings.{key}" for key in wrong)
            raise ApiError(
                400, f"Invalid request payload input: {', '.join(keys)} must be limits.", keys=keys
            )
        now = as_time(self._clock.now())
        record = {
            "id": self._name("session", len(self._store.sessions) + 1),
            "created_at": now,
            "organization_id": ORGANIZATION,
            "backend": device.name,
            "project_id": PROJECT,
            "creator_id": USER,
            "ended_at": None,
            "ender_id": None,
            "settings": settings,
            "active": True,
            "status": "created",
            "started_at": None,
        }
        self._store.save_session(record)
        return record

    def find(self, session_id: str) -> dict[str, Any]:
        """A session, ended if its time is up.

        Raises:
            ApiError: 404, there is none of that id.
        """
        record = self._store.sessions.get(session_id)
        if record is None:
            raise ApiError(404, f"Session {session_id} not found.")
        minutes = (record["settings"] or {}).get("duration_limit_min")
        if record["active"] and minutes is not None:
            until = from_time(record["created_at"]) + 60 * minutes
            if self._clock.now() >= until:
                self._end(record, until)
        return record

    def listed(self, active: bool | None) -> list[dict[str, Any]]:
        """All sessions, or those that are active or not."""
        found = [self.find(key) for key in list(self._store.sessions)]
        return [record for record in found if active is None or record["active"] is active]

    def end(self, session_id: str) -> dict[str, Any]:
        """End a session."""
        record = self.find(session_id)
        if record["active"]:
            self._end(record, self._clock.now())
        return record

    def admit(self, session_id: str | None, job: Job, of_session: Callable[[str], list[Job]]) -> None:
        """Take a job into its session.

        Raises:
            ApiError: 400, there is no such session, or it has ended, is on another machine, or has reached a limit.
        """
        if session_id is None:
            return
        if session_id not in self._store.sessions:
            raise ApiError(400, f"Session {session_id} not found.", keys=("session_id",))
        record = self.find(session_id)
        settings = record["settings"] or {}
        earlier = of_session(session_id)
        spent = sum((each.price_usd for each in earlier if each.canceled_at is None), Decimal(0))
        most, cost = settings.get("job_count_limit"), settings.get("cost_limit")
        reasons = (
            (not record["active"], "has ended"),
            (record["backend"] != job.backend, f"is on {record['backend']}, not on {job.backend}"),
            (most is not None and len(earlier) >= most, f"has reached its limit of {most} jobs"),
            (cost is not None and spent + job.price_usd > Decimal(str(cost["value"])) if cost else False,
             "has reached its cost limit"),
        )  # fmt: skip
        for applies, reason in reasons:
            if applies:
                raise ApiError(400, f"Session {session_id} {reason}.", keys=("session_id",))
        if record["status"] == "created":
            record |= {"status": "started", "started_at": as_time(self._clock.now())}
            self._store.save_session(record)

    def _end(self, record: dict[str, Any], at: float) -> None:
        record |= {"active": False, "status": "ended", "ended_at": as_time(at), "ender_id": USER}
        self._store.save_session(record)


def _is_limit(settings: Any, key: str, kind: Any) -> bool:
    if not isinstance(settings, dict):
        return False
    value = settings.get(key)
    return value is None or (isinstance(value, kind) and not isinstance(value, bool) and value > 0)
