# SPDX-License-Identifier: Apache-2.0
"""The vector-Jacobian product of a backend whose library has a gradient of its own.

The library differentiates with respect to the angles; the core's binding map takes that back to the parameters. Where the
gradient of `initialize` is wanted the circuit is run with the preparation as rotations, whose angles have one.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations, Output, Variance
from qstore.compiler import lower_initialize
from qstore.errors import CapabilityError, OptionError
from qstore_sim.backends.base import Floats, SimulatorBackend
from qstore_sim.backends.gradients import wanted_parameters
from qstore_sim.backends.libraries import in_our_words
from qstore_sim.backends.readout import of_states
from qstore_sim.backends.slots import SlottedCircuit
from qstore_sim.exact import chunks

__all__ = ["DifferentiableSimulator"]


class DifferentiableSimulator(SimulatorBackend):
    """A backend on a library that differentiates; see `SimulatorBackend`.

    Attributes:
        keeps_every_state: whether the library keeps the state behind every gate on its way forward.
    """

    keeps_every_state: ClassVar[bool] = False

    @abstractmethod
    def _sweep(
        self,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,
        outputs: Output,
        cotangent: Floats,
    ) -> tuple[Floats, Floats]:
        """Values (rows, ...) of an output, and the gradient of sum(cotangent * values) for the angles (rows, S)."""

    async def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        return await asyncio.to_thread(self.vjp_sync, batch, cotangent, wrt)

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, Floats]]:
        begin = time.perf_counter()
        self._refuse_gradient(batch)
        wanted = wanted_parameters(batch, wrt)
        asked, preparations, inner = batch, None, wanted
        amplitudes = {
            p.name for op in batch.circuit.operations if op.amplitudes for p in op.amplitudes.parameters
        }
        if amplitudes & wanted:
            template, preparations = self._once(
                ("lowered", batch.circuit), lambda: lower_initialize(batch.circuit)
            )
            lowered = preparations.bindings(batch.bindings, batch.per_sample, batch.size)
            asked = batch.replace(circuit=template, bindings=lowered)
            inner = frozenset(lowered)
        with in_our_words(self._name):
            values, gradients = self._swept(asked, np.asarray(cotangent, dtype=float), inner)
        if preparations is not None:
            gradients = preparations.pull_back(gradients, batch.bindings, batch.per_sample, wanted)
        return self._result(batch, begin, values=values), {
            name: gradients.get(name, np.zeros(batch.bindings[name].shape)) for name in wanted
        }

    def _swept(
        self, batch: CircuitBatch, cotangent: Floats, wanted: Collection[str]
    ) -> tuple[Floats, dict[str, Floats]]:
        _check_shape(cotangent, _shape(batch))
        circuit = self._slotted(batch.circuit)
        angles = circuit.angles(batch.bindings, batch.per_sample, batch.size)
        start = circuit.start(batch.bindings)
        sweep = self._variances if isinstance(batch.outputs, Variance) else self._sweep
        values, gradient = np.empty(cotangent.shape), np.empty(angles.shape)
        kept = len(circuit.operations) + 1 if self.keeps_every_state else 2
        for rows in chunks(batch.size, 16 * kept << circuit.n_qubits):
            own = start[rows] if start is not None and len(start) > 1 else start
            values[rows], gradient[rows] = sweep(circuit, angles[rows], own, batch.outputs, cotangent[rows])
        return values, circuit.pull_back(gradient, batch.bindings, batch.per_sample, wanted)

    def _variances(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None, outputs: Output,
        cotangent: Floats,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Var = <O**2> - <O>**2, so its cotangent c is c for <O**2> and -2 c <O> for <O>."""
        assert isinstance(outputs, Variance)  # what it is called for
        k = len(outputs.observables)
        both = Expectations([*outputs.observables, *(o.squared() for o in outputs.observables)])
        means = of_states(self._states(circuit, angles, start), Expectations(outputs.observables))
        values, gradient = self._sweep(
            circuit, angles, start, both, np.concatenate([-2 * cotangent * means, cotangent], axis=1)
        )
        return np.maximum(values[:, k:] - values[:, :k] ** 2, 0.0), gradient

    def _refuse_gradient(self, batch: CircuitBatch) -> None:
        kind = type(batch.outputs).__name__
        if batch.shots is not None:
            why = "measured results"
        elif batch.circuit.is_noisy or batch.circuit.has_feedback or self._noise.model is not None:
            why = "circuits with noise"
        elif kind not in self._capabilities.differentiable_outputs:
            why = f"{kind}()"
        else:
            self._refuse(batch)
            return
        raise CapabilityError(
            f"{self._name!r} has no gradient of its own for {why}; use gradient_method='parameter_shift'."
        )


def _shape(batch: CircuitBatch) -> tuple[int, int]:
    if isinstance(batch.outputs, (Expectations, Variance)):
        return batch.size, len(batch.outputs.observables)
    qubits = getattr(batch.outputs, "qubits", None)
    return batch.size, 1 << (batch.circuit.n_qubits if qubits is None else len(qubits))


def _check_shape(cotangent: Floats, shape: tuple[int, ...]) -> None:
    if cotangent.shape != shape:
        raise OptionError(f"cotangent has shape {cotangent.shape}; the values of this batch have {shape}.")
