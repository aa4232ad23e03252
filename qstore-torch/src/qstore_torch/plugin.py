# SPDX-License-Identifier: Apache-2.0
"""What this distribution registers; importing it imports no torch."""

from __future__ import annotations

from qstore.plugins import FrameworkSpec, hookimpl

__all__ = ["qstore_frameworks"]


LAYERS = (
    "QuantumFeatureExtractor", "EncodingLayer", "QuantumNonlinearity", "QuantumPooling", "QuantumReadout",
    "AdaptiveLayer", "DecodingLayer", "QuantumBatchNorm", "Sequential",
)  # fmt: skip
"""The layers of `qstore.layers` that are modules here."""


@hookimpl
def qstore_frameworks() -> tuple[FrameworkSpec, ...]:
    """The layers for PyTorch."""
    return (
        FrameworkSpec(name="torch", summary="quantum layers as torch.nn modules", api_version=(1, 0),
                      layers=("qstore_torch.quantum_layer:QuantumLayer", *(f"qstore_torch.layers:{name}" for name in LAYERS))),
    )  # fmt: skip
