# SPDX-License-Identifier: Apache-2.0
"""Many works as few batches, and the batches' results as each work's own. Pure functions.

Rows are strung together with their stream keys, so outcomes do not depend on what they travelled with. A parameter that
is the same for all rows stays shared. No loop over rows: works are joined as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch
from qstore.execution.executor.rows import row_result
from qstore.execution.executor.work import Kind, Work, array_of
from qstore.execution.plan import joined

__all__ = ["Merged", "Piece", "group_of", "is_missing", "merged", "split", "whole"]

_MONEY_STEP = Decimal("0.000000001")


class Piece(NamedTuple):
    """Rows `start` to `stop` of a work."""

    work: Work
    start: int
    stop: int


class Merged(NamedTuple):
    """A batch, and the pieces whose rows it holds, in their order."""

    batch: CircuitBatch
    pieces: list[Piece]


def group_of(kind: Kind, batch: CircuitBatch, arrays: tuple[bytes, ...]) -> object:
    """What works must have in common to be rows of one batch.

    Batches of several rows that share a parameter only join others with the same values of it: as rows of their own
    those would be copied for every sample. A batch of one row has nothing to share.
    """
    if batch.size == 1 or len(batch.per_sample) == len(arrays):
        return (kind, batch.run)
    pairs = zip(kind.names, arrays, strict=True)
    return (kind, batch.run, *(pair for pair in pairs if pair[0] not in batch.per_sample))


def merged(pieces: Sequence[Piece]) -> list[Merged]:
    """The pieces as batches: one for each group, in the order of the first of each."""
    groups: dict[object, list[Piece]] = {}
    last: object = None
    some: list[Piece] = []
    for number, piece in enumerate(pieces):
        work = piece.work
        if work.group is last and work.arrays:
            some.append(piece)
            continue
        # Without parameters there is nothing that could have a batch axis.
        last = work.group
        some = groups.setdefault(last if work.arrays else (last, number), [])
        some.append(piece)
    return [Merged(_joined(some), some) for some in groups.values()]


def _joined(pieces: list[Piece]) -> CircuitBatch:
    first = pieces[0].work
    template, kind = first.batch, first.kind
    assert kind is not None
    rows = sum([stop - start for _, start, stop in pieces])
    alone = sum([work.rows for work, _, _ in pieces]) == len(pieces)
    bindings: dict[str, NDArray[np.float64]] = {}
    per_sample = []
    varies = [_varies(number, name, pieces) for number, name in enumerate(kind.names)]
    if rows > 1 and varies and not any(varies):
        varies[0] = True  # something has to carry the batch axis
    for number, (name, shape) in enumerate(zip(kind.names, kind.shapes, strict=True)):
        if not varies[number]:
            bindings[name] = array_of(first.arrays[number], shape)
            continue
        if alone:
            data = b"".join([work.arrays[number] for work, _, _ in pieces])
        else:
            data = b"".join([_rows(piece, number, name) for piece in pieces])
        bindings[name] = array_of(data, (rows, *shape))
        per_sample.append(name)
    keys = None
    if template.shots is not None:
        keys = np.concatenate([work.batch.stream_keys[start:stop] for work, start, stop in pieces])
    return CircuitBatch(template.circuit, bindings, template.outputs, template.shots, template.seed, rows,
                        frozenset(per_sample), keys, template.run)  # fmt: skip


def _varies(number: int, name: str, pieces: list[Piece]) -> bool:
    """Whether a parameter differs between the rows."""
    mine = pieces[0].work.arrays[number]
    if any(work.arrays[number] != mine for work, _, _ in pieces):  # identical objects compare at once
        return True
    return any(work.rows > 1 and name in work.batch.per_sample for work, _, _ in pieces)


def _rows(piece: Piece, number: int, name: str) -> bytes:
    """The bytes of one parameter for the rows of a piece."""
    work, start, stop = piece
    data = work.arrays[number]
    if work.rows == 1:
        return data
    if name not in work.batch.per_sample:
        return data * (stop - start)
    if stop - start == work.rows:
        return data
    size = len(data) // work.rows
    return data[start * size : stop * size]


def split(result: BatchResult, pieces: Sequence[Piece]) -> list[BatchResult]:
    """Each piece's own result: its rows, its seed, its share of time and money."""
    rows = sum(stop - start for _, start, stop in pieces)
    if len(pieces) == 1:
        only = pieces[0].work.batch
        return [result if result.seed == only.seed else _with_seed(result, only.seed)]
    values, errors, counts, each_s = result.values, result.standard_errors, result.counts, result.run_s / rows
    estimated = _shares(result.estimated_usd, pieces, rows)
    billed = _shares(result.billed_usd, pieces, rows)
    parts = []
    at = 0
    for (work, start, stop), estimated_usd, billed_usd in zip(pieces, estimated, billed, strict=True):
        end = at + stop - start
        parts.append(
            row_result(
                # Copies: a row that somebody keeps must not keep all the others in memory.
                None if values is None else values[at:end].copy(),
                None if errors is None else errors[at:end].copy(),
                None if counts is None else counts[at:end],
                work.batch.seed, each_s * (end - at), estimated_usd, billed_usd, result,
            )
        )  # fmt: skip
        at = end
    return parts


def _shares(total: Decimal | None, pieces: Sequence[Piece], rows: int) -> Sequence[Decimal | None]:
    """An amount divided by rows; the shares add up to it exactly."""
    if not total:
        return [total] * len(pieces)
    shares: list[Decimal | None] = []
    given, at = Decimal(0), 0
    for _, start, stop in pieces:
        at += stop - start
        until = total if at == rows else (total * at / rows).quantize(_MONEY_STEP)
        shares.append(until - given)
        given = until
    return shares


def _with_seed(result: BatchResult, seed: int | None) -> BatchResult:
    from dataclasses import replace

    changes: dict[str, Any] = {"seed": seed}
    return replace(result, **changes)


def whole(work: Work, start: int, stop: int, part: BatchResult) -> BatchResult | None:
    """The result of a work that is sent in several pieces, once the last one is there."""
    if work.parts is None:
        work.parts = {}
    work.parts[start] = part
    work.left -= stop - start
    return None if work.left else joined([work.parts[at] for at in sorted(work.parts)])


def is_missing(piece: Piece) -> bool:
    """Whether the result of a piece has not come."""
    return piece.work.parts is None or piece.start not in piece.work.parts
