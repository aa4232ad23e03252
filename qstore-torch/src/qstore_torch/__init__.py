# SPDX-License-Identifier: Apache-2.0
"""Quantum layers for PyTorch.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOMES = dict.fromkeys(__all__, "qstore_torch.layers") | {"QuantumLayer": "qstore_torch.quantum_layer"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
