# SPDX-License-Identifier: Apache-2.0
"""The backend `qsim`: Google's vectorised statevector simulator, through qsimcirq. Single precision, as qsim is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_sim.backends.base import Floats, SimulatorBackend
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.cirq import NATIVES, cirq_circuit, qubit_order, resolvers
from qstore_sim.backends.libraries import library
from qstore_sim.backends.options import chosen, count
from qstore_sim.backends.slots import SlottedCircuit
from qstore_sim.processors import processors

__all__ = ["QsimBackend"]

_PRECISIONS = ("single",)
_MAX_FUSED = 4
"""Qubits of a fused gate; what qsim's authors advise for multi-threaded runs of 20 qubits and more."""


class QsimBackend(SimulatorBackend):
    """qsim on the processor.

    Args:
        threads: of one row; by default all processors this process may run on.
        precision: "single", the only one qsim has: values are right to about 1e-6.

    Raises:
        BackendUnavailable: qsimcirq is not installed.
        OptionError: another precision, or fewer than one thread.
    """

    natives = NATIVES
    seconds_per_row = 2e-3
    seconds_per_amplitude = 3e-10

    def __init__(self, threads: int | None = None, precision: str = "single") -> None:
        library("qsimcirq", backend="qsim", extra="qsim")
        self._threads = processors() if threads is None else count("threads", threads)
        super().__init__("qsim", CAPABILITIES["qsim"], precision=chosen("precision", precision, _PRECISIONS))

    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        cirq = library("cirq", backend="qsim", extra="qsim")
        qsimcirq = library("qsimcirq", backend="qsim", extra="qsim")
        made = self._once((circuit, "cirq"), lambda: cirq_circuit(cirq, circuit))
        options = qsimcirq.QSimOptions(cpu_threads=self._threads, max_fused_gate_size=_MAX_FUSED)
        simulator = qsimcirq.QSimSimulator(options)
        order = qubit_order(cirq, circuit.n_qubits)
        states = np.empty((len(angles), 1 << circuit.n_qubits), dtype=np.complex64)
        for row, resolver in enumerate(resolvers(cirq, angles)):
            first = None if start is None else start[row % len(start)].astype(np.complex64)
            _, states[row], _ = simulator.simulate_into_1d_array(
                made, resolver, qubit_order=order, initial_state=first
            )
        return states
