# SPDX-License-Identifier: Apache-2.0
"""How the simulator registers: through the same door as any plugin. Imports nothing heavy."""

from __future__ import annotations

from qstore.plugins import BackendSpec, hookimpl
from qstore_sim.capabilities import CAPABILITIES


@hookimpl
def qstore_backends() -> tuple[BackendSpec, ...]:
    """The embedded simulator."""
    return (
        BackendSpec(
            name="statevector",
            summary="embedded CPU simulator: whole batches, exact gradients, density matrices",
            factory="qstore_sim.backend:StatevectorBackend",
            api_version=(1, 0),
            capabilities=CAPABILITIES,
        ),
    )
