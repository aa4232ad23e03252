# SPDX-License-Identifier: Apache-2.0
"""Runs of CX and SWAP gates are linear maps of bits, and often take fewer CX up to a relabelling.

A run is a matrix over GF(2): CX(c, t) adds row c to row t. Row additions that turn the matrix into a permutation are,
backwards, a circuit for it; they are chosen greedily by how much they thin out the matrix and its inverse together (as
in de Brugiere et al., "Gaussian elimination versus greedy methods for the synthesis of linear reversible circuits",
ACM TQC 2, 11 (2021)). A layer of CX between all pairs of n qubits so takes n - 1 instead of n (n - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from qstore.circuit import Operation

_LINEAR = {"cx", "swap"}


def with_shorter_runs(operations: Sequence[Operation]) -> list[Operation] | None:
    """The operations with runs of CX and SWAP gates replaced where fewer CX do the same; None where there are none."""
    result: list[Operation] = []
    rest = list(operations)
    changed = False
    while rest:
        before, run, rest = _first_run(rest)
        shorter = _shorter(run)
        changed = changed or shorter is not run
        result += [*before, *shorter]
    return result if changed else None


def _first_run(
    operations: Sequence[Operation],
) -> tuple[list[Operation], list[Operation], list[Operation]]:
    """What can be done before the first run, the run, which takes all that can move into it, and what is after it."""
    before: list[Operation] = []
    run: list[Operation] = []
    after: list[Operation] = []
    involved: set[int] = set()
    blocked: set[int] = set()
    for number, op in enumerate(operations):
        qubits = set(op.qubits)
        if op.bit is not None or op.condition is not None:  # classical bits order what qubits do not
            after += operations[number:]
            break
        if op.gate in _LINEAR and not qubits & blocked:
            run.append(op)
            involved |= qubits
        elif qubits & (involved | blocked):
            after.append(op)
            blocked |= qubits
        else:
            before.append(op)
    if not run:
        return [*before, *after], [], []
    return before, run, after


def _shorter(run: list[Operation]) -> list[Operation]:
    count = sum(op.gate == "cx" for op in run)
    qubits = sorted({q for op in run for q in op.qubits})
    if count < len(qubits):  # a run that connects its qubits cannot be shorter; most are of this kind
        return run
    place = {q: i for i, q in enumerate(qubits)}
    pairs = [(op.gate, place[op.qubits[0]], place[op.qubits[1]]) for op in run]
    best = reduced(_rows(len(qubits), pairs))
    if best is None or len(best[0]) >= count:
        return run
    additions, source = best
    swaps = _swaps(source)
    made = [Operation("swap", (qubits[a], qubits[b])) for a, b in swaps]
    return made + [Operation("cx", (qubits[c], qubits[t])) for c, t in reversed(additions)]


def _rows(n: int, pairs: Sequence[tuple[str, int, int]]) -> list[int]:
    """For each bit after the run, the set of bits before it whose sum it is, as a mask."""
    rows = [1 << i for i in range(n)]
    for gate, a, b in pairs:
        if gate == "swap":
            rows[a], rows[b] = rows[b], rows[a]
        else:
            rows[b] ^= rows[a]
    return rows


def reduced(rows: Sequence[int]) -> tuple[list[tuple[int, int]], list[int]] | None:
    """Row additions (source, target) that leave one bit in every row, and which bit; None where greed gets stuck."""
    rows = list(rows)
    n = len(rows)
    columns = _columns_of_inverse(rows)
    additions: list[tuple[int, int]] = []
    while any(row & (row - 1) for row in rows):
        best, gain = None, 0
        for c in range(n):
            for t in range(n):
                if c != t:
                    change = (rows[t] ^ rows[c]).bit_count() - rows[t].bit_count()
                    change += (columns[c] ^ columns[t]).bit_count() - columns[c].bit_count()
                    if change < gain:
                        best, gain = (c, t), change
        if best is None:
            return None
        c, t = best
        rows[t] ^= rows[c]
        columns[c] ^= columns[t]
        additions.append(best)
    return additions, [row.bit_length() - 1 for row in rows]


def _columns_of_inverse(rows: Sequence[int]) -> list[int]:
    """The columns of the inverse matrix as masks, by Gauss-Jordan elimination."""
    n = len(rows)
    work = [row | (1 << (n + i)) for i, row in enumerate(rows)]
    for column in range(n):
        pivot = next(i for i in range(column, n) if work[i] >> column & 1)
        work[column], work[pivot] = work[pivot], work[column]
        for i in range(n):
            if i != column and work[i] >> column & 1:
                work[i] ^= work[column]
    inverse = [row >> n for row in work]
    return [sum((inverse[i] >> j & 1) << i for i in range(n)) for j in range(n)]


def _swaps(source: Sequence[int]) -> list[tuple[int, int]]:
    """Swaps after which bit i is where bit source[i] was."""
    at = list(range(len(source)))
    swaps = []
    for i, wanted in enumerate(source):
        j = at.index(wanted)
        if j != i:
            at[i], at[j] = at[j], at[i]
            swaps.append((i, j))
    return swaps
