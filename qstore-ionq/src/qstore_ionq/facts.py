# SPDX-License-Identifier: Apache-2.0
"""What the service says of its machines, kept for a quarter of an hour and shared by all backends of a process.

Asking needs no key. When the service does not answer, the built-in figures stand.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from qstore.errors import AuthenticationError, ServiceError, TransportError
from qstore.execution.jobs import NotAccepted
from qstore_ionq.api import IonQApi
from qstore_ionq.devices import QPU, Device, read_device

__all__ = ["ask_devices", "known_devices"]

log = logging.getLogger("qstore.ionq")

_UNANSWERED = (TransportError, ServiceError, AuthenticationError, NotAccepted)
_FRESH_S = 900.0
_RETRY_S = 30.0
"""After a failure the service is left alone so long."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a service said.

    Attributes:
        until: when to ask again (monotonic).
        devices: by the service's names.
        measured: the machines whose characterization was asked for.
    """

    until: float = 0.0
    devices: Mapping[str, Device] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()


_known: dict[str, _Known] = {}  # by url


def known_devices(url: str) -> Mapping[str, Device]:
    """What was asked before, by the service's names; empty if nothing was."""
    return _known.get(url, _Known()).devices


async def ask_devices(
    api: IonQApi, url: str, *, target: str = "", afresh: bool = False
) -> Mapping[str, Device]:
    """All machines of the service, with the newest figures of one of them.

    Args:
        api: the service.
        url: its address.
        target: the machine whose characterization is wanted as well.
        afresh: ask even if the last answer is not old.
    """
    known = _known.get(url, _Known())
    fresh = time.monotonic() < known.until and not afresh
    measured = not target.startswith(QPU) or target in known.measured
    if fresh and (measured or not known.devices):
        return known.devices
    try:
        entries, figures = await asyncio.gather(
            api.backends(), _figures(api, "" if fresh and measured else target)
        )
    except _UNANSWERED as exc:
        log.warning("IonQ did not list its machines (%s); dated figures are used.", exc)
        _known[url] = _Known(time.monotonic() + _RETRY_S, known.devices, known.measured)
        return known.devices
    today = datetime.now(UTC).date()
    devices = dict(known.devices)
    for entry in entries:
        device = read_device(entry, figures if entry.get("backend") == target else None, today)
        if device is not None:
            devices[device.target] = device
    _known[url] = _Known(time.monotonic() + _FRESH_S, devices, known.measured | {target})
    return devices


async def _figures(api: IonQApi, target: str) -> Mapping[str, Any] | None:
    if not target.startswith(QPU):
        return None
    try:
        return await api.characterization(target)
    except _UNANSWERED as exc:
        log.info("IonQ gave no characterization of %s (%s).", target, exc)
        return None
