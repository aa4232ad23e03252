# SPDX-License-Identifier: Apache-2.0
"""A batch's rows as the gates of the service's JSON: QIS gates (radians), or native ones (turns).

A `Rendering` is made once for a batch; `circuit(row)` then only fills in that row's numbers. What the compiler changed
about the meaning of outcomes (relabelled qubits, flipped bits) is undone by `outcomes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch
from qstore.circuit import BindingMap, Operation
from qstore_ionq.qis import WORDS, certified_qis, lower_to_qis
from qstore_ionq.wire import dump

__all__ = ["NATIVE_GATES", "Gate", "Rendering", "render_compiled", "render_native", "render_qis"]

Gate = dict[str, Any]
Outcomes = NDArray[np.int64]

NATIVE_GATES = frozenset({"gpi", "gpi2", "ms", "zz"})
"""The gates of the core's table that are IonQ's own."""
TURN = 2 * math.pi
_NUMBER_BYTES = 24
"""The longest float64 in JSON."""
_ONE_QUBIT_BYTES, _TWO_QUBIT_BYTES = 72, 144
"""The longest native gates in JSON: GPi2 with one number, MS with three."""
_IDENTITY = ({"gate": "gpi", "target": 0, "phase": 0.0}, {"gate": "gpi", "target": 0, "phase": 0.0})
"""Two pulses that undo each other: the service takes no empty circuit."""


class Rendering(Protocol):
    """A batch's circuits, ready to be written."""

    @property
    def gateset(self) -> str:
        """The service's word: "qis" or "native"."""

    @property
    def n_qubits(self) -> int:
        """Width of each circuit."""

    @property
    def gate_counts(self) -> tuple[int, int]:
        """One- and two-qubit gates of each circuit; an upper bound where rows differ."""

    @property
    def certified(self) -> bool:
        """Whether the gates were proved equal to the circuit, or are the user's own."""

    @property
    def max_bytes(self) -> int:
        """An upper bound for one circuit's gates in JSON."""

    def circuit(self, row: int) -> list[Gate]:
        """The gates of one row."""

    def outcomes(self, row: int, measured: Outcomes) -> Outcomes:
        """The circuit's outcomes for measured ones."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    """What all renderings that fill numbers into fixed gates share."""

    gateset: str
    n_qubits: int
    gate_counts: tuple[int, int]
    certified: bool
    max_bytes: int
    _fixed: Sequence[Gate]
    _fill: Callable[[int, list[Gate]], list[Gate]]

    def circuit(self, row: int) -> list[Gate]:
        return self._fill(row, list(self._fixed))

    def outcomes(self, row: int, measured: Outcomes) -> Outcomes:  # noqa: ARG002  # here every row is measured as it is
        return measured


def render_qis(batch: CircuitBatch, *, verify: bool = False) -> Rendering:
    """The batch in QIS gates.

    Args:
        batch: any circuit of gates that `qis` lowers.
        verify: prove the lowered circuit equal.

    Raises:
        CapabilityError: the circuit is no unitary.
        CompilationError: the lowered circuit could not be proved equal.
    """
    template = lower_to_qis(batch.circuit)
    if verify:
        certified_qis(batch.circuit)
    binding = BindingMap(template)
    plan = binding.plan(batch.per_sample)
    shared, sample = plan.evaluate(batch.bindings, batch.size)
    gates = [_qis_gate(op) for op in template.operations]
    for number, value in zip(plan.shared_slots, shared.tolist(), strict=True):
        gates[binding.slots[number].operation]["rotation"] = value
    places = [binding.slots[number].operation for number in plan.sample_slots]
    gates = gates or [{"gate": "rz", "target": 0, "rotation": 0.0}]  # the service takes no empty circuit

    def fill(row: int, made: list[Gate]) -> list[Gate]:
        for place, value in zip(places, sample[row].tolist(), strict=True):
            made[place] = {**made[place], "rotation": value}
        return made

    two = sum(len(op.qubits) == 2 for op in template.operations)
    size = len(dump(gates)) + _NUMBER_BYTES * len(places)
    return _Rendered("qis", template.n_qubits, (len(gates) - two, two), verify, size, gates, fill)


def render_native(batch: CircuitBatch, tail: Sequence[Operation] = ()) -> Rendering:
    """A batch of native gates as they are; angles are folded into the ranges that the service takes.

    Args:
        batch: made of native gates, before its tail.
        tail: operations at the end of the circuit that only change the measured basis (`h`, or `sdg` and `h`), written
            as one GPi2 each: what they do to the phases of the outcomes is not seen.
    """
    own = batch.circuit.operations[: len(batch.circuit.operations) - len(tail)]
    binding = BindingMap(batch.circuit)
    plan = binding.plan(batch.per_sample)
    shared, sample = plan.evaluate(batch.bindings, batch.size)
    angles = [[angle.constant for angle in op.angles] for op in own]
    for number, value in zip(plan.shared_slots, shared.tolist(), strict=True):
        slot = binding.slots[number]
        angles[slot.operation][slot.position] = value
    slots = [binding.slots[number] for number in plan.sample_slots]
    ending = [_basis_gate(q, tail) for q in sorted({op.qubits[0] for op in tail})]

    def fill(row: int, made: list[Gate]) -> list[Gate]:
        values = [list(each) for each in angles]
        for slot, value in zip(slots, sample[row].tolist(), strict=True):
            values[slot.operation][slot.position] = value
        for op, given in zip(own, values, strict=True):
            made += _native_gates(op, given)
        made += ending
        return made or list(_IDENTITY)

    two = sum(len(op.qubits) == 2 for op in own)
    folded = 2 * sum(op.gate == "ms" for op in own)  # an MS beyond a quarter turn ends in two GPi
    one = (len(own) - two + folded + len(ending)) or len(_IDENTITY)
    return _Rendered("native", batch.circuit.n_qubits, (one, two), True, _native_bytes(one, two), (), fill)


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """What the native compiler made of a batch."""

    n_qubits: int
    gate_counts: tuple[int, int]
    certified: bool
    max_bytes: int
    _bound: Any
    gateset: str = "native"

    def circuit(self, row: int) -> list[Gate]:
        gates: list[Gate] = self._bound.circuit(row)
        return gates or list(_IDENTITY)

    def outcomes(self, row: int, measured: Outcomes) -> Outcomes:
        found: Outcomes = self._bound.outcomes(row, measured)
        return found


def render_compiled(batch: CircuitBatch, entangler: str, *, verify: bool = True) -> Rendering:
    """The batch compiled to native gates.

    Args:
        batch: any circuit that the compiler takes.
        entangler: the machine's gate on two qubits, "ms" or "zz".
        verify: prove the compiled circuit equal.

    Raises:
        CompilationError: the compiled circuit could not be proved equal.
    """
    from qstore_ionq.native import compile_native  # the compiler is only imported where something is compiled

    program = compile_native(batch.circuit, entangler, verify=verify)
    bound = program.bind(batch.bindings, batch.per_sample, batch.size)
    one, two = program.gate_counts
    certified = program.certificate is not None
    return _Compiled(batch.circuit.n_qubits, (one, two), certified, _native_bytes(one, two), bound)


def _qis_gate(op: Operation) -> Gate:
    gate: Gate = {"gate": WORDS[op.gate]}
    if op.gate == "cx":
        gate |= {"control": op.qubits[0], "target": op.qubits[1]}
    elif len(op.qubits) == 1:
        gate["target"] = op.qubits[0]
    else:
        gate["targets"] = list(op.qubits)
    if op.angles:
        gate["rotation"] = op.angles[0].constant
    return gate


def _turns(angle: float) -> float:
    """Radians as turns in [-0.5, 0.5]."""
    return math.remainder(angle / TURN, 1.0)


def _native_gates(op: Operation, angles: list[float]) -> Iterator[Gate]:
    if op.gate in {"gpi", "gpi2"}:
        yield {"gate": op.gate, "target": op.qubits[0], "phase": _turns(angles[0])}
    elif op.gate == "zz":
        yield {"gate": "zz", "targets": list(op.qubits), "angle": _turns(angles[0])}
    else:
        yield from _ms(op.qubits, *map(_turns, angles))


def _ms(qubits: Sequence[int], first: float, second: float, angle: float) -> Iterator[Gate]:
    """MS with an angle in [0, 0.25].

    MS(a, b, -t) = MS(a + 1/2, b, t), and MS(a, b, 1/2 - t) = GPi(a) x GPi(b) MS(a + 1/2, b, t) up to a phase.
    """
    beyond = abs(angle) > 0.25
    turned = math.copysign(1, angle) * (-1 if beyond else 1) < 0
    size = 0.5 - abs(angle) if beyond else abs(angle)
    phase = math.remainder(first + 0.5, 1.0) if turned else first
    yield {"gate": "ms", "targets": list(qubits), "phases": [phase, second], "angle": size}
    if beyond:
        yield {"gate": "gpi", "target": qubits[0], "phase": first}
        yield {"gate": "gpi", "target": qubits[1], "phase": second}


def _native_bytes(one: int, two: int) -> int:
    return 2 * _ONE_QUBIT_BYTES + _ONE_QUBIT_BYTES * one + _TWO_QUBIT_BYTES * two


def _basis_gate(qubit: int, tail: Sequence[Operation]) -> Gate:
    """Measuring X is a rotation by -pi/2 about Y, measuring Y one by pi/2 about X."""
    has_sdg = any(op.gate == "sdg" and op.qubits == (qubit,) for op in tail)
    return {"gate": "gpi2", "target": qubit, "phase": 0.0 if has_sdg else -0.25}
