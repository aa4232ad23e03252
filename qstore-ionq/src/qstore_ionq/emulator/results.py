# SPDX-License-Identifier: Apache-2.0
"""Results in every form that the service has.

Version 1 keys are decimal integers, qubit 0 the least significant bit; version 2 has bits by register, written with the
bit of index 0 last in a string and first in a list. Probabilities of sampled jobs are whole multiples of 1/shots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_ionq.emulator.jobs import COMPLETED, Job
from qstore_ionq.emulator.service import Service
from qstore_ionq.emulator.simulation import Outcome
from qstore_ionq.emulator.wire import ApiError

__all__ = [
    "FORMATS",
    "aggregated",
    "formats_of",
    "payload",
    "probabilities",
    "result_links",
    "variant",
    "variants",
]

Samples = NDArray[np.int64]
SHOTS_PER_VARIANT = 100
MAX_VARIANTS = 25


def outcome(service: Service, job: Job) -> Outcome:
    """What a completed job gave.

    Raises:
        ApiError: 404, it has no result, or none yet.
    """
    status = job.status(service.clock.now())
    found = service.store.result(job.id) if status == COMPLETED else None
    if found is None:
        raise ApiError(404, f"Job {job.id} has no results; its status is {status!r}.")
    return found


def probabilities(service: Service, job: Job, *, sharpened: bool = False) -> dict[str, float]:
    """Version 1: probability by outcome."""
    found = outcome(service, job)
    if found.probabilities is not None:
        return {str(state): p for state, p in found.probabilities.items()}
    samples = _visible(job, found)
    if sharpened and job.mitigated:
        winners, weights = _sharpened(samples)
        shots = len(samples)
        return {str(state): weight / shots for state, weight in zip(winners, weights, strict=True)}
    states, counts = np.unique(samples, return_counts=True)
    return {str(s): c / len(samples) for s, c in zip(states.tolist(), counts.tolist(), strict=True)}


def histogram(service: Service, job: Job) -> dict[str, int]:
    """Version 1: count by outcome."""
    states, counts = np.unique(_samples(service, job), return_counts=True)
    return {str(s): c for s, c in zip(states.tolist(), counts.tolist(), strict=True)}


def shots(service: Service, job: Job) -> list[str]:
    """Version 1: the outcome of each shot, in order."""
    return [str(state) for state in _samples(service, job).tolist()]


def aggregated(service: Service, job: Job, *, sharpened: bool = False) -> dict[str, dict[str, float]]:
    """The probabilities of every child that completed, in the order of submission."""
    now = service.clock.now()
    if job.status(now) != COMPLETED:
        raise ApiError(404, f"Job {job.id} has no results; its status is {job.status(now)!r}.")
    return {
        child.id: probabilities(service, child, sharpened=sharpened)
        for child in service.children(job)
        if child.status(now) == COMPLETED and not child.dry_run
    }


def probabilities_2(service: Service, job: Job) -> dict[str, Any]:
    """Version 2: probability by bit string, register by register."""
    found = outcome(service, job)
    if found.probabilities is not None:
        states = np.array(list(found.probabilities), dtype=np.int64)
        weights = np.array(list(found.probabilities.values()))
    else:
        assert found.samples is not None
        states, counts = np.unique(found.samples, return_counts=True)
        weights = counts / len(found.samples)
    return {"probabilities": {"registers": _registers(job, states, weights)}}


def histogram_2(service: Service, job: Job) -> dict[str, Any]:
    """Version 2: count by bit string, register by register."""
    states, counts = np.unique(_raw(service, job), return_counts=True)
    return {"histogram": {"registers": _registers(job, states, counts)}}


def shots_2(service: Service, job: Job) -> dict[str, Any]:
    """Version 2: the bits of each shot, register by register; the index in a list is the index of the bit."""
    raw = _raw(service, job)
    columns = {name: _bits(raw, held) for name, held in _layout(job)}
    return {
        "shots": [
            {"registers": {name: bits[index].tolist() for name, bits in columns.items()}}
            for index in range(len(raw))
        ]
    }


class Format:
    """A form of results: its id and path, whether it needs shots, and what writes it."""

    def __init__(
        self, path: str, format_id: str, write: Callable[[Service, Job], Any], *, sampled: bool
    ) -> None:
        self.path, self.format_id, self.write, self.sampled = path, format_id, write, sampled


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        each.path: each
        for each in (
            Format("probabilities", "ionq.result.probabilities.json.v1", probabilities, sampled=False),
            Format("histogram", "ionq.result.histogram.json.v1", histogram, sampled=True),
            Format("shots", "ionq.result.shots.json.v1", shots, sampled=True),
            Format("probabilities-v2", "ionq.result.probabilities.json.v2", probabilities_2, sampled=False),
            Format("histogram-v2", "ionq.result.histogram.json.v2", histogram_2, sampled=True),
            Format("shots-v2", "ionq.result.shots.json.v2", shots_2, sampled=True),
        )
    }
)
"""By the path of version 1 and the artifact id of both."""
_AGGREGATE = "ionq.result.aggregate.json.v1"


def formats_of(job: Job) -> list[Format]:
    """The forms that a job's result comes in."""
    return [each for each in FORMATS.values() if job.sampled or not each.sampled]


def payload(service: Service, job: Job, name: str) -> Any:
    """A result by its path or artifact id.

    Raises:
        ApiError: 404, there is none of that name, or the job has none yet.
    """
    if name == "aggregated" and job.child_ids:
        return aggregated(service, job)
    form = FORMATS.get(name)
    if form is None or form not in formats_of(job):
        raise ApiError(404, f"Job {job.id} has no result {name!r}.")
    return form.write(service, job)


def result_links(job: Job) -> dict[str, Any]:
    """The `results` of a completed job: the links of May 2026 beside the descriptors of September.

    qiskit-ionq and PennyLane's plugin need the links, host-relative and from `/v0.4/` on.
    """
    base = f"/v0.4/jobs/{job.id}/results"
    if job.child_ids:
        descriptor = {"id": "aggregated", "format": _AGGREGATE, "media_type": "application/json"}
        return {"probabilities": {"url": f"{base}/probabilities/aggregated"}, _AGGREGATE: descriptor}
    found: dict[str, Any] = {}
    for each in formats_of(job):
        if "-" not in each.path:
            found[each.path] = {"url": f"{base}/{each.path}"}
    for each in formats_of(job):
        found[each.format_id] = {"id": each.path, "format": each.format_id, "media_type": "application/json"}
    return found


def variants(service: Service, job: Job) -> list[dict[str, Any]]:
    """The variants of a debiased job: its shots in equal parts."""
    taken = job.shots or 1
    count = _variants(taken)
    return [
        {
            "variant_id": service.intake.name(f"{job.id}:variant", index),
            "qubit_map": list(range(job.qubits)),
            "shots": len(range(index, taken, count)),
        }
        for index in range(count)
    ]


def variant(service: Service, job: Job, variant_id: str, name: str) -> Any:
    """One variant's probabilities, histogram or shots.

    Raises:
        ApiError: 404, there is no such variant or form.
    """
    known = [each["variant_id"] for each in variants(service, job)] if job.mitigated else []
    if variant_id not in known or name not in {"probabilities", "histogram", "shots"}:
        raise ApiError(404, f"Job {job.id} has no {name!r} of a variant {variant_id!r}.")
    part = _samples(service, job)[known.index(variant_id) :: len(known)].tolist()
    if name == "shots":
        return [str(state) for state in part]
    counts = {str(state): part.count(state) for state in sorted(set(part))}
    return counts if name == "histogram" else {state: c / len(part) for state, c in counts.items()}


def _samples(service: Service, job: Job) -> Samples:
    return _visible(job, outcome(service, job))


def _raw(service: Service, job: Job) -> Samples:
    found = outcome(service, job).samples
    if found is None:
        raise ApiError(404, f"Job {job.id} was not measured shot by shot.")
    return found


def _visible(job: Job, found: Outcome) -> Samples:
    """The outcomes of the declared qubits, without the copies that OpenQASM's measurements took."""
    if found.samples is None:
        raise ApiError(404, f"Job {job.id} was not measured shot by shot.")
    return found.samples & ((1 << job.qubits) - 1)


def _variants(taken: int) -> int:
    return min(MAX_VARIANTS, max(1, taken // SHOTS_PER_VARIANT))


def _sharpened(samples: Samples) -> tuple[list[int], list[int]]:
    """Plurality vote over the variants, shot by shot; a tie goes to the earlier variant."""
    count = _variants(len(samples))
    weights: dict[int, int] = {}
    for start in range(0, len(samples), count):
        votes = samples[start : start + count].tolist()
        winner = max(dict.fromkeys(votes), key=votes.count)
        weights[winner] = weights.get(winner, 0) + len(votes)
    states = sorted(weights)
    return states, [weights[state] for state in states]


def _layout(job: Job) -> list[tuple[str, tuple[int | None, ...]]]:
    return [("output_all", tuple(range(job.qubits))), *job.registers]


def _bits(states: Samples, held: tuple[int | None, ...]) -> NDArray[np.int64]:
    """(outcomes, bits): what each register's bits read."""
    columns = [np.zeros(len(states), dtype=np.int64) if q is None else states >> q & 1 for q in held]
    return np.stack(columns, axis=1) if columns else np.zeros((len(states), 0), dtype=np.int64)


def _registers(job: Job, states: Samples, weights: NDArray[Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, held in _layout(job):
        table: dict[str, Any] = {}
        for bits, weight in zip(_bits(states, held).tolist(), weights.tolist(), strict=True):
            key = "".join(map(str, reversed(bits)))
            table[key] = table.get(key, 0) + weight
        found[name] = table
    return found
