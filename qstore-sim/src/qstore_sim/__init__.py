# SPDX-License-Identifier: Apache-2.0
"""The embedded statevector simulator of qstore, and other people's simulators as backends.

Importing it imports no numba; the first run does. `SimulatorConfig` is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from qstore_sim.backend import StatevectorBackend

if TYPE_CHECKING:
    from qstore_sim.backends.config import SimulatorConfig

__all__ = ["SimulatorConfig", "StatevectorBackend"]


def __getattr__(name: str) -> Any:
    if name == "SimulatorConfig":
        from qstore_sim.backends.config import SimulatorConfig

        return SimulatorConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
