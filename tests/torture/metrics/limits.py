# SPDX-License-Identifier: Apache-2.0
"""Full buffers, full disks, torn parts; how fast it is."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from qstore.errors import StorageError
from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader, read_metrics
from torture.metrics.child import COLUMNS, row_of
from torture.metrics.kills import check, check_parts

ROW = {
    "step": 1, "epoch": 1, "train_loss": 0.123456789, "learning_rate": 0.05, "gradient_norm": 1.23456789, "circuits": 1088,
    "circuit_time_s": 0.2123456, "cost_usd": 0.0, "backend": "statevector", "samples_per_s": 301.23456,
}  # fmt: skip


def slow_disk(logger: AsyncMetricsLogger, seconds: float) -> None:
    """Every commit takes so long."""
    store = logger._writer._store
    save = store.save

    def late(*arguments, **named):
        time.sleep(seconds)
        save(*arguments, **named)

    store.save = late


def full_buffer(run: Path, rows: int = 2000) -> str:
    """Either it blocks and keeps everything, or it drops and counts every one."""
    with AsyncMetricsLogger(run / "block", COLUMNS, buffer_size=20, flush_interval_s=0) as logger:
        slow_disk(logger, 0.002)
        for i in range(1, rows + 1):
            logger.log(row_of(i))
    assert check(run / "block", {0: rows}) == rows
    with AsyncMetricsLogger(
        run / "drop", COLUMNS, buffer_size=20, on_full="drop_counted", flush_interval_s=0
    ) as logger:
        slow_disk(logger, 0.002)
        for i in range(1, rows + 1):
            logger.log(row_of(i))
    reader = MetricsReader(run / "drop")
    kept = reader.table(["i"])["i"].to_pylist()
    assert logger.dropped > 0
    assert len(kept) + logger.dropped == rows
    assert reader.dropped == logger.dropped
    assert kept == sorted(set(kept))
    return f"block: {rows} of {rows} kept; drop_counted: {len(kept)} kept + {logger.dropped} counted = {rows}"


def torn_parts(run: Path, cuts: int = 40, seed: int = 3) -> str:
    """A part that is cut or has a flipped bit is never read in silence; opening puts it aside."""
    chance = np.random.default_rng(seed)
    rows, noticed = 300, 0
    with AsyncMetricsLogger(run, COLUMNS, rows_per_part=100) as logger:
        for i in range(1, rows + 1):
            logger.log(row_of(i))
    victim = sorted((run / "parts").iterdir())[1]
    whole = victim.read_bytes()
    for cut in range(cuts):
        at = int(chance.integers(len(whole)))
        flipped = whole[:at] + bytes([whole[at] ^ (1 << int(chance.integers(8)))]) + whole[at + 1 :]
        victim.write_bytes(whole[:at] if cut % 2 else flipped)
        try:
            # A flipped bit that changes nothing that is read, in a name or a statistic of the footer, may pass.
            found = read_metrics(run, ["seq", "i", "half", "text"])
            same = [found[name].to_pylist() for name in ("seq", "i", "half", "text")]
            numbers = list(range(1, rows + 1))
            assert same == [numbers, numbers, [i / 2 for i in numbers], [f"row {i}" for i in numbers]], (
                f"silent damage at {at}"
            )
            assert cut % 2 == 0, f"a part cut at {at} was read"
        except StorageError:
            noticed += 1
    victim.write_bytes(whole[:-10])
    reader = MetricsReader(run, damaged="skip")
    assert reader.table().num_rows == 200
    assert any("101 to 200" in problem for problem in reader.problems), reader.problems
    with AsyncMetricsLogger(run, COLUMNS) as logger:
        assert [victim.name in report for report in logger.reports] == [True]
        logger.log(row_of(301))
    assert (run / "quarantine" / victim.name).exists()
    check_parts(run, 201)
    return f"{cuts} damages: {noticed} refused, {cuts - noticed} changed nothing that is read, 0 silent; quarantined and reported"


@contextmanager
def small_disk(folder: Path, size_kib: int):
    """A file system of that size; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)],
        check=True,
        capture_output=True,
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(root: Path, sizes: int = 20) -> str:
    """The disk fills up: an error says so, what was acknowledged is there, and with room again all of it."""
    try:
        with small_disk(root / "probe", 64):
            pass
    except (OSError, subprocess.CalledProcessError):
        return "not run: no right to mount a small disk"
    told = 0
    for size in range(sizes):
        with small_disk(root / f"disk-{size}", 2048) as disk:
            filler = disk / "filler"
            filler.write_bytes(b"\0" * (1024 * (1900 - 60 * size)))
            logger = AsyncMetricsLogger(disk / "run", COLUMNS, rows_per_part=500, flush_interval_s=0)
            acked = i = 0
            with suppress(StorageError):
                while i < 100_000:
                    logger.log(row_of(i + 1))
                    i += 1  # a call that raises took no row
                    if i % 50 == 0:
                        logger.flush()
                        acked = i
            assert i < 100_000, "the disk did not fill up"
            told += 1
            assert check(disk / "run", {0: acked}) <= i
            filler.unlink()
            for _ in range(50):
                try:
                    logger.close()
                    break
                except StorageError:
                    time.sleep(0.05)
            assert check(disk / "run", {0: i}) == i
            check_parts(disk / "run", i)
    return f"{sizes} full disks: {told} told, acknowledged rows there, all rows there with room again"


def million(run: Path, rows: int = 1_000_000) -> tuple[float, str]:
    """Seconds from the first row to all of them in parts.

    Where others keep this machine busier than it has processors, the seconds of its own processor time count.
    """
    row = dict(ROW)
    start, busy = time.perf_counter(), time.process_time()
    with AsyncMetricsLogger(run) as logger:
        for i in range(rows):
            row["step"] = i
            logger.log(row)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    found = read_metrics(run, ["seq", "step"])
    assert np.array_equal(found["seq"].to_numpy(), np.arange(1, rows + 1))
    assert np.array_equal(found["step"].to_numpy(), np.arange(rows))
    counted = busy if is_overloaded() else seconds
    return (
        counted,
        f"{rows:,} rows of {len(ROW)} values in {seconds:.1f} s, {busy:.1f} s of the processor, at load {os.getloadavg()[0]:.1f}",
    )


def latency(run: Path, rows: int = 20_000, pause_s: float = 0.0005) -> tuple[float, str]:
    """Microseconds of log() while a loop does something else in between: the 99th percentile.

    Where others keep this machine busier than it has processors, those of the processor count.
    """
    took, busy = np.empty(rows), np.empty(rows)
    with AsyncMetricsLogger(run) as logger:
        logger.log(ROW)
        for i in range(rows):
            at, start = time.thread_time(), time.perf_counter()
            logger.log(ROW)
            took[i], busy[i] = time.perf_counter() - start, time.thread_time() - at
            if pause_s:
                time.sleep(pause_s)
    p50, p99, worst = np.percentile(took * 1e6, [50, 99, 100])
    own = float(np.percentile(busy * 1e6, 99))
    said = (
        f"{rows:,} rows, {pause_s * 1e3:g} ms apart: median {p50:.1f} us, p99 {p99:.1f} us ({own:.1f} us of the processor), "
        f"worst {worst:.0f} us, at load {os.getloadavg()[0]:.1f}"
    )
    return (own if is_overloaded() else float(p99)), said


def is_overloaded() -> bool:
    """Whether more wants to run here than can."""
    return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
