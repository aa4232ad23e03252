# SPDX-License-Identifier: Apache-2.0
"""Rows go in as they are, come out as they were, and what does not fit is refused before anything happens."""

import asyncio
import logging
import math
import threading
import time
from decimal import Decimal

import numpy as np
import pytest

from qstore.errors import OptionError, SchemaError, StorageError
from qstore.plugins import MetricsStore, open_store
from qstore_storage.metrics import (
    AsyncMetricsLogger,
    MetricsReader,
    QuantumMetrics,
    TrainingMetrics,
    read_metrics,
)


def columns_of(run, *names):
    return read_metrics(run, names).to_pydict()


def test_the_store_is_opened_by_its_name_and_by_its_kind(tmp_path):
    for number, name in enumerate(("metrics", "metrics.parquet")):
        with open_store(name, path=tmp_path / str(number), columns={"auc": float}) as store:
            assert isinstance(store, MetricsStore)
            store.log({"step": 1, "auc": 0.5})
            store.flush()
            (row,) = store.rows()
            assert (row["step"], row["auc"], row["train_loss"]) == (1, 0.5, None)


def test_a_row_may_come_in_pieces_and_the_standard_columns_are_always_there(tmp_path):
    with AsyncMetricsLogger(tmp_path) as logger:
        logger.log(
            TrainingMetrics(step=1, train_loss=0.5), QuantumMetrics(shots=100, backend="auto"), note="first"
        )
        logger.log({"step": 2}, note=None)
    found = columns_of(tmp_path, "rank", "seq", "step", "train_loss", "shots", "backend", "note", "cost_usd")
    assert found == {
        "rank": [0, 0], "seq": [1, 2], "step": [1, 2], "train_loss": [0.5, None], "shots": [100, None],
        "backend": ["auto", None], "note": ["first", None], "cost_usd": [None, None],
    }  # fmt: skip


def test_numbers_that_are_not_finite_are_values(tmp_path):
    values = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1]
    with AsyncMetricsLogger(tmp_path, {"x": float}) as logger:
        for value in values:
            logger.log(x=value)
        logger.flush()
        in_journal = columns_of(tmp_path, "x")["x"]
    in_parts = columns_of(tmp_path, "x")["x"]
    for found in (in_journal, in_parts):
        assert list(map(repr, found)) == list(map(repr, values))


class Tensor:
    """What a framework's number of one entry looks like."""

    def item(self):
        return 0.25


@pytest.mark.parametrize(
    ("value", "kept"),
    [(1, 1.0), (np.float32(0.5), 0.5), (np.int64(3), 3.0), (np.array(0.5), 0.5), (np.array([[2.0]]), 2.0), (Decimal("0.5"), 0.5),
     (Tensor(), 0.25)],
)  # fmt: skip
def test_a_number_may_come_from_anywhere(tmp_path, value, kept):
    with AsyncMetricsLogger(tmp_path, {"x": float}) as logger:
        logger.log(x=value)
    assert columns_of(tmp_path, "x") == {"x": [kept]}


@pytest.mark.parametrize(
    "bad",
    [
        {"x": "0.5"}, {"x": True}, {"x": [1.0]}, {"x": np.zeros(2)}, {"x": 1j}, {"x": ...}, {"x": 10**400}, {"n": 1.0},
        {"n": True}, {"n": 2**63}, {"n": "1"}, {"s": 1}, {"s": b"b"}, {"s": "x" * 4097}, {"s": "\ud800"}, {"b": 1}, {"b": "yes"},
        {"step": 0.5}, {"timestamp": "now"}, {"unknown": 1}, {"rank": 1}, {"seq": 1}, {3: 1.0}, {("x",): 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_does_not_fit_is_refused_and_nothing_is_lost(tmp_path, bad):
    with AsyncMetricsLogger(tmp_path, {"x": float, "n": int, "s": str, "b": bool}) as logger:
        logger.log(x=1.0, n=-(2**63), s="é ∈ 💡\n", b=True)
        with pytest.raises(SchemaError):
            logger.log({"epoch": 7} | bad)
        logger.log(x=2.0, n=2**63 - 1, s="", b=False)
    assert columns_of(tmp_path, "seq", "epoch", "x", "n", "s", "b") == {
        "seq": [1, 2], "epoch": [None, None], "x": [1.0, 2.0], "n": [-(2**63), 2**63 - 1], "s": ["é ∈ 💡\n", ""], "b": [True, False],
    }  # fmt: skip


@pytest.mark.parametrize("bad", [{}, {"step": None}, [("step", 1)], 3, None, "step"], ids=str)
def test_what_is_no_row_is_refused(tmp_path, bad):
    with AsyncMetricsLogger(tmp_path) as logger:
        with pytest.raises(SchemaError):
            logger.log(bad)
        with pytest.raises(SchemaError, match="given twice"):
            logger.log({"step": 1}, step=1)
        logger.log(step=1)
    assert columns_of(tmp_path, "seq", "step") == {"seq": [1], "step": [1]}


def test_the_columns_are_pinned_by_the_first_row_and_the_error_says_how_to_have_more(tmp_path):
    logger = AsyncMetricsLogger(tmp_path)
    with pytest.raises(SchemaError):
        logger.log(auc=[1])  # a row that is refused pins nothing
    assert logger.schema is None
    logger.log(step=1, auc=0.5)
    with pytest.raises(SchemaError, match=r"no column 'auk'. Did you mean 'auc'\?.*columns=\{name: float"):
        logger.log(step=2, auk=0.5)
    with pytest.raises(SchemaError, match=r"'auc' of this run holds a number; got str: 'high'.*not logged"):
        logger.log(step=2, auc="high")
    logger.close()
    with AsyncMetricsLogger(tmp_path) as again:  # pinned for ever, not for a process
        with pytest.raises(SchemaError):
            again.log(other=1)
        again.log(step=2, auc=0.75)
    assert columns_of(tmp_path, "auc", "seq") == {"auc": [0.5, 0.75], "seq": [1, 2]}
    with pytest.raises(SchemaError, match=r"'auc' is to be 'int', but the run .* pinned it as 'float'"):
        AsyncMetricsLogger(tmp_path, {"auc": int})
    with pytest.raises(SchemaError, match="has no such column"):
        AsyncMetricsLogger(tmp_path, {"more": int})
    AsyncMetricsLogger(tmp_path, {"auc": float}).close()


@pytest.mark.parametrize(
    "columns",
    [{"": float}, {"a b": float}, {"../x": float}, {"x" * 129: float}, {3: float}, {"x": complex}, {"x": "number"}, {"x": None},
     {"Step": int}, {"a": int, "A": int}, {"step": float}, {"seq": float}, {f"c{i}": int for i in range(1025)}],
    ids=lambda columns: str(columns)[:30],
)  # fmt: skip
def test_columns_that_nobody_could_read_are_refused(tmp_path, columns):
    with pytest.raises(SchemaError):
        AsyncMetricsLogger(tmp_path / "run", columns)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "bad",
    [{"buffer_size": 0}, {"buffer_size": 1.5}, {"on_full": "drop"}, {"rank": -1}, {"rank": "0/../1"}, {"rank": True},
     {"rows_per_part": 0}, {"flush_interval_s": -1}, {"part_interval_s": math.nan}, {"durability": "always"}, {"tensorboard": 3}],
    ids=str,
)  # fmt: skip
def test_arguments_out_of_range_are_refused(tmp_path, bad):
    with pytest.raises(OptionError):
        AsyncMetricsLogger(tmp_path / "run", **bad)
    AsyncMetricsLogger(tmp_path / "run").close()  # nothing is locked


@pytest.mark.parametrize("path", ["", "a\0b", 3, None])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(OptionError):
        AsyncMetricsLogger(path)


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OptionError, match="is a file"):
        AsyncMetricsLogger(tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be made"):
        AsyncMetricsLogger(tmp_path / "file" / "run")


def test_a_flushed_row_is_on_the_disk_and_any_thread_may_log(tmp_path):
    with AsyncMetricsLogger(tmp_path, {"who": int}, flush_interval_s=1000) as logger:

        def work(who):
            for i in range(200):
                logger.log(step=i, who=who, durable=i == 199)

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = read_metrics(tmp_path, ["seq", "who", "step"])
        assert found["seq"].to_pylist() == list(range(1, 801))
        for who in range(4):
            assert [
                s
                for s, w in zip(found["step"].to_pylist(), found["who"].to_pylist(), strict=True)
                if w == who
            ] == list(range(200))
        assert not list((tmp_path / "parts").iterdir())


def test_rows_reach_the_disk_by_themselves(tmp_path):
    logger = AsyncMetricsLogger(tmp_path, flush_interval_s=0.01, part_interval_s=0.05)
    logger.log(step=1)
    deadline = time.monotonic() + 30
    while not list((tmp_path / "parts").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert columns_of(tmp_path, "step") == {"step": [1]}
    assert logger.pending == 0
    logger.close()


def test_power_durability_waits_for_the_disk(tmp_path):
    with AsyncMetricsLogger(tmp_path, durability="power") as logger:
        logger.log(step=1, durable=True)
        level = logger._writer._store.table._connection.execute("PRAGMA synchronous").fetchone()[0]
    assert level == 2


def test_async_twins_do_the_same(tmp_path):
    async def train():
        async with AsyncMetricsLogger(tmp_path, buffer_size=2) as logger:
            for i in range(20):
                await logger.log_async({"step": i}, durable=i % 5 == 0)
            await logger.flush_async()
            return logger.pending

    assert asyncio.run(train()) == 0
    assert columns_of(tmp_path, "step") == {"step": list(range(20))}


def test_a_full_buffer_does_not_stop_the_event_loop(tmp_path):
    async def train():
        async with AsyncMetricsLogger(tmp_path, buffer_size=1, flush_interval_s=0) as logger:
            stalled = threading.Event()
            save = logger._writer._store.save
            logger._writer._store.save = lambda *a, **k: (stalled.wait(30), save(*a, **k))
            await logger.log_async(step=1)
            waiting = asyncio.create_task(logger.log_async(step=2))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            stalled.set()
            await waiting

    asyncio.run(train())
    assert columns_of(tmp_path, "step") == {"step": [1, 2]}


def test_a_full_buffer_that_drops_counts_every_row_in_three_places(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "qstore"):
        with AsyncMetricsLogger(
            tmp_path, buffer_size=3, on_full="drop_counted", flush_interval_s=0
        ) as logger:
            stalled = threading.Event()
            save = logger._writer._store.save
            logger._writer._store.save = lambda *a, **k: (stalled.wait(30), save(*a, **k))
            for i in range(10):
                logger.log(step=i)
            assert logger.dropped == 7
            stalled.set()
        reader = MetricsReader(tmp_path)
        assert reader.table(["step"])["step"].to_pylist() == [0, 1, 2]
    assert reader.dropped == 7
    assert "7 rows were dropped because a buffer was full." in reader.problems
    assert sum("dropped" in message for message in caplog.messages) == 2
    with AsyncMetricsLogger(tmp_path) as again:
        again.log(step=3)
    assert columns_of(tmp_path, "seq") == {"seq": [1, 2, 3, 4]}


def broken(logger, error):
    """The next commits fail."""
    store = logger._writer._store
    save, failures = store.save, []

    def fail(*arguments, **named):
        if failures:
            raise failures[0]
        save(*arguments, **named)

    failures.append(error)
    store.save = fail
    return failures


@pytest.mark.parametrize(
    "error", [StorageError("the disk is full"), ZeroDivisionError("a bug")], ids=["ours", "bug"]
)
def test_what_fails_in_the_background_is_raised_by_the_next_call_and_no_row_is_lost(tmp_path, error):
    logger = AsyncMetricsLogger(tmp_path, {"x": float}, flush_interval_s=0)
    failures = broken(logger, error)
    logger.log(x=1.0)
    with pytest.raises(StorageError, match=str(error)):
        logger.flush()
    with pytest.raises(StorageError, match=str(error)):
        logger.close()
    assert "open" in repr(logger)
    assert logger.pending == 1
    failures.clear()
    while True:
        try:
            logger.log(x=2.0)
            break
        except StorageError:
            time.sleep(0.01)
    logger.close()
    assert columns_of(tmp_path, "seq", "x") == {"seq": [1, 2], "x": [1.0, 2.0]}


def test_a_full_buffer_over_a_broken_disk_raises_instead_of_hanging(tmp_path):
    logger = AsyncMetricsLogger(tmp_path, buffer_size=1, flush_interval_s=0)
    failures = broken(logger, StorageError("the disk is full"))
    logger.log(step=0)
    with pytest.raises(StorageError, match="full"):
        logger.log(step=1)
    failures.clear()
    logger.close()


def flush_until_told(logger):
    for _ in range(3000):
        logger.flush()
        time.sleep(0.01)


def test_a_part_that_cannot_be_written_leaves_its_rows_in_the_journal(tmp_path):
    logger = AsyncMetricsLogger(tmp_path, rows_per_part=5, flush_interval_s=0)
    (tmp_path / "parts").rmdir()
    (tmp_path / "parts").write_text("in the way")
    for i in range(5):
        logger.log(step=i)
    with pytest.raises(StorageError, match="Its rows are safe in the journal"):
        flush_until_told(logger)
    with pytest.raises(StorageError, match="Its rows are safe in the journal"):
        logger.close()
    assert "closed" in repr(logger)
    (tmp_path / "parts").unlink()
    AsyncMetricsLogger(tmp_path).close()
    assert columns_of(tmp_path, "step") == {"step": list(range(5))}


def test_a_closed_logger_refuses_rows_and_closes_again(tmp_path):
    logger = AsyncMetricsLogger(tmp_path)
    logger.log(step=1)
    logger.close()
    logger.close()
    for call in (
        lambda: logger.log(step=2),
        logger.flush,
        logger.compact,
        lambda: asyncio.run(logger.log_async(step=2)),
    ):
        with pytest.raises(StorageError, match="closed"):
            call()


def test_a_dictionary_that_is_used_again_does_no_harm(tmp_path):
    row = {}
    with AsyncMetricsLogger(tmp_path) as logger:
        for i in range(50):
            row["step"] = i
            logger.log(row)
    assert columns_of(tmp_path, "step") == {"step": list(range(50))}
