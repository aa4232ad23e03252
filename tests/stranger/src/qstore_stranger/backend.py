# SPDX-License-Identifier: Apache-2.0
"""The smallest backend that qstore accepts: `name`, `capabilities`, `estimate`, `run`, and counts from shots."""

import numpy as np

from qstore.batch import BatchResult, Estimate
from qstore_stranger.plugin import CAPABILITIES


class Dice:
    """Measures a statevector.

    Args:
        sides: an option of its own, for show.
    """

    name = "stranger.dice"
    capabilities = CAPABILITIES

    def __init__(self, sides=6):
        self.sides = sides

    def estimate(self, batch):
        """Free, at a microsecond per shot."""
        seconds = 1e-6 * batch.shots * batch.size
        return Estimate(usd=0, seconds=seconds, error=batch.shots**-0.5, model=self.name)

    async def run(self, batch):
        """The counts of every row."""
        n, counts = batch.circuit.n_qubits, []
        for row, key in enumerate(batch.stream_keys):
            weights = np.abs(_state(batch.circuit, batch.row_bindings(row))) ** 2
            drawn = np.random.default_rng(int(key)).multinomial(batch.shots, weights / weights.sum())
            counts.append({int(outcome): int(drawn[outcome]) for outcome in np.flatnonzero(drawn)})
        return BatchResult(
            counts=tuple(counts), n_qubits=n, backend=self.name, shots=batch.shots, seed=batch.seed
        )


def _state(circuit, bindings):
    n = circuit.n_qubits
    psi = np.zeros((2,) * n, dtype=complex)
    psi[(0,) * n] = 1
    for op in circuit.operations:
        matrix = (
            op.matrix()
            if op.unitary
            else op.spec.matrix(np.array([angle.value(bindings) for angle in op.angles]))
        )
        # Axis 0 is qubit n-1, and a matrix's first qubit its last axis.
        axes = [n - 1 - q for q in reversed(op.qubits)]
        moved = np.moveaxis(psi, axes, range(len(axes)))
        psi = np.moveaxis(
            (matrix @ moved.reshape(len(matrix), -1)).reshape(moved.shape), range(len(axes)), axes
        )
    return psi.ravel()
