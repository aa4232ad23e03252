# SPDX-License-Identifier: Apache-2.0
"""The backend `pennylane.default`: PennyLane's own simulators, with its broadcasting and its backpropagation.

A batch is one tape whose angles are vectors over the rows. Circuits with noise run on `default.mixed`, others on
`default.qubit`. Rows with shots are evolved one by one: a product over a whole batch rounds as its size would have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, NoiseModel, Output, Probabilities
from qstore_sim.backends.base import Floats
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.differentiable import DifferentiableSimulator
from qstore_sim.backends.libraries import library
from qstore_sim.backends.pennylane_tape import NATIVES, pauli_sum, tape_operations
from qstore_sim.backends.readout import of_states
from qstore_sim.backends.slots import SlottedCircuit

__all__ = ["PennyLaneBackend"]


class PennyLaneBackend(DifferentiableSimulator):
    """`default.qubit` and `default.mixed`.

    Args:
        noise: errors behind the gates of every circuit, and readout errors.

    Raises:
        BackendUnavailable: PennyLane is not installed.
        OptionError: something else for a noise model.
    """

    natives = NATIVES
    keeps_every_state = True
    seconds_per_row = 5e-3
    seconds_per_amplitude = 1e-8

    def __init__(self, noise: NoiseModel | None = None) -> None:
        self._qml()
        super().__init__("pennylane.default", CAPABILITIES["pennylane.default"], noise=noise)

    @staticmethod
    def _qml() -> Any:
        return library("pennylane", backend="pennylane.default", extra="pennylane")

    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        return self._final("default.qubit", circuit, angles, start)

    def _densities(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        return self._final("default.mixed", circuit, angles, start)

    def _final(
        self, device: str, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        qml = self._qml()
        rows, n = len(angles), circuit.n_qubits
        tape = qml.tape.QuantumScript(
            tape_operations(qml, circuit, _columns(angles), _prepared(start, rows)), [qml.state()]
        )
        state = np.asarray(qml.device(device, wires=n).execute(tape))
        shape = (rows, 1 << n) if device == "default.qubit" else (rows, 1 << n, 1 << n)
        return np.broadcast_to(state, shape)

    def _row_by_row(self, batch: CircuitBatch) -> Iterator[NDArray[Any]]:
        for row in range(batch.size):
            yield from super()._evolved(batch.rows(row, row + 1))

    def _evolved(self, batch: CircuitBatch) -> Iterator[NDArray[Any]]:
        return super()._evolved(batch) if batch.shots is None else self._row_by_row(batch)

    def _sweep(
        self,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,
        outputs: Output,
        cotangent: Floats,
    ) -> tuple[Floats, Floats]:
        import autograd
        from autograd import numpy as traced

        qml = self._qml()
        rows, n = len(angles), circuit.n_qubits
        device = qml.device("default.qubit", wires=n)
        asked = _measurements(qml, outputs, n)
        seen: list[Floats] = []

        def total(traced_angles: Any) -> Any:
            operations = tape_operations(qml, circuit, _columns(traced_angles), _prepared(start, rows))
            found = device.execute(qml.tape.QuantumScript(operations, asked))
            found = found if isinstance(found, tuple) else (found,)
            parts = [traced.reshape(traced.real(part), (rows, -1)) for part in found]
            values = traced.concatenate(parts, axis=1)
            seen.append(getattr(values, "_value", values))
            return traced.sum(values * cotangent)

        if not circuit.n_slots:
            return of_states(self._states(circuit, angles, start), outputs), np.zeros((rows, 0))
        # Complex angles: from real ones autograd warns about every imaginary part that it drops on the way back.
        back, _ = autograd.make_vjp(total)(angles.astype(complex))
        return np.asarray(seen[0]), np.ascontiguousarray(back(1.0).real)


def _columns(angles: Any) -> list[Any]:
    """Each slot's angles over the rows; of one row its numbers, as default.mixed miscounts the axes of a batch of one."""
    rows, slots = angles.shape
    return [angles[0, slot] if rows == 1 else angles[:, slot] for slot in range(slots)]


def _prepared(start: NDArray[np.complex128] | None, rows: int) -> NDArray[np.complex128] | None:
    return start if start is None or (len(start) == rows and rows > 1) else start[0]


def _measurements(qml: Any, outputs: Output, n_qubits: int) -> list[Any]:
    if isinstance(outputs, Expectations):
        return [qml.expval(pauli_sum(qml, observable, n_qubits)) for observable in outputs.observables]
    assert isinstance(outputs, Probabilities)  # what the capabilities declare
    qubits = range(n_qubits) if outputs.qubits is None else outputs.qubits
    return [qml.probs([n_qubits - 1 - q for q in reversed(qubits)])]
