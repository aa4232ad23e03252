# SPDX-License-Identifier: Apache-2.0
"""From passes to the arrays of `layout`: local coordinates, pair tables, phase tables, angle terms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle
from qstore_sim.program import layout
from qstore_sim.program.pairing import Group, paired
from qstore_sim.program.passes import Pass, Span
from qstore_sim.program.sequence import Dense, Diagonal, Rotation, odd

EntryOf = Callable[[str, int], int]


class Encoder:
    """Writes the arrays of one program.

    Args:
        n_bits: number of bits of an index.
        lane_bits: how many of them, the lowest, are lanes.
        entry_of: where a parameter's entry stands: e >= 0 among the shared ones, ~e among a sample's own.
        trained: names of the parameters whose gradient is wanted.
    """

    def __init__(self, n_bits: int, lane_bits: int, entry_of: EntryOf, trained: frozenset[str]) -> None:
        self.n_bits, self.lane_bits = n_bits, lane_bits
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
        self._index = np.zeros(0, dtype=np.int64)
        """Rows of a block that need not be zero after the operation that is being written."""

    def add_pass(self, visit: Pass) -> None:
        """Append a pass and its operations."""
        rows = np.zeros(1, dtype=np.int64)
        for vector in visit.vectors:
            rows = np.concatenate([rows, rows ^ vector])
        start = len(self._ops)
        self._index = np.arange(len(rows), dtype=np.int64)
        support = visit.support.copy()
        for group in paired(visit.items, self.lane_bits):
            if len(support) < self.n_bits - self.lane_bits:
                for flip in _flips(group):
                    support.add(flip >> self.lane_bits)
                self._index = np.flatnonzero(support.rest(rows) == 0)
            if isinstance(group, tuple):
                self._add_double(*group, visit)
            elif isinstance(group, Rotation):
                self._add_single(group, visit)
            elif isinstance(group, Diagonal):
                self._add_diagonal(group, visit)
            else:
                self._add_dense(group, visit)
        self._mark_ends(self._ops[start:])
        self._passes.append([
            start, len(self._ops), len(visit.vectors), int(visit.gathered), self._store(_marked(rows, visit)),
            self._mask(list(visit.cosets)), len(visit.cosets),
        ])  # fmt: skip
        if visit.gathered:
            self._block_rows = max(self._block_rows, len(rows))
            for vector in (*visit.vectors, *visit.cosets):
                self._covered.add(vector)

    def finished(self, tables: tuple[int, NDArray[np.int64], NDArray[np.int64]]) -> layout.ProgramArrays:
        """The arrays."""
        half, low, high = tables
        fill = len(self._covered) < self.n_bits - self.lane_bits
        return layout.ProgramArrays(
            ops=_matrix(self._ops, layout.OP_COLUMNS),
            passes=_matrix(self._passes, layout.PASS_COLUMNS),
            rotations=_matrix(self._rotations, layout.ROTATION_COLUMNS),
            table=np.concatenate([*self._tables, np.zeros(1, dtype=np.int32)]),
            masks=np.array([*self._masks, 0], dtype=np.int64),
            constants=np.array([*self._constants, 0.0]),
            entries=np.array([*self._entries, 0], dtype=np.int64),
            factors=np.array([*self._factors, 0.0]),
            tables=np.concatenate([[self.n_bits, self.lane_bits, half, fill], low, high]).astype(np.int64),
        )

    def sizes(self) -> layout.Sizes:
        """The scratch that the program needs."""
        return layout.Sizes(
            self.n_bits,
            self.lane_bits,
            len(self._rotations),
            self._lane_vectors,
            self._shared_numbers,
            self._bins,
            self._block_rows,
        )

    # ---- operations ------------------------------------------------------------------------------------------------

    def _add_single(self, item: Rotation, visit: Pass) -> None:
        index = self._index
        x, z = self._flip(item, visit), self._parity(item.pauli.z, visit)
        rows = index[(index & (x & -x)) == 0] if x else index
        signs = _parities(rows, z)
        if x and (x & z).bit_count() & 1:  # the other row of a pair has the other sign: take the one with +
            rows, signs = np.where(signs, rows ^ x, rows), np.zeros_like(rows)
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND] = layout.SINGLE if x else layout.WITHIN
        row[layout.N_ROTATIONS], row[layout.FIRST] = 1, self._add_rotation(item, visit)
        self._store_rows(row, rows, 2 * signs)
        row[layout.TRAINED] = self._rotations[-1][layout.ROTATION_TRAINED]
        self._ops.append(row)

    def _add_double(self, first: Rotation, second: Rotation, visit: Pass) -> None:
        index = self._index
        x = [self._flip(item, visit) for item in (first, second)]
        z = [self._parity(item.pauli.z, visit) for item in (first, second)]
        # Of each four rows one that stands for them: the one with the fewest minus signs.
        four = np.stack([index, index ^ x[0], index ^ x[1], index ^ x[0] ^ x[1]])
        signs = 2 * _parities(four, z[0]) + _parities(four, z[1])
        order = (signs << 32) | four
        chosen = np.unique(order.min(axis=0))
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.N_ROTATIONS] = layout.DOUBLE, 2
        row[layout.FIRST] = self._add_rotation(first, visit)
        self._add_rotation(second, visit)
        self._store_rows(row, chosen & 0xFFFFFFFF, chosen >> 32)
        one, two = first.pauli, second.pauli
        both_even = int(not one.phase & 1 and not two.phase & 1)
        row[layout.CROSS] = int(odd(two.x & one.z)) ^ both_even
        row[layout.CROSS + 1] = int(odd(one.x & two.z)) ^ both_even
        row[layout.TRAINED] = int(any(r[layout.ROTATION_TRAINED] for r in self._rotations[-2:]))
        self._ops.append(row)

    def _add_rotation(self, item: Rotation, visit: Pass) -> int:
        """The entry of a rotation that flips something; see `kernels.rotation` for its signs."""
        x, z, phase = item.pauli
        number, own = self._angle(item.angle)
        row = self._rotations[number]
        row[layout.FLIP], row[layout.FLIP_LANES] = self._flip(item, visit), x & self._lanes
        row[layout.EVEN], row[layout.NEGATIVE] = 1 - (phase & 1), int(phase in {1, 2})
        row[layout.Z_ROWS], row[layout.Z_LANES] = z >> self.lane_bits, z & self._lanes
        row[layout.NUMBERS] = self._room(0, 0 if own else 4)
        row[layout.VECTORS] = self._room(1, 2 if own else 0)
        return number

    def _mark_ends(self, ops: list[list[int]]) -> None:
        """Mark the first and the last shared rotation of a pass."""
        shared = [
            number
            for op in ops
            if op[layout.KIND] in layout.IS_ROTATION
            for number in range(op[layout.FIRST], op[layout.FIRST] + op[layout.N_ROTATIONS])
            if not self._rotations[number][layout.OWN]
        ]
        if shared:
            self._rotations[shared[0]][layout.EARLIEST] = 1
            self._rotations[shared[-1]][layout.LAST] = 1

    def _add_diagonal(self, item: Diagonal, visit: Pass) -> None:
        basis, codes, masks = _independent([(mask >> self.lane_bits, mask) for mask in item.angles])
        numbers = []
        for mask in masks:
            number, own = self._angle(item.angles[mask])
            self._rotations[number][layout.Z_LANES] = mask & self._lanes
            numbers.append((number, own))
        lane = int(self.lane_bits > 0 or any(own for _, own in numbers))
        trained = int(any(self._rotations[number][layout.ROTATION_TRAINED] for number, _ in numbers))
        index = np.arange(1 << len(visit.vectors), dtype=np.int64)
        phase_index = np.zeros(len(index), dtype=np.int64)
        for bit, mask in enumerate(basis):
            phase_index |= _parities(index, _functional(mask, visit.vectors)) << bit
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.FIRST] = layout.DIAGONAL, numbers[0][0]
        row[layout.N_ROTATIONS] = len(masks)
        entries, counts = np.unique(phase_index, return_counts=True)  # of a linear map: as many rows for each
        by_entry = np.argsort(phase_index, kind="stable")
        row[layout.TABLE], row[layout.WIDTH] = self._store(np.concatenate([entries, by_entry])), len(basis)
        row[layout.COUNTS], row[layout.COUNTS + 1] = len(entries), int(counts[0])
        row[layout.TRAINED], row[layout.PER_LANE] = trained, lane
        row[layout.COEFFICIENT] = self._room(lane, 2 << len(basis))
        row[layout.MASKS] = self._mask(basis + codes)
        if trained:
            row[layout.BINS] = self._bins
            self._bins += 1 << len(basis)
        self._ops.append(row)

    def _add_dense(self, item: Dense, visit: Pass) -> None:
        """Masks: of each qubit's parity on representatives, on local rows, its sign; for each joint flip d its local
        rows, its lanes, the change of the rows' joint state; of each qubit's parity on lanes.
        """
        width = len(item.flips)
        flips = _span(item.flips)
        local = [_coordinates(flip >> self.lane_bits, visit.pivots) for flip in flips]
        parities = [self._parity(row, visit) for row in item.rows]
        changes = [sum((flip & row).bit_count() % 2 << q for q, row in enumerate(parities)) for flip in local]
        index = self._index
        origins = np.unique(np.min([index ^ flip for flip in local], axis=0))
        row = [0] * layout.OP_COLUMNS
        row[layout.KIND], row[layout.FIRST] = layout.DENSE, len(self.dense)
        row[layout.TABLE], row[layout.COUNTS], row[layout.WIDTH] = self._store(origins), len(origins), width
        row[layout.COEFFICIENT] = self._room(1, 2 << 2 * width)
        row[layout.MASKS] = self._mask([
            *(mask >> self.lane_bits for mask in item.rows), *parities, *item.signs, *local,
            *(flip & self._lanes for flip in flips), *changes, *(mask & self._lanes for mask in item.rows),
        ])  # fmt: skip
        self.dense.append(item)
        self._ops.append(row)

    def _flip(self, item: Rotation, visit: Pass) -> int:
        return _coordinates(item.pauli.x >> self.lane_bits, visit.pivots)

    def _parity(self, mask: int, visit: Pass) -> int:
        return _functional(mask >> self.lane_bits, visit.vectors)

    @property
    def _lanes(self) -> int:
        return (1 << self.lane_bits) - 1

    def _store_rows(self, row: list[int], rows: NDArray[np.int64], signs: NDArray[np.int64]) -> None:
        """Rows in the order of their signs, and how many there are of each."""
        row[layout.TABLE] = self._store(rows[np.argsort(signs, kind="stable")])
        row[layout.COUNTS : layout.COUNTS + 4] = np.bincount(signs, minlength=4).tolist()

    # ---- storage ---------------------------------------------------------------------------------------------------

    def _angle(self, angle: Angle) -> tuple[int, int]:
        """A new entry of `rotations`, and whether its angle differs between samples."""
        start = len(self._entries)
        for parameter, index, factor in angle.terms:
            self._entries.append(self._entry_of(parameter.name, index))
            self._factors.append(factor)
        row = [0] * layout.ROTATION_COLUMNS
        row[layout.TERM_START], row[layout.TERM_STOP] = start, len(self._entries)
        row[layout.OWN] = int(any(entry < 0 for entry in self._entries[start:]))
        row[layout.ROTATION_TRAINED] = int(
            any(parameter.name in self._trained for parameter, _, _ in angle.terms)
        )
        self._rotations.append(row)
        self._constants.append(angle.constant)
        return len(self._rotations) - 1, row[layout.OWN]

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
    return np.where(visit.support.rest(rows) == 0, rows, ~rows)


def _flips(group: Group) -> tuple[int, ...]:
    """The masks that a group of operations flips rows and lanes by."""
    if isinstance(group, tuple):
        return group[0].pauli.x, group[1].pauli.x
    if isinstance(group, Rotation):
        return (group.pauli.x,)
    return group.flips if isinstance(group, Dense) else ()


def _coordinates(vector: int, pivots: tuple[int, ...]) -> int:
    """A vector of the block's space in the block's own bits."""
    return sum((vector >> pivot & 1) << bit for bit, pivot in enumerate(pivots))


def _functional(mask: int, vectors: tuple[int, ...]) -> int:
    """The mask on the block's bits with the same parities as `mask` on physical rows."""
    return sum(int(odd(mask & vector)) << bit for bit, vector in enumerate(vectors))


def _parities(rows: NDArray[np.int64], mask: int) -> NDArray[np.int64]:
    odd_bits: NDArray[np.int64] = (np.bitwise_count(rows & mask) & 1).astype(np.int64)
    return odd_bits


def _span(vectors: tuple[int, ...]) -> list[int]:
    """All combinations; entry d is the one of the vectors at the bits of d."""
    result = [0]
    for vector in vectors:
        result += [other ^ vector for other in result]
    return result


def _independent(masks: list[tuple[int, int]]) -> tuple[list[int], list[int], list[int]]:
    """(basis, codes, masks): of pairs (rows, mask), masks with independent rows first, and each as a combination."""
    basis: list[int] = []
    first: list[int] = []
    reduced: list[
        tuple[int, int]
    ] = []  # (vector with a leading bit of its own, its combination of the basis)
    rest: list[tuple[int, int]] = []
    for rows, mask in masks:
        vector, code = rows, 0
        for member, combination in reduced:
            if vector ^ member < vector:
                vector, code = vector ^ member, code ^ combination
        if vector:
            code ^= 1 << len(basis)
            basis.append(rows)
            first.append(mask)
            reduced.append((vector, code))
            reduced.sort(reverse=True)
        else:
            rest.append((mask, code))
    codes = [1 << bit for bit in range(len(basis))] + [code for _, code in rest]
    return basis, codes, first + [mask for mask, _ in rest]
