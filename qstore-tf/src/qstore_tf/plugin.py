# SPDX-License-Identifier: Apache-2.0
"""What this distribution registers; importing it imports no Keras."""

from __future__ import annotations

from qstore.plugins import FrameworkSpec, hookimpl

__all__ = ["qstore_frameworks"]


LAYERS = (
    "QuantumFeatureExtractor", "EncodingLayer", "QuantumNonlinearity", "QuantumPooling", "QuantumReadout",
    "AdaptiveLayer", "DecodingLayer", "QuantumBatchNorm", "Sequential",
)  # fmt: skip
"""The layers of `qstore.layers` that are Keras layers here."""


@hookimpl
def qstore_frameworks() -> tuple[FrameworkSpec, ...]:
    """The layers for Keras."""
    return (
        FrameworkSpec(name="keras", summary="quantum layers for Keras 3 on TensorFlow, PyTorch or JAX", api_version=(1, 0),
                      layers=("qstore_tf.quantum_layer:QuantumLayer", *(f"qstore_tf.layers:{name}" for name in LAYERS))),
    )  # fmt: skip
