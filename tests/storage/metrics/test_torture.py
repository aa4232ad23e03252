# SPDX-License-Identifier: Apache-2.0
"""A little of `python -m torture metrics`: kills, a full disk, torn parts; and that the kills are real."""

import pytest

from torture.metrics import kills, limits


def test_the_naive_writer_loses_its_rows_when_it_is_killed(tmp_path):
    assert "20,000 of 20,000 rows lost" in kills.control(tmp_path)


def test_no_acknowledged_row_is_lost_by_kills_at_random(tmp_path):
    assert "2 kills" in kills.random_kills(tmp_path / "run", 2)


def test_no_row_is_lost_or_doubled_by_a_kill_before_an_operation_on_files(tmp_path):
    assert "0 lost, 0 twice" in kills.kills_at_every_step(tmp_path, every=18)


def test_a_full_buffer_blocks_or_counts(tmp_path):
    assert "counted" in limits.full_buffer(tmp_path, 300)


def test_damage_to_a_part_is_never_silent(tmp_path):
    assert "0 silent" in limits.torn_parts(tmp_path / "run", 12)


def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(tmp_path):
    said = limits.full_disk(tmp_path, 1)
    if said.startswith("not run"):
        pytest.skip(said)
    assert "1 told" in said
