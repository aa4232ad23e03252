# SPDX-License-Identifier: Apache-2.0
"""`kill -9`: at random moments, before each operation on files, and to eight writers; what a single Parquet writer loses."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader
from torture.metrics.child import COLUMNS, row_of

TESTS = Path(__file__).resolve().parents[2]


def start(run: Path, rank: int = 0, seed: int = 0, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "torture.metrics.child", str(run), str(rank), str(seed)], cwd=TESTS, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environment,
    )  # fmt: skip


def kill_after(child: subprocess.Popen[str], seconds: float) -> int:
    """Let it run for a while after its first line, kill it, return the last number that it acknowledged."""
    first = child.stdout.readline()
    if not first:
        raise AssertionError(f"the child ended by itself: {child.stderr.read()}")
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    rest, said = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, said
    whole = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return int(whole[-1])


def check(run: Path, acked: dict[int, int]) -> int:
    """Every acknowledged row is there once, in order, as it was logged; returns the number of rows."""
    reader = MetricsReader(run)
    table = reader.table(["rank", "seq", "i", "half", "text"])
    assert reader.problems == [], reader.problems
    ranks = table["rank"].to_numpy()
    for rank, least in acked.items():
        mine = table.filter(pa.array(ranks == rank))
        count = mine.num_rows
        assert count >= least, f"rank {rank}: {least} rows were acknowledged, {count} are there"
        expected = np.arange(1, count + 1)
        assert np.array_equal(mine["seq"].to_numpy(), expected), f"rank {rank}: seq has gaps or duplicates"
        assert np.array_equal(mine["i"].to_numpy(), expected)
        assert np.array_equal(mine["half"].to_numpy(), expected / 2)
        assert mine["text"].to_pylist() == [f"row {i}" for i in expected]
    return table.num_rows


def check_parts(run: Path, count: int) -> None:
    """Closed, the parts alone are the dataset."""
    table = pyarrow.dataset.dataset(run / "parts").to_table(columns=["rank", "seq"])
    pairs = Counter(zip(table["rank"].to_pylist(), table["seq"].to_pylist(), strict=True))
    assert len(pairs) == table.num_rows == count, (len(pairs), table.num_rows, count)


def close_again(run: Path, rank: int) -> None:
    AsyncMetricsLogger(run, COLUMNS, rank=rank).close()


def random_kills(run: Path, times: int, seed: int = 1) -> str:
    """One run, killed again and again."""
    chance, acked, rows = random.Random(seed), 0, 0
    for i in range(times):
        acked = kill_after(start(run, seed=i), chance.uniform(0.0, 0.5))
        rows = check(run, {0: acked})
    close_again(run, 0)
    check_parts(run, rows)
    return f"{times} kills, {rows:,} rows, {acked:,} acknowledged: 0 lost, 0 twice"


def kills_at_every_step(root: Path, every: int = 1) -> str:
    """A fresh run for each operation, killed before it, then opened and closed."""
    child = start(root / "whole", KILL_AT="0")
    _, said = child.communicate(timeout=60)
    steps = int(said.split()[-1])
    for step in range(1, steps + 1, every):
        run = root / f"step-{step}"
        child = start(run, KILL_AT=str(step))
        out, said = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, f"step {step}: {said}"
        acked = int(out.split()[-1]) if out.split() else 0
        rows = check(run, {0: acked}) if (run / "schema.json").exists() else 0
        assert rows >= acked
        with AsyncMetricsLogger(run, COLUMNS, rows_per_part=10) as logger:
            for i in range(rows + 1, rows + 6):
                logger.log(row_of(i))
        assert check(run, {0: rows + 5}) == rows + 5
        check_parts(run, rows + 5)
        left = [path.name for path in (run / "journal").iterdir() if path.name.startswith(".")]
        assert left == [], left
    return f"{len(range(1, steps + 1, every))} of {steps} operations: 0 lost, 0 twice, nothing left behind"


def eight_writers(run: Path, writers: int = 8, seconds: float = 2.0, rounds: int = 2) -> str:
    """As many processes into one run, killed and started again."""
    acked: dict[int, int] = {}
    for round_ in range(rounds):
        children = [start(run, rank, seed=round_) for rank in range(writers)]
        for rank, child in enumerate(children):
            acked[rank] = max(acked.get(rank, 0), kill_after(child, seconds / writers))
    rows = check(run, acked)
    for rank in range(writers):
        close_again(run, rank)
    check_parts(run, rows)
    return f"{writers} writers, {writers * rounds} kills, {rows:,} rows: 0 lost, 0 twice"


CONTROL = """
import sys, time, pyarrow as pa, pyarrow.parquet as pq
schema = pa.schema([("i", pa.int64())])
writer = pq.ParquetWriter(sys.argv[1], schema)
for i in range(0, 20000, 100):
    writer.write_table(pa.table({"i": list(range(i, i + 100))}, schema))
print("written", flush=True)
time.sleep(60)
"""


def control(folder: Path) -> str:
    """The naive way, one Parquet file that is open all the time, loses everything; else these kills prove nothing."""
    target = folder / "naive.parquet"
    child = subprocess.Popen([sys.executable, "-c", CONTROL, str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "written\n"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    try:
        rows = pq.read_table(target).num_rows
    except pa.ArrowInvalid:
        return "a single ParquetWriter, killed: 20,000 of 20,000 rows lost"
    raise AssertionError(f"the naive writer kept {rows} rows: the harness does not kill")
