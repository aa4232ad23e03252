# SPDX-License-Identifier: Apache-2.0
"""Passes over circuits and the pipeline that runs them, each step checked against the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from qstore.circuit import QuantumCircuit, Template
from qstore.compiler.equivalence import MAX_CHECKED_QUBITS, Certificate, require_equivalent
from qstore.errors import CompilationError

__all__ = ["Compiled", "Pass", "Pipeline", "Step"]


@runtime_checkable
class Pass(Protocol):
    """One rewriting of circuits that leaves what they do unchanged, for every value of their parameters."""

    @property
    def name(self) -> str:
        """What reports and errors call it."""

    def __call__(self, circuit: Template) -> Template:
        """The rewritten circuit."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass did: number of operations, two-qubit gates and depth afterwards, and the evidence."""

    name: str
    operations: int
    two_qubit_gates: int
    depth: int
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled circuit with the evidence that it equals its source.

    Attributes:
        circuit: the result.
        certificate: the comparison with the source; None for circuits too large for it.
        steps: what each pass did.
    """

    circuit: Template
    certificate: Certificate | None
    steps: tuple[Step, ...]


class Pipeline:
    """Runs passes one after the other and refuses a result that differs from its source.

    Args:
        passes: in order.
        check: "end" compares the result with the source, "each" every step as well, to name the pass that errs.

    Example:
        >>> from qstore import QuantumCircuit
        >>> from qstore.compiler import MergeRotations, Pipeline
        >>> circuit = QuantumCircuit(1).rx(0, 0.1).rx(0, "theta").rz(0, 0.0)
        >>> Pipeline([MergeRotations()]).compile(circuit).circuit.gate_counts()
        {'rx': 1}
    """

    def __init__(self, passes: Sequence[Pass], *, check: str = "end") -> None:
        if check not in {"end", "each"}:
            raise CompilationError(f"check must be 'end' or 'each', got {check!r}.")
        self._passes = tuple(passes)
        self._check = check

    def compile(self, circuit: QuantumCircuit | Template) -> Compiled:
        """Run the passes.

        Raises:
            CompilationError: the result, or with check="each" one step, differs from what it was made of.
        """
        source = at = circuit.freeze()
        small = source.n_qubits <= MAX_CHECKED_QUBITS
        steps = []
        for each in self._passes:
            made = each(at)
            certificate = None
            if self._check == "each" and small:
                try:
                    certificate = require_equivalent(at, made)
                except CompilationError as exc:
                    raise CompilationError(f"Pass {each.name!r}: {exc}") from exc
            steps.append(Step(each.name, len(made), made.count_two_qubit_gates(), made.depth(), certificate))
            at = made
        certificate = require_equivalent(source, at) if small and at is not source else None
        return Compiled(at, certificate, tuple(steps))
