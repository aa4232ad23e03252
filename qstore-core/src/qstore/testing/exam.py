# SPDX-License-Identifier: Apache-2.0
"""A backend under examination: how checks run things on it, and how they compare what came back with the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch import (
    BatchResult,
    Capabilities,
    CircuitBatch,
    Counts,
    DensityMatrix,
    Expectations,
    Output,
    Probabilities,
    Samples,
    StateVector,
    Variance,
)
from qstore.circuit import Observable, QuantumCircuit, Template, X, Y, Z
from qstore.errors import CapabilityError
from qstore.execution import execute
from qstore.plugins import Backend
from qstore.testing.check import NotClaimed, Violation, require
from qstore.testing.circuits import Builder
from qstore.testing.reference import expected_values, outcome_probabilities
from qstore.testing.statistics import check_counts

__all__ = ["BackendExam"]

Found = TypeVar("Found")
TIMEOUT_S = 60.0
SHOTS = 2000


class BackendExam:
    """One backend under examination.

    Args:
        name: what it is registered as; "" for one that is not.
        make: makes a fresh one.
        tolerance: largest deviation of an exact value; 1e-4 for one that computes in single precision.
        budget_usd: most that a paid backend may be asked for, by its own estimates.
        timeout_s: for one run.
        seed: of everything random in the kit.
        by_default: whether it is made without options, as its registration describes it.

    Attributes:
        backend, capabilities: of the one that most checks use.
        remarks: what is worth telling and breaks no contract, such as abilities that are not declared.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., Backend],
        *,
        tolerance: float = 1e-9,
        budget_usd: float = 0.0,
        timeout_s: float = TIMEOUT_S,
        seed: int = 1,
        by_default: bool = True,
    ) -> None:
        self.name, self.make, self.tolerance, self.timeout_s, self.seed = (
            name,
            make,
            tolerance,
            timeout_s,
            seed,
        )
        self.by_default = by_default
        self.left_usd = Decimal(str(budget_usd))
        self.backend = make()
        self.capabilities: Capabilities = self.backend.capabilities
        self.builder = Builder(self.capabilities.gates, self.capabilities.max_qubits)
        self.remarks: list[str] = []

    # What it claims

    def n_qubits(self, wanted: int) -> int:
        """As many qubits, or as many as it has."""
        return min(wanted, self.capabilities.max_qubits)

    def need_qubits(self, wanted: int) -> int:
        """As many qubits, or `NotClaimed`."""
        if self.capabilities.max_qubits < wanted:
            raise NotClaimed(f"it has {self.capabilities.max_qubits} qubits")
        return wanted

    def need_gates(self, *names: str) -> None:
        """`NotClaimed` unless it declares these gates."""
        missing = set(names) - self.capabilities.gates
        if missing:
            raise NotClaimed(f"it does not declare {', '.join(sorted(missing))}")

    def need_exact(self, kind: str) -> None:
        """`NotClaimed` unless it gives this output without shots."""
        if kind not in self.capabilities.exact_outputs:
            raise NotClaimed(f"it does not declare exact {kind}")

    def need_shots(self, kind: str = "Counts") -> None:
        """`NotClaimed` unless it, or the core from its counts, gives this output from shots."""
        served = self.capabilities.shot_outputs
        derived = {"Expectations", "Variance", "Probabilities"} if "Counts" in served else set()
        if kind not in served | derived | ({"Counts"} if "Samples" in served else set()):
            raise NotClaimed(f"it does not give {kind} from shots")

    def need_served(self, kind: str) -> None:
        """`NotClaimed` unless it declares this output from shots itself."""
        if kind not in self.capabilities.shot_outputs:
            raise NotClaimed(f"it does not declare {kind} from shots")

    def shots(self, wanted: int = SHOTS) -> int:
        """As many shots, or as many as it takes."""
        limit = self.capabilities.max_shots
        return wanted if limit is None else min(wanted, limit)

    def rows(self, wanted: int) -> int:
        """As many rows for one request, or as many as it takes."""
        limit = self.capabilities.max_batch
        return wanted if limit is None else min(wanted, limit)

    def rng(self, key: int = 0) -> np.random.Generator:
        """Random numbers that are the same in every examination."""
        return np.random.default_rng((self.seed, key))

    # Running

    def batch(
        self,
        circuit: QuantumCircuit | Template,
        bindings: Mapping[str, ArrayLike] | None = None,
        outputs: Output | None = None,
        *,
        shots: int | None = None,
        seed: int | None = 7,
    ) -> CircuitBatch:
        """A batch, with a seed of the kit's."""
        return CircuitBatch.of(circuit, bindings, outputs, shots=shots, seed=seed)

    def run(self, batch: CircuitBatch, backend: Backend | None = None) -> BatchResult:
        """As a user runs it: split and derived by the core."""
        chosen = backend or self.backend
        self.spend(batch)
        return execute(batch, chosen)

    def direct(self, batch: CircuitBatch, backend: Backend | None = None) -> BatchResult:
        """The backend's own `run`, nothing between."""
        self.spend(batch)
        return self.wait((backend or self.backend).run(batch))

    def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: tuple[str, ...] | None = None
    ) -> tuple[BatchResult, Mapping[str, NDArray[np.float64]]]:
        """The backend's own `vjp`."""
        differentiate: Callable[..., Coroutine[Any, Any, Any]] = self.backend.vjp  # type: ignore[attr-defined]
        found: tuple[BatchResult, Mapping[str, NDArray[np.float64]]] = self.wait(
            differentiate(batch, cotangent, wrt)
        )
        return found

    def wait(self, coroutine: Coroutine[Any, Any, Found]) -> Found:
        """The outcome of a coroutine, in an event loop of its own.

        Raises:
            Violation: there is none in time.
        """

        async def in_time() -> Found:
            task = asyncio.ensure_future(coroutine)
            done, _ = await asyncio.wait({task}, timeout=self.timeout_s)
            if not done:
                task.cancel()
                raise Violation(f"no answer within {self.timeout_s:g} s")
            return task.result()

        return asyncio.run(in_time())

    def spend(self, batch: CircuitBatch) -> None:
        """Take the price of a batch out of the kit's budget, before it is sent."""
        if self.capabilities.paid:
            self.left_usd -= Decimal(str(self.backend.estimate(batch).usd))
            if self.left_usd < 0:
                raise NotClaimed("the budget given with --qstore-budget does not reach")

    # Comparing

    def agrees(
        self, circuit: QuantumCircuit, bindings: Mapping[str, ArrayLike] | None = None, *, of: str = "values"
    ) -> None:
        """Compare a circuit's results with the reference, by the most telling output that the backend declares."""
        outputs = self.telling(circuit.n_qubits, pure=not (circuit.is_noisy or circuit.has_feedback))
        if outputs is not None:
            batch = self.batch(circuit, bindings, outputs)
            self.check_values(self.run(batch).values, batch, of=of)
            return
        self.need_shots()
        batch = self.batch(circuit, bindings, Counts(), shots=self.shots())
        self.check_counts(self.run(batch), batch, of=of)

    def telling(self, n: int, *, pure: bool = True) -> Output | None:
        """The exact output that shows most of a state; None where there are only shots."""
        shown: dict[str, Output] = {
            "Probabilities": Probabilities(),
            "Expectations": Expectations(self.observables(n)),
        }
        if pure:
            shown = {"StateVector": StateVector(), **shown}
        shown["DensityMatrix"] = DensityMatrix()
        return next(
            (outputs for kind, outputs in shown.items() if kind in self.capabilities.exact_outputs), None
        )

    def observables(self, n: int) -> list[Observable]:
        """Pauli sums that between them look at every axis of every qubit."""
        found = [pauli(q) for q in range(n) for pauli in (X, Y, Z)]
        found += [X(q) @ Y(q + 1) for q in range(n - 1)]
        return [*found, 0.5 * Z(0) - 1.5 * Y(n - 1) + 0.25]

    def check_values(self, found: NDArray[Any] | None, batch: CircuitBatch, *, of: str) -> None:
        """Compare values with the reference's to the tolerance; amplitudes up to each row's global phase."""
        expected = expected_values(batch)
        require(found is not None, f"{of}: there are no values")
        assert found is not None
        require(
            found.shape == expected.shape,
            f"{of}: values have shape {found.shape}, expected is {expected.shape}",
        )
        if isinstance(batch.outputs, StateVector):
            overlaps = np.einsum("bi,bi->b", expected.conj(), found)
            expected = expected * (overlaps / np.maximum(np.abs(overlaps), 1e-300))[:, None]
        self.close(found, expected, of=of)

    def close(
        self, found: NDArray[Any], expected: NDArray[Any], *, of: str, tolerance: float | None = None
    ) -> None:
        """Compare arrays to the tolerance."""
        require(found.shape == expected.shape, f"{of}: shape {found.shape}, expected is {expected.shape}")
        allowed = self.tolerance if tolerance is None else tolerance
        off = np.abs(found - expected)
        if not np.all(off <= allowed):
            worst = tuple(
                int(i) for i in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape)
            )
            raise Violation(
                f"{of}: entry {list(worst)} is {found[worst]:.9g}, expected is {expected[worst]:.9g} to {allowed:g}"
            )

    def check_counts(self, result: BatchResult, batch: CircuitBatch, *, of: str) -> None:
        """Compare every row's counts with the reference's probabilities; 1e-6 for all rows together."""
        counts = result.counts
        require(counts is not None, f"{of}: there are no counts")
        assert counts is not None
        require(len(counts) == batch.size, f"{of}: {len(counts)} rows of counts for a batch of {batch.size}")
        expected = outcome_probabilities(batch)
        for row, (found, probabilities) in enumerate(zip(counts, expected, strict=True)):
            total = sum(found.values())
            require(total == batch.shots, f"{of}, row {row}: {total} counts for {batch.shots} shots")
            check_counts(found, probabilities, of=f"{of}, row {row}", tests=batch.size,
                         allowance=self.allowance(batch))  # fmt: skip

    def allowance(self, batch: CircuitBatch) -> float:
        """How far declared gate and readout errors may move a distribution, half as much again for what they leave out."""
        declared = self.capabilities
        good = 1.0
        for op in batch.circuit.operations:
            fidelity = declared.fidelity_1q if len(op.qubits) == 1 else declared.fidelity_2q
            good *= (fidelity or 1.0) ** max(1, 6 * (len(op.qubits) - 2))
        good *= (declared.fidelity_readout or 1.0) ** batch.circuit.n_qubits
        return min(1.0, 1.5 * (1 - good))

    # Trying what is not declared

    def attempt(self, batch: CircuitBatch) -> tuple[str, str]:
        """What the backend's own `run` makes of a batch it need not take: ("right" | "wrong" | "refused" | "error", why)."""
        try:
            result = self.direct(batch)
        except CapabilityError as exc:
            return "refused", str(exc)
        except Exception as exc:  # noqa: BLE001  # whatever a stranger's code raises is the finding
            return "error", f"{type(exc).__name__}: {exc}"
        values = result.counts if isinstance(batch.outputs, Counts) else result.values
        if values is None:
            return "error", "it returned no values"
        try:
            if isinstance(batch.outputs, Counts):
                self.check_counts(result, batch, of="counts")
            elif batch.shots is None:
                self.check_values(result.values, batch, of="values")
            elif isinstance(batch.outputs, Expectations | Variance | Probabilities):
                self.close(result.values, expected_values(batch), of="values", tolerance=0.2)  # type: ignore[arg-type]
            elif isinstance(batch.outputs, Samples):
                require(
                    np.asarray(values).shape == (batch.size, batch.shots, batch.circuit.n_qubits),
                    "wrong shape",
                )
        except (Violation, TypeError, ValueError, AttributeError) as exc:
            return "wrong", str(exc)
        return "right", ""
