# SPDX-License-Identifier: Apache-2.0
"""Rows between the training loop and the thread that writes: bounded, and every row that is lost is counted."""

from __future__ import annotations

import threading
from typing import Any

from qstore.errors import OptionError, StorageError

__all__ = ["ON_FULL", "RowBuffer"]

ON_FULL = ("block", "drop_counted")


class RowBuffer:
    """Rows that wait to be saved.

    Args:
        size: rows that it holds; rows that are being saved count until they are.
        on_full: what a row does that finds no room: "block" until there is some, or "drop_counted": be lost, and counted.

    Attributes:
        drops: whether a row that finds no room is dropped.
        saved: rows that are on the disk.
        dropped: rows that were not taken.
        attention: set when there is something to do for the writer.
        urgent: set when it is to be done now.

    Raises:
        OptionError: a size below 1, or no such policy.
    """

    def __init__(self, size: int, on_full: str) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise OptionError(f"buffer_size is a number of rows, at least 1; got {size!r:.60}.")
        if on_full not in ON_FULL:
            raise OptionError(f"on_full is 'block' or 'drop_counted', got {on_full!r:.60}.")
        self.size, self.drops = size, on_full == "drop_counted"
        self.saved = self.dropped = 0
        self._dropped_saved = 0
        self._rows: list[dict[str, Any]] = []
        self._error: StorageError | None = None
        self._lock = threading.RLock()  # a signal's handler may log in the midst of a log
        self._changed = threading.Condition(self._lock)
        self._is_open = True
        self.attention, self.urgent = threading.Event(), threading.Event()

    def put(self, row: dict[str, Any], *, wait: bool = True) -> bool:
        """Take a row.

        Args:
            row: values by column.
            wait: with "block", whether to wait for room; else False is returned where there is none.

        Returns:
            Whether it was taken. False means that it was dropped and counted, or has to wait.

        Raises:
            StorageError: what went wrong in the writer, once; this row was not taken.
        """
        with self._lock:  # the condition's own, without the detour
            while True:
                self._check()
                if len(self._rows) < self.size:
                    break
                if self.drops:
                    self.dropped += 1
                    return False
                self._call(now=True)
                if not wait:
                    return False
                self._changed.wait()
            self._rows.append(row)
            is_filling = len(self._rows) * 2 >= self.size
        if is_filling or not self.attention.is_set():
            self._call(now=is_filling)
        return True

    @property
    def pending(self) -> int:
        """Rows that are not on the disk."""
        return len(self._rows)

    def waiting(self) -> tuple[list[dict[str, Any]], int]:
        """The rows to save, which stay here until `done`, and how many were dropped since the last time."""
        with self._changed:
            return self._rows[:], self.dropped - self._dropped_saved

    def done(self, count: int, dropped: int) -> None:
        """The first `count` rows are on the disk."""
        with self._changed:
            del self._rows[:count]
            self.saved += count
            self._dropped_saved += dropped
            self._changed.notify_all()

    def fail(self, error: StorageError) -> None:
        """Tell the next caller."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def flush(self) -> None:
        """Return when all rows taken so far are on the disk.

        Raises:
            StorageError: what went wrong in the writer; what is not on the disk is kept and tried again.
        """
        with self._changed:
            # What went wrong earlier is said, but no reason not to save what can be saved now.
            earlier, self._error = self._error, None
            self._check()
            # Counted anew each time: Ctrl-C may fall between a row and a counter of rows.
            target = self.saved + len(self._rows)
            while self.saved < target:
                self._call(now=True)
                self._changed.wait()
                self._check()
        if earlier is not None:
            raise earlier

    def shut(self) -> None:
        """Take no more rows."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def forget_error(self) -> None:
        """What went wrong before is known already."""
        with self._changed:
            self._error = None

    def _check(self) -> None:
        if not self._is_open:
            raise StorageError("The metrics logger is closed; make a new one to go on with the run.")
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _call(self, *, now: bool) -> None:
        self.attention.set()
        if now:
            self.urgent.set()
