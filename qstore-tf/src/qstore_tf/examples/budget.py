# SPDX-License-Identifier: Apache-2.0
"""Training on a paid machine until the budget is spent, and on from there on a simulator.

The machine comes first and may spend what there is; when a step would cost more than is left, nothing of it is sent, and the
router hands that step and all later ones to the simulator. The weights, the optimizer and the loop notice nothing.

Try it on the emulator of IonQ's service, which costs nothing (`pip install "qstore-ionq[emulator]"`):

    qstore-ionq-emulator --port 8035 &
    python -m qstore_tf.examples.budget --url http://127.0.0.1:8035/v0.4 --dollars 65
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import keras
import numpy as np

import qstore as qs
from qstore.routing import BackendRouter, CostOptimizer
from qstore_tf import QuantumLayer
from qstore_tf.tensorboard import quantum_metrics

__all__ = ["Step", "train"]


class Step(NamedTuple):
    """One training step: its loss, dollars, and circuits by backend."""

    loss: float
    dollars: float
    circuits: dict[str, float]


def train(policy: CostOptimizer, *, steps: int = 4, shots: int = 100) -> list[Step]:
    """Train one angle on two samples.

    Args:
        policy: the budget, and the order of backends: the machine first, then what is free.
        steps: training steps.
        shots: measurements per circuit.
    """
    keras.utils.set_random_seed(1)
    layer = QuantumLayer(
        n_qubits=1,
        depth=1,
        backend=BackendRouter(policy=policy),
        shots=shots,
        gradient_method="parameter_shift",
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=lambda _, values: keras.ops.mean(values))
    x = np.array([[0.3], [0.4]])
    start = f"quantum/{layer.name}/"
    taken = []
    for _ in range(steps):
        loss = float(model.train_on_batch(x, np.zeros((2, 1))))
        metrics = quantum_metrics(model)
        backends = {
            tag.removeprefix(start + "backends/"): number
            for tag, number in metrics.items()
            if tag.startswith(start + "backends/")
        }
        taken.append(Step(loss, metrics[start + "dollars"], backends))
    return taken


def main() -> None:
    """Train against a service."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--machine", default="ionq.aria-1", help="name of the paid backend (default: %(default)s)"
    )
    parser.add_argument("--url", required=True, help="of the service; the emulator's, unless you mean to pay")
    parser.add_argument("--api-key", default="any", help="the emulator takes any (default: %(default)s)")
    parser.add_argument("--dollars", type=float, default=65, help="the budget (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="training steps (default: %(default)s)")
    given = parser.parse_args()
    machine = qs.get_backend(given.machine, url=given.url, api_key=given.api_key)
    policy = CostOptimizer(
        total_budget=given.dollars, fallback_chain=[{"backend": machine}, {"backend": "statevector"}]
    )
    for number, step in enumerate(train(policy, steps=given.steps), start=1):
        shares = ", ".join(f"{count:.0f} circuits on {name}" for name, count in step.circuits.items())
        print(f"step {number}: loss {step.loss:+.3f}, ${step.dollars:.2f}, {shares}")


if __name__ == "__main__":
    main()
