# SPDX-License-Identifier: Apache-2.0
"""JSON as it crosses the network: read strictly, named precisely when it is wrong.

Python's reader takes NaN, Infinity, numbers that overflow, duplicate keys (the last wins) and any depth; each of them
could turn a damaged answer into a wrong result. Unknown extra fields are fine: services grow.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from qstore.errors import ServiceError

__all__ = ["dump", "field", "load", "load_by_key", "mapping", "optional"]

Kind = TypeVar("Kind")

_WORDS: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    dict: "an object",
    list: "a list",
    bool: "true or false",
}
_LONGEST_SHOWN = 80


def dump(document: Any) -> bytes:
    """Compact JSON in UTF-8; NaN and infinity are refused with ValueError."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def load(body: bytes, what: str) -> Any:
    """Read JSON strictly.

    Args:
        body: the bytes.
        what: whose answer it is, for the message.

    Raises:
        ServiceError: not JSON, or with NaN, infinite numbers, duplicate keys or absurd depth.
    """
    return _read(body, what, _unique)


def load_by_key(body: bytes, what: str) -> tuple[dict[str, Any], list[str]]:
    """Read an object strictly, but for keys at its top that stand there twice: those are left out and named.

    Raises:
        ServiceError: as `load`; also where a key stands twice further inside.
    """
    repeated: list[_Repeated] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in found)
        if len(counts) == len(found):
            return dict(found)
        made = _Repeated((key, value) for key, value in found if counts[key] == 1)
        made.keys_twice = [key for key, count in counts.items() if count > 1]
        repeated.append(made)
        return made

    document = mapping(_read(body, what, pairs), what)
    if not repeated:
        return document, []
    if len(repeated) > 1 or repeated[0] is not document:
        raise ServiceError(
            f"{what}: the key {repeated[0].keys_twice[0][:_LONGEST_SHOWN]!r} stands there twice."
        )
    return document, repeated[0].keys_twice


def field(document: Mapping[str, Any], name: str, kind: type[Kind], what: str) -> Kind:
    """The value of a field that must be there and of this kind.

    Raises:
        ServiceError: missing, or of another kind; names the field.
    """
    if name not in document:
        raise ServiceError(f"{what}: the field {name!r} is missing.")
    return _checked(document[name], name, kind, what)


def optional(document: Mapping[str, Any], name: str, kind: type[Kind], what: str) -> Kind | None:
    """The value of a field that may be missing or null.

    Raises:
        ServiceError: of another kind; names the field.
    """
    value = document.get(name)
    return None if value is None else _checked(value, name, kind, what)


def mapping(document: Any, what: str) -> dict[str, Any]:
    """The document, which must be an object.

    Raises:
        ServiceError: it is something else.
    """
    if not isinstance(document, dict):
        raise ServiceError(f"{what}: expected an object, got {_shown(document)}.")
    return cast("dict[str, Any]", document)


def _read(body: bytes, what: str, pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    try:
        return json.loads(body, object_pairs_hook=pairs, parse_constant=_refuse_constant, parse_float=_finite)
    except _BadValueError as exc:
        raise ServiceError(f"{what}: {exc}") from None
    except RecursionError:
        raise ServiceError(f"{what}: the JSON is nested too deeply.") from None
    except ValueError as exc:
        raise ServiceError(f"{what}: not JSON ({exc}); it begins {_shown(body)}.") from None


def _checked(value: Any, name: str, kind: type[Kind], what: str) -> Kind:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return cast("Kind", float(value))
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ServiceError(f"{what}: {name!r} is {_shown(value)}, expected {_WORDS[kind]}.")
    return value


def _shown(value: Any) -> str:
    if isinstance(value, (bytes, str)):
        return repr(value[:_LONGEST_SHOWN]) + ("..." if len(value) > _LONGEST_SHOWN else "")
    return reprlib.repr(value)  # never builds the text of a whole result


class _Repeated(dict[str, Any]):
    """An object without those of its keys that stood there twice."""

    keys_twice: list[str]


class _BadValueError(Exception):
    """Raised inside the JSON reader, where only a text can be carried out."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add returns None on purpose
        raise _BadValueError(f"the key {twice[:_LONGEST_SHOWN]!r} stands there twice.")
    return found


def _refuse_constant(name: str) -> Any:
    raise _BadValueError(f"{name} is not a number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _BadValueError(f"{text[:_LONGEST_SHOWN]} is too large for a number.")
    return value
