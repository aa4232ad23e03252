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

ROTATION, DIAGONAL, DENSE = 0, 1, 2

# Columns of `ops`.
KIND = 0
FIRST = 1  # first of its entries in `rotations`; for DENSE its number
N_ROTATIONS = 2
TABLE = 3  # where its rows stand in `table`
COUNT_PLUS = 4  # ROTATION: pairs with sign +, DENSE: number of bases
COUNT_MINUS = 5  # ROTATION: pairs with sign -, following
EVEN = 6  # ROTATION: an even number of Y
Z_MASK = 7  # ROTATION: parity with the coset gives its sign
TAU = 8  # ROTATION: +1 or -1
TRAINED = 9
PER_LANE = 10
COEFFICIENT = 11  # vectors into the lane coefficients, or numbers into the shared ones
WIDTH = 12  # DIAGONAL: number of basis masks, DENSE: number of qubits
MASKS = 13  # DIAGONAL: basis masks, then a code per rotation; DENSE: masks, sign bits, local flips
BINS = 14  # DIAGONAL: vectors into the bins of the backward sweep
OP_COLUMNS = 15

# Columns of `passes`.
OP_START, OP_STOP, DIMENSION, GATHERED, OFFSETS, COSETS, COSET_BITS = range(7)
PASS_COLUMNS = 7

# Columns of `rotations`.
TERM_START, TERM_STOP, ROTATION_LANE, ROTATION_TRAINED = 0, 1, 2, 3
ROTATION_COLUMNS = 4

# Columns of `groups` and `terms` of a readout.
GROUP_X, GROUP_ODD, GROUP_START, GROUP_STOP = 0, 1, 2, 3
TERM_Z, TERM_OUTPUT = 0, 1


class ProgramArrays(NamedTuple):
    """A compiled circuit.

    Attributes:
        ops: (n, OP_COLUMNS); passes: (n, PASS_COLUMNS); rotations: (n, ROTATION_COLUMNS).
        table: pairs of rows (low and high half of each number), phase indices, block offsets (o, or ~o where the row is
            zero before the pass and needs neither reading nor, on the way back, writing).
        masks: bit masks on physical rows, codes, vectors that span the cosets.
        constants: the constant part of each rotation's angle.
        entries, factors: the other terms of the angles; entry e >= 0 is shared, ~e per sample.
        tables: number of bits n, h, whether a start at |0...0> must fill all rows, then the low and high tables from
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
    """One thread's scratch; all flat, vectors on 64-byte boundaries."""

    block: Any
    block2: Any
    numbers: Any
    vectors: Any
    bins: Any
    spare: Any
    weights: Any
    terms: Any
    sums: Floats
    means: Floats
    spare64: Floats


class Sizes(NamedTuple):
    """How much scratch a program needs, in vectors or numbers."""

    bits: int
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
        start: (batch or 1, 2 * 2**n) prepared amplitudes, or no rows for |0...0>.
        cotangent: (batch, width) upstream gradient.
    """

    shared: Floats
    samples: Floats
    batch: Ints
    dense: Floats
    start: Floats
    cotangent: Floats


class GradientArrays(NamedTuple):
    """Where gradients go: shared (tiles, entries), samples (batch, entries), start (batch or 0, 2 * 2**n)."""

    shared: Floats
    samples: Floats
    start: Floats


TERMS, PROBABILITIES, AMPLITUDES = 0, 1, 2
