# SPDX-License-Identifier: Apache-2.0
"""Quantum layers without a framework: named circuits with weights, on numpy arrays and any backend.

`QuantumFeatureExtractor`, `QuantumNonlinearity`, `QuantumPooling` and `QuantumReadout` are stages of circuits;
`Sequential` joins neighbours into one. How a stage becomes a circuit: `qstore.layers.stage`, `qstore.layers.coherent`.
"""

from qstore.layers.adaptive import AdaptiveLayer
from qstore.layers.circuit_layer import CircuitLayer, Execution
from qstore.layers.classical_layers import DecodingLayer, QuantumBatchNorm
from qstore.layers.dropout import QuantumDropout
from qstore.layers.hardware_efficient import (
    ENTANGLEMENTS,
    entangling_pairs,
    hardware_efficient_circuit,
)
from qstore.layers.layer import Layer, LayerGradient, Pass
from qstore.layers.measurements import basis_observables
from qstore.layers.quantum_layers import (
    EncodingLayer,
    QuantumFeatureExtractor,
    QuantumNonlinearity,
    QuantumPooling,
    QuantumReadout,
)
from qstore.layers.sequential import Sequential
from qstore.layers.usage import BackendUse, Observed, Usage

__all__ = [
    "ENTANGLEMENTS",
    "AdaptiveLayer",
    "BackendUse",
    "CircuitLayer",
    "DecodingLayer",
    "EncodingLayer",
    "Execution",
    "Layer",
    "LayerGradient",
    "Observed",
    "Pass",
    "QuantumBatchNorm",
    "QuantumDropout",
    "QuantumFeatureExtractor",
    "QuantumNonlinearity",
    "QuantumPooling",
    "QuantumReadout",
    "Sequential",
    "Usage",
    "basis_observables",
    "entangling_pairs",
    "hardware_efficient_circuit",
]
