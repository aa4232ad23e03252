# SPDX-License-Identifier: Apache-2.0
"""The adjoint method: one backward sweep of the backend's own, whatever the number of parameters.

Source: Jones, Gacon, "Efficient calculation of gradients in classical simulations of variational quantum algorithms",
arXiv:2009.02823.
"""

from __future__ import annotations

from qstore.batch import CircuitBatch
from qstore.plugins import Backend, chooses, is_differentiable

__all__ = ["Adjoint"]


class Adjoint:
    """Gradients by the backend's `vjp`; exact, on simulators."""

    def reason_against(self, batch: CircuitBatch, backend: Backend) -> str | None:
        """Why this backend cannot differentiate this batch by itself; None when it can."""
        kind = type(batch.outputs).__name__
        if not is_differentiable(backend):
            return f"{backend.name!r} has no vjp"
        if chooses(backend):
            return backend.reason_against_vjp(batch)  # its candidates differ
        if batch.shots is not None:
            return "shots leave no state to sweep back through"
        if kind not in backend.capabilities.differentiable_outputs:
            return f"{backend.name!r} does not differentiate {kind}"
        noisy = batch.circuit.is_noisy or batch.circuit.has_feedback
        if noisy and not backend.capabilities.differentiates_noise:
            return f"{backend.name!r} does not differentiate circuits with noise, reset or measurements"
        return None
