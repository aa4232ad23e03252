# SPDX-License-Identifier: Apache-2.0
"""A small convolutional network with a quantum layer in its middle, on handwritten digits.

    python -m qstore_tf.examples.hybrid_cnn
    KERAS_BACKEND=torch python -m qstore_tf.examples.hybrid_cnn

The quantum layer is a Keras layer like the others: the same code trains on TensorFlow, PyTorch and JAX, by the variable
KERAS_BACKEND.
"""

from __future__ import annotations

import argparse

import keras

from qstore_tf import QuantumLayer
from qstore_tf.examples.digits import load

__all__ = ["make_model", "train"]

QUBITS, CLASSES = 6, 10


def make_model() -> keras.Model:
    """8 x 8 pixels, two convolutions, six angles, a circuit, ten scores."""
    return keras.Sequential([
        keras.Input((64,)),
        keras.layers.Reshape((8, 8, 1)),
        keras.layers.Conv2D(8, 3, padding="same", activation="tanh"), keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(8, 3, padding="same", activation="tanh"), keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(QUBITS, activation="tanh"),  # angles that do not wrap
        QuantumLayer(n_qubits=QUBITS, depth=3, entanglement="circular", measurement_bases="ZX"),
        keras.layers.Dense(CLASSES),
    ])  # fmt: skip


def train(*, epochs: int = 20, seed: int = 1, verbose: int = 0) -> tuple[keras.Model, float]:
    """A trained model and its accuracy on the test images, from 0 to 1."""
    data = load(CLASSES)
    keras.utils.set_random_seed(seed)
    model = make_model()
    model.compile(
        optimizer=keras.optimizers.Adam(0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(data.train_x, data.train_y, batch_size=64, epochs=epochs, verbose=verbose)
    found = model.evaluate(data.test_x, data.test_y, batch_size=512, verbose=0, return_dict=True)
    return model, float(found["accuracy"])


def main() -> None:
    """Train, and say how well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--epochs", type=int, default=20, help="passes over the training images (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of fresh weights and the order of images (default: %(default)s)"
    )
    given = parser.parse_args()
    _, accuracy = train(epochs=given.epochs, seed=given.seed, verbose=2)
    print(f"{accuracy:.1%} of the test images right")


if __name__ == "__main__":
    main()
