# SPDX-License-Identifier: Apache-2.0
"""Quantum layers for PyTorch.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore_torch.layers import (
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
    from qstore_torch.quantum_layer import QuantumLayer

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
]

__version__ = "0.1.0"

_LAZY = dict.fromkeys(__all__, "qstore_torch.layers") | {"QuantumLayer": "qstore_torch.quantum_layer"}
__getattr__ = _loader(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
