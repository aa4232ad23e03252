# SPDX-License-Identifier: Apache-2.0
"""One tile from its coefficients to its values and gradients.

A tile is done in steps: prepare, one per pass, read, and back. A step is cut into pieces, of cosets or rows, whose
number depends on the program alone. Threads that work on the same tile take pieces and wait for each other before the
next step. Whoever comes late finds less to do, and one thread alone can do it all, so nobody ever waits for a thread to
start.
"""

from typing import Any

from qstore_sim.addresses import atomic_load, elements_at, fetch_add, yield_processor
from qstore_sim.kernels.amplitudes import (
    adjoint_from_amplitudes,
    adjoint_from_probabilities,
    start_state,
    write_amplitudes,
    write_probabilities,
    write_start_cotangent,
)
from qstore_sim.kernels.block import backward_pass, forward_pass
from qstore_sim.kernels.coefficients import prepare_lanes, prepare_shared, pull_back
from qstore_sim.kernels.diagonal import collect_bins
from qstore_sim.kernels.handles import (
    MEANS,
    SUMS,
    add_pieces,
    clear_sums,
    pieces_of,
    program_at,
    readout_at,
    work_at,
)
from qstore_sim.kernels.observables import add_means, adjoint_state, load_cotangent, write_means
from qstore_sim.program.layout import (
    AMPLITUDES,
    BINS,
    COSET_BITS,
    DIAGONAL,
    FIRST,
    GATHERED,
    KIND,
    MASKS,
    N_ROTATIONS,
    PROBABILITIES,
    TERMS,
    TRAINED,
    WIDTH,
)
from qstore_sim.simd import kernel, lanes_of, load, spliced, store

CHUNK_ROWS = 64
"""Rows are shared out in multiples of this, see `observables`."""
PATIENCE = 2000
"""Looks at the others' progress before the processor is offered to somebody else."""


@spliced
def coset_count(program: Any, number: int) -> Any:
    """Cosets of a pass."""
    if not program.passes[number, GATHERED]:
        return 1
    return 1 << program.passes[number, COSET_BITS]


@spliced
def collect(program: Any, work: Any) -> None:
    """Turn the bins of all diagonals into derivatives."""
    for o in range(program.ops.shape[0]):
        op = program.ops[o]
        if op[KIND] == DIAGONAL and op[TRAINED]:
            width = op[WIDTH]
            collect_bins(
                work.bins, op[BINS] * lanes_of(work.bins), width, program.masks, op[MASKS] + width, work.sums,
                op[FIRST], op[N_ROTATIONS],
            )  # fmt: skip


@spliced
def lane_bits_of(program: Any) -> Any:
    """How many bits of a physical index are lanes."""
    return program.tables[1]


@spliced
def rows_of(program: Any) -> Any:
    """Rows of a tile."""
    return 1 << (program.tables[0] - program.tables[1])


@spliced
def first_sample(program: Any, tile: int, lanes: int) -> Any:
    """The first sample of a tile."""
    return tile * (lanes >> lane_bits_of(program))


@spliced
def valid_samples(program: Any, tile: int, lanes: int, inputs: Any) -> Any:
    """How many of a tile's samples exist."""
    return min(lanes >> lane_bits_of(program), inputs.batch[0] - first_sample(program, tile, lanes))


@spliced
def prepare(psi: Any, program: Any, inputs: Any, tile: int, shared_too: bool, work: Any) -> None:
    """All coefficients for a tile, the shared ones if asked for, and its start state unless the final one is there."""
    lane_bits = lane_bits_of(program)
    if shared_too:
        prepare_shared(program, inputs.shared, work)
    prepare_lanes(program, inputs, lane_bits, tile, shared_too, work)
    if inputs.kept[1] == 0:
        first = first_sample(program, tile, lanes_of(psi))
        start_state(psi, program.tables[0], lane_bits, program.tables[3], inputs.start, first)


@spliced
def read(
    psi: Any, program: Any, readout: Any, tile: int, rows: Any, inputs: Any, values: Any, work: Any
) -> None:
    """Write a tile's values: amplitudes of rows rows[0] to rows[1], or the means of Pauli terms in work.means."""
    lanes = lanes_of(psi)
    lane_bits = lane_bits_of(program)
    first = first_sample(program, tile, lanes)
    valid = valid_samples(program, tile, lanes, inputs)
    kind = readout.kind[0]
    if kind == TERMS:
        write_means(work.means, lanes, lane_bits, readout, first, valid, values)
    elif kind == PROBABILITIES:
        write_probabilities(psi, lane_bits, program.tables, first, valid, rows, values)
    else:
        write_amplitudes(psi, lane_bits, program.tables, first, valid, rows, values)


@spliced
def adjoint_start(
    psi: Any, lam: Any, program: Any, readout: Any, tile: int, inputs: Any, values: Any, rows: Any, work: Any
) -> None:
    """Write lambda on rows rows[0] to rows[1]."""
    lanes = lanes_of(psi)
    bits = program.tables[0]
    lane_bits = lane_bits_of(program)
    first = first_sample(program, tile, lanes)
    valid = valid_samples(program, tile, lanes, inputs)
    kind = readout.kind[0]
    if kind == TERMS:
        load_cotangent(readout, lane_bits, first, valid, values, inputs.cotangent, work.terms)
        adjoint_state(
            psi, lam, bits, lane_bits, rows[0], rows[1], readout.groups, readout.terms, work.terms, work
        )
    elif kind == PROBABILITIES:
        adjoint_from_probabilities(psi, lam, lane_bits, program.tables, first, valid, rows, inputs.cotangent)
    elif kind == AMPLITUDES:
        adjoint_from_amplitudes(lam, lane_bits, program.tables, first, valid, rows, inputs.cotangent)


@spliced
def finish(lam: Any, program: Any, tile: int, inputs: Any, gradients: Any, work: Any) -> None:
    """Write a tile's gradients from work.sums and, for a prepared start, from lambda."""
    lanes = lanes_of(lam)
    bits = program.tables[0]
    lane_bits = lane_bits_of(program)
    pull_back(program, work, lanes, lane_bits, tile, inputs.batch[0], gradients.shared, gradients.samples)
    if gradients.start.shape[0]:
        first = first_sample(program, tile, lanes)
        valid = valid_samples(program, tile, lanes, inputs)
        write_start_cotangent(lam, bits, lane_bits, first, valid, gradients.start)


# ---- steps and pieces -----------------------------------------------------------------------------------------------


@spliced
def take(progress: Any, step: int, pieces: int) -> Any:
    """The next piece of a step; `pieces` when none is left."""
    return min(fetch_add(progress, 2 * step, 1), pieces)


@spliced
def done(progress: Any, step: int) -> None:
    """A piece of a step is done."""
    fetch_add(progress, 2 * step + 1, 1)


@spliced
def wait(progress: Any, step: int, pieces: int) -> Any:
    """Until all pieces of a step are done; returns the next step."""
    looks = 0
    while atomic_load(progress, 2 * step + 1) < pieces:
        looks += 1
        if looks > PATIENCE:
            yield_processor()
    return step + 1


@spliced
def share(total: int, unit: int, pieces: int, piece: int) -> Any:
    """(first, last) of a piece of `total` things that are shared out in multiples of `unit`."""
    first = total * piece // pieces // unit * unit
    last = total * (piece + 1) // pieces // unit * unit
    return first, total if piece == pieces - 1 else last


@spliced
def row_pieces(program: Any, handle: Any) -> Any:
    """Pieces of a step that goes through all rows."""
    return max(1, min(pieces_of(handle), rows_of(program) // CHUNK_ROWS))


@spliced
def coset_pieces(program: Any, handle: Any, number: int) -> Any:
    """Pieces of a pass."""
    return min(pieces_of(handle), coset_count(program, number))


@spliced
def forward_step(psi: Any, handle: Any, program: Any, number: int, progress: Any, step: int) -> Any:
    """A pass forwards; returns the next step."""
    pieces = coset_pieces(program, handle, number)
    piece = take(progress, step, pieces)
    while piece < pieces:
        first, last = share(coset_count(program, number), 1, pieces, piece)
        forward_pass(psi, program, number, first, last, work_at(psi, handle, piece))
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@spliced
def backward_step(
    psi: Any, lam: Any, handle: Any, program: Any, number: int, progress: Any, step: int
) -> Any:
    """A pass backwards; returns the next step."""
    pieces = coset_pieces(program, handle, number)
    piece = take(progress, step, pieces)
    while piece < pieces:
        first, last = share(coset_count(program, number), 1, pieces, piece)
        backward_pass(psi, lam, program, number, first, last, work_at(psi, handle, piece))
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@spliced
def means_step(psi: Any, handle: Any, program: Any, readout: Any, progress: Any, step: int) -> Any:
    """Add up the Pauli terms; returns the next step."""
    pieces = row_pieces(program, handle)
    piece = take(progress, step, pieces)
    while piece < pieces:
        first, last = share(rows_of(program), CHUNK_ROWS, pieces, piece)
        add_means(
            psi, program.tables[0], lane_bits_of(program), first, last, readout.groups, readout.terms,
            work_at(psi, handle, piece),
        )  # fmt: skip
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@spliced
def read_step(
    psi: Any, handle: Any, program: Any, readout: Any, tile: int, inputs: Any, values: Any, progress: Any, step: int
) -> Any:  # fmt: skip
    """Write the values; returns the next step."""
    terms = readout.kind[0] == TERMS
    pieces = 1 if terms else row_pieces(program, handle)
    piece = take(progress, step, pieces)
    while piece < pieces:
        if terms:
            add_pieces(handle, MEANS)
        rows = share(rows_of(program), 1, pieces, piece)
        read(psi, program, readout, tile, rows, inputs, values, work_at(psi, handle, piece))
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@spliced
def kept_step(psi: Any, handle: Any, program: Any, tile: int, kept: Any, progress: Any, step: int) -> Any:
    """Write the final state where it is kept, or fetch it from there; returns the next step."""
    size = rows_of(program) * 2 * lanes_of(psi)
    state = elements_at(psi, kept[0] + tile * size * psi.itemsize, size)
    pieces = row_pieces(program, handle)
    piece = take(progress, step, pieces)
    while piece < pieces:
        rows = share(rows_of(program), 1, pieces, piece)
        lanes = lanes_of(psi)
        for vector in range(2 * rows[0], 2 * rows[1]):
            if kept[1]:
                store(psi, vector * lanes, load(state, vector * lanes))
            else:
                store(state, vector * lanes, load(psi, vector * lanes))
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@spliced
def adjoint_step(
    psi: Any, lam: Any, handle: Any, program: Any, readout: Any, tile: int, inputs: Any, values: Any, progress: Any,
    step: int,
) -> Any:  # fmt: skip
    """Write lambda; returns the next step."""
    pieces = row_pieces(program, handle)
    piece = take(progress, step, pieces)
    while piece < pieces:
        rows = share(rows_of(program), CHUNK_ROWS, pieces, piece)
        adjoint_start(psi, lam, program, readout, tile, inputs, values, rows, work_at(psi, handle, piece))
        done(progress, step)
        piece = take(progress, step, pieces)
    return wait(progress, step, pieces)


@kernel
def run_tile(
    psi: Any, lam: Any, handle: Any, inputs: Any, tile: int, shared_too: bool, back_to: int, values: Any,
    gradients: Any, progress: Any,
) -> None:  # fmt: skip
    """One thread's part in a tile; `progress` holds two numbers per step, pieces taken and pieces done.

    A piece always adds to the sums of its number, so they do not depend on who does what.
    """
    program = program_at(handle)
    readout = readout_at(handle)
    step = 0
    if take(progress, step, 1) < 1:
        clear_sums(psi, handle)
        prepare(psi, program, inputs, tile, shared_too, work_at(psi, handle, 0))
        done(progress, step)
    step = wait(progress, step, 1)
    if inputs.kept[1] == 0:
        for number in range(program.passes.shape[0]):
            step = forward_step(psi, handle, program, number, progress, step)
        if readout.kind[0] == TERMS:
            step = means_step(psi, handle, program, readout, progress, step)
        step = read_step(psi, handle, program, readout, tile, inputs, values, progress, step)
    if inputs.kept[0] != 0:
        step = kept_step(psi, handle, program, tile, inputs.kept, progress, step)
    if back_to < 0:
        return
    step = adjoint_step(psi, lam, handle, program, readout, tile, inputs, values, progress, step)
    for number in range(program.passes.shape[0] - 1, back_to - 1, -1):
        step = backward_step(psi, lam, handle, program, number, progress, step)
    if take(progress, step, 1) < 1:
        for piece in range(pieces_of(handle)):
            collect(program, work_at(psi, handle, piece))
        add_pieces(handle, SUMS)
        finish(lam, program, tile, inputs, gradients, work_at(psi, handle, 0))
        done(progress, step)
    wait(progress, step, 1)
