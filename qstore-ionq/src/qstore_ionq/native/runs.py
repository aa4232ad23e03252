# SPDX-License-Identifier: Apache-2.0
"""Runs of gates of one kind, gathered from the operations around them, for the passes that resynthesise them.

Operations on different qubits change places freely; nothing else moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from qstore.circuit import Operation

Choice = Callable[[Operation], bool]


class Run(NamedTuple):
    """Gates that stand together, and the qubits they act on, in order of appearance."""

    operations: list[Operation]
    qubits: list[int]


def parts_of(
    operations: Sequence[Operation], starts: Choice, joins: Choice, width: int | None = None
) -> Iterator[Run | list[Operation]]:
    """The operations in an order that does the same: runs, and lists of what belongs to none.

    Args:
        operations: of a circuit, in order.
        starts: whether a run may begin with an operation.
        joins: whether an operation may belong to a run; one on a single qubit only does where the run is already.
        width: most qubits of a run; None for any number.
    """
    pending: list[list[Operation] | Run] = [list(operations)]
    while pending:
        part = pending.pop()
        if isinstance(part, Run):
            yield part
            continue
        before, run, after = _first_run(part, starts, joins, width)
        if run.operations:
            pending += [after, run, before]  # the last one is next: what comes before a run may hold others
        else:
            yield before


def _first_run(
    operations: Sequence[Operation], starts: Choice, joins: Choice, width: int | None
) -> tuple[list[Operation], Run, list[Operation]]:
    """What can be done before the first run, the run with everything that can move into it, and what is after it."""
    before: list[Operation] = []
    run = Run([], [])
    after: list[Operation] = []
    blocked: set[int] = set()
    for number, op in enumerate(operations):
        if op.bit is not None or op.condition is not None:  # classical bits order what qubits do not
            after += operations[number:]
            break
        new = [q for q in op.qubits if q not in run.qubits]
        if (
            blocked.isdisjoint(op.qubits)
            and (width is None or len(run.qubits) + len(new) <= width)
            and (len(op.qubits) > 1 or not new)
            and (joins(op) if run.operations else starts(op))
        ):
            run.operations.append(op)
            run.qubits.extend(new)
        elif blocked.isdisjoint(op.qubits) and len(new) == len(op.qubits):
            before.append(op)
        else:
            after.append(op)
            blocked.update(op.qubits)
        if len(run.qubits) == width and blocked.issuperset(run.qubits):
            after += operations[number + 1 :]
            break
    if not run.operations:
        return [*before, *after], run, []
    return before, run, after


def swaps_into(source: Sequence[int]) -> list[tuple[int, int]]:
    """Swaps after which place i holds what place source[i] held."""
    at = list(range(len(source)))
    swaps = []
    for i, wanted in enumerate(source):
        j = at.index(wanted)
        if j != i:
            at[i], at[j] = at[j], at[i]
            swaps.append((i, j))
    return swaps
