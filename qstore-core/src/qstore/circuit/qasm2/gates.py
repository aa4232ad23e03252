# SPDX-License-Identifier: Apache-2.0
"""Gates as the text defines them: sequences of other gates, down to rows of the gate table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qstore.circuit.qasm2.expressions import Expression, evaluate

__all__ = ["Call", "Emit", "Gate", "expand"]

Emit = Callable[[str, tuple[float, ...], tuple[int, ...]], None]
"""Takes a row of the gate table, its angles and its qubits."""


@dataclass(frozen=True, slots=True)
class Call:
    """One line of a gate's body.

    Attributes:
        gate: what is called; a string names a row of the gate table.
        angles: its angles, from the parameters of the gate in whose body this stands.
        positions: its qubits, as positions in that gate's qubits.
    """

    gate: Gate | str
    angles: tuple[Expression, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that can be called.

    Attributes:
        name: how the text calls it.
        n_parameters, n_qubits: what a call must give.
        calls: what it consists of; empty for the identity.
        n_rows: how many rows of the gate table one call becomes.
        n_steps: how much work one call is: calls within calls, and the steps of their angles.
        depth: how deep its definition is nested; 0 for rows of the gate table.
    """

    name: str
    n_parameters: int
    n_qubits: int
    calls: tuple[Call, ...]
    n_rows: int = field(init=False)
    n_steps: int = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        rows, steps, depth = 0, 1, 0
        for call in self.calls:
            steps += 1 + sum(map(len, call.angles))
            if isinstance(call.gate, str):
                rows += 1
            else:
                rows += call.gate.n_rows
                steps += call.gate.n_steps
                depth = max(depth, call.gate.depth + 1)
        # Known before anything is expanded, so that a few short lines cannot ask for 2**50 gates.
        object.__setattr__(self, "n_rows", rows)
        object.__setattr__(self, "n_steps", steps)
        object.__setattr__(self, "depth", depth)


def expand(gate: Gate, parameters: Sequence[float], qubits: Sequence[int], emit: Emit) -> None:
    """Give `emit` the rows of the gate table that one call of `gate` becomes.

    Raises:
        ArithmeticError, ValueError: an angle has no finite value for these parameters.
    """
    for call in gate.calls:
        angles = tuple(evaluate(program, parameters) for program in call.angles)
        on = tuple(qubits[position] for position in call.positions)
        if isinstance(call.gate, str):
            emit(call.gate, angles, on)
        else:
            expand(call.gate, angles, on, emit)
