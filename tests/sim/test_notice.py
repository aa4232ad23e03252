# SPDX-License-Identifier: Apache-2.0
"""Who waits for the compiler is told so; who does not wait hears nothing."""

import logging
import time

import pytest

from qstore_sim import notice


def test_a_slow_first_call_is_announced_once(monkeypatch, caplog):
    monkeypatch.setattr(notice, "PATIENCE_S", 0.01)
    for _ in range(2):
        with notice.first_call("slow kernels"):
            time.sleep(0.2)
    assert [record.message for record in caplog.records] == [notice.MESSAGE]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_quick_first_call_says_nothing(caplog):
    with notice.first_call("quick kernels"):
        pass
    time.sleep(0.05)
    assert caplog.records == []


def test_a_first_call_that_fails_counts_as_not_made(monkeypatch, caplog):
    monkeypatch.setattr(notice, "PATIENCE_S", 0.01)
    with pytest.raises(ZeroDivisionError), notice.first_call("failing kernels"):
        _ = 1 / 0
    with notice.first_call("failing kernels"):
        time.sleep(0.2)
    assert len(caplog.records) == 1
