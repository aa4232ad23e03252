# SPDX-License-Identifier: Apache-2.0
"""Runs of CX and SWAP gates are linear maps of bits, and often take fewer CX up to a relabelling.

A run is a matrix over GF(2): CX(c, t) adds row c to row t. Row additions that turn the matrix into a permutation are,
backwards, a circuit for it; they are chosen greedily by how much they thin out the matrix and its inverse together (as
in de Brugiere et al., "Gaussian elimination versus greedy methods for the synthesis of linear reversible circuits",
ACM TQC 2, 11 (2021)). A layer of CX between all pairs of n qubits so takes n - 1 instead of n (n - 1) / 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qstore.circuit import Operation
from qstore_ionq.native.rewrites import Audit
from qstore_ionq.native.runs import Run, parts_of, swaps_into

_LINEAR = {"cx", "swap"}


def with_shorter_runs(operations: Sequence[Operation], audit: Audit | None = None) -> list[Operation] | None:
    """The operations with runs of CX and SWAP gates replaced where fewer CX do the same; None where there are none."""
    result: list[Operation] = []
    changed = False
    for part in parts_of(operations, _is_linear, _is_linear):
        if isinstance(part, Run):
            made = _shorter(part)
            changed = changed or made is not None
            if audit is not None and made is not None:
                audit.record(0.0 if _rows(part) == _rows(Run(made, part.qubits)) else math.inf)
            result += part.operations if made is None else made
        else:
            result += part
    return result if changed else None


def _is_linear(op: Operation) -> bool:
    return op.gate in _LINEAR


def _shorter(run: Run) -> list[Operation] | None:
    count = sum(op.gate == "cx" for op in run.operations)
    qubits = run.qubits
    if count < len(qubits):  # a run that connects its qubits cannot be shorter; most are of this kind
        return None
    best = reduced(_rows(run))
    if best is None or len(best[0]) >= count:
        return None
    additions, source = best
    made = [Operation("swap", (qubits[a], qubits[b])) for a, b in swaps_into(source)]
    return made + [Operation("cx", (qubits[c], qubits[t])) for c, t in reversed(additions)]


def _rows(run: Run) -> list[int]:
    """For each bit after the run, the set of bits before it whose sum it is, as a mask."""
    place = {q: i for i, q in enumerate(run.qubits)}
    rows = [1 << i for i in range(len(place))]
    for op in run.operations:
        add_linear(rows, op.gate, place[op.qubits[0]], place[op.qubits[1]])
    return rows


def add_linear(rows: list[int], gate: str, a: int, b: int) -> None:
    """What a CX or a SWAP does to the bits' sums."""
    if gate == "swap":
        rows[a], rows[b] = rows[b], rows[a]
    else:
        rows[b] ^= rows[a]


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
