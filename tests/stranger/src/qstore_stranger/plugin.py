# SPDX-License-Identifier: Apache-2.0
"""What the entry point names: cheap to import."""

from qstore.batch import ALL_GATES, Capabilities
from qstore.plugins import BackendSpec, hookimpl

CAPABILITIES = Capabilities(max_qubits=10, max_batch=4, max_shots=100_000, gates=ALL_GATES - {"initialize"})


@hookimpl
def qstore_backends():
    """The one backend of this distribution."""
    return [
        BackendSpec(
            name="stranger.dice",
            summary="a statevector that is only measured",
            factory="qstore_stranger.backend:Dice",
            api_version=(1, 0),
            capabilities=CAPABILITIES,
            aliases=("dice",),
        )
    ]
