# SPDX-License-Identifier: Apache-2.0
"""The backend `statevector`: exact and sampled results of a whole batch on this machine's processor.

Values and gradients are float64 in either precision; `precision="single"` computes the state in float32 and is twice
as fast. Numba is imported with the first run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Counts, Estimate
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_sim.capabilities import CAPABILITIES

if TYPE_CHECKING:
    from qstore.batch import Capabilities
    from qstore_sim.exact import Runner

_PRECISIONS = {"single": np.float32, "double": np.float64}
_SECONDS_PER_AMPLITUDE = 2e-10
"""Time of one operation on one amplitude in double precision; half of it in single. Rough: for estimates only."""


class StatevectorBackend:
    """The embedded simulator.

    Args:
        precision: "double" (float64) or "single" (float32) for the state.
        threads: most threads to use; by default all processors this process may run on.

    Raises:
        OptionError: another precision, or fewer than one thread.
    """

    def __init__(self, precision: str = "double", threads: int | None = None) -> None:
        if precision not in _PRECISIONS:
            raise OptionError(f"precision must be one of {sorted(_PRECISIONS)}, got {precision!r}.")
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise OptionError(
                f"threads must be an integer from 1 up, or None for all processors, got {threads!r}."
            )
        self._precision = precision
        self._threads = threads if threads is not None else _processors()
        self._runner: Runner | None = None

    @property
    def name(self) -> str:
        return "statevector"

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def estimate(self, batch: CircuitBatch) -> Estimate:
        bits = batch.circuit.n_qubits * (2 if batch.circuit.is_noisy else 1)
        work = float(batch.size) * len(batch.circuit) * 2.0**bits
        seconds = work * _SECONDS_PER_AMPLITUDE * (0.5 if self._precision == "single" else 1.0)
        error = 0.0 if batch.shots is None else batch.shots**-0.5
        return Estimate(usd=Decimal(0), seconds=seconds, error=error, model="qstore_sim: time per amplitude")

    async def run(self, batch: CircuitBatch) -> BatchResult:
        return await asyncio.to_thread(self.run_sync, batch)

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        return await asyncio.to_thread(self.vjp_sync, batch, cotangent, wrt)

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        start = time.perf_counter()
        runner = self.runner(batch)
        if batch.shots is not None:
            return self._measured(runner, batch, start)
        values = runner.noisy_values(batch) if batch.circuit.is_noisy else runner.values(batch)
        return _result(batch, values, start)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        start = time.perf_counter()
        if batch.shots is not None or batch.circuit.is_noisy:
            what = "measured results" if batch.shots is not None else "circuits with channels or reset"
            raise CapabilityError(
                f"'statevector' has no reverse sweep for {what}; use gradient_method='parameter_shift'."
            )
        known = batch.bindings.keys()
        wanted = frozenset(known if wrt is None else wrt)
        if not wanted <= known:
            raise BindingError(
                f"No parameters named {sorted(wanted - known)}; the circuit has {sorted(known)}."
            )
        values, gradients = self.runner(batch).vjp(batch, cotangent, wanted)
        return _result(batch, values, start), gradients

    def _measured(self, runner: Runner, batch: CircuitBatch, start: float) -> BatchResult:
        from qstore_sim import shots  # imports numba

        if isinstance(batch.outputs, Counts):
            return _result(batch, None, start, shots.counts(runner, batch))
        if type(batch.outputs).__name__ not in CAPABILITIES.shot_outputs:
            raise CapabilityError(
                f"'statevector' measures Counts and Samples; the core derives {type(batch.outputs).__name__} from them: "
                "call qstore.run instead of the backend."
            )
        return _result(batch, shots.samples(runner, batch), start)

    def runner(self, batch: CircuitBatch) -> Runner:
        """What runs a batch.

        Raises:
            CapabilityError: the circuit is too large.
        """
        from qstore_sim.exact import Runner, check_density_size  # imports numba

        n = batch.circuit.n_qubits
        if n > CAPABILITIES.max_qubits:
            raise CapabilityError(
                f"'statevector' runs up to {CAPABILITIES.max_qubits} qubits; this circuit has {n}."
            )
        if batch.circuit.is_noisy:
            check_density_size(n)
        if self._runner is None:
            self._runner = Runner(_PRECISIONS[self._precision], self._threads)
        return self._runner

    def __getstate__(self) -> dict[str, Any]:
        # Compiled programs, scratch and locks stay behind; a copy makes its own.
        return {**self.__dict__, "_runner": None}

    def __repr__(self) -> str:
        return f"StatevectorBackend(precision={self._precision!r}, threads={self._threads})"


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _result(
    batch: CircuitBatch,
    values: NDArray[Any] | None,
    start: float,
    counts: tuple[dict[int, int], ...] | None = None,
) -> BatchResult:
    return BatchResult(
        values=values, counts=counts, n_qubits=batch.circuit.n_qubits, backend="statevector", shots=batch.shots,
        seed=batch.seed, run_s=time.perf_counter() - start,
    )  # fmt: skip
