# SPDX-License-Identifier: Apache-2.0
"""The backend `statevector`: exact and sampled results of a whole batch on this machine's processor.

Values and gradients are float64 in either precision; `precision="single"` computes the state in float32 and is twice
as fast. Numba is imported with the first run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Counts, Estimate, NoiseModel
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_sim.capabilities import CAPABILITIES
from qstore_sim.processors import processors

if TYPE_CHECKING:
    from qstore.batch import Capabilities
    from qstore.plugins import Pullback
    from qstore_sim.exact import Runner
    from qstore_sim.open_system import Noise

_PRECISIONS = {"single": np.float32, "double": np.float64}
_SECONDS_PER_AMPLITUDE = 2e-10
"""Time of one operation on one amplitude in double precision; half of it in single. Rough: for estimates only."""


class StatevectorBackend:
    """The embedded simulator.

    Args:
        precision: "double" (float64) or "single" (float32) for the state.
        threads: most threads to use; by default all processors this process may run on.
        noise: errors behind the gates of every circuit, and readout errors.
        trajectories: exact outputs of circuits with noise are averages over so many pure states, at least 2, with standard
            errors, and shots are one trajectory each; by default they come from the density matrix, up to 12 qubits.
        trajectory_seed: of the trajectories of exact outputs.

    Raises:
        OptionError: another precision, fewer than one thread or two trajectories, or something else for a noise model.
    """

    def __init__(
        self,
        precision: str = "double",
        threads: int | None = None,
        noise: NoiseModel | None = None,
        trajectories: int | None = None,
        trajectory_seed: int = 0,
    ) -> None:
        if precision not in _PRECISIONS:
            raise OptionError(f"precision must be one of {sorted(_PRECISIONS)}, got {precision!r}.")
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise OptionError(
                f"threads must be an integer from 1 up, or None for all processors, got {threads!r}."
            )
        if noise is not None and not isinstance(noise, NoiseModel):
            raise OptionError(
                f"noise must be a NoiseModel, such as qs.NoiseModel.depolarizing(0.001), got {noise!r}."
            )
        if trajectories is not None and (
            isinstance(trajectories, bool) or not isinstance(trajectories, int) or trajectories < 2
        ):
            raise OptionError(
                f"trajectories must be an integer from 2 up, or None for density matrices, got {trajectories!r}."
            )
        self._noise, self._count, self._trajectory_seed = noise, trajectories, trajectory_seed
        self._precision = precision
        self._threads = threads if threads is not None else processors()
        self._runner: Runner | None = None
        self._open: Noise

    @property
    def name(self) -> str:
        return "statevector"

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def estimate(self, batch: CircuitBatch) -> Estimate:
        circuit = batch.circuit
        noisy = circuit.is_noisy or circuit.has_feedback or self._noise is not None
        bits = circuit.n_qubits * (2 if noisy and self._count is None else 1)
        work = float(batch.size) * (len(circuit) + 1) * 2.0**bits * (self._count or 1 if noisy else 1)
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
        given, batch = batch, self._open.applied(batch)
        if batch.shots is not None:
            return self._measured(runner, batch, start)
        asked = self._open.as_read(batch)
        if is_open(batch):
            found = self._open.values(asked)
            return _result(given, self._open.read(batch.outputs, found.values), start, errors=found.errors)
        return _result(given, self._open.read(batch.outputs, runner.values(asked)), start)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        start = time.perf_counter()
        if batch.shots is not None:
            raise CapabilityError(
                "'statevector' has no reverse sweep for measured results; use gradient_method='parameter_shift'."
            )
        known = batch.bindings.keys()
        wanted = frozenset(known if wrt is None else wrt)
        if not wanted <= known:
            raise BindingError(
                f"No parameters named {sorted(wanted - known)}; the circuit has {sorted(known)}."
            )
        runner = self.runner(batch)
        asked, given = batch, batch
        if self._noise is not None:
            asked = self._open.as_read(self._open.applied(batch))
            cotangent = self._open.read(batch.outputs, cotangent, transposed=True)
        if is_open(asked):
            found, gradients = self._open.vjp(asked, np.asarray(cotangent), wanted)
            values = self._open.read(batch.outputs, found.values)
            return _result(given, values, start, errors=found.errors), gradients
        values, gradients = runner.vjp(asked, cotangent, wanted)
        return _result(given, self._open.read(batch.outputs, values), start), gradients

    def pullback_sync(
        self, batch: CircuitBatch, wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, Pullback] | None:
        start = time.perf_counter()
        known = batch.bindings.keys()
        wanted = frozenset(known if wrt is None else wrt)
        if batch.shots is not None or self._noise is not None or is_open(batch) or not wanted <= known:
            return None
        found = self.runner(batch).pullback(batch, wanted)
        return None if found is None else (_result(batch, found[0], start), found[1])

    def _measured(self, runner: Runner, batch: CircuitBatch, start: float) -> BatchResult:
        from qstore_sim import shots  # imports numba

        if isinstance(batch.outputs, Counts):
            return _result(batch, None, start, shots.counts(runner, batch, self._open))
        if type(batch.outputs).__name__ not in CAPABILITIES.shot_outputs:
            raise CapabilityError(
                f"'statevector' measures Counts and Samples; the core derives {type(batch.outputs).__name__} from them: "
                "call qstore.run instead of the backend."
            )
        return _result(batch, shots.samples(runner, batch, self._open), start)

    def runner(self, batch: CircuitBatch) -> Runner:
        """What runs a batch.

        Raises:
            CapabilityError: the circuit is too large.
        """
        n = batch.circuit.n_qubits
        if n > CAPABILITIES.max_qubits:
            raise CapabilityError(
                f"'statevector' runs up to {CAPABILITIES.max_qubits} qubits; this circuit has {n}."
            )
        if self._runner is None:
            from qstore_sim.exact import Runner  # imports numba
            from qstore_sim.open_system import Noise

            self._open = Noise(self._noise, self._count, self._trajectory_seed)
            self._runner = Runner(_PRECISIONS[self._precision], self._threads)
        return self._runner

    def __getstate__(self) -> dict[str, Any]:
        # Compiled programs, scratch and locks stay behind; a copy makes its own.
        return {**self.__dict__, "_runner": None}

    def __repr__(self) -> str:
        noise = f", noise={self._noise!r}" if self._noise is not None else ""
        count = f", trajectories={self._count}" if self._count is not None else ""
        return f"StatevectorBackend(precision={self._precision!r}, threads={self._threads}{noise}{count})"


def is_open(batch: CircuitBatch) -> bool:
    """Whether a circuit has channels, measurements or conditions."""
    return batch.circuit.is_noisy or batch.circuit.has_feedback


def _result(
    batch: CircuitBatch,
    values: NDArray[Any] | None,
    start: float,
    counts: tuple[dict[int, int], ...] | None = None,
    errors: NDArray[np.float64] | None = None,
) -> BatchResult:
    return BatchResult(
        values=values, counts=counts, standard_errors=errors, n_qubits=batch.circuit.n_qubits, backend="statevector", shots=batch.shots,
        seed=batch.seed, run_s=time.perf_counter() - start,
    )  # fmt: skip
