# SPDX-License-Identifier: Apache-2.0
"""Planted faults of converters, compiler passes and gradient methods, beside a good one of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qstore.circuit import CircuitView, GateKind, Operation, QuantumCircuit, Template
from qstore.compiler import MergeRotations
from qstore.gradients.parameter_shift import ParameterShift
from qstore.plugins import GradientResult
from qstore.testing.compilers import CompilerExam, circuit_unitary
from qstore.testing.converters import ConverterExam
from qstore.testing.faults.altered import Fault
from qstore.testing.gradient_methods import GradientExam

__all__ = [
    "COMPILER_FAULTS",
    "CONVERTER_FAULTS",
    "GOOD_COMPILER",
    "GOOD_CONVERTER",
    "GOOD_GRADIENT",
    "GRADIENT_FAULTS",
]

GRID = math.pi / 12
Change = Callable[[CircuitView], CircuitView]


def _each(change: Callable[[Operation], Operation | None]) -> Change:
    def changed(circuit: CircuitView) -> CircuitView:
        made = [change(op) for op in circuit.operations]
        return Template(circuit.n_qubits, [op for op in made if op is not None])

    return changed


def _moved(order: Callable[[int, int], int]) -> Change:
    def changed(circuit: CircuitView) -> CircuitView:
        n = circuit.n_qubits
        return Template(n, [op.moved(tuple(order(q, n) for q in op.qubits)) for op in circuit.operations])

    return changed


def _halves(q: int, n: int) -> int:
    half = n // 2
    return q + half if q < half else q - half if q < 2 * half else q


def _grid(op: Operation) -> Operation:
    return replace(op, angles=tuple(replace(a, constant=round(a.constant / GRID) * GRID) for a in op.angles))


def _digits(op: Operation) -> Operation:
    return replace(op, angles=tuple(replace(a, constant=float(f"{a.constant:.6g}")) for a in op.angles))


def _negated(op: Operation) -> Operation:
    return replace(op, angles=tuple(angle.scaled(-1) for angle in op.angles)) if op.gate == "rz" else op


def _trimmed(circuit: CircuitView) -> CircuitView:
    used = max((q for op in circuit.operations for q in op.qubits), default=0) + 1
    return Template(used, circuit.operations)


def _text(circuit: CircuitView) -> str:
    """A format of the kit's own: the circuit's JSON."""
    return circuit.to_json()


def _converter(*, there: Change = lambda c: c, back: Change = lambda c: c, judge: bool = False,
               matches: Callable[[Any], bool] | None = None) -> ConverterExam:  # fmt: skip
    def to(circuit: CircuitView) -> str:
        return _text(there(circuit))

    def read(text: str) -> QuantumCircuit:
        found = back(QuantumCircuit.from_json(text))
        made = QuantumCircuit(found.n_qubits)
        for op in found.operations:
            made.append_operation(op)
        return made

    def unitary(text: str) -> Any:
        return circuit_unitary(QuantumCircuit.from_json(text), {})

    recognised = matches or (lambda made: isinstance(made, str) and made.startswith("{"))
    return ConverterExam(to, read, recognised, judge=unitary if judge else None)


def _other(name: str, make: Callable[[], Any]) -> Fault:
    return Fault(name, make)


def GOOD_CONVERTER() -> ConverterExam:
    """JSON there and back, with a judge."""
    return _converter(judge=True)


CONVERTER_FAULTS = (
    _other("angles rounded to pi/12", lambda: _converter(there=_each(_grid))),
    _other("angles printed with six digits", lambda: _converter(there=_each(_digits))),
    _other("qubits reversed on the way there", lambda: _converter(there=_moved(lambda q, n: n - 1 - q))),
    _other("qubits reversed both ways", lambda: _converter(
        there=_moved(lambda q, n: n - 1 - q), back=_moved(lambda q, n: n - 1 - q), judge=True)),
    _other("register halves swapped", lambda: _converter(back=_moved(_halves))),
    _other("sign of rz", lambda: _converter(there=_each(_negated))),
    _other("idle qubits dropped", lambda: _converter(there=_trimmed)),
    _other("swap dropped", lambda: _converter(there=_each(lambda op: None if op.gate == "swap" else op))),
    _other("control and target of cx swapped", lambda: _converter(
        back=_each(lambda op: op.moved(op.qubits[::-1]) if op.gate == "cx" else op))),
    _other("measurements dropped", lambda: _converter(there=_each(lambda op: None if op.bit is not None else op))),
    _other("conditions dropped", lambda: _converter(there=_each(lambda op: replace(op, condition=None)))),
    _other("channels dropped", lambda: _converter(
        there=_each(lambda op: None if op.spec.kind is GateKind.CHANNEL else op))),
    _other("constants of affine angles dropped", lambda: _converter(there=_each(lambda op: replace(
        op, angles=tuple(replace(a, constant=0.0) if a.terms else a for a in op.angles))))),
    _other("takes any text for its own", lambda: _converter(matches=lambda made: isinstance(made, str))),
)  # fmt: skip


def GOOD_COMPILER() -> CompilerExam:
    """The core's merging of rotations."""
    return CompilerExam(MergeRotations())


def _pass(change: Change) -> Callable[[], CompilerExam]:
    return lambda: CompilerExam(lambda circuit: change(MergeRotations()(circuit)))  # type: ignore[return-value,arg-type]


def _forgetful() -> CompilerExam:
    def shorter(circuit: Template) -> Template:
        return Template(circuit.n_qubits, circuit.operations[:-1]) if len(circuit) > 11 else circuit

    return CompilerExam(shorter)


def _merges_across(circuit: CircuitView) -> CircuitView:
    """Adds rotations of one kind on one qubit wherever they stand."""
    kept: list[Operation] = []
    for op in circuit.operations:
        same = next((k for k in kept if k.gate == op.gate == "rx" and k.qubits == op.qubits), None)
        if same is None:
            kept.append(op)
        else:
            kept[kept.index(same)] = replace(same, angles=(same.angles[0] + op.angles[0],))
    return Template(circuit.n_qubits, kept)


COMPILER_FAULTS = (
    _other("merges across other gates", _pass(_merges_across)),
    _other("sign of rz", _pass(_each(_negated))),
    _other("drops small angles", _pass(_each(
        lambda op: None if op.gate == "rx" and op.angles[0].is_constant and abs(op.angles[0].constant) < 1e-4 else op))),
    _other("drops the last gate of long circuits", _forgetful),
    _other("sdg for s", _pass(_each(lambda op: replace(op, gate="sdg") if op.gate == "s" else op))),
    _other("drops reset", _pass(_each(lambda op: None if op.gate == "reset" else op))),
    _other("drops channels", _pass(_each(lambda op: None if op.spec.strength else op))),
    _other("forgets conditions", _pass(_each(lambda op: replace(op, condition=None)))),
    _other("freezes symbols to zero", _pass(_each(lambda op: replace(
        op, angles=tuple(replace(a, terms=()) for a in op.angles))))),
)  # fmt: skip


class _Changed(ParameterShift):
    """Parameter shift with its result changed."""

    def __init__(self, change: Callable[[GradientResult], GradientResult]) -> None:
        super().__init__()
        self._change = change

    def combine(self, *arguments: Any, **named: Any) -> GradientResult:
        return self._change(super().combine(*arguments, **named))


def GOOD_GRADIENT() -> GradientExam:
    """The core's parameter shift."""
    return GradientExam(ParameterShift)


def _gradient(change: Callable[[GradientResult], GradientResult]) -> Callable[[], GradientExam]:
    return lambda: GradientExam(lambda: _Changed(change))


def _scaled(factor: float) -> Callable[[GradientResult], GradientResult]:
    return lambda r: replace(r, gradients={k: np.asarray(v * factor) for k, v in r.gradients.items()})


class _OneKey(ParameterShift):
    """All shifted circuits draw the same shots."""

    def expand(self, batch: Any, **named: Any) -> Any:
        made = super().expand(batch, **named)
        if batch.shots is None:
            return made
        return tuple(each.replace(_keys=np.resize(batch.stream_keys, each.size)) for each in made)


GRADIENT_FAULTS = (
    _other("sign", _gradient(_scaled(-1.0))),
    _other("factor of two", _gradient(_scaled(2.0))),
    _other("a parameter left out", _gradient(
        lambda r: replace(r, gradients={k: v for k, v in r.gradients.items() if k != "s"}))),
    _other("standard errors too small", _gradient(lambda r: r if r.standard_errors is None else replace(
        r, standard_errors={k: np.asarray(v * 0.6) for k, v in r.standard_errors.items()}))),
    _other("no standard errors from shots", _gradient(lambda r: replace(r, standard_errors=None))),
    _other("shared gradients averaged", _gradient(lambda r: replace(
        r, gradients={k: np.asarray(v if k == "x" else v / 3) for k, v in r.gradients.items()}))),
    _other("one stream key for all shifts", lambda: GradientExam(_OneKey)),
)  # fmt: skip
