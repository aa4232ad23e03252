# SPDX-License-Identifier: Apache-2.0
"""What all backends on other people's simulators share: conversion once, binding as arrays, readout, seeds, facts.

A library's part is small: `_states` (and `_densities` where it simulates noise) for rows of angles, and `_sweep` where it
has a gradient of its own. Outputs are read from these in one place, and shots are drawn from exact probabilities with each
row's own stream key, so that they depend neither on the batch nor on how a library seeds.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from decimal import Decimal
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, Capabilities, CircuitBatch, Counts, Estimate, NoiseModel
from qstore.circuit import Template
from qstore.errors import CapabilityError, OptionError
from qstore_sim.backends import readout, sampling
from qstore_sim.backends.libraries import in_our_words
from qstore_sim.backends.options import chosen
from qstore_sim.backends.slots import SlottedCircuit, with_constant_channels
from qstore_sim.exact import chunks
from qstore_sim.memory import check_memory
from qstore_sim.open_system import Noise

__all__ = ["CODES", "Floats", "SimulatorBackend"]

Floats = NDArray[np.float64]
CODES = {"single": np.complex64, "double": np.complex128}
"""What a state is made of in each precision."""
ERRORS = {"single": 1e-6, "double": 0.0}
"""Of an expectation value; rounding in double precision counts as none."""
_KEPT_CIRCUITS = 128


class SimulatorBackend(ABC):
    """A backend on a library's simulator.

    Args:
        capabilities: what it can do; without gradients of its own where `noise` is given.
        noise: errors behind the gates of every circuit, and readout errors.
        precision: "double" or "single".

    Attributes:
        natives: names of the gate table that the library has with symbolic angles.
        seconds_per_row, seconds_per_amplitude: overhead of a row, and time of a gate on an amplitude, for estimates.
    """

    natives: ClassVar[frozenset[str]] = frozenset()
    seconds_per_row: ClassVar[float] = 1e-3
    seconds_per_amplitude: ClassVar[float] = 1e-9

    def __init__(
        self,
        name: str,
        capabilities: Capabilities,
        *,
        noise: NoiseModel | None = None,
        precision: str = "double",
    ) -> None:
        if noise is not None and not isinstance(noise, NoiseModel):
            raise OptionError(
                f"noise must be a NoiseModel, such as qs.NoiseModel.depolarizing(0.001), got {noise!r}."
            )
        self._name = name
        self._precision = chosen("precision", precision, CODES)
        self._noise = Noise(noise, None, 0)
        if noise is not None:  # a sweep back through added channels is nobody's here
            capabilities = capabilities.with_changes(differentiable_outputs=frozenset())
        self._capabilities = capabilities
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    # ---- what a library implements ---------------------------------------------------------------------------------

    @abstractmethod
    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        """The states (rows, 2**n) of a circuit without channels; `start` (rows or 1, 2**n) instead of |0...0>."""

    def _densities(
        self,
        circuit: SlottedCircuit,  # noqa: ARG002  # for those that simulate channels
        angles: Floats,  # noqa: ARG002  # likewise
        start: NDArray[np.complex128] | None,  # noqa: ARG002  # likewise
    ) -> NDArray[Any]:
        """The density matrices (rows, 2**n, 2**n) of a circuit whose channels have constant strengths."""
        raise CapabilityError(f"{self._name!r} does not run channels.")

    # ---- the contract of a backend ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def estimate(self, batch: CircuitBatch) -> Estimate:
        noisy = batch.circuit.is_noisy or self._noise.model is not None
        amplitudes = 2.0 ** (batch.circuit.n_qubits * (2 if noisy else 1))
        row = self.seconds_per_row + len(batch.circuit) * (1e-5 + amplitudes * self.seconds_per_amplitude)
        error = ERRORS[self._precision] if batch.shots is None else batch.shots**-0.5
        return Estimate(
            usd=Decimal(0),
            seconds=batch.size * row,
            error=error,
            model=f"{self._name}: time per row and amplitude",
        )

    async def run(self, batch: CircuitBatch) -> BatchResult:
        return await asyncio.to_thread(self.run_sync, batch)

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        begin = time.perf_counter()
        self._refuse(batch)
        asked = self._noise.applied(batch)
        with in_our_words(self._name):
            if batch.shots is None:
                asked = self._noise.as_read(asked)
                return self._result(batch, begin, values=self._noise.read(batch.outputs, self._exact(asked)))
            outcomes = self._outcomes(asked)
            if isinstance(batch.outputs, Counts):
                n = batch.circuit.n_qubits
                counted = tuple(sampling.tally(each, n) for each in outcomes)
                return self._result(batch, begin, counts=counted)
            return self._result(batch, begin, values=sampling.bits(batch, outcomes))

    # ---- how it is done --------------------------------------------------------------------------------------------

    def _exact(self, batch: CircuitBatch) -> NDArray[Any]:
        """The values of an exact batch."""
        pieces = [
            (readout.of_states if states.ndim == 2 else readout.of_densities)(states, batch.outputs)
            for states in self._evolved(batch)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _outcomes(self, batch: CircuitBatch) -> Iterator[NDArray[np.int64]]:
        """The integer outcomes of each row, (shots,)."""
        return sampling.drawn(
            batch, lambda: map(readout.outcome_probabilities, self._evolved(batch)), self._noise.model
        )

    def _evolved(self, batch: CircuitBatch) -> Iterator[NDArray[Any]]:
        """States, or density matrices of a noisy circuit, of a few rows at a time."""
        bits = batch.circuit.n_qubits * (2 if batch.circuit.is_noisy else 1)
        run = self._densities if batch.circuit.is_noisy else self._states
        for rows in chunks(batch.size, 16 << bits):
            check_memory(
                (rows.stop - rows.start) * (16 << bits) * 2,
                f"{self._name!r}: {batch.circuit.n_qubits} qubits{' with noise' if batch.circuit.is_noisy else ''}",
            )
            piece = batch if rows.stop - rows.start == batch.size else batch.rows(rows.start, rows.stop)
            for part, circuit in self._with_numbers(piece):
                angles = circuit.angles(part.bindings, part.per_sample, part.size)
                yield run(circuit, angles, circuit.start(part.bindings))

    def _with_numbers(self, batch: CircuitBatch) -> Iterator[tuple[CircuitBatch, SlottedCircuit]]:
        """The batch in runs of rows whose channels have the same strengths, with the circuit of each."""
        template = batch.circuit
        entering = {
            parameter.name
            for op in template.operations
            if op.spec.strength and op.angles
            for parameter in op.parameters
        }
        if not entering:
            yield batch, self._slotted(template)
            return
        if not entering & batch.per_sample:
            yield (
                batch.replace(circuit=template),
                self._slotted(with_constant_channels(template, batch.row_bindings(0))),
            )
            return
        start = 0
        for row in range(1, batch.size + 1):
            if row == batch.size or any(
                not np.array_equal(batch.bindings[name][row], batch.bindings[name][start])
                for name in entering & batch.per_sample
            ):
                circuit = with_constant_channels(template, batch.row_bindings(start))
                yield batch.rows(start, row), self._slotted(circuit)
                start = row

    def _slotted(self, template: Template) -> SlottedCircuit:
        made: SlottedCircuit = self._once(template, lambda: SlottedCircuit(template, self.natives))
        return made

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` makes for a key, made once and kept until others are used more."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        value = make()
        with self._lock:
            self._made[key] = value
            while len(self._made) > _KEPT_CIRCUITS:
                self._made.popitem(last=False)
        return value

    def _refuse(self, batch: CircuitBatch) -> None:
        from qstore.execution.plan import check

        check(batch, self._capabilities, self._name)
        kind = type(batch.outputs).__name__
        exact = batch.shots is None
        if kind not in (self._capabilities.exact_outputs if exact else self._capabilities.shot_outputs):
            served = sorted(self._capabilities.exact_outputs if exact else self._capabilities.shot_outputs)
            how = "exactly" if exact else "from shots; the core derives the rest, so call qstore.run"
            raise CapabilityError(f"{self._name!r} gives {served} {how}, not {kind}.")

    def _result(
        self,
        batch: CircuitBatch,
        begin: float,
        *,
        values: NDArray[Any] | None = None,
        counts: tuple[dict[int, int], ...] | None = None,
    ) -> BatchResult:
        return BatchResult(
            values=values, counts=counts, n_qubits=batch.circuit.n_qubits, backend=self._name, shots=batch.shots,
            seed=batch.seed, run_s=time.perf_counter() - begin,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        # The library's circuits and the lock stay behind; a copy makes its own.
        return {**self.__dict__, "_made": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _made=OrderedDict(), _lock=Lock())

    def __repr__(self) -> str:
        noise = f", noise={self._noise.model!r}" if self._noise.model is not None else ""
        return f"{type(self).__name__}({self._name!r}, precision={self._precision!r}{noise})"
