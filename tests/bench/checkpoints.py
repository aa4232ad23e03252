# SPDX-License-Identifier: Apache-2.0
"""What checkpoints cost training: `python -m bench.checkpoints`, in `tests/`.

1. Seconds that `save` blocks, beside a copy of the same arrays in memory, for states of several sizes and shapes.
2. The digits demo, with and without checkpoints, side by side with torch.save, torch.save in a thread (as an Orbax-style
   asynchronous save does it: copy, then write behind the training), and torch's own distributed checkpoint, `async_save`.
   Training runs take turns in rotating order, and every run is compared with the bare one of its own round.
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

SIZES = {
    "100 MB in 10": (10, 2_500_000),
    "10 MB in 100": (100, 25_000),
    "40 kB in 10 (a small QML model)": (10, 1000),
}
EPOCHS = 20


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
        blocks, copies, durable, ours = [], [], [], []
        with tempfile.TemporaryDirectory() as folder, CheckpointManager(folder, keep=2) as checkpoints:
            for step in range(repeats + 2):
                start = time.perf_counter()
                copy_all()
                copies.append(time.perf_counter() - start)
                start = time.perf_counter()
                checkpoints.save(step, tensors)
                blocks.append(time.perf_counter() - start)
                checkpoints.wait()
                durable.append(time.perf_counter() - start)
                ours.append(blocks[-1] / copies[-1])
        block, plain, whole = (1e3 * median(each[2:]) for each in (blocks, copies, durable))
        print(
            f"{name:<34} blocked {block:8.3f} ms   copy {plain:8.3f} ms   ratio {median(ours[2:]):5.2f}   durable {whole:8.1f} ms"
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


def digits(arm, data, every, epochs):
    """Seconds of training with checkpoints every so many epochs, and of blocking by each of them."""
    import qstore as qs
    from qstore_torch.demo.model import hybrid_model

    torch.manual_seed(1)
    model = hybrid_model(data.n_qubits, 10, qs.get_backend("statevector", precision="single"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x, y = torch.from_numpy(data.train_x), torch.from_numpy(data.train_y)
    blocks = []
    with tempfile.TemporaryDirectory() as folder:
        saver = ARMS[arm](folder) if ARMS[arm] else None
        start, cpu = time.perf_counter(), time.process_time()
        for epoch in range(epochs):
            order = torch.randperm(len(x))
            for first in range(0, len(x), 32):
                rows = order[first : first + 32]
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
            if saver and (epoch + 1) % every == 0:
                began = time.perf_counter()
                saver.save(epoch, (model.state_dict(), optimizer.state_dict()))
                blocks.append(time.perf_counter() - began)
        if saver:
            saver.close()
        return time.perf_counter() - start, time.process_time() - cpu, blocks


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


def overhead(rounds, every, epochs):
    """Each arm beside the bare training of its round."""
    from qstore_torch.demo.data import load

    torch.set_num_threads(1)
    data = load("digits", None)
    for arm in ARMS:
        digits(arm, data, 1, 1)  # what a process pays once
    ratios, cpus, blocks, steps = (
        {arm: [] for arm in ARMS},
        {arm: [] for arm in ARMS},
        {arm: [] for arm in ARMS},
        [],
    )
    names = list(ARMS)
    for turn in range(rounds):
        found = {}
        for arm in names[turn % len(names) :] + names[: turn % len(names)]:
            found[arm] = digits(arm, data, every, epochs)
            blocks[arm] += found[arm][2]
        steps.append(found["bare"][0] / (epochs * -(-len(data.train_x) // 32)))
        for arm in ARMS:
            ratios[arm].append(found[arm][0] / found["bare"][0] - 1)
            cpus[arm].append(found[arm][1] - found["bare"][1])
    step = median(steps)
    saves = epochs // every
    print(
        f"\ndigits demo: a step takes {1e3 * step:.2f} ms; {epochs} epochs, a checkpoint after every {every}, {rounds} rounds"
    )
    for arm in ARMS:
        if arm == "bare":
            continue
        block = median(blocks[arm])
        share = block * saves / (step * epochs * -(-len(data.train_x) // 32))
        print(
            f"{arm:<16} blocked {1e3 * block:7.3f} ms per checkpoint = {100 * share:5.2f} % of training; "
            f"whole training {100 * median(ratios[arm]):+5.1f} % (quartiles {100 * np.percentile(ratios[arm], 25):+.1f} to {100 * np.percentile(ratios[arm], 75):+.1f}); "
            f"processor {1e3 * median(cpus[arm]) / saves:+5.1f} ms per checkpoint"
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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument(
        "--every", type=int, default=5, help="epochs from one checkpoint to the next (5, as the demo)"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    blocked(options.repeats)
    zarr_alone()
    processor(options.repeats)
    overhead(options.rounds, options.every, options.epochs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
