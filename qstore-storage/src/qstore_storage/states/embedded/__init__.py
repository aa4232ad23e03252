# SPDX-License-Identifier: Apache-2.0
"""The embedded provider: SQLite keeps the states, NumPy searches them exactly, neither needs a server."""

from qstore_storage.states.embedded.provider import EmbeddedStates

__all__ = ["EmbeddedStates"]
