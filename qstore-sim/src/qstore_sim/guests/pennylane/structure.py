# SPDX-License-Identifier: Apache-2.0
"""A tape in two parts: its structure, which can be compared and hashed, and its numbers.

Angles are numbers; matrices, Kraus operators and basis states belong to the structure; amplitudes that a tape starts
with are numbers of their own kind. Tapes of one structure share a template, whose parameters are `shared` (one number
for all rows), `rows` (one for each row), and `real` and `imag` for amplitudes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pennylane as qml

from qstore.circuit import Parameter, QuantumCircuit, Template
from qstore_sim.converters.pennylane import to_qstore
from qstore_sim.guests.pennylane.accepted import is_plain

__all__ = ["Taken", "Templates", "taken"]

_MOST_TEMPLATES = 256


class Taken(NamedTuple):
    """A tape, taken apart.

    Attributes:
        key: equal for tapes that differ in their numbers alone.
        operations: as in the tape.
        wires: the wire of each qubit.
        numbers: the angles in the order of the tape; arrays where it is broadcast.
        columns: for each of the tape's parameters its place in `numbers`, None for other data.
        amplitudes: (2**k,) or (batch, 2**k) for a tape that starts with `StatePrep`.
    """

    key: Hashable
    operations: Sequence[Any]
    wires: tuple[Any, ...]
    numbers: list[Any]
    columns: list[int | None]
    amplitudes: Any


def taken(tape: Any, extra: Sequence[Any] = ()) -> Taken:
    """Take a tape apart.

    Args:
        tape: preprocessed, so that only accepted operations occur.
        extra: operations to append, without parameters that are trained.
    """
    numbers: list[Any] = []
    columns: list[int | None] = []
    amplitudes: Any = None
    operations = [*tape.operations, *extra] if extra else tape.operations
    wires = _ordered(tape.wires.labels)
    parts: list[Hashable] = []
    for position, op in enumerate(operations):
        if position == 0 and type(op) is qml.StatePrep:
            amplitudes = _dense(op.data[0])
            columns.append(None)
            parts.append((qml.StatePrep, op.wires.labels, np.iscomplexobj(amplitudes)))
        else:
            parts.append(_part(op, numbers, columns))
    return Taken((wires, tuple(parts)), operations, wires, numbers, columns, amplitudes)


def _ordered(wires: tuple[Any, ...]) -> tuple[Any, ...]:
    """The wires as PennyLane orders a state that names none: 0, 1, ... where that is all, else as they come."""
    plain = tuple(range(len(wires)))
    return plain if {*plain} == {*wires} else tuple(wires)


def _dense(amplitudes: Any) -> Any:
    if hasattr(amplitudes, "toarray"):  # a sparse matrix of one row
        return np.asarray(amplitudes.toarray()).ravel()
    return np.asarray(qml.math.toarray(qml.math.detach(amplitudes)))


def _part(op: Any, numbers: list[Any], columns: list[int | None]) -> Hashable:
    if is_plain(op):
        for value in op.data:
            columns.append(len(numbers))
            numbers.append(value)
        return type(op), op.wires.labels
    if isinstance(op, qml.ops.Controlled):
        inside = _part(op.base, numbers, columns)
        return "controlled", inside, op.control_wires.labels, tuple(map(bool, op.control_values))
    if isinstance(op, qml.ops.Adjoint):
        return "adjoint", _part(op.base, numbers, columns)
    columns.extend(None for _ in op.data)
    arrays = [np.asarray(qml.math.toarray(qml.math.detach(value))) for value in op.data]
    return type(op), op.wires.labels, tuple((each.shape, each.tobytes()) for each in arrays)


class Templates:
    """Makes templates of structures and keeps the latest ones."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, Template] = OrderedDict()

    def __call__(self, tape: Taken, shared: tuple[bool, ...]) -> Template:
        """The template for a structure.

        Args:
            tape: any tape of it.
            shared: which of the numbers are the same in all rows.

        Raises:
            CircuitError: an operation has no counterpart here.
        """
        key = (tape.key, shared)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = _template(tape, shared)
            if len(self._made) > _MOST_TEMPLATES:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key, last=True)
        return found


def _template(tape: Taken, shared: tuple[bool, ...]) -> Template:
    import sympy  # PennyLane brings it

    place = {wire: qubit for qubit, wire in enumerate(tape.wires)}
    counts = {True: 0, False: 0}
    symbols = []
    for is_shared in shared:
        symbols.append(sympy.Symbol(f"{'shared' if is_shared else 'rows'}[{counts[is_shared]}]"))
        counts[is_shared] += 1
    made = QuantumCircuit(max(1, len(tape.wires)))
    operations = list(tape.operations)
    if tape.amplitudes is not None:
        size = tape.amplitudes.shape[-1]
        on = tuple(place[wire] for wire in reversed(operations.pop(0).wires.labels))
        imag = Parameter("imag", (size,)) if np.iscomplexobj(tape.amplitudes) else None
        made.initialize(Parameter("real", (size,)), on, imag=imag)
    given = iter(symbols)
    with qml.QueuingManager.stop_recording():
        renamed = [_symbolic(op, given).map_wires(place) for op in operations]
        # The last qubit may be measured only; the reader takes the highest one that is named.
        renamed.append(qml.Identity(made.n_qubits - 1))
    for op in to_qstore(renamed).operations[:-1]:
        made.append_operation(op)
    return made.freeze()


def _symbolic(op: Any, symbols: Any) -> Any:
    """The operation with symbols for its angles."""
    if is_plain(op):
        return qml.ops.functions.bind_new_parameters(op, [next(symbols) for _ in op.data]) if op.data else op
    if isinstance(op, qml.ops.Controlled):
        base = _symbolic(op.base, symbols)
        return qml.ops.Controlled(base, control_wires=op.control_wires, control_values=op.control_values)
    if isinstance(op, qml.ops.Adjoint):
        return qml.ops.Adjoint(_symbolic(op.base, symbols))
    return op
