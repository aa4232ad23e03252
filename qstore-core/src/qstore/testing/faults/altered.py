# SPDX-License-Identifier: Apache-2.0
"""What planted faults are made of: the kit's good backends with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Estimate
from qstore.circuit import Operation, Template
from qstore.testing.strict import StrictBackend

__all__ = ["Altered", "Fault", "altered", "rewriting"]

Asked = Callable[[CircuitBatch], CircuitBatch]
Answered = Callable[[CircuitBatch, BatchResult], BatchResult]
Pulled = Callable[[CircuitBatch, dict[str, NDArray[np.float64]]], dict[str, NDArray[np.float64]]]
Judged = Callable[[CircuitBatch, Estimate], Estimate]


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault.

    Attributes:
        name: in a few words.
        make: makes the faulty subject.
    """

    name: str
    make: Callable[..., Any]


class Altered(StrictBackend):
    """The strict backend with another question asked of it, or another answer given."""

    asked: Asked = staticmethod(lambda batch: batch)
    answered: Answered = staticmethod(lambda _, result: result)
    pulled: Pulled = staticmethod(lambda _, gradients: gradients)
    judged: Judged = staticmethod(lambda _, estimate: estimate)

    def run_sync(self, batch: CircuitBatch) -> BatchResult:
        """As a good backend, then altered."""
        return self.answered(batch, super().run_sync(batch))

    def vjp_sync(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wrt: Collection[str] | None = None
    ) -> tuple[BatchResult, dict[str, NDArray[np.float64]]]:
        """As a good backend, then altered."""
        result, gradients = super().vjp_sync(batch, cotangent, wrt)
        return self.answered(batch, result), self.pulled(batch, gradients)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """As a good backend, then altered."""
        return self.judged(batch, super().estimate(batch))

    def values(self, batch: CircuitBatch) -> NDArray[Any]:
        """Of what was made of the question."""
        return super().values(self.asked(batch))

    def probabilities(self, batch: CircuitBatch) -> NDArray[np.float64]:
        """Of what was made of the question."""
        return super().probabilities(self.asked(batch))


def altered(name: str, **changes: Any) -> Fault:
    """A fault made of functions: `asked`, `answered`, `pulled`, `judged`, or methods of the strict backend."""
    functions = {"asked", "answered", "pulled", "judged"}
    body = {key: staticmethod(value) if key in functions else value for key, value in changes.items()}
    return Fault(name, type("Faulty", (Altered,), body))


def rewriting(change: Callable[[Operation], Operation | None]) -> Asked:
    """The question with every operation changed, or dropped for None."""

    def asked(batch: CircuitBatch) -> CircuitBatch:
        made = [change(op) for op in batch.circuit.operations]
        circuit = Template(batch.circuit.n_qubits, [op for op in made if op is not None])
        left = {parameter.name for parameter in circuit.parameters}
        bindings = {key: array for key, array in batch.bindings.items() if key in left}
        if batch.size > 1 and not left & batch.per_sample:
            return replace(batch, circuit=circuit, bindings=bindings)  # keeps its rows, all alike now
        return batch.replace(circuit=circuit, bindings=bindings)

    return asked
