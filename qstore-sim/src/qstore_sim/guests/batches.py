# SPDX-License-Identifier: Apache-2.0
"""What the guests share: many circuits of one structure as one batch, and rows that come back as arrays.

Qiskit and Cirq hand over circuits with symbols and arrays of values, or circuits with numbers. The first are batches
already; of the second, those that differ in their angles alone become one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Counts, Output, Samples
from qstore.circuit import Angle, Operation, Parameter, QuantumCircuit, Template
from qstore.errors import CircuitError
from qstore.execution import execute_many
from qstore.plugins import Backend, get_backend

__all__ = ["Job", "Stack", "bits_of", "chosen", "run_jobs", "sampled_output", "stacked", "sweep"]

_ANGLES = "angles"


@dataclass(frozen=True, slots=True)
class Stack:
    """Rows of one template.

    Attributes:
        template, bindings: the circuit and its arrays.
        members: which of the rows that were asked for these are.
    """

    template: Template
    bindings: Mapping[str, Any]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A batch to run.

    Attributes:
        stack: the circuit and its rows.
        output, shots, seed: as for `qstore.run`.
    """

    stack: Stack
    output: Output
    shots: int | None = None
    seed: int | None = None


def chosen(backend: Backend | str, options: Mapping[str, Any]) -> Backend:
    """A backend by its registered name, or as it is."""
    return get_backend(backend, **options) if isinstance(backend, str) else backend


def sampled_output(backend: Backend) -> Output:
    """What to ask a backend for to get the bits of every shot."""
    return Samples() if "Samples" in backend.capabilities.shot_outputs else Counts()


def stacked(circuits: Sequence[QuantumCircuit]) -> list[Stack]:
    """Circuits without parameters, grouped into rows of one template each.

    Example:
        >>> turned = [QuantumCircuit(1).rx(0, angle) for angle in (0.1, 0.2, 0.3)]
        >>> [stack.members for stack in stacked([*turned, QuantumCircuit(1).h(0)])]
        [(0, 1, 2), (3,)]
    """
    groups: dict[Any, list[int]] = {}
    for index, circuit in enumerate(circuits):
        groups.setdefault(_structure(circuit), []).append(index)
    return [_stack([circuits[index] for index in members], tuple(members)) for members in groups.values()]


def _structure(circuit: QuantumCircuit) -> Any:
    return circuit.n_qubits, tuple(
        (op.gate, op.qubits, op.unitary, op.amplitudes, op.bit, op.condition) for op in circuit.operations
    )


def _stack(circuits: Sequence[QuantumCircuit], members: tuple[int, ...]) -> Stack:
    if len(circuits) == 1:
        return Stack(circuits[0].freeze(), {}, members)
    table = np.array(
        [[angle.constant for op in circuit.operations for angle in op.angles] for circuit in circuits]
    )
    vary = (table != table[0]).any(axis=0)
    if table.shape[1] and not vary.any():
        vary[:1] = True  # equal circuits are rows of their own too: their shots differ
    if not vary.any():
        return Stack(circuits[0].freeze(), {}, members)
    parameter = Parameter(_ANGLES, (int(vary.sum()),))
    entries, flags = iter(parameter), iter(vary)
    made = QuantumCircuit(circuits[0].n_qubits)
    for op in circuits[0].operations:
        angles = tuple(next(entries) if next(flags) else angle for angle in op.angles)
        made.append_operation(_with(op, angles))
    return Stack(made.freeze(), {_ANGLES: table[:, vary]}, members)


def _with(op: Operation, angles: tuple[Angle, ...]) -> Operation:
    return replace(op, angles=angles) if angles else op


def sweep(
    symbolic: Callable[[], QuantumCircuit],
    bound: Callable[[int], QuantumCircuit],
    values: NDArray[np.float64],
    name: str,
) -> list[Stack]:
    """The rows of a circuit with symbols.

    Args:
        symbolic: makes the circuit with the parameter `name` of shape (P,).
        bound: makes the circuit of one row, for circuits whose angles are not affine in their symbols.
        values: (rows, P).
        name: the parameter's.

    Raises:
        CircuitError: an operation has no counterpart.
    """
    rows = len(values)
    try:
        template = symbolic().freeze()
    except CircuitError:
        if not values.shape[1]:
            raise
        return stacked([bound(row) for row in range(rows)])
    known = {parameter.name: parameter for parameter in template.parameters}
    bindings = {name: values[:, : known[name].size]} if name in known else {}
    return [Stack(template, bindings, tuple(range(rows)))]


def run_jobs(jobs: Sequence[Job], backend: Backend) -> list[list[BatchResult]]:
    """Run batches, all in one round trip.

    Returns:
        For each job either one result, whose first axis is the job's rows or 1 where nothing differs between them; or,
        for shots of rows between which nothing differs, a result for each row.
    """
    batches: list[CircuitBatch] = []
    counts = []
    for job in jobs:
        stack = job.stack
        batch = CircuitBatch.of(stack.template, stack.bindings, job.output, shots=job.shots, seed=job.seed)
        batches.append(batch)
        missing = 0 if job.shots is None or batch.size > 1 else len(stack.members) - 1
        batches += [
            CircuitBatch.of(stack.template, stack.bindings, job.output, shots=job.shots, seed=seed)
            for seed in _seeds(job.seed, missing)
        ]
        counts.append(1 + missing)
    results = iter(execute_many(batches, backend))
    return [[next(results) for _ in range(count)] for count in counts]


def _seeds(seed: int | None, count: int) -> list[int | None]:
    if seed is None:
        return [None] * count
    return [int(each) for each in np.random.SeedSequence(seed).generate_state(count, np.uint64)]


def bits_of(results: Sequence[BatchResult], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The bits of every shot: (rows, shots, n), column q is qubit q.

    Args:
        results: of samples; or of counts, whose shots are put into an order drawn from `rng`.
        rng: used for counts alone.
    """
    parts = []
    for result in results:
        if result.counts is None:
            assert result.values is not None  # samples have values
            parts.append(result.values.astype(np.uint8, copy=False))
            continue
        for counts in result.counts:
            outcomes = list(counts)
            table = np.array(
                [[outcome >> qubit & 1 for qubit in range(result.n_qubits)] for outcome in outcomes],
                dtype=np.uint8,
            )
            order = rng.permutation(np.repeat(np.arange(len(outcomes)), list(counts.values())))
            parts.append(table[order][None])
    return np.concatenate(parts)
