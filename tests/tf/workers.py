# SPDX-License-Identifier: Apache-2.0
"""One of two TensorFlow processes in which circuits fail; `test_distributed` starts both and reads what they say.

python workers.py forward,backward,gone | alone
"""

import os
import sys
import time

import keras
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import qstore as qs  # noqa: E402  # the strategy comes first
from qstore.errors import BudgetExceeded  # noqa: E402
from qstore_tf import QuantumLayer, original_errors  # noqa: E402
from qstore_tf.callbacks import restore_training_state, training_state  # noqa: E402
from qstore_tf.distributed import agree_on_failures  # noqa: E402

RANK = strategy.cluster_resolver.task_id
SILENCE_S = 5


class Poor:
    """On process 1 its budget is spent at the run that `spent_at` names, counted from the last time it was set."""

    name = "poor"

    def __init__(self):
        self.inner = qs.get_backend("statevector", threads=1)
        self.capabilities = self.inner.capabilities.with_changes(differentiable_outputs=frozenset())
        self.spent_at, self.runs = None, 0

    def estimate(self, batch):
        return self.inner.estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        self.runs += 1
        if RANK == 1 and self.runs == self.spent_at:
            raise BudgetExceeded("The budget of this process is spent.")
        return self.inner.run_sync(batch)


def make_step(backend, *, agree):
    with strategy.scope():
        keras.utils.set_random_seed(RANK)  # the strategy sends the weights of process 0 around
        layer = QuantumLayer(n_qubits=2, depth=1, backend=backend)
        model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
        model.optimizer = optimizer = keras.optimizers.Adam(0.1)
        optimizer.build(model.trainable_variables)
    if agree:
        agree_on_failures(model, strategy)

    def here(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    @tf.function
    def step(x):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(here, (x,)), axis=None)

    return model, lambda: float(step(tf.random.stateless_uniform((4, 2), (1, RANK))))


def attempt(name, step):
    """One step, whatever becomes of it."""
    start = time.monotonic()
    try:
        with original_errors():
            step()
        said = "ran"
    except Exception as error:  # noqa: BLE001  # the test reads which one
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    print(f"{name} | {time.monotonic() - start:.1f} | {said}", flush=True)


def restored(model, step):
    """Steps that are taken again from a state, in processes that are mirrored.

    So many that the numbers of an agreement's calls come around before the last failure.
    """
    step()
    state = training_state(model)
    losses = [step(), step()]
    with strategy.scope():
        restore_training_state(model, state)
    assert [step(), step()] == losses
    assert losses[0] != losses[1]


def main():
    backend = Poor()
    mode = sys.argv[1]
    model, step = make_step(backend, agree=mode != "alone")
    attempt("first", step)
    if mode != "alone":
        attempt("restored", lambda: restored(model, step))
    # A step runs circuits twice: in its forward pass, and shifted ones in its backward pass.
    for name in mode.split(","):
        backend.runs, backend.spent_at = 0, {"forward": 1, "backward": 2, "alone": 2}.get(name)
        if name == "gone":
            agree_on_failures(model, strategy, timeout_s=4)
            if RANK == 1:
                os._exit(3)
        attempt(name, step)
        if name == "alone" and RANK == 1:
            time.sleep(SILENCE_S)  # a process that failed, and lives on
            os._exit(3)
        backend.spent_at = None
        if name not in {"gone", "alone"}:
            attempt(f"after {name}", step)
    sys.stdout.flush()
    os._exit(0)  # the peer may be gone: there is no orderly end of the cluster


main()
