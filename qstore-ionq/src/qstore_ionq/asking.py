# SPDX-License-Identifier: Apache-2.0
"""From a batch to the parts that are sent for it, and from their readings to its result.

What only changes the measured basis is told apart from the circuit itself, so that a circuit of native gates stays one.
Pure functions; nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore.batch import (
    BatchResult,
    CircuitBatch,
    Counts,
    Expectations,
    Probabilities,
    Samples,
    Variance,
)
from qstore.compiler import lower_initialize
from qstore.errors import CapabilityError
from qstore.execution.plan import check, plan
from qstore_ionq.devices import Device
from qstore_ionq.exact import exact_plan
from qstore_ionq.options import Settings
from qstore_ionq.packing import Part
from qstore_ionq.rendering import (
    NATIVE_GATES,
    Rendering,
    render_compiled,
    render_native,
    render_qis,
)
from qstore_ionq.results import Reading, counts_from_probabilities
from qstore_ionq.sampling import draw

__all__ = ["Asked", "ask"]

Readings = Sequence[Reading | None]
"""Of one part: one per row, None where it has no result."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A batch, the parts that are sent for it, and what makes its result of theirs.

    Attributes:
        batch: as the user gave it.
        parts: what is sent.
        finish: from the readings of each part, and the facts of the run, to the result.
    """

    batch: CircuitBatch
    parts: tuple[Part, ...]
    finish: Callable[[Sequence[Readings], Sequence[dict[str, Any]]], BatchResult]


def ask(batch: CircuitBatch, device: Device, settings: Settings) -> Asked:
    """Say what is sent for a batch.

    Raises:
        CapabilityError: the machine cannot run it; nothing was sent.
        OptionError: the settings do not go with the machine.
        CompilationError: the compiler's output could not be proved equal to the circuit.
    """
    capabilities = device.capabilities(settings.noise)
    settings.check(device)
    check(batch, capabilities, device.name)
    if batch.shots is None:
        return _exact(batch, device, settings)
    if isinstance(batch.outputs, (Counts, Samples)):
        part = _part(batch, batch, device, settings)
        return Asked(
            batch, (part,), lambda readings, facts: _measured(part, readings[0], facts[0], device, settings)
        )
    derived = plan(batch, capabilities.with_changes(shot_outputs=frozenset({"Counts"})), device.name)
    parts = tuple(_part(batch, each, device, settings) for each in derived.batches)

    def finish(readings: Sequence[Readings], facts: Sequence[dict[str, Any]]) -> BatchResult:
        if (settings.dry_run and parts) or _incomplete(readings):
            return _without_values(batch, facts)
        results = [
            _measured(part, found, fact, device, settings)
            for part, found, fact in zip(parts, readings, facts, strict=True)
        ]
        return derived.combine(results)

    return Asked(batch, parts, finish)


def _exact(batch: CircuitBatch, device: Device, settings: Settings) -> Asked:
    if type(batch.outputs).__name__ not in device.capabilities(settings.noise).exact_outputs:
        plan(batch, device.capabilities(settings.noise), device.name)  # says what it gives instead
    exact = exact_plan(batch)
    parts = tuple(_part(batch, each, device, settings) for each in exact.batches)

    def finish(readings: Sequence[Readings], facts: Sequence[dict[str, Any]]) -> BatchResult:
        if _incomplete(readings):
            return _without_values(batch, facts)
        found = [
            [_labelled(part, row, reading) for row, reading in enumerate(each) if reading is not None]
            for part, each in zip(parts, readings, strict=True)
        ]
        known = facts or [
            {"backend": device.name, "job_ids": (), "queued_s": 0.0, "run_s": 0.0}
        ]  # nothing but constants
        return BatchResult(values=exact.combine(found), **_joined(batch, known))

    return Asked(batch, parts, finish)


def _part(given: CircuitBatch, derived: CircuitBatch, device: Device, settings: Settings) -> Part:
    """How a batch, or one derived from it by a change of the measured basis, is written and read."""
    rendering = _rendering(given, derived, device, settings)
    ideal = device.is_simulator and settings.noise == "ideal"
    single = isinstance(derived.outputs, Samples) and not ideal
    return Part(derived, rendering, "shots" if single else "probabilities")


def _rendering(given: CircuitBatch, derived: CircuitBatch, device: Device, settings: Settings) -> Rendering:
    own = given.circuit.gates
    if settings.gateset != "qis" and own and own <= NATIVE_GATES:
        missing = sorted(own & {"ms", "zz"} - set(device.entanglers))
        if not missing:
            return render_native(derived, derived.circuit.operations[len(given.circuit) :])
        if settings.gateset == "auto":
            raise CapabilityError(
                f"{device.name!r} entangles with {' and '.join(map(repr, device.entanglers))}, not with {missing[0]!r}. "
                "Give gateset='native' to have the circuit compiled for it."
            )
    verify = not settings.unverified
    if settings.gateset == "native" or (settings.gateset == "auto" and not device.is_simulator):
        return render_compiled(derived, _entangler(device, settings), verify=verify)
    return render_qis(
        _prepared(derived) if "initialize" in own else derived, verify=verify and not device.is_simulator
    )


def _prepared(batch: CircuitBatch) -> CircuitBatch:
    template, preparations = lower_initialize(batch.circuit)
    bindings = preparations.bindings(batch.bindings, batch.per_sample, batch.size)
    return batch.replace(circuit=template, bindings=bindings)


def _entangler(device: Device, settings: Settings) -> str:
    if device.is_simulator and settings.noise.startswith("forte"):
        return "zz"
    return device.entanglers[0]


def _labelled(part: Part, row: int, reading: Reading) -> Reading:
    return reading.relabelled(part.rendering.outcomes(row, reading.outcomes))


def _measured(
    part: Part, readings: Readings, facts: dict[str, Any], device: Device, settings: Settings
) -> BatchResult:
    """Counts or samples; a row without a result has none."""
    batch = part.batch
    assert batch.shots is not None
    samples = isinstance(batch.outputs, Samples)
    if samples and _incomplete([readings]):
        return _without_values(batch, [facts])
    ideal = device.is_simulator and settings.noise == "ideal"
    n = batch.circuit.n_qubits
    counts: list[dict[int, int]] = []
    bits = []
    for row, reading in enumerate(readings):
        if reading is None:
            counts.append({})
            continue
        if part.kind == "shots":  # one outcome for each shot, in their order
            drawn = part.rendering.outcomes(row, reading.outcomes)
        elif ideal:
            found = _labelled(part, row, reading)
            drawn = draw(found.outcomes, found.weights, batch.shots, int(batch.stream_keys[row]))
        else:
            whole = counts_from_probabilities(_labelled(part, row, reading), batch.shots)
            counts.append({int(k): int(v) for k, v in zip(whole.outcomes, whole.weights, strict=True)})
            continue
        if samples:
            bits.append((drawn[:, None] >> np.arange(n)[None, :] & 1).astype(np.uint8))
        else:
            states, numbers = np.unique(drawn, return_counts=True)
            counts.append(dict(zip(states.tolist(), numbers.tolist(), strict=True)))
    facts = _joined(batch, [facts])
    return (
        BatchResult(values=np.stack(bits), **facts) if samples else BatchResult(counts=tuple(counts), **facts)
    )


def _incomplete(readings: Sequence[Readings]) -> bool:
    return any(reading is None for each in readings for reading in each)


def _without_values(batch: CircuitBatch, facts: Sequence[dict[str, Any]]) -> BatchResult:
    """What can be said of a batch whose values cannot be computed: the facts, and NaN of the right shape."""
    if isinstance(batch.outputs, Counts):
        return BatchResult(counts=({},) * batch.size, **_joined(batch, facts))
    return BatchResult(values=np.full(_shape(batch), np.nan), **_joined(batch, facts))


def _shape(batch: CircuitBatch) -> tuple[int, ...]:
    outputs, n = batch.outputs, batch.circuit.n_qubits
    if isinstance(outputs, (Expectations, Variance)):
        return (batch.size, len(outputs.observables))
    if isinstance(outputs, Probabilities):
        return (batch.size, 1 << (n if outputs.qubits is None else len(outputs.qubits)))
    return (batch.size, batch.shots or 0, n)


def _joined(batch: CircuitBatch, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a batch from those of its parts."""

    def total(name: str) -> Any:
        known = [each[name] for each in facts if each.get(name) is not None]
        return sum(known[1:], known[0]) if known else None

    return {
        "n_qubits": batch.circuit.n_qubits,
        "backend": facts[0]["backend"],
        "shots": batch.shots,
        "seed": batch.seed,
        "job_ids": tuple(dict.fromkeys(job for each in facts for job in each["job_ids"])),
        "queued_s": max((each["queued_s"] for each in facts), default=0.0),
        "run_s": sum(each["run_s"] for each in facts),
        "estimated_usd": total("estimated_usd"),
        "billed_usd": total("billed_usd"),
    }
