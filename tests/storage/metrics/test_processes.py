# SPDX-License-Identifier: Apache-2.0
"""Each process has its rank and its logger, and what it logged is there when it ends."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from qstore.errors import StorageError
from qstore_storage.metrics import AsyncMetricsLogger, read_metrics


def columns_of(run, *names):
    return read_metrics(run, names).to_pydict()


def test_a_rank_belongs_to_one_logger(tmp_path):
    one, two = AsyncMetricsLogger(tmp_path, rank=1), AsyncMetricsLogger(tmp_path, rank=2)
    with pytest.raises(StorageError, match="as rank 1 already"):
        AsyncMetricsLogger(tmp_path, rank=1)
    one.close()
    AsyncMetricsLogger(tmp_path, rank=1).close()
    two.close()


def test_the_rank_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    with AsyncMetricsLogger(tmp_path) as logger:
        logger.log(step=1)
    assert columns_of(tmp_path, "rank") == {"rank": [3]}


SCRIPT = """
import sys
from qstore_storage.metrics import AsyncMetricsLogger
logger = AsyncMetricsLogger(sys.argv[1], flush_interval_s=1000)
for i in range(100):
    logger.log(step=i)
"""


def test_an_interpreter_that_ends_loses_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert columns_of(tmp_path, "step") == {"step": list(range(100))}
    assert len(list((tmp_path / "parts").iterdir())) == 1


def _in_a_child(logger, answers):
    try:
        logger.log(step=2)
    except StorageError as exc:
        answers.put(str(exc))
    logger.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_to_make_its_own(tmp_path):
    context = multiprocessing.get_context("fork")
    with AsyncMetricsLogger(tmp_path) as logger:
        logger.log(step=1)
        answers = context.SimpleQueue()
        child = context.Process(target=_in_a_child, args=(logger, answers))
        child.start()
        child.join(60)
        assert "Make one in the child" in answers.get()
        logger.log(step=3)
    assert columns_of(tmp_path, "step") == {"step": [1, 3]}
