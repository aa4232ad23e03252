# SPDX-License-Identifier: Apache-2.0
"""qstore: train hybrid quantum-classical models on any quantum backend.

Conventions: qubit 0 is the least significant bit of every integer outcome, bit strings print qubit n-1 first, angles
are radians, a statevector's index is the integer outcome, RX(t) = exp(-i t X/2).

Importing this pulls in numpy and nothing heavier; plugins are looked for when something of theirs is first asked for.
"""

from typing import TYPE_CHECKING

from qstore import errors
from qstore.accounting import Budget, Ledger
from qstore.batch import (
    BatchResult,
    Capabilities,
    CircuitBatch,
    Counts,
    DensityMatrix,
    Estimate,
    Expectations,
    NoiseModel,
    Probabilities,
    Samples,
    StateVector,
    Variance,
    bitstring,
    run_context,
)
from qstore.circuit import I, Observable, Parameter, QuantumCircuit, Template, X, Y, Z
from qstore.circuit import interchange as _interchange
from qstore.errors import QStoreError
from qstore.execution import configure, configured, run, run_async
from qstore.gradients import value_and_vjp, value_and_vjp_async, vjp, vjp_async
from qstore.lazy import loader as _loader
from qstore.plugins import get_backend, get_gradient_method
from qstore.plugins.backends import convert_from as _convert_from
from qstore.plugins.backends import convert_to as _convert_to

if TYPE_CHECKING:
    from qstore.execution import AsyncQuantumExecutor
    from qstore.gradients import GradientConfig
    from qstore.routing import BackendRouter

_interchange.install(to=_convert_to, source=_convert_from)

__version__ = "0.1.0"

__all__ = [
    "AsyncQuantumExecutor",
    "BackendRouter",
    "BatchResult",
    "Budget",
    "Capabilities",
    "CircuitBatch",
    "Counts",
    "DensityMatrix",
    "Estimate",
    "Expectations",
    "GradientConfig",
    "I",
    "Ledger",
    "NoiseModel",
    "Observable",
    "Parameter",
    "Probabilities",
    "QStoreError",
    "QuantumCircuit",
    "Samples",
    "StateVector",
    "Template",
    "Variance",
    "X",
    "Y",
    "Z",
    "bitstring",
    "configure",
    "configured",
    "errors",
    "get_backend",
    "get_gradient_method",
    "run",
    "run_async",
    "run_context",
    "value_and_vjp",
    "value_and_vjp_async",
    "vjp",
    "vjp_async",
]

_LAZY = {
    "AsyncQuantumExecutor": "qstore.execution.executor",
    "BackendRouter": "qstore.routing",
    "GradientConfig": "qstore.gradients.config",
}
"""Names that most programs do without, and where they are."""
__getattr__ = _loader(__name__, _LAZY)
