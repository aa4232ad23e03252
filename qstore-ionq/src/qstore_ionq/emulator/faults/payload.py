# SPDX-License-Identifier: Apache-2.0
"""Answers that are not what they should be: each function turns the JSON of a good one into the bytes of a bad one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from qstore_ionq.emulator.faults.fault import Fault
from qstore_ionq.emulator.wire import Reply, dumps

__all__ = ["distorted"]

_NEST = 200_000
_FAR_BIT = 1 << 40
_PAGE = (
    b"<!doctype html><title>Bad gateway</title><h1>Something went wrong</h1><p>Please try again later.</p>"
)
_EXTRA = {"x_unknown": {"nested": [1, None, "two"]}, "x_added_later": True}


def distorted(fault: Fault, reply: Reply) -> Reply:
    """The bad answer that a payload fault makes of a good one."""
    content = copy.deepcopy(reply.content)
    body = _KINDS[fault.kind](content, fault)
    media_type = "text/html" if fault.kind == "html" else reply.media_type
    return Reply(reply.status, body, media_type, dict(reply.headers))


def _set(content: Any, fault: Fault) -> bytes:
    _replace(content, fault.field or "status", fault.value)
    return dumps(content)


def _missing(content: Any, fault: Fault) -> bytes:
    if isinstance(content, dict):
        path = (fault.field or "id").split(".")
        holder = content
        for part in path[:-1]:
            holder = holder.get(part, {}) if isinstance(holder, dict) else {}
        if isinstance(holder, dict) and path[-1] not in holder and fault.field is None and holder:
            path = [next(iter(holder))]  # results have no id: their first entry goes
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
    return dumps(content)


def _extra(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
    return dumps({**content, **_EXTRA} if isinstance(content, dict) else content)


def _duplicate_key(content: Any, fault: Fault) -> bytes:
    if not isinstance(content, dict) or not content:
        return dumps(content)
    return _with_twin(content, min(fault.index, len(content) - 1))


def _with_twin(content: Mapping[str, Any], index: int) -> bytes:
    """The JSON object with the `index`-th entry twice."""
    key, value = list(content.items())[index]
    return dumps({key: value})[:-1] + b"," + dumps(content)[1:]


def _nan(content: Any, fault: Fault) -> bytes:
    field = fault.field or next(_numbers(content), "")
    _replace(content, field, float("nan"))
    return dumps(content)


def _wrong_type(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
    return dumps([] if fault.value is None else fault.value)


def _truncated(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
    body = dumps(content)
    return body[: len(body) // 2]


def _deep(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
    return b"[" * _NEST + b"]" * _NEST


def _on_tables(change: Callable[[dict[str, Any]], None]) -> Callable[[Any, Fault], bytes]:
    """Change every table of probabilities or counts in an answer."""

    def change_all(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
        for table in _tables(content):
            change(table)
        return dumps(content)

    return change_all


def _tables(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and content:
        if all(isinstance(value, (int, float)) for value in content.values()):
            yield content
        else:
            for value in content.values():
                yield from _tables(value)


def _halve(table: dict[str, Any]) -> None:
    table.update({key: value / 2 for key, value in table.items()})


def _go_negative(table: dict[str, Any]) -> None:
    first = next(iter(table))
    other = next((key for key in table if key != first), "1" if first == "0" else "0")
    table[first] += table.get(other, 0) + 0.25
    table[other] = -0.25


def _widen(table: dict[str, Any]) -> None:
    first = next(iter(table))
    table[str(_FAR_BIT)] = table.pop(first)


def _child_missing(content: Any, fault: Fault) -> bytes:
    if isinstance(content, dict):
        ids = content.get("child_job_ids")
        if isinstance(ids, list) and fault.index < len(ids):
            del ids[fault.index]
        elif ids is None and fault.index < len(content):
            del content[list(content)[fault.index]]
    return dumps(content)


def _child_twice(content: Any, fault: Fault) -> bytes:
    ids = content.get("child_job_ids") if isinstance(content, dict) else None
    if isinstance(ids, list) and fault.index < len(ids):
        ids.insert(fault.index, ids[fault.index])
        return dumps(content)
    return _duplicate_key(content, fault)


def _reordered(content: Any, fault: Fault) -> bytes:  # noqa: ARG001  # one signature for all
    ids = content.get("child_job_ids") if isinstance(content, dict) else None
    if isinstance(ids, list):
        ids.reverse()
    elif isinstance(content, dict):
        content = dict(reversed(content.items()))
    return dumps(content)


def _replace(content: Any, field: str, value: Any) -> None:
    """Set a field, written with dots; numbers index lists. A path that is not there is left alone but for its end."""
    *path, last = field.split(".")
    for part in path:
        content = _step(content, part)
    if isinstance(content, dict):
        content[last] = value
    elif isinstance(content, list) and last.isdigit() and int(last) < len(content):
        content[int(last)] = value


def _step(content: Any, part: str) -> Any:
    if isinstance(content, dict):
        return content.get(part)
    if isinstance(content, list) and part.isdigit() and int(part) < len(content):
        return content[int(part)]
    return None


def _numbers(content: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all numbers."""
    entries = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content if isinstance(content, list) else ())
    )
    for key, value in entries:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{key}"
        else:
            yield from _numbers(value, f"{prefix}{key}.")


_KINDS: Mapping[str, Callable[[Any, Fault], bytes]] = MappingProxyType(
    {
        "set": _set,
        "missing": _missing,
        "extra": _extra,
        "duplicate_key": _duplicate_key,
        "nan": _nan,
        "wrong_type": _wrong_type,
        "truncated": _truncated,
        "html": lambda content, fault: _PAGE,  # noqa: ARG005  # one signature for all
        "empty": lambda content, fault: b"",  # noqa: ARG005  # one signature for all
        "deep": _deep,
        "bad_sum": _on_tables(_halve),
        "negative": _on_tables(_go_negative),
        "too_wide": _on_tables(_widen),
        "child_missing": _child_missing,
        "child_twice": _child_twice,
        "reordered": _reordered,
    }
)
