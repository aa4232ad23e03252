# SPDX-License-Identifier: Apache-2.0
"""Filters on metadata in MongoDB's language: what they mean, once, for every provider.

    {"accuracy": {"$gte": 0.85}, "ansatz": "hea"}          all conditions of a mapping must hold
    {"$or": [{"tags": "best"}, {"epoch": {"$in": [1, 2]}}]}

| condition on a key | holds if |
|---|---|
| `x`, `{"$eq": x}` | a value is of x's kind and equal to it: 1 is 1.0, but neither True nor "1" |
| `{"$gt": x}`, `$gte`, `$lt`, `$lte` | a value is of x's kind and so ordered; x is a number or a string (by code points) |
| `{"$in": [x, ...]}` | one of the `$eq` holds |
| `{"$ne": x}`, `{"$nin": [...]}` | `$eq`, `$in` does not hold, so also where the key is missing |
| `{"$exists": True}` or `False` | the key is there (with any value, None and [] too), or is not |

A list's elements are its values, each on its own. None equals None and a missing key, as in MongoDB. Keys are taken
literally: a dot is part of the name. An empty filter lets everything through; an empty `$and` or `$or` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from qstore.errors import OptionError, nearest_names
from qstore_storage.states.metadata import (
    Kind,
    Metadata,
    Scalar,
    checked_key,
    checked_scalar,
    elements,
    kind_of,
)
from qstore_storage.states.showing import shown

__all__ = ["All", "AnyOf", "Condition", "Exists", "In", "Not", "Ordered", "matches", "parse_filter"]

MAX_DEPTH = 16
MAX_CONDITIONS = 256
MAX_VALUES = 10_000
"""Well inside SQLite's limits on nesting, terms and parameters."""


@dataclass(frozen=True, slots=True)
class In:
    """One of the values is equal to one of these; `$eq` has a single one."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """One of the values is above or below this one; `operator` is "$gt", "$gte", "$lt" or "$lte"."""

    key: str
    operator: str
    value: str | int | float


@dataclass(frozen=True, slots=True)
class Exists:
    """The key is there."""

    key: str


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold; only ever around `In` and `Exists`."""

    condition: In | Exists


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these holds."""

    conditions: tuple[Condition, ...]


Condition = In | Ordered | Exists | Not | All | AnyOf

_COMBINATIONS: dict[str, type[All | AnyOf]] = {"$and": All, "$or": AnyOf}
ORDERS: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


def parse_filter(given: Mapping[str, Any] | None) -> Condition | None:
    """Read a filter; None if it lets everything through.

    Raises:
        OptionError: an unknown operator, an operand of the wrong type, or more of anything than is good for a database.

    Example:
        >>> parse_filter({"accuracy": {"$gte": 0.85}})
        Ordered(key='accuracy', operator='$gte', value=0.85)
    """
    if given is None or (isinstance(given, Mapping) and not given):
        return None
    reader = _Reader()
    return reader.read(given, depth=1)


def matches(condition: Condition | None, metadata: Metadata) -> bool:
    """Whether a filter lets a state of this metadata through. This function is the meaning; SQL must agree with it.

    Example:
        >>> matches(parse_filter({"epoch": {"$ne": 3}}), {"loss": 0.5})
        True
    """
    match condition:
        case None:
            return True
        case All(conditions):
            return all(matches(each, metadata) for each in conditions)
        case AnyOf(conditions):
            return any(matches(each, metadata) for each in conditions)
        case Not(inner):
            return not matches(inner, metadata)
        case Exists(key):
            return key in metadata
        case Ordered(key, operator, operand):
            found = elements(metadata, key)
            kind, holds = kind_of(operand), ORDERS[operator]
            return any(kind_of(value) is kind and holds(value, operand) for value in found)
        case In(key, values):
            if None in values and metadata.get(key) is None:
                return True
            found = elements(metadata, key)
            return any(kind_of(a) is kind_of(b) and a == b for a in found for b in values)


class _Reader:
    """Reads one filter and counts what is in it."""

    def __init__(self) -> None:
        self._conditions = 0
        self._values = 0

    def read(self, given: Any, depth: int) -> Condition:
        if not isinstance(given, Mapping) or not given:
            raise OptionError(
                f"A filter is a mapping such as {{'accuracy': {{'$gte': 0.85}}}}, got {shown(given)}."
            )
        if depth > MAX_DEPTH:
            raise OptionError(f"A filter is nested at most {MAX_DEPTH} deep.")
        parts: list[Condition] = []
        for key, operand in given.items():
            if isinstance(key, str) and key.startswith("$"):
                parts.append(self._combined(key, operand, depth))
            else:
                parts += self._conditions_on(checked_key(key), operand)
            self._conditions += 1
            if self._conditions > MAX_CONDITIONS:
                raise OptionError(
                    f"A filter has at most {MAX_CONDITIONS} conditions; '$in' takes many values in one."
                )
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _combined(self, operator: str, operand: Any, depth: int) -> Condition:
        combined = _COMBINATIONS.get(operator)
        if combined is None:
            hint = nearest_names(operator, ["$and", "$or"])
            raise OptionError(
                f"Between conditions stand '$and' and '$or', got {shown(operator)}.{hint} The other operators belong under "
                "a key: {'accuracy': {'$gte': 0.85}}."
            )
        if not isinstance(operand, list | tuple) or not operand:
            raise OptionError(f"{operator!r} takes a list of one or more filters, got {shown(operand)}.")
        return combined(tuple(self.read(each, depth + 1) for each in operand))

    def _conditions_on(self, key: str, operand: Any) -> list[Condition]:
        if not isinstance(operand, Mapping):
            return [In(key, (self._value(key, "$eq", operand),))]
        if not operand:
            raise OptionError(
                f"The condition on {key!r} is an empty mapping; leave the key out for no condition."
            )
        found: list[Condition] = []
        for operator, value in operand.items():
            read = _OPERATORS.get(operator) if isinstance(operator, str) else None
            if read is None:
                hint = nearest_names(str(operator), list(_OPERATORS))
                raise OptionError(
                    f"No operator {shown(operator)} for {key!r}.{hint} There are {', '.join(_OPERATORS)}; nested values are "
                    "not stored, so none can be compared."
                )
            found.append(read(self, key, operator, value))
            self._conditions += 1
        return found

    def _value(self, key: str, operator: str, value: Any) -> Scalar:
        self._values += 1
        if self._values > MAX_VALUES:
            raise OptionError(f"A filter has at most {MAX_VALUES} values.")
        return checked_scalar(value, f"The operand of {operator!r} for {key!r}")

    def _values_of(self, key: str, operator: str, given: Any) -> tuple[Scalar, ...]:
        if not isinstance(given, list | tuple | set | frozenset):
            raise OptionError(f"{operator!r} for {key!r} takes a list of values, got {shown(given)}.")
        return tuple(self._value(key, operator, each) for each in given)

    def _equal(self, key: str, operator: str, value: Any) -> Condition:
        condition = In(key, (self._value(key, operator, value),))
        return condition if operator == "$eq" else Not(condition)

    def _one_of(self, key: str, operator: str, given: Any) -> Condition:
        condition = In(key, self._values_of(key, operator, given))
        return condition if operator == "$in" else Not(condition)

    def _ordered(self, key: str, operator: str, value: Any) -> Condition:
        operand = self._value(key, operator, value)
        if kind_of(operand) not in (Kind.NUMBER, Kind.STRING):
            raise OptionError(f"{operator!r} for {key!r} takes a number or a string, got {shown(value)}.")
        assert operand is not None
        return Ordered(key, operator, operand)

    def _exists(self, key: str, operator: str, value: Any) -> Condition:
        if not isinstance(value, bool):
            raise OptionError(f"{operator!r} for {key!r} takes True or False, got {shown(value)}.")
        return Exists(key) if value else Not(Exists(key))


_OPERATORS: dict[str, Callable[[_Reader, str, str, Any], Condition]] = {
    "$eq": _Reader._equal, "$ne": _Reader._equal,
    "$gt": _Reader._ordered, "$gte": _Reader._ordered, "$lt": _Reader._ordered, "$lte": _Reader._ordered,
    "$in": _Reader._one_of, "$nin": _Reader._one_of,
    "$exists": _Reader._exists,
}  # fmt: skip
