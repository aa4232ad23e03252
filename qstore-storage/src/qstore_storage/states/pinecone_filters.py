# SPDX-License-Identifier: Apache-2.0
"""Filters in Pinecone's words: they let through at least what ours do, and the rest is decided from the stored metadata.

Pinecone keeps numbers as doubles and no None, says nothing about what `$ne` does where a key is missing or of another
kind, and orders only numbers. What it cannot decide as we do is left out of an `$and` and opens an `$or`.
"""

from __future__ import annotations

from typing import Any

from qstore_storage.states.filters import All, AnyOf, Condition, Exists, In, Not, Ordered
from qstore_storage.states.metadata import Kind, Metadata, Scalar, kind_of

__all__ = ["SHAPE_KEY", "native_metadata", "service_filter"]

SHAPE_KEY = "_qstore_shape"
_EMPTY_KEY = "_qstore_empty"
"""The keys whose value is None or [], which Pinecone does not keep."""
_EXACT = 2**53
"""From here on doubles leave integers out: two that differ may be one at the service."""
_LOOSER = {"$gt": "$gte", "$lt": "$lte"}


def native_metadata(metadata: Metadata) -> Metadata:
    """What of the metadata is kept so that Pinecone can filter by it."""
    kept = {key: value for key, value in metadata.items() if value is not None and value != []}
    empty = [key for key in metadata if key not in kept]
    return {**kept, _EMPTY_KEY: empty} if empty else kept


def service_filter(condition: Condition | None, shape: str) -> dict[str, Any]:
    """A filter for states of a shape that lets through at least what the condition does.

    Example:
        >>> from qstore_storage.states.filters import parse_filter
        >>> service_filter(parse_filter({"accuracy": {"$gte": 0.85}}), "pure-8")
        {'$and': [{'_qstore_shape': {'$eq': 'pure-8'}}, {'accuracy': {'$gte': 0.85}}]}
    """
    of_shape = {SHAPE_KEY: {"$eq": shape}}
    rest = None if condition is None else _loosened(condition)
    return of_shape if rest is None else {"$and": [of_shape, rest]}


def _loosened(condition: Condition) -> dict[str, Any] | None:
    """None for what lets everything through."""
    match condition:
        case All(conditions):
            parts = [part for part in map(_loosened, conditions) if part is not None]
            return {"$and": parts} if parts else None
        case AnyOf(conditions):
            every = [_loosened(each) for each in conditions]
            return None if None in every else {"$or": every}
        case Exists(key):
            return {"$or": [{key: {"$exists": True}}, {_EMPTY_KEY: {"$in": [key]}}]}
        case Not(Exists(key)):
            return {key: {"$exists": False}}
        case Ordered(key, operator, operand):
            if isinstance(operand, str):
                return {key: {"$exists": True}}
            loose = abs(operand) >= _EXACT
            return {key: {_LOOSER.get(operator, operator) if loose else operator: float(operand)}}
        case In(key, values):
            return _one_of(key, values)
    return None


def _one_of(key: str, values: tuple[Scalar, ...]) -> dict[str, Any]:
    strings = [value for value in values if isinstance(value, str)]
    numbers = [
        float(value) for value in values if kind_of(value) is Kind.NUMBER and isinstance(value, int | float)
    ]
    parts: list[dict[str, Any]] = [{key: {"$in": some}} for some in (strings, numbers) if some]
    parts += [{key: {"$eq": value}} for value in values if isinstance(value, bool)]
    if None in values:
        parts.append({key: {"$exists": False}})
    return {"$or": parts} if parts else {SHAPE_KEY: {"$eq": "none"}}  # of no values, none is equal
