# SPDX-License-Identifier: Apache-2.0
"""What each of the other simulators can do, as data, on this machine. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from qstore.batch import ALL_GATES, Capabilities
from qstore_sim.backends.limits import largest_state
from qstore_sim.capabilities import CAPABILITIES as EMBEDDED

__all__ = ["CAPABILITIES"]

_FEEDBACK = frozenset({"measure"})
_CHANNELS = frozenset(
    {"reset", "amplitude_damping", "phase_damping", "depolarizing", "bit_flip", "depolarizing2", "kraus"}
)
_UNITARIES = ALL_GATES - _FEEDBACK - _CHANNELS
_NOISY = ALL_GATES - _FEEDBACK
_STATE = frozenset({"Expectations", "Variance", "Probabilities", "StateVector", "DensityMatrix"})
_DENSITY = _STATE - {"StateVector"}
_MEASURED = frozenset({"Counts", "Samples"})

_MOST_QUBITS = 32
"""Of any statevector here: 64 GiB in double precision."""
_DOUBLE, _SINGLE = largest_state(_MOST_QUBITS, 16), largest_state(_MOST_QUBITS, 8)
"""What this machine's memory takes of that."""
MPS_QUBITS = 63
"""Most qubits whose outcomes are integers of 64 bits."""


def _pure(**changes: object) -> Capabilities:
    base = Capabilities(max_qubits=_DOUBLE, gates=_UNITARIES, exact_outputs=_STATE, shot_outputs=_MEASURED)
    return base.with_changes(**changes)


CAPABILITIES: Mapping[str, Capabilities] = {
    "qsim": _pure(max_qubits=_SINGLE),
    "cirq": _pure(gates=_NOISY, noise=True),
    "aer": _pure(gates=_NOISY, noise=True),
    "aer.statevector": _pure(),
    "aer.density_matrix": _pure(gates=_NOISY, noise=True, exact_outputs=_DENSITY, max_qubits=_DOUBLE // 2),
    "aer.matrix_product_state": _pure(
        max_qubits=MPS_QUBITS, gates=_UNITARIES - {"initialize"}, exact_outputs=frozenset({"Expectations", "Variance"})
    ),
    "lightning.qubit": _pure(differentiable_outputs=frozenset({"Expectations", "Variance"})),
    "lightning.gpu": _pure(differentiable_outputs=frozenset({"Expectations", "Variance"})),
    "pennylane.default": _pure(
        gates=_NOISY, noise=True, differentiable_outputs=frozenset({"Expectations", "Variance", "Probabilities"})
    ),
    # What the default inner backend can do; not in this process, so nobody is given a cluster that did not ask for one.
    "dask": EMBEDDED.with_changes(local=False),
    "braket.local": _pure(gates=_NOISY - {"initialize"}, noise=True),
}  # fmt: skip
"""By backend; a method of Aer's that differs stands behind a dot."""
