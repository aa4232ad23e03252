# SPDX-License-Identifier: Apache-2.0
"""From packed circuits to the requests that the journal keeps: content, tag, price. Nothing is sent here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from qstore.errors import CompilationError
from qstore.execution.jobs import JobRequest, job_tag
from qstore_ionq.configuration import Address
from qstore_ionq.devices import DEVICES, VENDOR, Device
from qstore_ionq.estimating import estimate_job
from qstore_ionq.options import Settings
from qstore_ionq.packing import Packed, Part, pack
from qstore_ionq.prices import PriceTable

__all__ = ["Job", "jobs_for"]


class Job(NamedTuple):
    """A job that is going to be sent, and where its circuits come from."""

    packed: Packed
    request: JobRequest


def jobs_for(
    parts: Sequence[Part], device: Device, settings: Settings, table: PriceTable, address: Address
) -> list[Job]:
    """The jobs of all parts, for the service at an address.

    Raises:
        CapabilityError: one circuit alone is larger than a request may be.
        CompilationError: a circuit for a machine lacks the proof that what is sent equals it.
    """
    if not device.is_simulator and not settings.unverified:
        for part in parts:
            if not part.rendering.certified:
                raise CompilationError(
                    f"{part.batch.circuit!r} would go to {device.name!r} without a proof that what is sent equals it. "
                    "Let it be compiled here (gateset='native'), or give unverified=True."
                )
    return [Job(packed, _request(packed, parts, device, settings, table, address)) for packed in pack(parts)]


def _request(
    packed: Packed,
    parts: Sequence[Part],
    device: Device,
    settings: Settings,
    table: PriceTable,
    address: Address,
) -> JobRequest:
    run, shots, _, kind = packed.group
    settings.check_shots(shots)
    keys = b""
    if shots is not None:
        keys = b"".join(parts[part].batch.stream_keys[row].tobytes() for part, row in packed.rows)
    # The noise of the simulator repeats when the batch's seed does.
    seed = int.from_bytes(hashlib.sha256(keys).digest()[:4], "little") % (2**31 - 1) + 1
    body = packed.body(parts, device.target, settings.fields(device, seed))
    if kind == "probabilities" and len(packed.rows) == 1 and _counts_whole(device, settings, shots):
        kind = "histogram"
    read: dict[str, Any] = {"kind": kind, "widths": packed.widths(parts)}
    if settings.sharpen is not None:
        read["sharpen"] = settings.sharpen
    # Not the session: a script that is started again opens another one, and still has to find its jobs.
    # But the address: a rehearsal on the emulator is no result of a machine.
    decisive = {name: value for name, value in body.items() if name not in {"input", "name", "session_id"}}
    decisive["address"] = address.url
    return JobRequest(
        tag=job_tag(run, {"input": body["input"]}, keys, {**decisive, "read": {**read, "widths": None}}),
        backend=device.name if device.target in DEVICES else VENDOR,
        target=address.machine(device.target),
        content={"body": body, "read": read},
        circuits=len(packed.rows),
        shots=shots,
        paid=not device.is_simulator and not settings.dry_run,
        estimated_usd=estimate_job(packed, parts, device, settings, table).usd,
    )


def _counts_whole(device: Device, settings: Settings, shots: int | None) -> bool:
    """Whether a single circuit's job has a histogram of exactly its shots."""
    ideal = device.is_simulator and settings.noise == "ideal"
    return not (ideal or settings.mitigated(device, shots) or settings.sharpen)
