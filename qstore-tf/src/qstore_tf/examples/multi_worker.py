# SPDX-License-Identifier: Apache-2.0
"""One Keras model on several processes: data-parallel training with a quantum layer under TensorFlow.

    python -m qstore_tf.examples.multi_worker --workers 2

starts that many processes on this machine, each with its own TF_CONFIG, which names the addresses of all of them and its
own place among these. On a real cluster your launcher starts one process per machine with such a TF_CONFIG, and

    python -m qstore_tf.examples.multi_worker --worker

is what it starts. Each process takes its share of every batch, and the losses are those of one process with the joined
batch. The training step goes through `strategy.run`, since `fit` of Keras 3 does not work under this strategy, with or without
quantum layers; see it with

    python -m qstore_tf.examples.multi_worker --workers 2 --fit
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["fit_here", "make_model", "places", "start", "train_here"]

QUBITS, BATCH = 4, 32
PATIENCE_S = 20.0
"""For workers to hear of the failure of another."""


def make_model() -> keras.Model:
    """The same weights in every process."""
    import keras

    import qstore as qs
    from qstore_tf import QuantumFeatureExtractor

    keras.utils.set_random_seed(7)
    # One thread for the engine of each process: they share the processors.
    backend = qs.get_backend("statevector", threads=1)
    return keras.Sequential([
        keras.Input((QUBITS,), dtype="float64"),
        QuantumFeatureExtractor(QUBITS, depth=2, backend=backend, dtype="float64"),
        keras.layers.Dense(1, dtype="float64"),
    ])  # fmt: skip


def train_here(steps: int, strategy: Any = None) -> list[float]:
    """Train on this process's share of every batch; the loss of every step, over all processes."""
    import keras
    import numpy as np
    import tensorflow as tf

    strategy = tf.distribute.get_strategy() if strategy is None else strategy
    world = strategy.num_replicas_in_sync
    rank = strategy.cluster_resolver.task_id if world > 1 else 0
    with strategy.scope():
        model = make_model()
        optimizer = keras.optimizers.Adam(0.05)
        optimizer.build(model.trainable_variables)
    if world > 1:
        from qstore_tf.distributed import agree_on_failures

        # A failure in one process, such as a budget that is spent, ends the step in all of them.
        agree_on_failures(model, strategy, timeout_s=120)

    def own_share(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            # Divided by the size of the joined batch: the optimizer adds up what the processes found.
            loss = tf.reduce_sum(tf.square(model(x, training=True) - y)) / BATCH
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow's own
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(own_share, (x, y)), axis=None)

    data = np.random.default_rng(1)  # the same in every process, which picks its rows
    losses = []
    for _ in range(steps):
        x = data.random((BATCH, QUBITS)) * 3
        y = np.sin(x.sum(axis=1, keepdims=True))
        losses.append(float(step(tf.constant(x[rank::world]), tf.constant(y[rank::world]))))
    return losses


def places(workers: int) -> list[str]:
    """A TF_CONFIG for each of so many processes on this machine, with free ports."""
    with ExitStack() as sockets:  # all at once, so that no two get the same number
        free = [sockets.enter_context(socket.socket()) for _ in range(workers)]
        for each in free:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in free]
    tasks = ({"type": "worker", "index": index} for index in range(workers))
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def start(workers: int, command: Sequence[str]) -> int:
    """Run a command once per worker on this machine, each with its TF_CONFIG; the first exit status that is not 0.

    Once a worker has ended badly, the others get some seconds to hear of it and are ended then, so that nobody waits.
    """
    processes = [
        subprocess.Popen(command, env={**os.environ, "TF_CONFIG": place, "KERAS_BACKEND": "tensorflow"})  # noqa: S603  # the user's own
        for place in places(workers)
    ]
    while None in (codes := [process.poll() for process in processes]) and not any(codes):
        time.sleep(0.05)
    failed = [each.returncode for each in processes if each.returncode]
    until = time.monotonic() + PATIENCE_S
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return failed[0] if failed else 0


def fit_here(strategy: Any) -> None:
    """What `fit` of the installed Keras does under a strategy with one Dense layer and nothing of qstore."""
    import keras
    import numpy as np
    import tensorflow as tf

    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(1).random((32, 4))
    batches = tf.data.Dataset.from_tensor_slices((x, x.sum(axis=1, keepdims=True))).batch(8)
    model.fit(batches, epochs=1, verbose=0)
    print(f"fit of Keras {keras.__version__} runs under {type(strategy).__name__}")


def _work(steps: int, file: Path | None, *, fit: bool) -> None:
    """One process of several, as TF_CONFIG tells."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # Before anything else of TensorFlow: it opens the connections.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if fit:
        fit_here(strategy)
        return
    losses = train_here(steps, strategy)
    if strategy.cluster_resolver.task_id == 0:
        print(
            f"loss {losses[0]:.4f} at first, {losses[-1]:.4f} in the end, on {strategy.num_replicas_in_sync} processes"
        )
        if file is not None:
            file.write_text(json.dumps(losses), "utf-8")


def main() -> None:
    """Start processes, or be one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes to start on this machine (default: %(default)s)"
    )
    parser.add_argument("--worker", action="store_true", help="be one of them, as TF_CONFIG tells")
    parser.add_argument("--steps", type=int, default=50, help="training steps (default: %(default)s)")
    parser.add_argument("--losses", type=Path, help="a file for the losses, as JSON")
    parser.add_argument("--fit", action="store_true", help="see what Keras' fit does with one Dense layer")
    given = parser.parse_args()
    if given.worker:
        _work(given.steps, given.losses, fit=given.fit)
        return
    command = [
        sys.executable,
        "-m",
        "qstore_tf.examples.multi_worker",
        "--worker",
        "--steps",
        str(given.steps),
    ]
    if given.losses is not None:
        command += ["--losses", str(given.losses.resolve())]
    if given.fit:
        command.append("--fit")
    sys.exit(start(given.workers, command))


if __name__ == "__main__":
    main()
