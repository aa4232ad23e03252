# SPDX-License-Identifier: Apache-2.0
"""What is in a checkpoint, by name: dtypes and shapes of arrays, values of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["described"]


def described(trees: Mapping[str, Any]) -> dict[str, str]:
    """One line per entry of the JSON trees of a checkpoint.

    Example:
        >>> described({"model_state": {"t": "dict", "v": [["w", {"t": "numpy", "d": "float32", "s": [2], "o": 0}]]}})
        {"model_state['w']": 'numpy float32 (2,)'}
    """
    return {name: text for part, tree in trees.items() for name, text in _lines(part, tree)}


def _lines(name: str, tree: Any) -> Iterator[tuple[str, str]]:
    kind = tree.get("t") if isinstance(tree, dict) else None
    if kind in {"dict", "counter"}:
        for key, each in tree["v"]:
            yield from _lines(f"{name}[{_key(key)}]", each)
    elif isinstance(tree, list) or kind == "tuple":
        items = tree if isinstance(tree, list) else tree["v"]
        if items and all(not isinstance(each, (dict, list)) for each in items):
            yield name, repr(items)  # a list of numbers on one line
            return
        for index, each in enumerate(items):
            yield from _lines(f"{name}[{index}]", each)
    elif kind is None:
        yield name, repr(tree)
    elif "s" in tree:
        yield name, f"{kind} {tree.get('d', '')} {tuple(tree['s'])}".replace("  ", " ")
    else:
        yield name, f"{kind} {tree.get('v')!r}"


def _key(tree: Any) -> str:
    return repr(tree) if not isinstance(tree, dict) else str(tree.get("v"))
