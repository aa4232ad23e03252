# SPDX-License-Identifier: Apache-2.0
"""How a batch becomes what one backend can run: pure functions that check, split and derive.

A plan is the batches to run and a function that makes the wanted result of theirs. What a backend does not serve
from shots is derived from its counts; what it cannot do at all is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qstore.batch import (
    BatchResult,
    Capabilities,
    CircuitBatch,
    Counts,
    Expectations,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.errors import CapabilityError, nearest_names
from qstore.execution import from_counts

__all__ = ["Plan", "check", "plan", "run_facts"]

Combine = Callable[[Sequence[BatchResult]], BatchResult]


class Plan(NamedTuple):
    """Batches to run, none where nothing needs running, and what makes the wanted result of theirs."""

    batches: tuple[CircuitBatch, ...]
    combine: Combine


def plan(batch: CircuitBatch, capabilities: Capabilities, backend: str) -> Plan:
    """Say which batches to run on a backend of these capabilities.

    Raises:
        CapabilityError: the backend cannot do it; says what is missing and what would do.
    """
    check(batch, capabilities, backend)
    kind = type(batch.outputs).__name__
    if kind in (capabilities.exact_outputs if batch.shots is None else capabilities.shot_outputs):
        return _split_rows(batch, capabilities.max_batch)
    derived = _derived(batch, capabilities, backend)
    for each in derived.batches:
        if not each.circuit.gates <= capabilities.gates:
            missing = sorted(each.circuit.gates - capabilities.gates)
            msg = f"{backend!r} does not run {missing}, which the change to the measured basis takes; measure only Z there."
            raise CapabilityError(msg)
    return _chained(derived, capabilities.max_batch)


def check(batch: CircuitBatch, capabilities: Capabilities, backend: str) -> None:
    """Refuse what no splitting can make possible.

    Raises:
        CapabilityError: too many qubits or shots, gates that are not supported, noise or feedback.
    """
    circuit = batch.circuit
    if circuit.n_qubits > capabilities.max_qubits:
        msg = f"{backend!r} has {capabilities.max_qubits} qubits, the circuit needs {circuit.n_qubits}."
        raise CapabilityError(msg)
    if (
        batch.shots is not None
        and capabilities.max_shots is not None
        and batch.shots > capabilities.max_shots
    ):
        raise CapabilityError(f"{backend!r} takes at most {capabilities.max_shots} shots, got {batch.shots}.")
    if isinstance(batch.outputs, StateVector) and (circuit.is_noisy or circuit.has_feedback):
        msg = (
            "A circuit with noise, reset or measurements has no statevector; ask for DensityMatrix(), Probabilities() "
            "or Expectations([...]) instead."
        )
        raise CapabilityError(msg)
    if circuit.is_noisy and not capabilities.noise:
        raise CapabilityError(
            f"{backend!r} does not run channels or reset inside a circuit; remove them or use another."
        )
    if circuit.has_feedback and not capabilities.feedback:
        msg = (
            f"{backend!r} does not run measurements inside a circuit or gates that depend on them. "
            "Measurements at the end are not needed: Counts() and Samples() measure every qubit."
        )
        raise CapabilityError(msg)
    if not circuit.gates <= capabilities.gates:
        missing = sorted(circuit.gates - capabilities.gates)
        raise CapabilityError(
            f"{backend!r} does not run the gates {missing}; it runs {sorted(capabilities.gates)}."
        )


def _derived(batch: CircuitBatch, capabilities: Capabilities, backend: str) -> Plan:
    outputs, served = batch.outputs, capabilities.shot_outputs
    kind = type(outputs).__name__
    if batch.shots is None:
        exact = sorted(capabilities.exact_outputs)
        what = f"it gives {exact}" if exact else "it only measures: give shots=1000"
        hint = nearest_names(kind, exact)
        raise CapabilityError(f"{backend!r} does not give an exact {kind}; {what}.{hint}")
    if "Counts" in served:
        if isinstance(outputs, Expectations):
            return Plan(*from_counts.expectations(batch, outputs.observables, backend))
        if isinstance(outputs, Variance):
            return Plan(*from_counts.variances(batch, outputs.observables, backend))
        if isinstance(outputs, Probabilities):
            return Plan(*from_counts.probabilities(batch, outputs.qubits))
    if isinstance(outputs, Counts) and "Samples" in served:
        return Plan(*from_counts.counts_of_samples(batch))
    raise CapabilityError(f"{backend!r} does not give {kind} from shots; it gives {sorted(served)}.")


def _chained(derived: Plan, max_batch: int | None) -> Plan:
    plans = [_split_rows(batch, max_batch) for batch in derived.batches]
    ends = np.cumsum([len(each.batches) for each in plans])

    def combine(results: Sequence[BatchResult]) -> BatchResult:
        parts = [results[end - len(each.batches) : end] for each, end in zip(plans, ends, strict=True)]
        return derived.combine([each.combine(part) for each, part in zip(plans, parts, strict=True)])

    return Plan(tuple(batch for each in plans for batch in each.batches), combine)


def _split_rows(batch: CircuitBatch, max_batch: int | None) -> Plan:
    if max_batch is None or batch.size <= max_batch:
        return Plan((batch,), lambda results: results[0])
    pieces = tuple(batch.rows(start, start + max_batch) for start in range(0, batch.size, max_batch))
    return Plan(pieces, joined)


def joined(results: Sequence[BatchResult]) -> BatchResult:
    """The results of consecutive rows as one."""
    values = [result.values for result in results if result.values is not None]
    errors = [result.standard_errors for result in results if result.standard_errors is not None]
    counts = [row for result in results if result.counts is not None for row in result.counts]
    return BatchResult(
        values=np.concatenate(values) if values else None,
        standard_errors=np.concatenate(errors) if errors else None,
        counts=tuple(counts) if counts else None,
        **run_facts(results),
    )


def run_facts(results: Sequence[BatchResult]) -> dict[str, Any]:
    """The facts of several runs taken together: money and seconds added up, job ids and notes strung together."""
    first = results[0]
    estimated = [result.estimated_usd for result in results if result.estimated_usd is not None]
    billed = [result.billed_usd for result in results if result.billed_usd is not None]
    return {
        "n_qubits": first.n_qubits,
        "backend": first.backend,
        "shots": first.shots,
        "seed": first.seed,
        "job_ids": tuple(job for result in results for job in result.job_ids),
        "queued_s": max(result.queued_s for result in results),
        "run_s": sum(result.run_s for result in results),
        "estimated_usd": sum(estimated[1:], estimated[0]) if estimated else None,
        "billed_usd": sum(billed[1:], billed[0]) if billed else None,
        "notes": tuple(dict.fromkeys(note for result in results for note in result.notes)),
    }
