# SPDX-License-Identifier: Apache-2.0
"""The backends `lightning.qubit` and `lightning.gpu`: PennyLane's C++ simulators, with their adjoint gradient.

A batch is converted to one tape; each row puts its angles into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import Expectations, Output
from qstore.errors import BackendUnavailable
from qstore_sim.backends.base import CODES, Floats
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.differentiable import DifferentiableSimulator
from qstore_sim.backends.libraries import library
from qstore_sim.backends.pennylane_tape import NATIVES, pauli_sum, slot_places, tape_operations
from qstore_sim.backends.readout import of_states
from qstore_sim.backends.slots import SlottedCircuit

__all__ = ["lightning_gpu", "lightning_qubit"]


class LightningBackend(DifferentiableSimulator):
    """One of PennyLane's Lightning simulators.

    Args:
        device: "lightning.qubit" or "lightning.gpu".
        precision: "double" (complex128) or "single" (complex64).
    """

    natives = NATIVES
    seconds_per_row = 2e-3
    seconds_per_amplitude = 1e-9

    def __init__(self, device: str, precision: str = "double") -> None:
        super().__init__(device, CAPABILITIES[device], precision=precision)

    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        qml = self._qml()
        device = self._device(circuit.n_qubits)
        states: NDArray[Any] = np.empty((len(angles), 1 << circuit.n_qubits), dtype=CODES[self._precision])
        for row, tape in enumerate(self._tapes(qml, circuit, angles, start, [qml.state()])):
            states[row] = device.execute(tape)
        return states

    def _sweep(
        self,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,
        outputs: Output,
        cotangent: Floats,
    ) -> tuple[Floats, Floats]:
        assert isinstance(outputs, Expectations)  # what the capabilities declare
        values = of_states(self._states(circuit, angles, start), outputs)
        gradient = np.zeros(angles.shape)
        if not circuit.n_slots:
            return values, gradient
        qml = self._qml()
        device = self._device(circuit.n_qubits)
        asked = [qml.expval(pauli_sum(qml, o, circuit.n_qubits)) for o in outputs.observables]
        for row, tape in enumerate(self._tapes(qml, circuit, angles, start, asked)):
            if cotangent[row].any():  # otherwise PennyLane returns zeros of a shape of its own
                gradient[row] = np.reshape(device.compute_vjp(tape, tuple(cotangent[row])), -1)
        return values, gradient

    def _qml(self) -> Any:
        return library("pennylane", backend=self._name, extra="lightning")

    def _device(self, n_qubits: int) -> Any:
        """A device of this call's own: one holds one state, so two threads cannot share it."""
        return self._qml().device(self._name, wires=n_qubits, c_dtype=CODES[self._precision])

    def _tapes(
        self, qml: Any, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None, asked: list[Any]
    ) -> Iterator[Any]:  # fmt: skip
        """One tape per row; its trainable parameters are the slots, in their order."""
        shared = start is None or len(start) == 1
        places = slot_places(circuit, prepared=start is not None)
        tape = None
        for row, numbers in enumerate(angles.tolist()):
            if tape is None or not shared:
                own = None if start is None else start[row % len(start)]
                tape = qml.tape.QuantumScript(tape_operations(qml, circuit, numbers, own), asked)
                tape.trainable_params = places
            else:
                tape = tape.bind_new_parameters(numbers, places)
            yield tape


def lightning_qubit(precision: str = "double") -> LightningBackend:
    """The backend `lightning.qubit`.

    Raises:
        BackendUnavailable: PennyLane's Lightning is not installed.
        OptionError: another precision than "double" and "single".
    """
    library("pennylane_lightning.lightning_qubit", backend="lightning.qubit", extra="lightning")
    return LightningBackend("lightning.qubit", precision)


def lightning_gpu(precision: str = "double") -> LightningBackend:
    """The backend `lightning.gpu`: the same on an NVIDIA GPU of compute capability 7.0 or later.

    Raises:
        BackendUnavailable: its package is not installed, or there is no such GPU here.
        OptionError: another precision than "double" and "single".
    """
    name = "lightning.gpu"
    library("pennylane_lightning.lightning_gpu", backend=name, extra="lightning-gpu")
    backend = LightningBackend(name, precision)
    try:
        backend._device(1)
    except (ImportError, RuntimeError, ValueError) as exc:
        # The package installs without a GPU or a driver, and says so only when a device is made.
        raise BackendUnavailable(
            f"Backend {name!r} is installed but finds no GPU to run on: {exc}. Use 'lightning.qubit' on this machine."
        ) from exc
    return backend
