# SPDX-License-Identifier: Apache-2.0
"""The backend `braket.local`: Amazon Braket's local simulators, of states (braket_sv) and density matrices (braket_dm).

They are run below Braket's device: it would read every row's circuit from OpenQASM text again, which takes a hundred times
as long as a small circuit. Braket's first qubit is the most significant of an index: qubit q goes to place n-1-q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import NoiseModel
from qstore.circuit import GateKind
from qstore_sim.backends.base import Floats, SimulatorBackend
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.libraries import library
from qstore_sim.backends.slots import SlottedCircuit

__all__ = ["BraketBackend"]

_GATES: Mapping[str, str] = {
    "i": "Identity", "x": "PauliX", "y": "PauliY", "z": "PauliZ", "h": "Hadamard", "s": "S", "sdg": "Si", "t": "T",
    "tdg": "Ti", "sx": "V", "sxdg": "Vi", "rx": "RotX", "ry": "RotY", "rz": "RotZ", "p": "PhaseShift", "u": "U", "cx": "CX",
    "cy": "CY", "cz": "CZ", "swap": "Swap", "iswap": "ISwap", "cp": "CPhaseShift", "rxx": "XX", "ryy": "YY", "rzz": "ZZ",
    "zz": "ZZ", "ccx": "CCNot", "cswap": "CSwap", "gpi": "GPi", "gpi2": "GPi2", "ms": "MS",
}  # fmt: skip
"""Rows of the gate table and the class of each among Braket's gate operations: same angles, same matrix."""


class BraketBackend(SimulatorBackend):
    """Braket's local simulators; circuits with noise run on density matrices.

    Args:
        noise: errors behind the gates of every circuit, and readout errors.

    Raises:
        BackendUnavailable: amazon-braket-default-simulator is not installed.
        OptionError: something else for a noise model.
    """

    natives = frozenset(_GATES)
    seconds_per_row = 3e-3
    seconds_per_amplitude = 2e-8

    def __init__(self, noise: NoiseModel | None = None) -> None:
        _module("gate_operations")
        super().__init__("braket.local", CAPABILITIES["braket.local"], noise=noise)

    def _states(
        self,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,  # noqa: ARG002  # the capabilities leave initialize out
    ) -> NDArray[Any]:
        simulation = _module("state_vector_simulation").StateVectorSimulation
        n = circuit.n_qubits
        return self._evolve(lambda: simulation(n, shots=0, batch_size=1), "state_vector", circuit, angles)

    def _densities(
        self,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,  # noqa: ARG002  # the capabilities leave initialize out
    ) -> NDArray[Any]:
        simulation = _module("density_matrix_simulation").DensityMatrixSimulation
        return self._evolve(lambda: simulation(circuit.n_qubits, shots=0), "density_matrix", circuit, angles)

    def _evolve(
        self, make: Callable[[], Any], final: str, circuit: SlottedCircuit, angles: Floats
    ) -> NDArray[Any]:
        convert = self._once((circuit, "converted"), lambda: _converter(circuit))
        found = []
        for row in angles.tolist():
            simulation = make()
            simulation.evolve(convert(row))
            found.append(getattr(simulation, final))
        return np.stack(found)


def _module(name: str) -> Any:
    return library(f"braket.default_simulator.{name}", backend="braket.local", extra="braket")


def _converter(circuit: SlottedCircuit) -> Callable[[list[float]], list[Any]]:
    """What makes Braket's operations for the angles of a row; those without a slot are made once."""
    gates, noise = _module("gate_operations"), _module("noise_operations")
    n = circuit.n_qubits
    made: list[Any] = []
    turned: list[tuple[int, type[Any], tuple[int, ...], tuple[Any, ...]]] = []
    for op, angles in circuit.steps([_Slot(k) for k in range(circuit.n_slots)]):
        places = tuple(n - 1 - q for q in op.qubits)
        if op.spec.kind is GateKind.CHANNEL:
            made.append(noise.Kraus(places[::-1], list(op.operators())))
        elif op.gate == "unitary":
            made.append(gates.Unitary(places[::-1], op.matrix()))
        else:
            kind = getattr(gates, _GATES[op.gate])
            if any(isinstance(angle, _Slot) for angle in angles):
                turned.append((len(made), kind, places, angles))
                made.append(None)
            else:
                made.append(kind(places, *angles))

    def convert(row: list[float]) -> list[Any]:
        operations = list(made)
        for place, kind, places, angles in turned:
            operations[place] = kind(places, *(row[a] if isinstance(a, _Slot) else a for a in angles))
        return operations

    return convert


class _Slot(int):
    """The number of a slot, among angles that are numbers."""

    __slots__ = ()
