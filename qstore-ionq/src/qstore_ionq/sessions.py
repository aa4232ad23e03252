# SPDX-License-Identifier: Apache-2.0
"""Sessions: a machine reserved for jobs that run one after the other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from qstore.errors import OptionError, QStoreError, TransportError
from qstore.execution.jobs import NotAccepted, Unclear
from qstore_ionq.api import IonQApi

__all__ = ["begin_session", "end_session"]

log = logging.getLogger("qstore.ionq")

_LIMITS = ("jobs", "minutes", "usd")


async def begin_session(api: IonQApi, target: str, limits: Mapping[str, Any]) -> str:
    """Open a session; its id.

    Raises:
        OptionError: a limit that there is not, or that is no positive number.
        TransportError: the service did not open one, or nobody knows.
    """
    for name, value in limits.items():
        if name not in _LIMITS:
            raise OptionError(f"A session has no limit {name!r}; there are {', '.join(_LIMITS)}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise OptionError(f"{name} must be a number above 0, got {value!r}.")
    settings: dict[str, Any] = {}
    if "jobs" in limits:
        settings["job_count_limit"] = int(limits["jobs"])
    if "minutes" in limits:
        settings["duration_limit_min"] = int(limits["minutes"])
    if "usd" in limits:
        settings["cost_limit"] = {"unit": "usd", "value": float(limits["usd"])}
    try:
        return await api.create_session(target, settings)
    except (NotAccepted, Unclear) as exc:
        raise TransportError(f"No session was opened: {exc}") from exc


async def end_session(api: IonQApi, session: str) -> None:
    """End a session; trouble is logged, for the service ends it by itself later."""
    try:
        await api.end_session(session)
    except (NotAccepted, Unclear, QStoreError) as exc:
        log.warning("Session %s is not ended: %s It ends by its own limits.", session, exc)
