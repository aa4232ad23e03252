# SPDX-License-Identifier: Apache-2.0
"""What Python calls: whole tiles one after the other, or slices of one large tile.

`run_tiles` does everything for tiles first to last: prepare, run, read, sweep back, pull back. Tiles are independent,
so threads share them out. The other entry points cut the same work for one tile that is larger than the caches: each
call does a slice of the cosets or rows, and the caller waits for all slices before the next step.
"""

from typing import Any

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
from qstore_sim.simd import kernel, lanes_of


@kernel
def coset_count(program: Any, number: int) -> Any:
    """Cosets of a pass."""
    if not program.passes[number, GATHERED]:
        return 1
    return 1 << program.passes[number, COSET_BITS]


@kernel
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


@kernel
def prepare(program: Any, inputs: Any, tile: int, first_tile: int, work: Any) -> None:
    """All coefficients for a tile; the shared ones only for a thread's first."""
    if tile == first_tile:
        prepare_shared(program, inputs.shared, inputs.samples, work.numbers, work.spare64)
    prepare_lanes(
        program, inputs.shared, inputs.samples, inputs.dense, tile * lanes_of(work.vectors), inputs.batch[0],
        work.vectors, work.spare,
    )  # fmt: skip
    work.sums[:] = 0.0
    work.means[:] = 0.0
    work.bins[:] = 0.0


@kernel
def read(psi: Any, program: Any, readout: Any, tile: int, inputs: Any, values: Any, work: Any) -> None:
    """Write a tile's values; the sums of Pauli terms must be in work.means."""
    lanes = lanes_of(psi)
    first = tile * lanes
    valid = min(lanes, inputs.batch[0] - first)
    kind = readout.kind[0]
    if kind == TERMS:
        write_means(
            work.means, lanes, readout.terms, readout.coefficients, readout.variance[0], first, valid, values
        )
    elif kind == PROBABILITIES:
        write_probabilities(psi, 0, program.tables[0], program.tables, first, valid, values)
    else:
        write_amplitudes(psi, 0, program.tables[0], program.tables, first, valid, values)


@kernel
def adjoint_start(
    psi: Any,
    lam: Any,
    program: Any,
    readout: Any,
    tile: int,
    inputs: Any,
    values: Any,
    first: int,
    last: int,
    work: Any,
) -> None:
    """Write lambda; for Pauli terms on rows first to last, else, by the first slice alone, everywhere."""
    lanes = lanes_of(psi)
    sample = tile * lanes
    valid = min(lanes, inputs.batch[0] - sample)
    bits = program.tables[0]
    kind = readout.kind[0]
    if kind == TERMS:
        load_cotangent(
            readout.terms,
            readout.coefficients,
            readout.variance[0],
            sample,
            valid,
            values,
            inputs.cotangent,
            work.terms,
        )
        adjoint_state(psi, lam, 0, bits, first, last, readout.groups, readout.terms, work.terms, work)
    elif first == 0 and kind == PROBABILITIES:
        adjoint_from_probabilities(psi, lam, 0, bits, program.tables, sample, valid, inputs.cotangent)
    elif first == 0 and kind == AMPLITUDES:
        adjoint_from_amplitudes(lam, 0, bits, program.tables, sample, valid, inputs.cotangent)


@kernel
def finish(lam: Any, program: Any, tile: int, inputs: Any, gradients: Any, work: Any) -> None:
    """Write a tile's gradients from work.sums and, for a prepared start, from lambda."""
    lanes = lanes_of(lam)
    first = tile * lanes
    batch = inputs.batch[0]
    pull_back(program, work.sums, lanes, first, batch, gradients.shared, tile, gradients.samples)
    if gradients.start.shape[0]:
        write_start_cotangent(lam, 0, program.tables[0], first, min(lanes, batch - first), gradients.start)


@kernel
def run_tiles(
    psi: Any, lam: Any, program: Any, readout: Any, inputs: Any, first: int, last: int, back_to: int, values: Any,
    gradients: Any, work: Any,
) -> None:  # fmt: skip
    """Tiles first to last; with back_to >= 0 also the backward sweep, down to that pass."""
    bits = program.tables[0]
    for tile in range(first, last):
        prepare(program, inputs, tile, first, work)
        start_state(psi, 0, bits, program.tables[2], inputs.start, tile * lanes_of(psi))
        for number in range(program.passes.shape[0]):
            forward_pass(psi, 0, program, number, 0, coset_count(program, number), work)
        if readout.kind[0] == TERMS:
            add_means(psi, 0, bits, 0, 1 << bits, readout.groups, readout.terms, work)
        read(psi, program, readout, tile, inputs, values, work)
        if back_to >= 0:
            adjoint_start(psi, lam, program, readout, tile, inputs, values, 0, 1 << bits, work)
            for number in range(program.passes.shape[0] - 1, back_to - 1, -1):
                backward_pass(psi, lam, 0, program, number, 0, coset_count(program, number), work)
            collect(program, work)
            finish(lam, program, tile, inputs, gradients, work)


FORWARD, MEANS, ADJOINT, BACKWARD = 0, 1, 2, 3


@kernel
def run_slice(
    step: int, psi: Any, lam: Any, program: Any, readout: Any, inputs: Any, tile: int, number: int, first: int,
    last: int, values: Any, work: Any,
) -> None:  # fmt: skip
    """One step of one tile: cosets first to last of a pass, or rows first to last of the readout."""
    if step == FORWARD:
        forward_pass(psi, 0, program, number, first, last, work)
    elif step == MEANS:
        add_means(psi, 0, program.tables[0], first, last, readout.groups, readout.terms, work)
    elif step == ADJOINT:
        adjoint_start(psi, lam, program, readout, tile, inputs, values, first, last, work)
    else:
        backward_pass(psi, lam, 0, program, number, first, last, work)


PREPARE, READ, FINISH = 0, 1, 2


@kernel
def run_whole(
    step: int, psi: Any, lam: Any, program: Any, readout: Any, inputs: Any, tile: int, values: Any, gradients: Any,
    work: Any,
) -> None:  # fmt: skip
    """The steps of one tile that one thread does alone."""
    if step == PREPARE:
        prepare(program, inputs, tile, tile, work)
        start_state(psi, 0, program.tables[0], program.tables[2], inputs.start, tile * lanes_of(psi))
    elif step == READ:
        read(psi, program, readout, tile, inputs, values, work)
    else:
        finish(lam, program, tile, inputs, gradients, work)


@kernel
def collect_slice(program: Any, work: Any) -> None:
    """`collect` for one slice's scratch."""
    collect(program, work)
