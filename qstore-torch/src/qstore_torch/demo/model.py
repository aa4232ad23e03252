# SPDX-License-Identifier: Apache-2.0
"""The quantum-first classifier, and a classical one of the same size to be honest about it."""

from __future__ import annotations

from qstore.plugins import Backend
from qstore_torch import QuantumLayer
from torch import nn

__all__ = ["classical_model", "count", "hybrid_model"]

DEPTH, ENTANGLEMENT = 24, "circular"
"""Chosen on the training part alone; see `qstore_torch.demo.cli` for how."""
BASES = "ZXY"


def hybrid_model(n_qubits: int, n_classes: int, backend: Backend | str) -> nn.Sequential:
    """Pixels as amplitudes, trained rotations, expectations of Z, X and Y on every qubit, one linear read-out."""
    quantum = QuantumLayer(
        n_qubits=n_qubits, depth=DEPTH, entanglement=ENTANGLEMENT, encoding="amplitude", measurement_bases=BASES,
        backend=backend,
    )  # fmt: skip
    return nn.Sequential(quantum, nn.Linear(quantum.output_dim, n_classes))


def classical_model(n_inputs: int, n_classes: int, n_parameters: int) -> nn.Sequential:
    """One hidden layer, as wide as comes nearest to that many parameters."""
    per_unit = n_inputs + 1 + n_classes
    hidden = max(1, round((n_parameters - n_classes) / per_unit))
    return nn.Sequential(nn.Linear(n_inputs, hidden), nn.Tanh(), nn.Linear(hidden, n_classes))


def count(model: nn.Module) -> tuple[int, int]:
    """Trainable parameters: (quantum, classical)."""
    quantum = sum(part.n_parameters for part in model.modules() if isinstance(part, QuantumLayer))
    return quantum, sum(p.numel() for p in model.parameters() if p.requires_grad) - quantum
