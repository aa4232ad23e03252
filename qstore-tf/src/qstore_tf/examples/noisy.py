# SPDX-License-Identifier: Apache-2.0
"""Training under the noise of a machine, and what it is good for: weights that were trained with the noise suit it.

    python -m qstore_tf.examples.noisy --noise 0.02

The model is trained twice, without noise and with it, and both are asked on the noisy backend. Gradients are exact for the
noisy circuit.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
from numpy.typing import NDArray

import qstore as qs
from qstore.plugins import Backend
from qstore_tf import QuantumFeatureExtractor, QuantumReadout, Sequential

__all__ = ["loss_under", "points", "train"]

NOISE = 0.02
"""Probability of a depolarising error of each gate."""


def points(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points (n, 2) of a square, and whether they lie in its middle."""
    x = ((np.random.default_rng(seed).random((n, 2)) - 0.5) * 3).astype(np.float32)
    return x, (np.linalg.norm(x, axis=1) < 1).astype(np.int64)


def train(
    *, noise: float = NOISE, steps: int = 60, seed: int = 1, verbose: int = 0
) -> tuple[keras.Model, list[float]]:
    """A model trained on a backend with that noise, and the loss of each step."""
    keras.utils.set_random_seed(seed)
    quantum = Sequential(
        [QuantumFeatureExtractor(2, 4, encoding="reupload"), QuantumReadout(2, 2)], backend=_backend(noise)
    )
    model = keras.Sequential([keras.Input((2,)), quantum])
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="sparse_categorical_crossentropy")
    x, y = points(64, seed)
    history = model.fit(x, y, batch_size=len(x), epochs=steps, verbose=verbose)
    return model, history.history["loss"]


def loss_under(model: keras.Model, noise: float, seed: int = 2) -> float:
    """The loss of a trained model on fresh points, on a backend with that noise."""
    model.layers[0].backend = _backend(noise)
    x, y = points(256, seed)
    return float(model.evaluate(x, y, batch_size=len(x), verbose=0))


def _backend(noise: float) -> Backend:
    model = qs.NoiseModel.depolarizing(noise, noise) if noise else None
    return qs.get_backend("statevector", noise=model)


def main() -> None:
    """Train without noise and with it, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=NOISE,
        help="probability of an error of each gate (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=60, help="training steps (default: %(default)s)")
    given = parser.parse_args()
    for trained_with in (0.0, given.noise):
        model, curve = train(noise=trained_with, steps=given.steps)
        asked = loss_under(model, given.noise)
        print(
            f"trained with {trained_with:.1%} errors a gate: loss {curve[0]:.3f} at first, {curve[-1]:.3f} in the end, "
            f"{asked:.3f} on fresh points under {given.noise:.1%}"
        )


if __name__ == "__main__":
    main()
