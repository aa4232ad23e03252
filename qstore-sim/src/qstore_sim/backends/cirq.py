# SPDX-License-Identifier: Apache-2.0
"""The backend `cirq`: Cirq's statevector and density-matrix simulators, and the conversion that `qsim` shares.

Cirq's first qubit is the most significant of an index, ours the least, so qubits are handed over in reverse order. Every
rotation is a power of a Pauli, exact with its phase: the symbols of a circuit stand for angles in units of pi.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import NoiseModel
from qstore.circuit import GateKind, Operation
from qstore_sim.backends.base import CODES, Floats, SimulatorBackend
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.libraries import library
from qstore_sim.backends.slots import SlottedCircuit

__all__ = ["NATIVES", "CirqBackend", "cirq_circuit", "qubit_order", "resolvers"]

_HALF = -0.5
"""The global shift that makes a power of a Pauli a rotation: exp(-i t P / 2) instead of a phase of its own."""

_GATES: Mapping[str, Callable[..., Any]] = {
    "x": lambda c: c.X,
    "y": lambda c: c.Y,
    "z": lambda c: c.Z,
    "h": lambda c: c.H,
    "s": lambda c: c.S,
    "t": lambda c: c.T,
    "rx": lambda c, turns: c.XPowGate(exponent=turns, global_shift=_HALF),
    "ry": lambda c, turns: c.YPowGate(exponent=turns, global_shift=_HALF),
    "rz": lambda c, turns: c.ZPowGate(exponent=turns, global_shift=_HALF),
    "p": lambda c, turns: c.ZPowGate(exponent=turns),
    "cx": lambda c: c.CNOT,
    "cz": lambda c: c.CZ,
    "swap": lambda c: c.SWAP,
    "iswap": lambda c: c.ISWAP,
    "cp": lambda c, turns: c.CZPowGate(exponent=turns),
    "rxx": lambda c, turns: c.XXPowGate(exponent=turns, global_shift=_HALF),
    "ryy": lambda c, turns: c.YYPowGate(exponent=turns, global_shift=_HALF),
    "rzz": lambda c, turns: c.ZZPowGate(exponent=turns, global_shift=_HALF),
    "zz": lambda c, turns: c.ZZPowGate(exponent=turns, global_shift=_HALF),
    "ccx": lambda c: c.CCX,
    "cswap": lambda c: c.CSWAP,
}
"""From the angles of a gate in units of pi to Cirq's gate."""
NATIVES = frozenset(_GATES)


class CirqBackend(SimulatorBackend):
    """Cirq's own simulators.

    Args:
        precision: "double" (complex128) or "single" (complex64).
        noise: errors behind the gates of every circuit, and readout errors.

    Raises:
        BackendUnavailable: cirq-core is not installed.
        OptionError: another precision, or something else for a noise model.
    """

    natives = NATIVES
    seconds_per_row = 5e-3
    seconds_per_amplitude = 5e-9

    def __init__(self, precision: str = "double", noise: NoiseModel | None = None) -> None:
        self._cirq_of("cirq")
        super().__init__("cirq", CAPABILITIES["cirq"], noise=noise, precision=precision)

    @staticmethod
    def _cirq_of(backend: str) -> Any:
        return library("cirq", backend=backend, extra="cirq")

    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        cirq = self._cirq_of("cirq")
        # One array for the whole register: factored states are put together again for every row.
        simulator = cirq.Simulator(dtype=CODES[self._precision], split_untangled_states=False)
        return self._swept(simulator, "final_state_vector", circuit, angles, start)

    def _densities(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        cirq = self._cirq_of("cirq")
        simulator = cirq.DensityMatrixSimulator(dtype=CODES[self._precision])
        return self._swept(simulator, "final_density_matrix", circuit, angles, start)

    def _swept(
        self, simulator: Any, final: str, circuit: SlottedCircuit, angles: Floats,
        start: NDArray[np.complex128] | None,
    ) -> NDArray[Any]:  # fmt: skip
        cirq = self._cirq_of("cirq")
        made = self._once((circuit, "cirq"), lambda: cirq_circuit(cirq, circuit))
        order = qubit_order(cirq, circuit.n_qubits)
        sweep = resolvers(cirq, angles)
        if start is None or len(start) == 1:
            first = 0 if start is None else start[0].astype(CODES[self._precision])
            found = simulator.simulate_sweep(made, sweep, qubit_order=order, initial_state=first)
            return np.stack([getattr(each, final) for each in found])
        rows = [
            simulator.simulate(made, resolver, qubit_order=order, initial_state=row.astype(CODES[self._precision]))
            for resolver, row in zip(sweep, start, strict=True)
        ]  # fmt: skip
        return np.stack([getattr(each, final) for each in rows])


def cirq_circuit(cirq: Any, circuit: SlottedCircuit) -> Any:
    """The circuit in Cirq's gates, frozen; slot k is the symbol "k", an angle in units of pi."""
    import sympy

    order = qubit_order(cirq, circuit.n_qubits)[::-1]
    symbols = [sympy.Symbol(_name(k)) for k in range(circuit.n_slots)]
    made = [
        _gate(cirq, op, angles).on(*_placed(op, order)) for op, angles in circuit.steps(symbols)
    ]  # fmt: skip
    return cirq.FrozenCircuit(made)


def resolvers(cirq: Any, angles: Floats) -> list[Any]:
    """What binds the symbols, for each row of angles (rows, S) in radians."""
    names = [_name(k) for k in range(angles.shape[1])]
    return [cirq.ParamResolver(dict(zip(names, row, strict=True))) for row in (angles / np.pi).tolist()]


def qubit_order(cirq: Any, n_qubits: int) -> Sequence[Any]:
    """Cirq's qubits, the most significant first."""
    return list(reversed(cirq.LineQubit.range(n_qubits)))


def _name(slot: int) -> str:
    return f"slot{slot}"


def _gate(cirq: Any, op: Operation, angles: tuple[Any, ...]) -> Any:
    if op.spec.kind is GateKind.CHANNEL:
        return cirq.KrausChannel(list(op.operators()))
    if op.gate == "unitary":
        return cirq.MatrixGate(op.matrix(), unitary_check=False)
    turns = (angle / np.pi if isinstance(angle, float) else angle for angle in angles)
    return _GATES[op.gate](cirq, *turns)


def _placed(op: Operation, order: Sequence[Any]) -> list[Any]:
    qubits = [order[q] for q in op.qubits]
    # Matrices index their first qubit as the least significant bit here and as the most significant one in Cirq.
    return qubits[::-1] if op.unitary or op.spec.kind is GateKind.CHANNEL else qubits
