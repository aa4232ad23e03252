# SPDX-License-Identifier: Apache-2.0
"""What a killed process, a full disk or a stranger leaves in a run's folder, and what becomes of it when the run is opened."""

import json
import os
import shutil
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qstore.errors import NotStored, OptionError, StorageError
from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader, compact, read_metrics
from qstore_storage.metrics.rank_store import RankStore
from qstore_storage.metrics.run_folder import RunFolder
from qstore_storage.metrics.schema import Schema

COLUMNS = {"x": float, "note": str}
pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")  # a killed process closes nothing


@pytest.fixture
def run(tmp_path):
    """Thirty rows in three parts."""
    with AsyncMetricsLogger(tmp_path / "run", COLUMNS, rows_per_part=10) as logger:
        for i in range(1, 31):
            logger.log(step=i, x=i / 2, note=f"row {i}")
    return tmp_path / "run"


def steps(run, **options):
    return read_metrics(run, ["step"], **options)["step"].to_pylist()


def parts(run):
    return sorted(path.name for path in (run / "parts").iterdir())


def name(first, last, rank=0):
    return f"rank-{rank}-{first:012d}-{last:012d}.parquet"


def reopened(run, **options):
    """What opening the run reports."""
    with AsyncMetricsLogger(run, **options) as logger:
        return list(logger.reports)


def test_parts_are_named_by_their_rows(run):
    assert parts(run) == [name(1, 10), name(11, 20), name(21, 30)]
    assert reopened(run) == []
    assert parts(run) == [name(1, 10), name(11, 20), name(21, 30)]


def store_of(run, **options):
    folder = RunFolder(run)
    folder.make()
    folder.pin(Schema.of(COLUMNS))
    return RankStore(folder, 0, **options)


def test_a_kill_between_a_part_and_the_deletion_of_its_rows_leaves_none_twice(tmp_path):
    store = store_of(tmp_path)
    store.save([{"step": i, "timestamp": 0.0} for i in range(1, 8)])
    store.table.forget = lambda first, last: None  # killed before
    store._published = None
    store.roll(5, store.folder.schema())
    store.close()
    assert parts(tmp_path) == [name(1, 5)]
    assert steps(tmp_path) == list(range(1, 8))
    assert MetricsReader(tmp_path).problems == []
    assert reopened(tmp_path) == []
    assert parts(tmp_path) == [name(1, 5), name(6, 7)]
    assert steps(tmp_path) == list(range(1, 8))


def test_rows_that_cannot_be_deleted_from_the_journal_are_deleted_the_next_time(tmp_path):
    store = store_of(tmp_path)
    store.save([{"step": i, "timestamp": 0.0} for i in range(1, 4)])
    forget, failing = store.table.forget, [True]

    def fails_once(first, last):
        if failing:
            failing.pop()
            raise StorageError("the disk is full")
        forget(first, last)

    store.table.forget = fails_once
    with pytest.raises(StorageError):
        store.roll(10, store.folder.schema())
    store.save([{"step": 4, "timestamp": 0.0}])
    store.roll(10, store.folder.schema())
    store.close()
    assert parts(tmp_path) == [name(1, 3), name(4, 4)]
    assert steps(tmp_path) == [1, 2, 3, 4]


def test_a_kill_while_a_part_is_written_leaves_nothing(run):
    for left in (f".{name(31, 40)}.0123abcd.tmp", ".schema.json.0123abcd.tmp"):
        (run / "journal" / left).write_bytes(b"PAR1 half of it")
    assert steps(run) == list(range(1, 31))
    assert reopened(run) == []
    assert not [path for path in (run / "journal").iterdir() if path.name.startswith(".")]


def test_a_kill_while_parts_are_merged_leaves_no_row_twice(run):
    shutil.copytree(run / "parts", run.parent / "small")
    with AsyncMetricsLogger(run) as logger:
        assert logger.compact() == 2
    assert parts(run) == [name(1, 30)]
    shutil.copy(run.parent / "small" / name(11, 20), run / "parts")
    shutil.copy(run.parent / "small" / name(21, 30), run / "parts")
    assert steps(run) == list(range(1, 31))
    assert reopened(run) == []
    assert parts(run) == [name(1, 30)]


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign columns", "wrong number of rows", "text"])
def test_a_torn_part_is_put_aside_and_reported(run, damage):
    victim = run / "parts" / name(11, 20)
    if damage == "cut":
        victim.write_bytes(victim.read_bytes()[:-20])
    elif damage == "empty":
        victim.write_bytes(b"")
    elif damage == "text":
        victim.write_text("hello")
    elif damage == "foreign columns":
        pq.write_table(pa.table({"seq": list(range(10))}), victim)
    else:
        pq.write_table(pq.read_table(victim).slice(3), victim)
    with pytest.raises(StorageError, match=f"{victim.name}.*damaged='skip'"):
        read_metrics(run)
    reader = MetricsReader(run, damaged="skip")
    assert reader.table(["step"])["step"].to_pylist() == [*range(1, 11), *range(21, 31)]
    assert "Rows 11 to 20 of rank 0 are missing." in reader.problems
    (report,) = reopened(run)
    assert victim.name in report
    assert (run / "quarantine" / victim.name).exists()
    with AsyncMetricsLogger(run) as logger:
        logger.log(step=31)
    assert steps(run) == [*range(1, 11), *range(21, 32)]
    assert read_metrics(run, ["seq"])["seq"].to_pylist()[-1] == 31


def test_the_numbers_of_a_last_part_that_was_torn_are_never_given_again(run):
    (run / "parts" / name(21, 30)).write_bytes(b"PAR1")
    with AsyncMetricsLogger(run) as logger:
        logger.log(step=31)
    assert read_metrics(run, ["seq"])["seq"].to_pylist() == [*range(1, 21), 31]
    assert len(reopened(run)) == 0


def test_parts_that_somebody_deletes_are_missed_though_they_are_the_last_ones(run):
    for part in (run / "parts").iterdir():
        part.unlink()
    reader = MetricsReader(run)
    assert reader.table().num_rows == 0
    assert reader.problems == ["Rows 1 to 30 of rank 0 are missing."]
    with AsyncMetricsLogger(run) as logger:
        logger.log(step=31)
    assert read_metrics(run, ["seq"])["seq"].to_pylist() == [31]


def test_a_flipped_bit_in_a_page_is_noticed(run):
    victim = run / "parts" / name(11, 20)
    raw = bytearray(victim.read_bytes())
    at = raw.index(b"row 1") if b"row 1" in raw else 200
    raw[at + 2] ^= 4
    victim.write_bytes(bytes(raw))
    with pytest.raises(StorageError, match="damaged"):
        read_metrics(run)


@pytest.mark.parametrize(
    "stranger",
    [
        "notes.txt",
        "part-0.parquet",
        "rank-0-1-10.parquet",
        name(31, 10**9),
        name(5, 4),
        name(0, 3),
        "folder",
        "link",
    ],
)
def test_a_stranger_among_the_parts_is_put_aside_and_reported(run, stranger):
    path = run / "parts" / stranger
    if stranger == "folder":
        path.mkdir()
    elif stranger == "link":
        path = run / "parts" / name(31, 40)
        path.symlink_to(run / "parts" / name(21, 30))
    else:
        path.write_text("PAR1")
    reader = MetricsReader(run)
    assert reader.table().num_rows == 30
    assert any("is no part of the run" in problem for problem in reader.problems)
    (report,) = reopened(run)
    assert path.name in report
    assert parts(run) == [name(1, 10), name(11, 20), name(21, 30)]
    assert steps(run) == list(range(1, 31))


def test_parts_that_overlap_are_not_both_read(run):
    table = pq.read_table(run / "parts" / name(1, 10))
    seq = table.schema.get_field_index("seq")
    twisted = table.set_column(seq, table.schema.field("seq"), pa.array(range(5, 15), pa.int64()))
    pq.write_table(twisted, run / "parts" / name(5, 14))
    with pytest.raises(StorageError, match="in another one, too"):
        read_metrics(run)
    (report,) = reopened(run)
    assert "in another part, too" in report
    assert steps(run) == [*range(1, 11), *range(11, 31)]


def journal_with(run, rows):
    with AsyncMetricsLogger(run, COLUMNS, rows_per_part=10) as logger:
        store = logger._writer._store
        logger.log(step=0, durable=True)
        for i in range(1, rows + 1):
            logger.log(step=i)
        logger.flush()
        copy = sqlite3.connect(store.table.path)
        target = sqlite3.connect(run.parent / "copy.sqlite")
        copy.backup(target)
        copy.close()
        target.close()
    shutil.rmtree(run / "parts")
    shutil.move(run.parent / "copy.sqlite", run / "journal" / "rank-0.sqlite")


def test_a_row_that_is_damaged_in_the_journal_is_put_aside_and_reported(tmp_path):
    run = tmp_path / "run"
    journal_with(run, 5)
    connection = sqlite3.connect(run / "journal" / "rank-0.sqlite")
    connection.execute("UPDATE rows SET row = replace(row, '\"step\":2', '\"step\":9') WHERE seq = 3")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="Row 3 of rank 0 is damaged"):
        read_metrics(run)
    assert steps(run, damaged="skip") == [0, 1, 3, 4, 5]
    (report,) = reopened_after_close(run)
    assert "Row 3 of rank 0 is damaged" in report
    assert '"step":9' in (run / "quarantine" / "rank-0-row-3.txt").read_text()
    assert parts(run) == [name(1, 2), name(4, 6)]
    assert steps(run) == [0, 1, 3, 4, 5]


def reopened_after_close(run):
    logger = AsyncMetricsLogger(run)
    logger.close()
    return logger.reports


@pytest.mark.parametrize("garbage", [b"", b"this is no database, though it is long enough to be one " * 100])
def test_a_journal_that_is_no_database_is_left_alone(tmp_path, garbage):
    (tmp_path / "journal").mkdir()
    journal = tmp_path / "journal" / "rank-0.sqlite"
    journal.write_bytes(garbage)
    if garbage:
        with pytest.raises(StorageError, match=r"rank-0\.sqlite"):
            AsyncMetricsLogger(tmp_path)
        assert journal.read_bytes() == garbage
    else:
        AsyncMetricsLogger(tmp_path).close()  # SQLite begins so


def test_a_journal_of_a_later_version_is_left_alone(run):
    connection = sqlite3.connect(run / "journal" / "rank-0.sqlite")
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(StorageError, match="later qstore-storage"):
        AsyncMetricsLogger(run)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", DEEP, '{"format": 1}', '{"format": 1, "columns": []}', '{"format": 1, "columns": 3}',
     '{"format": 1, "columns": [{"name": "rank", "kind": "pickle", "unit": "", "what": ""}]}',
     '{"format": "1", "columns": []}', "x" * (1 << 21), '{"format": 2, "columns": []}'],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_schema_that_is_damaged_or_hostile_is_an_error_and_changes_nothing(run, text):
    (run / "schema.json").write_text(text)
    for opens in (lambda: AsyncMetricsLogger(run), lambda: read_metrics(run), lambda: compact(run)):
        with pytest.raises(StorageError, match=r"schema\.json"):
            opens()
    assert parts(run) == [name(1, 10), name(11, 20), name(21, 30)]


def test_a_run_whose_schema_is_gone_is_not_begun_anew_over_its_rows(run):
    kept = (run / "schema.json").read_text()
    (run / "schema.json").unlink()
    with pytest.raises(StorageError, match="is missing, but there are rows"):
        AsyncMetricsLogger(run)
    (run / "schema.json").write_text(kept)
    assert reopened(run) == []
    assert {"rank", "seq", "timestamp", "x"} <= {column["name"] for column in json.loads(kept)["columns"]}


def test_there_is_no_run_where_there_is_none(tmp_path):
    for opens in (MetricsReader, read_metrics, compact):
        with pytest.raises(NotStored, match=r"no schema\.json"):
            opens(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OptionError):
        MetricsReader(tmp_path, damaged="ignore")


def test_compact_puts_a_run_in_order_and_leaves_live_ranks_alone(tmp_path):
    for rank in (0, 1):
        for i in range(4):
            with AsyncMetricsLogger(tmp_path, COLUMNS, rank=rank) as logger:
                logger.log(step=i)
    with AsyncMetricsLogger(tmp_path, rank=1) as live:
        live.log(step=4, durable=True)
        done = compact(tmp_path)
        assert (done.ranks, list(done.skipped), done.parts_before, done.parts_after) == ((0,), [1], 8, 5)
    assert compact(tmp_path).parts_after == 2
    assert compact(tmp_path).parts_before == 2
    assert steps(tmp_path) == [0, 1, 2, 3, 0, 1, 2, 3, 4]


def test_compact_refuses_a_damaged_part_and_loses_nothing(run):
    victim = run / "parts" / name(11, 20)
    raw = bytearray(victim.read_bytes())
    raw[200] ^= 255
    victim.write_bytes(bytes(raw))
    before = parts(run)
    with pytest.raises(StorageError, match="damaged"):
        compact(run)
    assert parts(run) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "endless"])
def test_what_stands_in_the_place_of_the_schema_is_not_followed_nor_waited_for(run, tmp_path, kind):
    schema = run / "schema.json"
    schema.rename(tmp_path / "true.json")
    {
        "pipe": lambda: os.mkfifo(schema), "link": lambda: schema.symlink_to(tmp_path / "true.json"),
        "folder": schema.mkdir, "endless": lambda: schema.write_bytes(b" " * (1 << 21)),
    }[kind]()  # fmt: skip
    for opened in (AsyncMetricsLogger, read_metrics):
        with pytest.raises(StorageError, match=r"cannot be read"):
            opened(run)
