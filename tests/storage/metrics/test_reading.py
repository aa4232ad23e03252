# SPDX-License-Identifier: Apache-2.0
"""The parts of a run are one dataset for pyarrow, pandas, Polars and DuckDB; our reader has the rows of the journals, too."""

import math
import threading

import numpy as np
import pytest

from qstore.errors import OptionError
from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader, compact, read_metrics

ROWS = 95


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three ranks, parts of several sizes; a column that is null in whole parts; NaN and infinity as values."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    for rank, count in enumerate((60, 30, 5)):
        with AsyncMetricsLogger(
            folder, {"x": float, "note": str, "ok": bool, "n": int}, rank=rank, rows_per_part=16
        ) as logger:
            for i in range(count):
                row = {"step": i, "x": (0.5, math.nan, math.inf)[i % 3]}
                if i >= 32:
                    row |= {"note": "é" * (i % 3), "ok": i % 2 == 0, "n": 2**53 + i}
                logger.log(row)
    return folder


def expected():
    for rank, count in enumerate((60, 30, 5)):
        for i in range(count):
            late = i >= 32
            yield (rank, i + 1, (0.5, math.nan, math.inf)[i % 3], "é" * (i % 3) if late else None,
                   i % 2 == 0 if late else None, 2**53 + i if late else None)  # fmt: skip


def same(found):
    assert [tuple(map(repr, row)) for row in found] == [tuple(map(repr, row)) for row in expected()]


NAMES = ["rank", "seq", "x", "note", "ok", "n"]


def test_our_reader(run):
    same(zip(*read_metrics(run, NAMES).to_pydict().values(), strict=True))


def test_pyarrow(run):
    import pyarrow.dataset as ds

    table = (
        ds.dataset(run / "parts")
        .to_table(columns=NAMES)
        .sort_by([("rank", "ascending"), ("seq", "ascending")])
    )
    same(zip(*table.to_pydict().values(), strict=True))
    assert table.schema.field("n").type == "int64"


def test_pandas(run):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(run / "parts", columns=NAMES, dtype_backend="pyarrow").sort_values(
        ["rank", "seq"]
    )
    assert len(frame) == ROWS
    assert int(frame["n"].max()) == 2**53 + 59
    assert frame["note"].isna().sum() == ROWS - 28
    assert len(pandas.read_parquet(run / "parts")) == ROWS


def test_polars(run):
    polars = pytest.importorskip("polars")
    for source in (run / "parts", run / "parts" / "*.parquet"):
        frame = polars.scan_parquet(source).select(NAMES).sort("rank", "seq").collect()
        same(frame.iter_rows())


def test_duckdb(run):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        query = f"SELECT {', '.join(NAMES)} FROM read_parquet('{run}/parts/*.parquet') ORDER BY rank, seq"
        same(connection.execute(query).fetchall())


def test_arrays_of_numpy(run):
    found = MetricsReader(run).numpy()
    assert set(found) == {"rank", "seq", "timestamp", "step", "x", "note", "ok", "n"}
    assert found["step"].dtype == np.int64
    assert found["n"].dtype == np.float64  # whole numbers that are missing somewhere
    assert np.isnan(found["n"]).sum() == ROWS - 28
    assert found["note"][0] is None
    assert list(MetricsReader(run).numpy(["cost_usd"])) == ["cost_usd"]


def test_units_and_meanings_travel_with_the_columns(run):
    field = read_metrics(run).schema.field("circuit_time_s")
    assert field.metadata[b"unit"] == b"s"
    assert MetricsReader(run).units["cost_usd"] == "USD"
    assert MetricsReader(run).schema.by_name["shots"].what


def test_a_column_that_is_not_there_is_an_error_that_helps(run):
    with pytest.raises(OptionError, match="Did you mean 'train_loss'"):
        read_metrics(run, ["trian_loss"])


def test_a_run_that_is_written_and_merged_meanwhile_is_read_whole(tmp_path):
    stop, seen = threading.Event(), []
    with AsyncMetricsLogger(tmp_path, rows_per_part=7, flush_interval_s=0, part_interval_s=0.01) as logger:
        logger.log(step=0, durable=True)

        def work():
            step = 0
            while not stop.is_set():
                step += 1
                logger.log(step=step)
                if step % 40 == 0:
                    logger.compact()

        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(25):
            numbers = read_metrics(tmp_path, ["seq"])["seq"].to_pylist()
            assert numbers == list(range(1, len(numbers) + 1))
            seen.append(len(numbers))
        stop.set()
        thread.join()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    assert compact(tmp_path).parts_after == 1


def test_a_run_on_a_medium_that_cannot_be_written_can_be_read(run, tmp_path):
    for folder in (run, *run.iterdir()):
        if folder.is_dir():
            folder.chmod(0o555)
    try:
        assert read_metrics(run).num_rows == ROWS
    finally:
        for folder in (run, *run.iterdir()):
            if folder.is_dir():
                folder.chmod(0o755)


def test_a_run_without_rows_is_empty(tmp_path):
    AsyncMetricsLogger(tmp_path, {"x": float}).close()
    assert read_metrics(tmp_path, ["x"]).num_rows == 0
    assert MetricsReader(tmp_path).numpy() == {}
