# SPDX-License-Identifier: Apache-2.0
"""From passes to the arrays of `layout`: local coordinates, pair tables, phase tables, angle terms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle
from qstore_sim.program import layout
from qstore_sim.program.passes import Pass, Span
from qstore_sim.program.sequence import Dense, Diagonal, Rotation, odd

EntryOf = Callable[[str, int], int]


class Encoder:
    """Writes the arrays of one program.

    Args:
        n_bits: number of bits of a row index.
        entry_of: where a parameter's entry stands: e >= 0 among the shared ones, ~e among a sample's own.
        trained: names of the parameters whose gradient is wanted.
    """

    def __init__(self, n_bits: int, entry_of: EntryOf, trained: frozenset[str]) -> None:
        self.n_bits = n_bits
        self.dense: list[Dense] = []
        self._entry_of, self._trained = entry_of, trained
        self._ops: list[list[int]] = []
        self._passes: list[list[int]] = []
        self._rotations: list[list[int]] = []
        self._constants: list[float] = []
        self._entries: list[int] = []
        self._factors: list[float] = []
        self._tables: list[NDArray[np.int32]] = []
        self._table_size = 0
        self._masks: list[int] = []
        self._lane_vectors = self._shared_numbers = self._bins = 0
        self._block_rows = 0
        self._covered = Span()

    def add_pass(self, visit: Pass) -> None:
        """Append a pass and its operations."""
        rows = np.zeros(1, dtype=np.int64)
        for vector in visit.vectors:
            rows = np.concatenate([rows, rows ^ vector])
        start = len(self._ops)
        for item in visit.items:
            if isinstance(item, Rotation):
                self._add_rotation(item, visit)
            elif isinstance(item, Diagonal):
                self._add_diagonal(item, visit)
            else:
                self._add_dense(item, visit)
        self._passes.append([
            start, len(self._ops), len(visit.vectors), int(visit.gathered), self._store(_marked(rows, visit)), self._mask(list(visit.cosets)),
            len(visit.cosets),
        ])  # fmt: skip
        if visit.gathered:
            self._block_rows = max(self._block_rows, len(rows))
            for vector in (*visit.vectors, *visit.cosets):
                self._covered.add(vector)

    def finished(self, tables: tuple[int, NDArray[np.int64], NDArray[np.int64]]) -> layout.ProgramArrays:
        """The arrays."""
        half, low, high = tables
        fill = len(self._covered) < self.n_bits
        return layout.ProgramArrays(
            ops=_matrix(self._ops, layout.OP_COLUMNS),
            passes=_matrix(self._passes, layout.PASS_COLUMNS),
            rotations=_matrix(self._rotations, layout.ROTATION_COLUMNS),
            table=np.concatenate([*self._tables, np.zeros(1, dtype=np.int32)]),
            masks=np.array([*self._masks, 0], dtype=np.int64),
            constants=np.array([*self._constants, 0.0]),
            entries=np.array([*self._entries, 0], dtype=np.int64),
            factors=np.array([*self._factors, 0.0]),
            tables=np.concatenate([[self.n_bits, half, fill], low, high]).astype(np.int64),
        )

    def sizes(self) -> layout.Sizes:
        """The scratch that the program needs."""
        return layout.Sizes(
            self.n_bits,
            len(self._rotations),
            self._lane_vectors,
            self._shared_numbers,
            self._bins,
            self._block_rows,
        )

    # ---- operations ------------------------------------------------------------------------------------------------

    def _add_rotation(self, item: Rotation, visit: Pass) -> None:
        x, z, phase = item.pauli
        x_local, z_local = _coordinates(x, visit.pivots), _functional(z, visit.vectors)
        index = np.arange(1 << len(visit.vectors), dtype=np.int64)
        low_bit = x_local & -x_local
        first = index[(index & low_bit) == 0]
        parity = np.bitwise_count(first & z_local) & 1
        even = 1 - (phase & 1)
        if even:
            order = np.argsort(parity, kind="stable")
            first, minus = first[order], int(parity.sum())
            tau = 1 if phase == 0 else -1
        else:
            first, minus = np.where(parity, first ^ x_local, first), 0
            tau = -1 if phase == 1 else 1
        pairs = first | ((first ^ x_local) << 16)
        number, lane, trained = self._angle(item.angle)
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.FIRST], row[layout.N_ROTATIONS] = layout.ROTATION, number, 1
        row[layout.TABLE] = self._store(pairs)
        row[layout.COUNT_PLUS], row[layout.COUNT_MINUS] = len(first) - minus, minus
        row[layout.EVEN], row[layout.Z_MASK], row[layout.TAU] = even, z, tau
        row[layout.TRAINED], row[layout.PER_LANE] = trained, lane
        row[layout.COEFFICIENT] = self._room(lane, 2)
        self._ops.append(row)

    def _add_diagonal(self, item: Diagonal, visit: Pass) -> None:
        basis, codes, masks = _independent(list(item.angles))
        numbers = [self._angle(item.angles[mask]) for mask in masks]
        lane, trained = int(any(n[1] for n in numbers)), int(any(n[2] for n in numbers))
        index = np.arange(1 << len(visit.vectors), dtype=np.int64)
        phase_index = np.zeros(len(index), dtype=np.int64)
        for bit, mask in enumerate(basis):
            phase_index |= (np.bitwise_count(index & _functional(mask, visit.vectors)) & 1).astype(
                np.int64
            ) << bit
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.FIRST], row[layout.N_ROTATIONS] = (
            layout.DIAGONAL,
            numbers[0][0],
            len(masks),
        )
        row[layout.TABLE], row[layout.WIDTH] = self._store(phase_index), len(basis)
        row[layout.TRAINED], row[layout.PER_LANE] = trained, lane
        row[layout.COEFFICIENT] = self._room(lane, 2 << len(basis))
        row[layout.MASKS] = self._mask(basis + codes)
        if trained:
            row[layout.BINS] = self._bins
            self._bins += 1 << len(basis)
        self._ops.append(row)

    def _add_dense(self, item: Dense, visit: Pass) -> None:
        width = len(item.flips)
        flips = [_coordinates(flip, visit.pivots) for flip in item.flips]
        index = np.arange(1 << len(visit.vectors), dtype=np.int64)
        bits = [(np.bitwise_count(index & _functional(row, visit.vectors)) & 1) for row in item.rows]
        base = index[np.logical_and.reduce([bit == 0 for bit in bits])]
        local = [0]
        for flip in flips:
            local += [other ^ flip for other in local]
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.FIRST] = layout.DENSE, len(self.dense)
        row[layout.TABLE], row[layout.COUNT_PLUS], row[layout.WIDTH] = self._store(base), len(base), width
        row[layout.COEFFICIENT] = self._room(1, 2 << 2 * width)
        row[layout.MASKS] = self._mask([*item.rows, *item.signs, *flips, *local])
        self.dense.append(item)
        self._ops.append(row)

    # ---- storage ---------------------------------------------------------------------------------------------------

    def _angle(self, angle: Angle) -> tuple[int, int, int]:
        start = len(self._entries)
        for parameter, index, factor in angle.terms:
            self._entries.append(self._entry_of(parameter.name, index))
            self._factors.append(factor)
        lane = int(any(entry < 0 for entry in self._entries[start:]))
        trained = int(any(parameter.name in self._trained for parameter, _, _ in angle.terms))
        self._rotations.append([start, len(self._entries), lane, trained])
        self._constants.append(angle.constant)
        return len(self._rotations) - 1, lane, trained

    def _room(self, lane: int, amount: int) -> int:
        if lane:
            self._lane_vectors += amount
            return self._lane_vectors - amount
        self._shared_numbers += amount
        return self._shared_numbers - amount

    def _store(self, numbers: NDArray[np.int64]) -> int:
        self._tables.append(numbers.astype(np.int32))
        self._table_size += len(numbers)
        return self._table_size - len(numbers)

    def _mask(self, masks: list[int]) -> int:
        self._masks.extend(masks)
        return len(self._masks) - len(masks)


def _matrix(rows: list[list[int]], columns: int) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def _marked(rows: NDArray[np.int64], visit: Pass) -> NDArray[np.int64]:
    """~row instead of row where the state is zero before the pass, which is so for all cosets alike."""
    if visit.support is None:
        return rows
    rest = rows.copy()
    for pivot, member in visit.support.basis.items():
        rest ^= (rest >> pivot & 1) * member
    return np.where(rest == 0, rows, ~rows)


def _coordinates(vector: int, pivots: tuple[int, ...]) -> int:
    """A vector of the block's space in the block's own bits."""
    return sum((vector >> pivot & 1) << bit for bit, pivot in enumerate(pivots))


def _functional(mask: int, vectors: tuple[int, ...]) -> int:
    """The mask on the block's bits with the same parities as `mask` on physical rows."""
    return sum(int(odd(mask & vector)) << bit for bit, vector in enumerate(vectors))


def _independent(masks: list[int]) -> tuple[list[int], list[int], list[int]]:
    """(basis, codes, masks): the masks with an independent set first, and each as a combination of the basis."""
    basis: list[int] = []
    reduced: list[
        tuple[int, int]
    ] = []  # (vector with a leading bit of its own, its combination of the basis)
    rest: list[tuple[int, int]] = []
    for mask in masks:
        vector, code = mask, 0
        for member, combination in reduced:
            if vector ^ member < vector:
                vector, code = vector ^ member, code ^ combination
        if vector:
            code ^= 1 << len(basis)
            basis.append(mask)
            reduced.append((vector, code))
            reduced.sort(reverse=True)
        else:
            rest.append((mask, code))
    codes = [1 << bit for bit in range(len(basis))] + [code for _, code in rest]
    return basis, codes, basis + [mask for mask, _ in rest]
