# SPDX-License-Identifier: Apache-2.0
"""Checks of stores: what was put in comes out as it was, after a restart too, and what cannot be kept is refused.

Each check opens stores of its own in empty folders. What `kill -9` and a full disk do to a store is not tested here: that
needs processes of its own.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

from qstore.errors import OptionError, QStoreError
from qstore.plugins import load_factory, open_store
from qstore.testing.check import Moot, Table, Violation

__all__ = ["LOCATIONS", "StoreExam", "StoreTable", "closing"]

LOCATIONS = {"checkpoints": "directory", "metrics": "path", "states": "directory"}
"""The option that says where a store of each kind lies, unless an option of the user's holds "{folder}"."""


class StoreExam:
    """One store under examination.

    Args:
        kind: "checkpoints", "metrics" or "states".
        open_at: opens the store that lies in a folder.
    """

    def __init__(self, kind: str, open_at: Callable[[Path], Any]) -> None:
        if kind not in LOCATIONS:
            raise OptionError(f"A store keeps {', '.join(LOCATIONS)}; got {kind!r}.")
        self.kind, self._open_at = kind, open_at
        self._root = Path(tempfile.mkdtemp(prefix="qstore-kit-"))
        weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
        self._made = 0
        self.remarks: list[str] = []

    @classmethod
    def of(cls, name: str, *, options: Mapping[str, Any] | None = None) -> StoreExam:
        """By registered name, or as "KIND=package.module:callable"; "{folder}" in an option is an empty folder."""
        given = dict(options or {})
        kind, separator, path = name.partition("=")
        make: Callable[..., Any] = load_factory(path) if separator else partial(open_store, name)
        kind = kind.partition(".")[0]

        def open_at(folder: Path) -> Any:
            filled = {
                key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
                for key, value in given.items()
            }
            return make(**(filled if filled != given else {LOCATIONS[kind]: folder / "store", **given}))

        return cls(kind, open_at)

    def folder(self) -> Path:
        """An empty one."""
        self._made += 1
        made = self._root / str(self._made)
        made.mkdir()
        return made

    def open(self, folder: Path | None = None) -> Any:
        """The store in a folder; by default in an empty one."""
        return self._open_at(folder or self.folder())

    def refuses(self, call: Callable[[], Any], what: str, *kinds: type[QStoreError]) -> None:
        """`Violation` unless a call raises one of these errors, by default any of qstore's."""
        expected = kinds or (QStoreError,)
        names = " or ".join(kind.__name__ for kind in expected)
        try:
            call()
        except expected:
            return
        except Exception as exc:
            raise Violation(f"{what}: expected {names}, it raised {type(exc).__name__}: {exc}") from exc
        raise Violation(f"{what}: expected {names}, nothing was raised")


class StoreTable(Table):
    """The checks of one kind of store; for the others they are moot."""

    def check(
        self, about: str, *, each: Sequence[Any] | None = None
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        enter = super().check(about, each=each)

        def guarded(function: Callable[..., None]) -> Callable[..., None]:
            @wraps(function)
            def run(exam: StoreExam, *about_what: Any) -> None:
                if exam.kind != self.subject:
                    raise Moot(f"it keeps {exam.kind}")
                function(exam, *about_what)

            return enter(run)

        return guarded


@contextmanager
def closing(store: Any) -> Iterator[Any]:
    """Close a store at the end of a block; what the block raised goes before what `close()` raises."""
    try:
        yield store
    except BaseException:
        with suppress(QStoreError):
            store.close()
        raise
    store.close()
