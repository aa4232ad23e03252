# SPDX-License-Identifier: Apache-2.0
"""`StrictBackend`: does everything, slowly, and refuses whatever the contract does not allow.

For tests of your own code (`backend=StrictBackend()`): a batch that was put together by hand and is not as the contract
says raises here, where a fast backend would compute something. Up to eight qubits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import (
    ALL_GATES,
    BatchResult,
    Capabilities,
    CircuitBatch,
    Counts,
    Estimate,
    Expectations,
    Output,
    Probabilities,
    Samples,
    StateVector,
    Variance,
)
from qstore.errors import BindingError, CapabilityError
from qstore.execution.plan import check, plan
from qstore.testing.reference.differences import pulled_back
from qstore.testing.reference.values import marginal, observable_matrix, reduced
from qstore.testing.sampling import final_densities, final_states, row_counts

__all__ = ["StrictBackend"]

Array = NDArray[Any]
_ESTIMATED = frozenset({"Expectations", "Variance", "Probabilities"})


class StrictBackend:
    """A reference backend of up to eight qubits that checks every batch against the contract.

    Example:
        >>> import qstore as qs
        >>> qs.run(qs.QuantumCircuit(1).x(0), outputs=qs.Expectations([qs.Z(0)]), backend=StrictBackend()).values
        array([[-1.]])
    """

    name = "strict"
    capabilities = Capabilities(
        max_qubits=8,
        gates=ALL_GATES,
        exact_outputs=frozenset(
            {"Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix"}
        ),
        shot_outputs=frozenset({"Counts", "Samples", "Expectations", "Variance", "Probabilities"}),
        differentiable_outputs=frozenset({"Expectations", "Variance", "Probabilities", "StateVector"}),
        differentiates_noise=True,
        max_shots=200_000,
        max_batch=250,
        noise=True,
        feedback=True,
    )

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Free; a microsecond per shot and amplitude."""
        work = batch.size * ((batch.shots or 0) + 2**batch.circuit.n_qubits)
        error = 0.0 if batch.shots is None else batch.shots**-0.5
        return Estimate(
            usd=Decimal(0),
            seconds=1e-6 * work,
            error=error,
            model="qstore.testing: a microsecond per amplitude",
        )

    async def run(self, batch: CircuitBatch) -> BatchResult:
        """As `run_sync`, in a thread."""
        return await asyncio.to_thread(self.run_sync, batch)

    async def run_many(self, batches: Sequence[CircuitBatch]) -> list[BatchResult]:
        """One after the other."""
        return [await self.run(batch) for batch in batches]

    async def vjp(
        self, batch: CircuitBatch, cotangent: Array, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        """As `vjp_sync`, in a thread."""
        return await asyncio.to_thread(self.vjp_sync, batch, cotangent, wrt)

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        """Run every row.

        Raises:
            BindingError: an array of the batch is not as the contract says.
            CapabilityError: more than is declared.
        """
        self.validate(batch)
        if batch.shots is None:
            return self.result(batch, values=self.values(batch))
        return self.measured(batch)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: Array, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        """Values and gradients, by differences of the values.

        Raises:
            BindingError: a cotangent of another shape, or a parameter that does not exist.
            CapabilityError: shots, or an output that has no gradient.
        """
        self.validate(batch)
        if (
            batch.shots is not None
            or type(batch.outputs).__name__ not in self.capabilities.differentiable_outputs
        ):
            raise CapabilityError(
                f"'strict' does not differentiate {type(batch.outputs).__name__} of {batch!r}."
            )
        names = tuple(batch.bindings if wrt is None else wrt)
        unknown = set(names) - set(batch.bindings)
        if unknown:
            raise BindingError(f"There are no parameters named {sorted(unknown)}.")
        values = self.values(batch)
        if np.shape(cotangent) != values.shape:
            raise BindingError(
                f"The cotangent has shape {np.shape(cotangent)}, the values have {values.shape}."
            )

        def of_row(row: Any) -> Array:
            lone = batch.replace(bindings=dict(row))
            found: Array = self.values(lone)[0]
            return found

        return self.result(batch, values=values), pulled_back(of_row, batch, cotangent, names)

    def validate(self, batch: CircuitBatch) -> None:
        """Compare a batch with the contract, whoever made it."""
        check(batch, self.capabilities, self.name)
        kind = type(batch.outputs).__name__
        served = self.capabilities.exact_outputs if batch.shots is None else self.capabilities.shot_outputs
        if kind not in served:
            raise CapabilityError(
                f"'strict' does not give {kind} {'exactly' if batch.shots is None else 'from shots'}."
            )
        if batch.size > (self.capabilities.max_batch or batch.size):
            raise CapabilityError(
                f"'strict' takes {self.capabilities.max_batch} rows at once, got {batch.size}."
            )
        shapes = {parameter.name: parameter.shape for parameter in batch.circuit.parameters}
        if set(shapes) != set(batch.bindings):
            raise BindingError(
                f"The bindings are of {sorted(batch.bindings)}, the circuit has {sorted(shapes)}."
            )
        for name, array in batch.bindings.items():
            expected = (batch.size, *shapes[name]) if name in batch.per_sample else shapes[name]
            if array.dtype != np.float64 or array.shape != expected or not np.isfinite(array).all():
                raise BindingError(
                    f"{name!r} is {array.dtype} of shape {array.shape}; float64 of {expected} was agreed."
                )
            if array.flags.writeable:
                raise BindingError(
                    f"{name!r} can be written to; make batches with CircuitBatch.of or replace."
                )
        if batch.shots is not None and (
            batch.stream_keys.shape != (batch.size,) or batch.stream_keys.dtype != np.uint64
        ):
            raise BindingError(
                f"The stream keys are {batch.stream_keys.dtype} of shape {batch.stream_keys.shape}."
            )

    def values(self, batch: CircuitBatch) -> Array:
        """Exact values, (B, ...)."""
        outputs, n = batch.outputs, batch.circuit.n_qubits
        if isinstance(outputs, StateVector):
            return final_states(batch)
        return _of_densities(outputs, final_densities(batch), n)

    def probabilities(self, batch: CircuitBatch) -> NDArray[np.float64]:
        """Of all outcomes, (B, 2**n)."""
        found: NDArray[np.float64] = np.einsum("bii->bi", final_densities(batch)).real
        return found

    def measured(self, batch: CircuitBatch) -> BatchResult:
        """Counts, samples, and what the core makes of counts."""
        if type(batch.outputs).__name__ in _ESTIMATED:
            counting = self.capabilities.with_changes(shot_outputs=frozenset({"Counts"}), max_batch=None)
            steps = plan(batch, counting, self.name)
            return steps.combine([self.measured(each) for each in steps.batches])
        weights = self.probabilities(batch)
        assert batch.shots is not None
        drawn = [
            row_counts(row, key, batch.shots) for row, key in zip(weights, batch.stream_keys, strict=True)
        ]
        if isinstance(batch.outputs, Counts):
            return self.result(batch, counts=tuple(drawn))
        assert isinstance(batch.outputs, Samples)
        outcomes = np.array([np.repeat(list(row), list(row.values())) for row in drawn])
        bits = outcomes[..., None] >> np.arange(batch.circuit.n_qubits) & 1
        return self.result(batch, values=bits.astype(np.uint8))

    def result(self, batch: CircuitBatch, **found: Any) -> BatchResult:
        """With the facts of the batch."""
        return BatchResult(n_qubits=batch.circuit.n_qubits, backend=self.name, shots=batch.shots, seed=batch.seed,
                           estimated_usd=Decimal(0), billed_usd=Decimal(0), **found)  # fmt: skip


def _of_densities(outputs: Output, states: NDArray[np.complex128], n: int) -> Array:
    if isinstance(outputs, Probabilities):
        return np.stack([marginal(np.diag(rho).real.copy(), outputs.qubits, n) for rho in states])
    if isinstance(outputs, Expectations | Variance):
        matrices = np.stack([observable_matrix(observable, n) for observable in outputs.observables])
        means: Array = np.einsum("kij,bji->bk", matrices, states).real
        if isinstance(outputs, Expectations):
            return means
        squares: Array = np.einsum("kij,bji->bk", matrices @ matrices, states).real
        return np.asarray(squares - means**2)
    return np.stack([reduced(rho, outputs.qubits, n) for rho in states])  # type: ignore[union-attr]  # DensityMatrix
