# SPDX-License-Identifier: Apache-2.0
"""Exact search: all rows in single precision, then in double precision those that rounding could hide.

A row's score is the amplitude |<q|a>| between pure states, and the similarity itself where a state is mixed. Single
precision gets it wrong by at most `tolerance`. If s is the k-th largest score, every one of the k best states therefore has
a score of at least s - 2 tolerance: those are read again and compared in double precision, and the rest cannot matter.

Error:   a sum of m products of components of two unit vectors, added in any order with roundoff u = 2^-24, is off by at most
         (m + 2) u; complex products and the rounding of the components to single precision are in the constants.
Source:  N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1 (and 3.6 for complex numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_storage.states.arrays import State
from qstore_storage.states.embedded.blocks import Block
from qstore_storage.states.similarity import hilbert_schmidt_vector

__all__ = ["candidates"]

_ROUNDOFF = 2.0**-24
_CACHED_BYTES = 512 * 1024
_SCORES_AT_ONCE = 32 * 1024 * 1024
"""Bytes of scores: so many queries are carried through the rows at once."""


def candidates(
    queries: Sequence[State],
    blocks: Iterable[Block],
    mixed: bool,
    top_k: int,
    allowed: NDArray[np.int64] | None,
) -> list[NDArray[np.int64]]:
    """For each query, the numbers of the rows that may be among the `top_k` nearest, best score first.

    Args:
        queries: of the rows' number of qubits.
        blocks: the rows.
        mixed: whether the rows are of mixed states.
        top_k: how many are wanted.
        allowed: numbers that a filter lets through, ascending; None for all.
    """
    numbers: list[NDArray[np.int64]] = []
    scores: list[NDArray[np.float32]] = []
    for block in blocks:
        found = _allowed(block, allowed)
        if len(found.numbers):
            numbers.append(found.numbers)
            scores.append(_scores(queries, found.rows, mixed))
    if not numbers:
        return [np.empty(0, np.int64) for _ in queries]
    every, table = np.concatenate(numbers), np.concatenate(scores, axis=1)
    return [
        every[_best(row, top_k, 2 * tolerance(query, mixed))]
        for query, row in zip(queries, table, strict=True)
    ]


def queries_at_once(rows: int) -> int:
    """How many queries to give to `candidates` for a group of so many rows."""
    return max(1, _SCORES_AT_ONCE // (4 * max(1, rows)))


def tolerance(query: State, mixed: bool) -> float:
    """The most by which a score in single precision may be off."""
    dimension = 1 << query.n_qubits
    if mixed:
        return (dimension * dimension + 8) * _ROUNDOFF
    return (4 * dimension + 32 if query.mixed else 2 * dimension + 16) * _ROUNDOFF


def _allowed(block: Block, allowed: NDArray[np.int64] | None) -> Block:
    if allowed is None:
        return block
    first, end = np.searchsorted(allowed, [block.numbers[0], block.numbers[-1] + 1])
    within = np.isin(block.numbers, allowed[first:end], assume_unique=True)
    if within.all():
        return block
    return Block(block.numbers[within], block.rows[within])


def _scores(queries: Sequence[State], rows: NDArray[Any], mixed: bool) -> NDArray[np.float32]:
    """(queries, rows)."""
    scores = np.empty((len(queries), len(rows)), np.float32)
    if mixed:
        vectors = np.array([hilbert_schmidt_vector(query.array) for query in queries], np.float32)
        np.matmul(vectors, rows.T, out=scores)
        return scores
    pure = [place for place, query in enumerate(queries) if not query.mixed]
    if pure:
        vectors = np.array([queries[place].array for place in pure], np.complex128)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores[pure] = _amplitudes(vectors.astype(np.complex64), rows)
    for place, query in enumerate(queries):
        if query.mixed:
            matrix = (query.array / np.linalg.norm(query.array)).astype(np.complex64)
            scores[place] = np.einsum("nd,nd->n", rows.conj(), rows @ matrix.T).real
    return scores


def _amplitudes(queries: NDArray[np.complex64], rows: NDArray[np.complex64]) -> NDArray[np.float32]:
    """|<q|a>| of each query with each row, (queries, rows)."""
    if len(queries) > 1:
        return np.asarray(np.abs(rows @ queries.conj().T).T, np.float32)
    # |<q|a>|^2 = (r.q)^2 + (r.Jq)^2 with r and q as real vectors: two real products take half as long as a complex one,
    # and the second finds its rows in the processor's cache.
    pairs, query = rows.view(np.float32), queries[0].view(np.float32)
    turned = (1j * queries[0]).view(np.float32)
    result = np.empty(len(rows), np.float32)
    step = max(1, _CACHED_BYTES // pairs[:1].nbytes)
    for start in range(0, len(rows), step):
        some = pairs[start : start + step]
        result[start : start + step] = np.hypot(some @ query, some @ turned)
    return result[None]


def _best(scores: NDArray[np.float32], top_k: int, margin: float) -> NDArray[np.int64]:
    """The places of all scores that are at most `margin` below the `top_k`-th, best first."""
    if len(scores) > top_k:
        last = float(np.partition(scores, len(scores) - top_k)[len(scores) - top_k])
        places = np.flatnonzero(scores >= np.float32(last - margin - 4 * _ROUNDOFF))
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")]
