# SPDX-License-Identifier: Apache-2.0
"""The embedded statevector simulator of qstore, and other people's simulators as backends.

Importing it imports no numba; the first run does. `SimulatorConfig` is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader
from qstore_sim.backend import StatevectorBackend

if TYPE_CHECKING:
    from qstore_sim.backends.config import SimulatorConfig

__all__ = ["SimulatorConfig", "StatevectorBackend"]

_LAZY = {"SimulatorConfig": "qstore_sim.backends.config"}
__getattr__ = _loader(__name__, _LAZY)
