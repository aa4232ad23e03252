# SPDX-License-Identifier: Apache-2.0
"""Put a run in order from outside: recover what killed processes left, put all rows into parts, merge small parts."""

from __future__ import annotations

import os
from typing import NamedTuple

from qstore.errors import StorageError
from qstore_storage.metrics.parts import list_parts
from qstore_storage.metrics.rank_store import RankStore
from qstore_storage.metrics.run_folder import RunFolder

__all__ = ["Compacted", "compact"]

_ROLL = 100_000


class Compacted(NamedTuple):
    """What was done.

    Attributes:
        ranks: ranks that were put in order.
        skipped: ranks that a process is logging to, with the reason.
        parts_before, parts_after: parts of all ranks.
        rows_rolled: rows that were in no part before.
        reports: what was found out of order, in sentences.
    """

    ranks: tuple[int, ...]
    skipped: dict[int, str]
    parts_before: int
    parts_after: int
    rows_rolled: int
    reports: tuple[str, ...]


def compact(path: str | os.PathLike[str]) -> Compacted:
    """Put the ranks of a run in order that no process logs to.

    Raises:
        NotStored: there is no run.
        StorageError: something cannot be read or written; nothing is lost.

    Example:
        >>> import tempfile
        >>> from qstore_storage.metrics import AsyncMetricsLogger
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for step in range(3):
        ...         with AsyncMetricsLogger(folder) as metrics:
        ...             metrics.log(step=step)
        ...     done = compact(folder)
        >>> done.parts_before, done.parts_after
        (3, 1)
    """
    folder = RunFolder(path)
    schema = folder.written_schema()
    before = len(list_parts(folder)[0])
    done, skipped, reports, rolled = [], {}, [], 0
    ranks = sorted({*folder.ranks(), *(part.rank for part in list_parts(folder)[0])})
    for rank in ranks:
        try:
            store = RankStore(folder, rank)
        except StorageError as exc:
            skipped[rank] = str(exc)
            continue
        try:
            while moved := store.roll(_ROLL, schema):
                rolled += moved
            store.compact()
            reports += store.reports
            done.append(rank)
        finally:
            store.close()
    return Compacted(tuple(done), skipped, before, len(list_parts(folder)[0]), rolled, tuple(reports))
