# SPDX-License-Identifier: Apache-2.0
"""`SamplerV2`: the shots of every row of a PUB, all rows in one batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import (
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveJob,
    PrimitiveResult,
    SamplerPubResult,
)
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qstore.plugins import Backend
from qstore_sim.guests.batches import Job, bits_of, chosen, run_jobs, sampled_output
from qstore_sim.guests.qiskit.programs import Program, read, rows_of

__all__ = ["QStoreSamplerV2", "classical_bits", "sampled"]


class QStoreSamplerV2(BaseSamplerV2):  # type: ignore[misc]  # ships no annotations
    """Samples circuits on a backend of ours.

    Args:
        backend: a registered name, or a backend.
        default_shots: where neither the PUB nor `run` says how many.
        seed: a whole number makes every run repeat; a generator is drawn from; None draws afresh.
        options: of the backend, where it is given by name.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1), bell.measure_all()
        >>> counts = QStoreSamplerV2(seed=7).run([bell], shots=100).result()[0].data.meas.get_counts()
        >>> sorted(counts), sum(counts.values())
        (['00', '11'], 100)
    """

    def __init__(
        self,
        backend: Backend | str = "statevector",
        *,
        default_shots: int = 1024,
        seed: np.random.Generator | int | None = None,
        **options: Any,
    ) -> None:
        self._backend = chosen(backend, options)
        self._default_shots = default_shots
        self._seed = seed

    @property
    def default_shots(self) -> int:
        """Where neither the PUB nor `run` says how many."""
        return self._default_shots

    @property
    def seed(self) -> np.random.Generator | int | None:
        """As given."""
        return self._seed

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> PrimitiveJob[Any]:
        """Start a job; its result has a `SamplerPubResult` for each PUB.

        Raises:
            CircuitError: an operation has no counterpart; when the result is asked for.
        """
        coerced = [SamplerPub.coerce(pub, self._default_shots if shots is None else shots) for pub in pubs]
        if any(not pub.circuit.cregs for pub in coerced):
            warnings.warn(
                "A circuit without classical registers has an empty result: measure it.", stacklevel=2
            )
        job = PrimitiveJob(self._run, coerced)
        job._submit()  # as Qiskit's own primitives do
        return job

    def _run(self, pubs: Sequence[SamplerPub]) -> PrimitiveResult[Any]:
        rng = np.random.default_rng(self._seed)
        programs = [read(pub.circuit) for pub in pubs]
        values = [pub.parameter_values.as_array(pub.circuit.parameters) for pub in pubs]
        tables = [each.reshape(math.prod(each.shape[:-1]), each.shape[-1]) for each in values]
        found = sampled(programs, tables, [pub.shots for pub in pubs], self._backend, rng)
        return PrimitiveResult(
            [_result(pub, bits) for pub, bits in zip(pubs, found, strict=True)], metadata={"version": 2}
        )


def _result(pub: SamplerPub, bits: NDArray[np.uint8]) -> SamplerPubResult:
    """Bits (rows, shots, all classical bits) as the registers of a PUB's result."""
    data = {}
    for register in pub.circuit.cregs:
        columns = [pub.circuit.find_bit(bit).index for bit in register]
        mine = bits[..., columns].astype(bool).reshape(*pub.shape, pub.shots, len(columns))
        data[register.name] = BitArray.from_bool_array(mine, order="little")
    metadata = {"shots": pub.shots, "circuit_metadata": pub.circuit.metadata}
    return SamplerPubResult(DataBin(**data, shape=pub.shape), metadata=metadata)


def sampled(
    programs: Sequence[Program], values: Sequence[NDArray[np.float64]], shots: Sequence[int], backend: Backend,
    rng: np.random.Generator,
) -> list[NDArray[np.uint8]]:  # fmt: skip
    """Run circuits, and read their classical bits.

    Args:
        programs: the circuits.
        values: (rows, P) for each.
        shots: per row, for each.
        backend: which runs them.
        rng: draws the seeds.

    Returns:
        For each circuit the bits (rows, shots, classical bits).
    """
    stacks = [rows_of(program.circuit, table) for program, table in zip(programs, values, strict=True)]
    output = sampled_output(backend)
    jobs = [
        Job(stack, output, count, int(rng.integers(2**63)))
        for own, count in zip(stacks, shots, strict=True)
        for stack in own
    ]
    results = iter(run_jobs(jobs, backend))
    found = []
    for program, table, count, own in zip(programs, values, shots, stacks, strict=True):
        bits = np.zeros((len(table), count, len(program.sources)), dtype=np.uint8)
        for stack in own:
            bits[list(stack.members)] = classical_bits(bits_of(next(results), rng), program.sources)
        found.append(bits)
    return found


def classical_bits(samples: NDArray[np.uint8], sources: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The classical bits (..., bits) of samples of all qubits (..., n).

    Example:
        >>> classical_bits(np.array([[0, 1]], dtype=np.uint8), np.array([1, -1, 0])).tolist()
        [[1, 0, 0]]
    """
    made = np.zeros((*samples.shape[:-1], len(sources)), dtype=np.uint8)
    known = sources >= 0
    made[..., known] = samples[..., sources[known]]
    return made
