# SPDX-License-Identifier: Apache-2.0
"""The backend of the tutorial: `name`, `capabilities`, `estimate`, `run`, and counts from shots."""

import numpy as np

from qstore.batch import BatchResult, Estimate
from qstore_acme.plugin import CAPABILITIES


class Dice:
    """Simulates a circuit and rolls dice for the outcomes.

    Args:
        sides: an option of its own, for show.
    """

    name = "acme.dice"
    capabilities = CAPABILITIES

    def __init__(self, sides=6):
        self.sides = sides

    def estimate(self, batch):
        """Free, at a microsecond per shot."""
        seconds = 1e-6 * batch.shots * batch.size
        return Estimate(usd=0, seconds=seconds, error=batch.shots**-0.5, model=self.name)

    async def run(self, batch):
        """The counts of every row."""
        counts = []
        for row, key in enumerate(batch.stream_keys):
            weights = np.abs(final_state(batch.circuit, batch.row_bindings(row))) ** 2
            rolled = np.random.default_rng(int(key)).multinomial(batch.shots, weights / weights.sum())
            counts.append({int(k): int(rolled[k]) for k in np.flatnonzero(rolled)})
        return BatchResult(
            counts=tuple(counts),
            n_qubits=batch.circuit.n_qubits,
            backend=self.name,
            shots=batch.shots,
            seed=batch.seed,
        )


def final_state(circuit, bindings):
    """The amplitudes, by index = outcome: qubit 0 is the least significant bit."""
    n = circuit.n_qubits
    state = np.zeros((2,) * n, dtype=complex)
    state[(0,) * n] = 1
    for operation in circuit.operations:
        matrix = operation.matrix(bindings)
        # Axis 0 is qubit n-1; a matrix's first qubit is the least significant, so its last axis.
        axes = [n - 1 - q for q in reversed(operation.qubits)]
        front = np.moveaxis(state, axes, range(len(axes)))
        turned = (matrix @ front.reshape(len(matrix), -1)).reshape(front.shape)
        state = np.moveaxis(turned, range(len(axes)), axes)
    return state.ravel()
