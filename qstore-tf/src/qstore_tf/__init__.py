# SPDX-License-Identifier: Apache-2.0
"""Quantum layers for Keras 3, on TensorFlow, PyTorch or JAX.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import Keras.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qstore.lazy import loader

if TYPE_CHECKING:
    from qstore_tf.failures import original_errors
    from qstore_tf.layers import (
        AdaptiveLayer,
        DecodingLayer,
        EncodingLayer,
        QuantumBatchNorm,
        QuantumDropout,
        QuantumFeatureExtractor,
        QuantumNonlinearity,
        QuantumPooling,
        QuantumReadout,
        Sequential,
    )
    from qstore_tf.quantum_layer import QuantumLayer

__all__ = [
    "AdaptiveLayer",
    "DecodingLayer",
    "EncodingLayer",
    "QuantumBatchNorm",
    "QuantumDropout",
    "QuantumFeatureExtractor",
    "QuantumLayer",
    "QuantumNonlinearity",
    "QuantumPooling",
    "QuantumReadout",
    "Sequential",
    "original_errors",
]

__version__ = "0.1.0"

_HOMES = dict.fromkeys(__all__, "qstore_tf.layers") | {
    "QuantumLayer": "qstore_tf.quantum_layer",
    "original_errors": "qstore_tf.failures",
}

__getattr__ = loader(__name__, _HOMES)

if "keras" in sys.modules:
    # `load_model` finds the layers only once Keras knows them; where Keras is loaded, this costs little.
    from qstore_tf import layers, quantum_layer

    del layers, quantum_layer


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
