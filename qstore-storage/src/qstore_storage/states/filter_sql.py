# SPDX-License-Identifier: Apache-2.0
"""Filters as SQL on the table `attributes`: the text has only our own words, whatever the user wrote is a parameter.

A state of group G with metadata {"epoch": 3, "tags": ["a", "b"]} has the attributes
(G, "epoch", NUMBER, 3), (G, "tags", LIST, 0), (G, "tags", STRING, "a"), (G, "tags", STRING, "b"). The column `value` has
no affinity, so SQLite compares integers and floats exactly and never makes one of text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from qstore_storage.states.filters import All, AnyOf, Condition, Exists, In, Not, Ordered
from qstore_storage.states.metadata import Kind, Metadata, Scalar, elements, kind_of

__all__ = ["attributes_of", "filter_sql"]

Parameters = tuple[str | int | float, ...]

_SIGNS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OWNERS = "SELECT state FROM attributes WHERE grp = ? AND key = ?"


def attributes_of(metadata: Metadata) -> Iterator[tuple[str, int, str | int | float]]:
    """The rows (key, kind, value) that filters look at."""
    for key, value in metadata.items():
        if isinstance(value, list):
            yield key, Kind.LIST, 0
        for element in dict.fromkeys(elements(metadata, key)):
            yield key, kind_of(element), _stored(element)


def filter_sql(condition: Condition, group: int) -> tuple[str, Parameters]:
    """A condition on the column `number` of the states of a group, and its parameters.

    Example:
        >>> from qstore_storage.states.filters import parse_filter
        >>> filter_sql(parse_filter({"a' OR 1=1": 2}), 7)
        ('number IN (SELECT state FROM attributes WHERE grp = ? AND key = ? AND kind = ? AND value IN (?))', (7, "a' OR 1=1", 2, 2))
    """
    match condition:
        case All(conditions) | AnyOf(conditions):
            parts = [filter_sql(each, group) for each in conditions]
            word = " AND " if isinstance(condition, All) else " OR "
            text = word.join(text for text, _ in parts)
            return f"({text})", tuple(each for _, parameters in parts for each in parameters)
        case Not(inner):
            text, parameters = filter_sql(inner, group)
            return f"NOT ({text})", parameters
        case Exists(key):
            return f"number IN ({_OWNERS})", (group, key)
        case Ordered(key, operator, operand):
            text = f"number IN ({_OWNERS} AND kind = ? AND value {_SIGNS[operator]} ?)"
            return text, (group, key, kind_of(operand), operand)
        case In(key, values):
            return _one_of(key, values, group)


def _one_of(key: str, values: tuple[Scalar, ...], group: int) -> tuple[str, Parameters]:
    by_kind: dict[Kind, list[str | int | float]] = defaultdict(list)
    for value in values:
        by_kind[kind_of(value)].append(_stored(value))
    texts: list[str] = []
    parameters: list[str | int | float] = []
    if by_kind.pop(Kind.NULL, None):
        # None, or missing: not one row of another kind.
        texts.append(f"number NOT IN ({_OWNERS} AND kind <> {int(Kind.NULL)})")
        parameters += (group, key)
    for kind, operands in by_kind.items():
        marks = ", ".join("?" * len(operands))
        texts.append(f"number IN ({_OWNERS} AND kind = ? AND value IN ({marks}))")
        parameters += (group, key, int(kind), *operands)
    if not texts:
        return "0", ()  # of no values, none is equal
    return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})", tuple(parameters)


def _stored(value: Scalar) -> str | int | float:
    if value is None:
        return 0
    return int(value) if isinstance(value, bool) else value
