# SPDX-License-Identifier: Apache-2.0
"""Which way a circuit with noise goes: density matrix or trajectories, and what a noise model changes.

Exact outputs come from the density matrix unless trajectories are asked for. Shots come from its diagonal where that
costs no more than a trajectory for each shot, which depends on the number of qubits and shots alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, NoiseModel, Output, Probabilities, StateVector, Variance
from qstore.circuit import Template
from qstore.errors import CapabilityError
from qstore_sim.noise import density, trajectories
from qstore_sim.noise.readout import as_read, confused

Floats = NDArray[np.float64]


class Values(NamedTuple):
    """Values, with standard errors when they are averages over trajectories."""

    values: NDArray[Any]
    errors: Floats | None = None


class Noise:
    """A backend's noise options.

    Args:
        model: errors for every circuit, or None.
        count: trajectories to average over; None for exact density matrices.
        seed: of the trajectories of exact outputs.
    """

    def __init__(self, model: NoiseModel | None, count: int | None, seed: int) -> None:
        self.model, self.count, self.seed = model, count, seed
        self._applied: dict[Template, Template] = {}

    def applied(self, batch: CircuitBatch) -> CircuitBatch:
        """The batch with errors behind its gates; its stream keys stay."""
        if self.model is None:
            return batch
        known = self._applied.get(batch.circuit)
        if known is None:
            self._applied.clear() if len(self._applied) > 64 else None
            known = self._applied[batch.circuit] = self.model.apply(batch.circuit).freeze()
        return batch.replace(circuit=known)

    @property
    def misreads(self) -> bool:
        """Whether outcomes are read wrong sometimes."""
        return self.model is not None and self.model.has_readout_error

    def as_read(self, batch: CircuitBatch) -> CircuitBatch:
        """The batch that asks for what is read.

        Raises:
            CapabilityError: a variance with readout errors.
        """
        if not self.misreads:
            return batch
        assert self.model is not None
        if isinstance(batch.outputs, Variance):
            raise CapabilityError(
                "Variance() with readout errors is not defined; ask for Expectations, or leave the readout error out."
            )
        if isinstance(batch.outputs, Expectations):
            return batch.replace(outputs=as_read(batch.outputs, self.model))
        return batch

    def read(self, outputs: Output, values: NDArray[Any], *, transposed: bool = False) -> NDArray[Any]:
        """Probabilities as they are read; transposed, their cotangent."""
        if self.misreads and isinstance(outputs, Probabilities):
            assert self.model is not None
            return confused(values, self.model, transposed=transposed)
        return values

    # ---- open circuits ---------------------------------------------------------------------------------------------

    def values(self, batch: CircuitBatch) -> Values:
        """The values of an exact batch of an open circuit."""
        self._refuse_statevector(batch)
        if self.count is None:
            return Values(density.values(batch))
        found = trajectories.averages(self._drawn(batch), self.count)
        return Values(found.values, found.errors)

    def vjp(
        self, batch: CircuitBatch, cotangent: Floats, wanted: frozenset[str]
    ) -> tuple[Values, dict[str, Floats]]:
        """Values and gradients."""
        self._refuse_statevector(batch)
        if self.count is None:
            values, gradients = density.vjp(batch, cotangent, wanted)
            return Values(values), gradients
        found = trajectories.averages(self._drawn(batch), self.count, cotangent, wanted)
        return Values(found.values, found.errors), found.gradients

    def outcomes(self, batch: CircuitBatch) -> Iterator[NDArray[np.int64]] | None:
        """One trajectory per shot; None where the density matrix is cheaper."""
        registers = density.n_registers(batch)
        assert batch.shots is not None
        fits = (
            registers <= density.MAX_QUBITS
            and 2 * registers <= batch.circuit.n_qubits + batch.shots.bit_length()
        )
        return None if fits and self.count is None else trajectories.outcomes(batch)

    def _drawn(self, batch: CircuitBatch) -> CircuitBatch:
        outputs = batch.outputs
        asked = CircuitBatch.of(
            batch.circuit, batch.bindings, Probabilities(), shots=self.count, seed=self.seed
        )
        return asked.replace(outputs=outputs)

    def _refuse_statevector(self, batch: CircuitBatch) -> None:
        if isinstance(batch.outputs, StateVector):
            raise CapabilityError(
                "A circuit with channels, reset or measurements has no statevector. Ask for DensityMatrix(), "
                "Expectations(...) or Probabilities(), or remove the noise."
            )
