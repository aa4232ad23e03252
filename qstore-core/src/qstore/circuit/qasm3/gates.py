# SPDX-License-Identifier: Apache-2.0
"""Gates of the text: what a call is, with its modifiers, and what it becomes.

Rows of the gate table come out one by one, so that a reader with a limit can stop a call that would become too much.
A call with modifiers is a `Block` first, which knows its global phase.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from qstore.circuit.angles import Angle, as_angle
from qstore.circuit.block import Block
from qstore.circuit.operation import Operation
from qstore.circuit.qasm3.scope import Scope, Variable
from qstore.circuit.qasm3.values import Value
from qstore.circuit.text import Token

__all__ = ["Call", "Gate", "Modifier", "Sink"]

Number = Callable[[Scope], Value]


class Sink:
    """Takes what a call becomes: operations and a global phase.

    Args:
        count: is told of every operation before it is kept; raises when there are too many.
    """

    __slots__ = ("count", "operations", "phase")

    def __init__(self, count: Callable[[int], None]) -> None:
        self.count = count
        self.operations: list[Operation] = []
        self.phase = Angle()

    def put(self, op: Operation) -> None:
        """Keep an operation."""
        self.count(1)
        self.operations.append(op)

    def turn(self, phase: Angle) -> None:
        """Add to the global phase."""
        self.phase = self.phase + phase

    def fresh(self) -> Sink:
        """A sink with the same limit for a part of this one."""
        return Sink(self.count)


@dataclass(frozen=True, slots=True)
class Modifier:
    """One of `ctrl`, `negctrl`, `inv`, `pow`, with its number where it has one."""

    name: str
    token: Token
    number: Number | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call in a gate's body.

    Attributes:
        gate: what is called.
        angles: from the parameters of the gate in whose body this stands.
        modifiers: in the order of the text; the last one acts first.
        positions: the qubits, as positions in that gate's qubits.
        run: applies it to numbered qubits.
    """

    gate: Gate
    angles: tuple[Number, ...]
    modifiers: tuple[Modifier, ...]
    positions: tuple[int, ...]
    run: Callable[[Call, Scope, Sequence[int], Sink], None]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that can be called.

    Attributes:
        name: how the text calls it.
        n_parameters, n_qubits: what a call must give.
        row: the row of the gate table that it is, if it is one, with `angles` its angles as positions of parameters
            or numbers, and `turn` the part of each parameter in its global phase.
        parameters: the names of its parameters.
        calls: what it consists of otherwise.
        depth: how deep its definition is nested.
    """

    name: str
    n_parameters: int
    n_qubits: int
    row: str = ""
    angles: tuple[int | float, ...] = ()
    turn: tuple[float, ...] = ()
    parameters: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", max((call.gate.depth + 1 for call in self.calls), default=0))

    def expand(self, values: Sequence[Value], qubits: Sequence[int], around: Scope, sink: Sink) -> None:
        """Give the sink what a call on these qubits becomes.

        Raises:
            CircuitError: an angle has no value, or there are too many operations.
        """
        if self.n_qubits == 0:
            sink.turn(as_angle(values[0]))  # type: ignore[arg-type]  # the reader made sure of numbers
            return
        if self.row:
            made = tuple(
                as_angle(values[each] if isinstance(each, int) else each)  # type: ignore[arg-type]  # likewise
                for each in self.angles
            )
            sink.put(Operation(self.row, tuple(qubits), made))
            for part, value in zip(self.turn, values, strict=False):
                if part:
                    sink.turn(as_angle(value).scaled(part))  # type: ignore[arg-type]  # likewise
            return
        inside = Scope(around, gate=True)
        for name, value in zip(self.parameters, values, strict=True):
            inside.put(name, Variable(value, "angle", constant=True))
        for call in self.calls:
            call.run(call, inside, [qubits[position] for position in call.positions], sink)


def modified(
    gate: Gate, values: Sequence[Value], numbers: Sequence[tuple[Modifier, Value]], qubits: Sequence[int],
    around: Scope, sink: Sink,
) -> None:  # fmt: skip
    """Give the sink what a call with modifiers becomes.

    Args:
        gate: what is called.
        values: its angles.
        numbers: the modifiers, in the order of the text, with their numbers.
        qubits: the modifiers' controls, then the gate's own qubits.
        around: where the gate's body looks for constants.
        sink: takes the result.

    Raises:
        CircuitError: an operation has no inverse or power, or there are too many operations.
    """
    if not numbers:
        gate.expand(values, qubits, around, sink)
        return
    controls = [int(number) if modifier.name in {"ctrl", "negctrl"} else 0 for modifier, number in numbers]  # type: ignore[arg-type]  # whole numbers there
    own = sink.fresh()
    gate.expand(values, qubits[sum(controls) :], around, own)
    block = Block(tuple(own.operations), own.phase)
    behind = sum(controls)
    for (modifier, number), n in zip(reversed(numbers), reversed(controls), strict=True):
        behind -= n
        if modifier.name == "inv":
            block = block.inverse()
        elif modifier.name == "pow":
            block = block.power(float(number))  # type: ignore[arg-type]  # a number there
            sink.count(len(block.operations))
        else:
            values_of = [1 if modifier.name == "ctrl" else 0] * n
            block = Block(
                tuple(_counted(block.each_controlled(qubits[behind : behind + n], values_of), sink))
            )
    for op in block.operations:
        sink.put(op)
    sink.turn(block.phase)


def _counted(operations: Iterator[Operation], sink: Sink) -> Iterator[Operation]:
    for op in operations:
        sink.count(1)
        yield op
