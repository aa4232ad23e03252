# SPDX-License-Identifier: Apache-2.0
"""What two TensorFlow processes gain over one on the same batch: `python -m bench.keras_workers`.

One model for all: 12 qubits, 4 layers, <Z>, <X> and <Y> of every qubit, a Dense layer behind it, Adam. Every process, also the
one alone, has one thread for the engine and one for TensorFlow. Three arms take turns, round by round:

    one         a process with the whole batch
    two         two processes with half a batch each, under MultiWorkerMirroredStrategy, agreeing on failures
    apart       two processes with half a batch each that know nothing of each other

Efficiency is the time of a step of "one" over twice that of "two". "apart" is the control: it has no communication, so what it
loses is lost to two processes sharing this machine's processors and memory, and "two" beside it is the price of communication.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.report import machine

FOLDER = Path(__file__).resolve().parent.parent  # from which `-m bench.keras_workers` is found
DEPTH = 4
WANTED = 0.85


class Worker:
    """A process that takes a number of steps when it is asked, and says how long they took."""

    def __init__(self, arguments: Sequence[str], place: str | None) -> None:
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("TF_CONFIG", None)
        if place is not None:
            environment["TF_CONFIG"] = place
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # it lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.keras_workers", "--serve", *arguments], cwd=FOLDER, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def ask(self, steps: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()

    def answer(self) -> float:
        """Seconds per step."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._log.seek(0)
            sys.exit("A worker ended:\n" + self._log.read()[-2000:])
        return float(line)

    def end(self) -> None:
        self.process.kill()  # a worker of a strategy waits for its peers when it ends in order
        self.process.wait()


def together(workers: Sequence[Worker], steps: int) -> float:
    """Seconds per step of the slowest, all at once."""
    for worker in workers:
        worker.ask(steps)
    return max(worker.answer() for worker in workers)


def serve(qubits: int, batch: int, share: int) -> None:
    """Be a worker: read numbers of steps, write seconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    alone = "TF_CONFIG" not in os.environ
    strategy = tf.distribute.get_strategy() if alone else tf.distribute.MultiWorkerMirroredStrategy()

    import qstore as qs
    from qstore_tf import QuantumFeatureExtractor
    from qstore_tf.distributed import agree_on_failures

    with strategy.scope():
        keras.utils.set_random_seed(1)
        backend = qs.get_backend("statevector", threads=1)
        layer = QuantumFeatureExtractor(qubits, DEPTH, "linear", backend=backend)
        model = keras.Sequential([keras.Input((qubits,)), layer, keras.layers.Dense(1)])
        optimizer = keras.optimizers.Adam(0.01)
        optimizer.build(model.trainable_variables)
    if not alone:
        agree_on_failures(model, strategy)

    def here(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x, training=True) - y)) / batch
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(here, (x, y)), axis=None)

    x = tf.constant(np.random.default_rng(1).random((batch // share, qubits)), tf.float32)
    y = tf.reduce_sum(x, axis=1, keepdims=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            float(step(x, y))
        print((time.perf_counter() - start) / int(line), flush=True)


def main() -> None:
    """Start all workers, let them take turns, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--qubits", type=int, default=12)
    parser.add_argument("--batch", type=int, default=64, help="samples of all processes together")
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--share", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.qubits, given.batch, given.share)
        return

    from qstore_tf.examples.multi_worker import places

    size = ["--qubits", str(given.qubits), "--batch", str(given.batch)]
    half = [*size, "--share", "2"]
    arms: dict[str, list[Worker]] = {}
    try:
        arms["one"] = [Worker(size, None)]
        arms["two"] = [Worker(half, place) for place in places(2)]
        arms["apart"] = [Worker(half, None) for _ in range(2)]
        for workers in arms.values():  # compiles, and connects
            together(workers, 2)
        turns = [
            {name: together(workers, given.steps) for name, workers in arms.items()}
            for _ in range(given.rounds)
        ]
    finally:
        for workers in arms.values():
            for worker in workers:
                worker.end()
    print(f"{given.qubits} qubits, {DEPTH} layers, {given.batch} samples; {machine()}")
    print("\n| arm | ms a step | efficiency | lowest | highest |\n|---|---|---|---|---|")
    for name, workers in arms.items():
        seconds = median(turn[name] for turn in turns)
        gains = sorted(turn["one"] / (len(workers) * turn[name]) for turn in turns)
        print(f"| {name} | {1e3 * seconds:.0f} | {median(gains):.2f} | {gains[0]:.2f} | {gains[-1]:.2f} |")
    price = median(turn["apart"] / turn["two"] for turn in turns)
    print(
        f"\n'two' runs at {price:.2f} of the speed of 'apart'; wanted efficiency of 'two': at least {WANTED}."
    )


if __name__ == "__main__":
    main()
