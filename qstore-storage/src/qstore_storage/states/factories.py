# SPDX-License-Identifier: Apache-2.0
"""The factories that `qstore_stores` names: a `QuantumStateDB` of each provider."""

from __future__ import annotations

from typing import Any

from qstore_storage.states.database import QuantumStateDB

__all__ = ["embedded", "lancedb", "pinecone"]


def embedded(**options: Any) -> QuantumStateDB:
    """`open_store("states")`, `open_store("states.embedded")`."""
    return QuantumStateDB("embedded", **options)


def lancedb(**options: Any) -> QuantumStateDB:
    """`open_store("states.lancedb")`."""
    return QuantumStateDB("lancedb", **options)


def pinecone(**options: Any) -> QuantumStateDB:
    """`open_store("states.pinecone")`."""
    return QuantumStateDB("pinecone", **options)
