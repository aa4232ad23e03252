# SPDX-License-Identifier: Apache-2.0
"""The arrays through which a program reaches the kernels, and the meaning of their columns.

Kernels are compiled once and interpret these arrays, so a new circuit never compiles anything. Everything that could
be worked out per circuit instead of per run (which rows meet, signs, block offsets) is in the tables.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Table = NDArray[np.int32]
Floats = NDArray[np.float64]

# Kinds of operations; the rotations come first.
DOUBLE = 0  # two rotations at once, on four rows that their flips connect
SINGLE = 1  # one rotation on pairs of rows
WITHIN = 2  # one rotation whose flip moves lanes only
DIAGONAL = 3
DENSE = 4
IS_ROTATION = (DOUBLE, SINGLE, WITHIN)

# Columns of `ops`.
KIND = 0
FIRST = 1  # first of its entries in `rotations`; for DENSE its number
N_ROTATIONS = 2
TABLE = 3  # where its rows stand in `table`
COUNTS = 4  # rotations: rows with signs ++, +-, -+, -- of the two rotations; DIAGONAL: phases, rows of each; DENSE: rows
CROSS = (
    8  # DOUBLE: whether the sign of the first rotation changes along the flip of the second, and the reverse
)
TRAINED = 10
PER_LANE = 11  # DIAGONAL: phases are vectors
COEFFICIENT = 12  # DIAGONAL and DENSE: vectors into the lane coefficients, or numbers into the shared ones
WIDTH = 13  # DIAGONAL: number of basis masks, DENSE: number of qubits
MASKS = 14  # DIAGONAL: basis masks, then a code per rotation; DENSE: see `Encoder`
BINS = 15  # DIAGONAL: vectors into the bins of the backward sweep
OP_COLUMNS = 16

# Columns of `passes`.
OP_START, OP_STOP, DIMENSION, GATHERED, OFFSETS, COSETS, COSET_BITS = range(7)
PASS_COLUMNS = 7

# Columns of `rotations`.
TERM_START = 0  # terms of its angle
TERM_STOP = 1
OWN = 2  # whether the angle differs between samples
ROTATION_TRAINED = 3
FLIP = 4  # which local row it pairs a row with, by exclusive or
FLIP_LANES = 5  # and which lane
EVEN = 6  # an even number of Y
NEGATIVE = 7  # its sign at place 0 where all parities are even
Z_ROWS = 8  # the parity of a coset's representative with this mask changes its sign
Z_LANES = 9  # and so does that of a lane
NUMBERS = 10  # its cosines and sines among the shared coefficients: forward (c, t), backward (c, t)
VECTORS = 11  # the same per lane: (c, t) for both ways
LAST = 12  # the shared rotation of its pass that comes last; it restores the norm
EARLIEST = 13  # the one that comes first, and so last in the backward sweep
ROTATION_COLUMNS = 14

# Columns of `groups` and `terms` of a readout.
GROUP_X, GROUP_ODD, GROUP_START, GROUP_STOP = 0, 1, 2, 3
GROUP_COLUMNS = 4
TERM_Z, TERM_OUTPUT = 0, 1
TERM_COLUMNS = 2


class ProgramArrays(NamedTuple):
    """A compiled circuit.

    Attributes:
        ops: (n, OP_COLUMNS); passes: (n, PASS_COLUMNS); rotations: (n, ROTATION_COLUMNS).
        table: rows, phase indices, block offsets (o, or ~o where the row is
            zero before the pass and needs neither reading nor, on the way back, writing).
        masks: bit masks on physical rows, codes, vectors that span the cosets.
        constants: the constant part of each rotation's angle.
        entries, factors: the other terms of the angles; entry e >= 0 is shared, ~e per sample.
        tables: number of bits n, how many of them are lanes, h, whether a start at |0...0> must fill all rows, then the low and high tables from
            physical row to logical outcome.
    """

    ops: Ints
    passes: Ints
    rotations: Ints
    table: Table
    masks: Ints
    constants: Floats
    entries: Ints
    factors: Floats
    tables: Ints


class Work(NamedTuple):
    """Scratch for one tile; vectors on 64-byte boundaries.

    Attributes:
        block, block2, spare, weights, terms: a thread's own.
        bins, sums, means: for each piece of a step a part of its own; its part alone once inside the piece.
        signs: for each mask on the lanes' bits a vector of +1 and -1.
        numbers, vectors: coefficients that all lanes share, and others.
        cosines: (cos, sin) of half of each rotation's angle; scales: see `coefficients.balance`.
        angles, lane_cosines, lane_sines: halves of the angles that differ between samples, and their cosines and sines.
    """

    block: Any
    block2: Any
    spare: Any
    weights: Any
    terms: Any
    bins: Any
    sums: Floats
    means: Floats
    signs: Any
    numbers: Any
    vectors: Any
    cosines: Floats
    scales: Floats
    spare64: Floats
    angles: Floats
    lane_cosines: Floats
    lane_sines: Floats


class Sizes(NamedTuple):
    """How much scratch a program needs, in vectors or numbers."""

    bits: int
    lane_bits: int
    rotations: int
    lane_vectors: int
    shared_numbers: int
    bin_vectors: int
    block_rows: int


class Readout(NamedTuple):
    """What is read from the final state.

    Attributes:
        kind: (1,) TERMS, PROBABILITIES or AMPLITUDES.
        variance: (1,) whether the second half of the outputs are means whose squares are subtracted from the first.
        groups, terms, coefficients: Pauli terms on physical rows, grouped by their flips.
    """

    kind: Ints
    variance: Ints
    groups: Ints
    terms: Ints
    coefficients: Floats


class Inputs(NamedTuple):
    """What changes from run to run.

    Attributes:
        shared: (entries,) of shared bindings; samples: (batch, entries) of per-sample ones; batch: (1,).
        dense: (batch or 1, numbers) matrices of the dense operations, (re, im) row by row.
        start: (batch or 1, 2 * 2**n) prepared amplitudes, 2**n where they are real, or no rows for |0...0>.
        cotangent: (batch, width) upstream gradient.
        kept: (2,) address of the final states of all tiles, 0 for none, and whether they are there already: then the
            circuit is not run forwards again, else they are written there.
    """

    shared: Floats
    samples: Floats
    batch: Ints
    dense: Floats
    start: Floats
    cotangent: Floats
    kept: Ints


class GradientArrays(NamedTuple):
    """Where gradients go: shared (tiles, entries), samples (batch, entries), start (batch or 0, 2 * 2**n or, where
    the amplitudes are real, 2**n).
    """

    shared: Floats
    samples: Floats
    start: Floats


TERMS, PROBABILITIES, AMPLITUDES = 0, 1, 2
