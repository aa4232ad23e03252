# SPDX-License-Identifier: Apache-2.0
"""Exact search on top of an index that only knows real vectors and their dot products."""

from qstore_storage.states.vectors.embedding import Embedding
from qstore_storage.states.vectors.engine import VectorEngine, VectorRow
from qstore_storage.states.vectors.provider import VectorStates

__all__ = ["Embedding", "VectorEngine", "VectorRow", "VectorStates"]
