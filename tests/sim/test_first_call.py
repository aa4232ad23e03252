# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels on disk: many processes at once, nowhere to write, damaged files."""

import os
import subprocess
import sys

import pytest

TINY = """
from qstore_sim.simd import kernel

@kernel
def double(x):
    return 2 * x
"""
USE = "import tiny; print(tiny.double(4), sum(tiny.double.stats.cache_hits.values()))"
STEP = """
import numpy as np, qstore as qs
from qstore_sim.kernels import crew
circuit = qs.QuantumCircuit(2).ry(0, "x").cx(0, 1)
backend = qs.get_backend("statevector", precision="single", threads=1)
values, gradients = qs.value_and_vjp(circuit, {"x": np.array([0.3])}, qs.Expectations([qs.Z(1)]), backend=backend)
assert abs(values[0, 0] - np.cos(0.3)) < 1e-6 and abs(gradients["x"][0] + np.sin(0.3)) < 1e-6
print(sum(crew.run.stats.cache_hits.values()))
"""


def start(code, folder, cache="cache"):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / cache), "PYTHONPATH": str(folder)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=folder, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def said(process):
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out.strip(), err


@pytest.mark.timeout(300)
def test_processes_that_compile_at_the_same_time_leave_a_cache_for_the_next(tmp_path):
    both = [start(STEP, tmp_path) for _ in range(2)]
    for process in both:
        out, err = said(process)
        assert out == "0"
        assert "Compiling the simulator's kernels" in err
    out, err = said(start(STEP, tmp_path))
    assert out == "1"
    assert "Compiling" not in err


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_damaged_file_is_replaced(suffix, left, tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    assert said(start(USE, tmp_path))[0] == "8 0"
    assert said(start(USE, tmp_path))[0] == "8 1"
    (damaged,) = (tmp_path / "cache").rglob(f"*{suffix}")
    damaged.write_bytes(damaged.read_bytes()[:left])
    assert said(start(USE, tmp_path))[0] == "8 0"
    assert said(start(USE, tmp_path))[0] == "8 1"


def test_without_a_folder_for_the_cache_kernels_still_compile(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    nowhere = "from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n"
    assert said(start(nowhere + USE, tmp_path))[0] == "8 0"
    assert said(start(nowhere + USE, tmp_path))[0] == "8 0"
    assert not (tmp_path / "cache").exists()
