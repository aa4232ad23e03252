# SPDX-License-Identifier: Apache-2.0
"""What the simulator learns about the machine it runs on: memory and processors, inside containers too."""

import pytest

from qstore.errors import ResourceError
from qstore_sim import memory, processors

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GiB free and files that say so."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_ROOT", tmp_path / "groups")
    (tmp_path / "cgroup").write_text("0::/\n")
    return tmp_path


def group(folder, limit, used, cached, names=("memory.max", "memory.current", "inactive_file")):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


def test_without_limits_the_systems_figure_stands(machine):
    assert memory.available_bytes() == 8 * GIB
    group(machine / "groups", "max", 3 * GIB, 0)
    assert memory.available_bytes() == 8 * GIB


def test_cached_files_count_as_free(machine):
    group(machine / "groups", 4 * GIB, 3 * GIB, 2 * GIB)
    assert memory.available_bytes() == 3 * GIB


def test_the_tightest_group_above_the_process_decides(machine):
    (machine / "cgroup").write_text("0::/outer/inner\n")
    group(machine / "groups" / "outer", 2 * GIB, GIB, 0)
    group(machine / "groups" / "outer" / "inner", 6 * GIB, GIB, 0)
    assert memory.available_bytes() == GIB


def test_groups_of_version_1(machine):
    (machine / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/job\n")
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    group(machine / "groups" / "memory" / "job", 3 * GIB, 2 * GIB, GIB, names)
    assert memory.available_bytes() == 2 * GIB


def test_damaged_files_are_passed_over(machine):
    group(machine / "groups", "?", "?", "?")
    assert memory.available_bytes() == 8 * GIB
    (machine / "cgroup").unlink()
    assert memory.available_bytes() == 8 * GIB


def test_what_does_not_fit_is_refused_with_both_sizes(machine):
    group(machine / "groups", GIB, 0, 0)
    with pytest.raises(ResourceError, match=r"A run needs 2.0 GiB, 1.0 GiB are available"):
        memory.check_memory(2 * GIB, "A run")
    memory.check_memory(GIB, "A run")


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000", 2), ("max 100000", 8), ("20000 100000", 1), ("broken", 8)]
)
def test_a_containers_share_of_time_limits_the_threads(text, expected, tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(processors, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert processors.processors() == expected


def test_the_older_files_of_the_share_are_read_too(tmp_path, monkeypatch):
    (tmp_path / "cpu.cfs_quota_us").write_text("300000")
    (tmp_path / "cpu.cfs_period_us").write_text("100000")
    monkeypatch.setattr(processors, "_QUOTA", tmp_path / "nothing")
    monkeypatch.setattr(processors, "_QUOTA_V1", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert processors.processors() == 3
    (tmp_path / "cpu.cfs_quota_us").write_text("-1")
    assert processors.processors() == 8
