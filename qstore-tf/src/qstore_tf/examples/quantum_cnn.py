# SPDX-License-Identifier: Apache-2.0
"""A quantum convolutional network on handwritten digits, without any classical trainable layer.

64 pixels are the amplitudes of 8 qubits (the rest is zeros); a feature extractor, pooling to 4 qubits, another extractor
and a readout are one circuit, measured once at the end. Its scores, times a constant, go into a softmax. Depths, epochs and
that constant were chosen for PyTorch (`qstore_torch.examples.quantum_cnn`), on a part of the training images.

    python -m qstore_tf.examples.quantum_cnn --classes 10
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import keras

import qstore as qs
from qstore_tf import QuantumFeatureExtractor, QuantumPooling, QuantumReadout, Sequential
from qstore_tf.examples.digits import load

__all__ = ["Trained", "make_model", "train"]

QUBITS, PIXELS = 8, 64
DEPTHS = {4: (16, 8), 10: (32, 8)}
"""Of both extractors, by number of classes."""
SHARPNESS = 20.0
"""Scores are expectations from -1 to 1; a softmax of these alone is never sure of anything."""
EPOCHS, BATCH, LEARNING_RATE = 40, 64, 0.03


class Trained(NamedTuple):
    """A trained model, its accuracy on the test images from 0 to 1, and the seconds of training."""

    model: keras.Model
    accuracy: float
    seconds: float


def make_model(classes: int) -> keras.Model:
    """Amplitudes, extractor, pooling, extractor, readout: one circuit; then a constant."""
    first, second = DEPTHS.get(classes, DEPTHS[10])
    backend = qs.get_backend("statevector", precision="single")
    quantum = Sequential(
        [
            QuantumFeatureExtractor(QUBITS, first, "circular", encoding="amplitude", n_features=PIXELS),
            QuantumPooling(QUBITS, pool_size=2),
            QuantumFeatureExtractor(QUBITS // 2, second, "circular", encoding=None),
            QuantumReadout(QUBITS // 2, classes, "expectation"),
        ],
        backend=backend,
    )
    return keras.Sequential([keras.Input((PIXELS,)), quantum, keras.layers.Rescaling(SHARPNESS)])


def train(classes: int = 10, *, epochs: int = EPOCHS, seed: int = 1, verbose: int = 0) -> Trained:
    """Train on the digits below `classes`."""
    data = load(classes)
    keras.utils.set_random_seed(seed)
    model = make_model(classes)
    steps = epochs * -(-len(data.train_x) // BATCH)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = time.perf_counter()
    model.fit(data.train_x, data.train_y, batch_size=BATCH, epochs=epochs, verbose=verbose)
    seconds = time.perf_counter() - start
    found = model.evaluate(data.test_x, data.test_y, batch_size=512, verbose=0, return_dict=True)
    return Trained(model, float(found["accuracy"]), seconds)


def main() -> None:
    """Train, and say how well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--classes", type=int, default=10, help="how many digits, from 0 up (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=EPOCHS, help="passes over the training images (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of fresh weights and the order of images (default: %(default)s)"
    )
    given = parser.parse_args()
    found = train(given.classes, epochs=given.epochs, seed=given.seed, verbose=2)
    print(found.model.layers[0].summary(batch_size=BATCH))
    print(f"{found.accuracy:.1%} of the test images right after {found.seconds:.0f} s of training")


if __name__ == "__main__":
    main()
