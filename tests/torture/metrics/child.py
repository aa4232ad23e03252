# SPDX-License-Identifier: Apache-2.0
"""A process that logs until it is killed: `python -m torture.metrics.child RUN RANK SEED`.

Row number i has `i`, half of it, and a text. After every acknowledgement it writes how many rows are acknowledged. It goes on where
the run ends. `SCRIPT` is a short life instead, in which `KILL_AT=n` kills it before its n-th operation on files.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader
from qstore_storage.metrics.rank_store import RankStore
from qstore_storage.metrics.row_table import RowTable

COLUMNS = {"i": int, "half": float, "text": str}


def row_of(i: int) -> dict[str, object]:
    return {"i": i, "half": i / 2, "text": f"row {i}", "step": i}


def rows_there(run: Path, rank: int) -> int:
    """Rows of a rank, whatever state the run is in."""
    if not (run / "schema.json").exists():
        return 0
    found = MetricsReader(run).table(["rank"])["rank"].to_numpy()
    return int((found == rank).sum())


def live(run: Path, rank: int, seed: int) -> None:
    """Log for ever."""
    chance = random.Random(seed)
    logger = AsyncMetricsLogger(
        run, COLUMNS, rank=rank, rows_per_part=50, part_interval_s=0.05, flush_interval_s=0.01
    )
    i = rows_there(run, rank)
    sys.stdout.write(f"{i}\n")
    sys.stdout.flush()
    while True:
        for _ in range(chance.randint(1, 40)):
            i += 1
            logger.log(row_of(i))
        if chance.random() < 0.05:
            logger.compact()
        else:
            logger.flush()
        os.write(1, f"{i}\n".encode())  # one write, so that no half of it is seen


def script(run: Path, kill_at: int) -> int:
    """Log 40 rows, in and out of parts and compaction; returns how many operations on files that took."""
    done = 0

    def counted(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: object, **named: object) -> object:
            nonlocal done
            done += 1
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        setattr(owner, name, call)

    for owner, name in ((os, "fsync"), (os, "replace"), (Path, "replace"), (Path, "unlink"), (Path, "rename"),
                        (RowTable, "append"), (RowTable, "forget"), (RankStore, "close")):  # fmt: skip
        counted(owner, name)
    i = rows_there(run, 0)
    with AsyncMetricsLogger(
        run, COLUMNS, rows_per_part=10, part_interval_s=1000, flush_interval_s=1000
    ) as logger:
        for part in range(4):
            for _ in range(10):
                i += 1
                logger.log(row_of(i))
            logger.flush()
            os.write(1, f"{i}\n".encode())
            if part == 2:
                logger.compact()
    return done


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if "KILL_AT" in os.environ:
        steps = script(folder, int(os.environ["KILL_AT"]))
        sys.stderr.write(f"{steps}\n")
    else:
        live(folder, int(sys.argv[2]), int(sys.argv[3]))
