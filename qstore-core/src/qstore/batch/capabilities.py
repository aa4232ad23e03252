# SPDX-License-Identifier: Apache-2.0
"""What a backend can do, as data; and what one batch would cost there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from qstore.circuit import GATES

__all__ = ["ALL_GATES", "ANYTHING", "Capabilities", "Estimate"]

ALL_GATES = frozenset(GATES)
"""Every row of the gate table, for backends that take circuits as they are."""
ANY_SIZE = 2**31 - 1
"""As `max_qubits`: no limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        max_qubits: largest circuit.
        gates: names of the gate table that it runs.
        exact_outputs: class names of the outputs it computes exactly (shots=None).
        shot_outputs: class names of the outputs it serves from shots; what is not here the core derives from Counts.
        differentiable_outputs: exact outputs whose gradient the backend computes itself (`vjp`).
        differentiates_noise: whether that holds for circuits with channels, measurements and conditions too.
        max_shots: most shots per row; None where there is no limit.
        max_batch: most rows per run; None where there is no limit.
        noise: whether channels and reset inside circuits are simulated.
        feedback: whether mid-circuit measurement and conditioned gates run.
        paid: whether running costs money.
        local: whether it runs in this process.
        fidelity_1q, fidelity_2q: average fidelity of a gate on one and on two qubits; None where nothing is known.
        fidelity_readout: probability that one qubit is read right.
    """

    max_qubits: int
    gates: frozenset[str] = ALL_GATES
    exact_outputs: frozenset[str] = frozenset()
    shot_outputs: frozenset[str] = frozenset({"Counts"})
    differentiable_outputs: frozenset[str] = frozenset()
    differentiates_noise: bool = False
    max_shots: int | None = None
    max_batch: int | None = None
    noise: bool = False
    feedback: bool = False
    paid: bool = False
    local: bool = True
    fidelity_1q: float | None = None
    fidelity_2q: float | None = None
    fidelity_readout: float | None = None

    def with_changes(self, **changes: Any) -> Capabilities:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def summary(self) -> str:
        """One line for people: size, exact or shots, gradients, money."""
        parts = ["any size" if self.max_qubits >= ANY_SIZE else f"{self.max_qubits} qubits"]
        parts.append("exact + shots" if self.exact_outputs and self.shot_outputs else
                     "exact" if self.exact_outputs else "shots")  # fmt: skip
        parts += ["gradients"] if self.differentiable_outputs else []
        parts += ["noise"] if self.noise else []
        parts.append("paid" if self.paid else "free")
        parts.append("local" if self.local else "remote")
        return ", ".join(parts)


ANYTHING = Capabilities(
    max_qubits=ANY_SIZE,
    exact_outputs=frozenset({"DensityMatrix", "Expectations", "Probabilities", "StateVector", "Variance"}),
    shot_outputs=frozenset({"Counts", "Expectations", "Probabilities", "Samples", "Variance"}),
    noise=True,
    feedback=True,
)
"""Of a backend that hands batches on as they are and leaves it to others to refuse them, with their own reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one batch is expected to cost.

    Attributes:
        usd: dollars.
        seconds: wall-clock seconds, queue included.
        error: expected absolute error of an expectation value; 0 for exact.
        model: who says so.
    """

    usd: Decimal
    seconds: float
    error: float
    model: str
