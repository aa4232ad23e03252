# SPDX-License-Identifier: Apache-2.0
"""What checkpoints cost training: `python -m bench.checkpoints`, in `tests/`.

1. Seconds that `save` blocks, for states of several sizes and shapes, beside two copies in memory: of the same arrays into
   memory that the process has already, and `tensor.clone()` of each, which is how torch copies a state.
2. The digits demo, with and without checkpoints, side by side with torch.save, torch.save in a thread (as an Orbax-style
   asynchronous save does it: copy, then write behind the training), and torch's own distributed checkpoint, `async_save`.
   Epochs with a checkpoint and without take turns within one training; "bare" is the same without any.
3. The time that Zarr's own writer takes for one small array, for the reason why the writer here composes the files itself.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

import torch
from qstore_storage.checkpoints import CheckpointManager
from qstore_torch.demo.cli import CHECKPOINT_EVERY

SIZES = {
    "100 MB in 10": (10, 2_500_000),
    "10 MB in 100": (100, 25_000),
    "40 kB in 10 (a small QML model)": (10, 1000),
}


def copied(arrays):
    """The yardstick: every array copied into memory that the process has already."""
    targets = [np.empty_like(array) for array in arrays]
    for target, array in zip(targets, arrays, strict=True):
        np.copyto(target, array)  # the first time the pages are made

    def copy_all():
        for target, array in zip(targets, arrays, strict=True):
            np.copyto(target, array)

    return copy_all


def blocked(repeats):
    """Median seconds that a save blocks, beside the copy, and until it is durable."""
    for name, (count, length) in SIZES.items():
        tensors = {f"t{n}": torch.rand(length) for n in range(count)}
        arrays = [tensor.numpy() for tensor in tensors.values()]
        copy_all = copied(arrays)
        blocks, copies, clones, durable, ours, beside = [], [], [], [], [], []
        with tempfile.TemporaryDirectory() as folder, CheckpointManager(folder, keep=2) as checkpoints:
            for step in range(repeats + 2):
                start = time.perf_counter()
                copy_all()
                copies.append(time.perf_counter() - start)
                start = time.perf_counter()
                cloned = {key: tensor.clone() for key, tensor in tensors.items()}
                clones.append(time.perf_counter() - start)
                del cloned
                start = time.perf_counter()
                checkpoints.save(step, tensors)
                blocks.append(time.perf_counter() - start)
                checkpoints.wait()
                durable.append(time.perf_counter() - start)
                ours.append(blocks[-1] / copies[-1])
                beside.append(blocks[-1] / clones[-1])
        block, plain, clone, whole = (1e3 * median(each[2:]) for each in (blocks, copies, clones, durable))
        print(
            f"{name:<34} blocked {block:8.3f} ms   copy {plain:8.3f} ms, ratio {median(ours[2:]):5.2f}   "
            f"clone of each tensor {clone:8.3f} ms, ratio {median(beside[2:]):5.2f}   durable {whole:8.1f} ms"
        )


class Ours:
    """CheckpointManager."""

    def __init__(self, folder):
        self.manager = CheckpointManager(folder, keep=3)

    def save(self, step, state):
        self.manager.save(step, *state)

    def close(self):
        self.manager.close()


class TorchSave:
    """torch.save to the place itself, fsynced."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def save(self, step, state):
        path = self.folder / f"{step}.pt"
        with path.open("wb") as file:
            torch.save(state, file)
            os.fsync(file.fileno())
        for old in sorted(self.folder.glob("*.pt"), key=lambda each: int(each.stem))[:-3]:
            old.unlink()

    def close(self):
        pass


class ThreadSave(TorchSave):
    """A copy, then torch.save in a thread: what an asynchronous saver does."""

    def __init__(self, folder):
        super().__init__(folder)
        self.pool, self.last = ThreadPoolExecutor(1), None

    def save(self, step, state):
        if self.last is not None:
            self.last.result()
        self.last = self.pool.submit(super().save, step, copy.deepcopy(state))

    def close(self):
        self.pool.shutdown()


class Distributed:
    """torch.distributed.checkpoint.async_save."""

    def __init__(self, folder):
        self.folder, self.last = folder, None

    def save(self, step, state):
        from torch.distributed import checkpoint

        if self.last is not None:
            self.last.result()
        model, optimizer = state
        flat = {"model": model, "optimizer": optimizer["state"]}
        self.last = checkpoint.async_save(flat, checkpoint_id=f"{self.folder}/{step}", no_dist=True)

    def close(self):
        if self.last is not None:
            self.last.result()


ARMS = {
    "bare": None,
    "qstore": Ours,
    "torch.save": TorchSave,
    "copy + thread": ThreadSave,
    "DCP async_save": Distributed,
}


class Digits:
    """The digits demo's training, some epochs at a time."""

    def __init__(self, data):
        import qstore as qs
        from qstore_torch.demo.model import hybrid_model

        torch.manual_seed(1)
        self.model = hybrid_model(data.n_qubits, 10, qs.get_backend("statevector", precision="single"))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.x, self.y = torch.from_numpy(data.train_x), torch.from_numpy(data.train_y)
        self.steps = -(-len(self.x) // 32)

    def train(self, epochs):
        for _ in range(epochs):
            order = torch.randperm(len(self.x))
            for first in range(0, len(self.x), 32):
                rows = order[first : first + 32]
                self.optimizer.zero_grad()
                torch.nn.functional.cross_entropy(self.model(self.x[rows]), self.y[rows]).backward()
                self.optimizer.step()

    def state(self):
        return self.model.state_dict(), self.optimizer.state_dict()


def blocks(arm, data, number):
    """Seconds of epochs with a checkpoint at the start and without, in turns; and of each blocking.

    Two with and two without make a turn, in the order with, without, without, with, so that a machine that becomes slower
    does so for both. What a saver does behind the training falls into the epoch that it began in.
    """
    training, found, blocked_s = Digits(data), [], []
    make = ARMS[arm]
    with tempfile.TemporaryDirectory() as folder:
        saver = make(folder) if make else None

        def block(step, *, saves):
            start = time.perf_counter()
            if saves and saver is not None:
                saver.save(step, training.state())
                blocked_s.append(time.perf_counter() - start)
            training.train(1)
            return time.perf_counter() - start

        training.train(1)
        for turn in range(number):
            times = [block(4 * turn + place, saves=place in (0, 3)) for place in range(4)]
            found.append((times[0] + times[3], times[1] + times[2]))
        if saver is not None:
            saver.close()
    return np.array(found), blocked_s, training.steps


def processor(repeats):
    """Processor time of one checkpoint of the digits model, both threads together: an upper bound of what it takes away."""
    import qstore as qs
    from qstore_torch.demo.model import hybrid_model

    model = hybrid_model(6, 10, qs.get_backend("statevector", precision="single"))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(4, 64)).sum().backward()
    optimizer.step()
    for arm, make in ARMS.items():
        if make is None:
            continue
        times, blocks = [], []
        with tempfile.TemporaryDirectory() as folder:
            saver = make(folder)
            for step in range(repeats):
                start, began = time.process_time(), time.thread_time()
                saver.save(step, (model.state_dict(), optimizer.state_dict()))
                blocks.append(time.thread_time() - began)
                if arm == "qstore":
                    saver.manager.wait()
                elif getattr(saver, "last", None) is not None:
                    saver.last.result()
                times.append(time.process_time() - start)
            saver.close()
        print(
            f"one checkpoint of the digits model, {arm:<15} {1e3 * median(times):6.2f} ms of processor, {1e3 * median(blocks):6.2f} ms of it in front"
        )


def overhead(turns, every):
    """What a checkpoint costs in all, beside epochs without; "bare" says how far the measure itself can be trusted.

    Every other epoch has a checkpoint, so that its cost stands out; its share is that of a checkpoint every so many epochs.
    """
    from qstore_torch.demo.data import load

    torch.set_num_threads(1)
    data = load("digits", None)
    random = np.random.default_rng(0)
    print(
        f"\ndigits demo, {turns} turns of two epochs with a checkpoint and two without; shares: one every {every} epochs"
    )
    for arm in ARMS:
        blocks(arm, data, 2)  # what a process pays once
        found, blocked_s, steps = blocks(arm, data, turns)
        cost_s = (found[:, 0] - found[:, 1]) / 2
        drawn = [np.median(random.choice(cost_s, len(cost_s))) for _ in range(2000)]
        epoch_s = float(np.median(found[:, 1])) / 2
        middle, low, high = (
            100 * each / (every * epoch_s) for each in (np.median(cost_s), *np.percentile(drawn, [5, 95]))
        )
        said = ""
        if blocked_s:
            block = median(blocked_s)
            said = f"; blocks {1e3 * block:.3f} ms = {100 * block / (every * epoch_s):.2f} %"
        print(
            f"{arm:<16} costs {1e3 * np.median(cost_s):+6.2f} ms in all = {middle:+5.2f} % (90 % interval {low:+.2f} to {high:+.2f})"
            f"{said}; a step takes {1e3 * epoch_s / steps:.2f} ms",
            flush=True,
        )


def zarr_alone():
    """Zarr's own writer for one array of 4 kB in memory."""
    import zarr

    def write():
        array = zarr.create_array(
            zarr.storage.MemoryStore(), name="a", shape=(1000,), dtype="float32", chunks=(1000,), compressors=[zarr.codecs.Crc32cCodec()],
            config={"write_empty_chunks": True},
        )  # fmt: skip
        array[:] = np.arange(1000, dtype=np.float32)

    from qstore_storage.checkpoints.payload import composed

    arrays = {"float32": np.arange(1000, dtype=np.float32)}
    for name, call in (
        ("zarr", write),
        ("composed here", lambda: [b"".join(parts) for _, parts in composed({}, arrays, None)]),
    ):
        call()
        times = []
        for _ in range(50):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        print(f"one array of 4 kB, {name:<14} {1e3 * median(times):6.3f} ms")


def main():
    parser = argparse.ArgumentParser(prog="bench.checkpoints", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--turns", type=int, default=400, help="of two epochs with a checkpoint and two without"
    )
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument(
        "--every",
        type=int,
        default=CHECKPOINT_EVERY,
        help="epochs from one checkpoint to the next, as the demo",
    )
    options = parser.parse_args()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    blocked(options.repeats)
    zarr_alone()
    processor(options.repeats)
    overhead(options.turns, options.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
