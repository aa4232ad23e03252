# SPDX-License-Identifier: Apache-2.0
"""The engine beside other threads, in forked and spawned processes, in DataLoader workers and at the interpreter's end."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
from qstore_sim import StatevectorBackend

QUBITS = 13
HERE = str(Path(__file__).parent)
OUTPUTS = qs.Expectations([qs.Z(0), qs.X(1)])


def circuit():
    made = qs.QuantumCircuit(QUBITS)
    for q in range(QUBITS):
        made.ry(q, "x").rz(q, f"w{q}")
    for q in range(QUBITS - 1):
        made.cx(q, q + 1)
    return made.ry(0, "x")


def bindings(rows):
    return {"x": np.linspace(0, 1, rows), **{f"w{q}": np.array(0.1 * q) for q in range(QUBITS)}}


def step(backend, rows=3):
    values, gradients = qs.value_and_vjp(circuit(), bindings(rows), OUTPUTS, backend=backend)
    return np.concatenate([values.ravel(), *(g.ravel() for g in gradients.values())])


def in_child(blob, queue):
    queue.put(step(pickle.loads(blob)))  # our own backend, made a line above


def started_threads():
    return [t for t in threading.enumerate() if t.name.startswith("qstore-sim")]


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_step_does_not_depend_on_the_number_of_threads(rows):
    wanted = step(StatevectorBackend(threads=1), rows)
    for threads in (2, 3, 5):
        np.testing.assert_array_equal(step(StatevectorBackend(threads=threads), rows), wanted)


def test_eight_threads_on_one_backend_get_the_same():
    backend = StatevectorBackend(threads=2)
    wanted = step(backend)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: step(backend), range(64)):
            np.testing.assert_array_equal(found, wanted)


def test_one_thread_starts_no_others():
    code = (
        "import sys, threading; sys.path.insert(0, sys.argv[1])\n"
        "from test_processes import StatevectorBackend, started_threads, step\n"
        "step(StatevectorBackend(threads=1)); assert not started_threads()\n"
        "step(StatevectorBackend(threads=3)); assert len(started_threads()) == 2, started_threads()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, HERE], timeout=100, check=False)
    assert done.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_works_after_the_parent_has():
    backend = StatevectorBackend(threads=2)
    wanted = step(backend)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork beside threads
        child = context.Process(target=lambda: queue.put(step(backend)))
        child.start()
    try:
        np.testing.assert_array_equal(queue.get(timeout=60), wanted)
        child.join(20)
        assert child.exitcode == 0
    finally:
        child.kill()


def test_a_spawned_child_works_with_a_pickled_backend():
    backend = StatevectorBackend(threads=2)
    wanted = step(backend)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(pickle.dumps(backend), queue))
    child.start()
    try:
        np.testing.assert_array_equal(queue.get(timeout=90), wanted)
        child.join(20)
        assert child.exitcode == 0
    finally:
        child.kill()


def test_the_interpreter_ends_while_helpers_are_awake_and_others_compute():
    code = (
        "import sys, threading; sys.path.insert(0, sys.argv[1])\n"
        "from test_processes import StatevectorBackend, step\n"
        "backend = StatevectorBackend(threads=2)\n"
        "def forever():\n    while True: step(backend)\n"
        "threading.Thread(target=forever, daemon=True).start()\n"
        "step(backend); print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, HERE], timeout=60, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


def test_dataloader_workers_and_torchs_own_threads():
    torch = pytest.importorskip("torch")
    backend = StatevectorBackend(threads=2)
    wanted = step(backend)
    big = torch.rand(600, 600)
    busy = [big @ big for _ in range(5)]  # torch's pool is awake
    np.testing.assert_array_equal(step(backend), wanted)
    assert len(busy) == 5

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.from_numpy(step(backend))

    for workers in (0, 2):
        context = "fork" if workers else None
        loader = torch.utils.data.DataLoader(
            Rows(), batch_size=2, num_workers=workers, multiprocessing_context=context
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for batch in loader:
                for row in batch:
                    np.testing.assert_array_equal(row.numpy(), wanted)
