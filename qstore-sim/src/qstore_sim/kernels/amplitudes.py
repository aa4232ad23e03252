# SPDX-License-Identifier: Apache-2.0
"""Between the state of a tile and arrays by sample: preparation, probabilities, amplitudes and their cotangents.

By sample, the index is the logical outcome; in a tile it is the physical row (see `program.frame`) and the low bits
the lane (see `program.lanes`). Complex numbers by sample are pairs of float64.
"""

from typing import Any

from qstore_sim.simd import kernel, lanes_of, load, splat_like, store


@kernel
def logical_index(tables: Any, row: int) -> Any:
    """The outcome that a physical row stands for; `tables` as in `layout.ProgramArrays`."""
    half = tables[2]
    low = 1 << half
    return tables[4 + (row & (low - 1))] ^ tables[4 + low + (row >> half)]


@kernel
def start_state(psi: Any, bits: int, lane_bits: int, fill: int, amplitudes: Any, first: int) -> None:
    """|0...0> where `amplitudes` has no rows, else the given state; nothing has moved the frame yet.

    Without `fill` the passes supply the zeros: only row 0 is written. Amplitudes are pairs, or real parts alone.
    """
    lanes = lanes_of(psi)
    within = (1 << lane_bits) - 1
    zero = splat_like(psi, 0.0)
    if amplitudes.shape[0] == 0:
        for row in range(1 << (bits - lane_bits) if fill else 1):
            store(psi, row * 2 * lanes, zero)
            store(psi, row * 2 * lanes + lanes, zero)
        for lane in range(0, lanes, within + 1):
            psi[lane] = 1.0
        return
    parts = amplitudes.shape[1] >> bits
    for row in range(1 << (bits - lane_bits)):
        for lane in range(lanes):
            sample = min(first + (lane >> lane_bits), amplitudes.shape[0] - 1)
            index = row << lane_bits | lane & within
            psi[row * 2 * lanes + lane] = amplitudes[sample, parts * index]
            psi[row * 2 * lanes + lanes + lane] = amplitudes[sample, 2 * index + 1] if parts == 2 else 0.0


@kernel
def write_probabilities(
    psi: Any, lane_bits: int, tables: Any, first: int, valid: int, rows: Any, values: Any
) -> None:
    """values[sample, outcome] = |amplitude|**2, for rows rows[0] to rows[1]."""
    lanes = lanes_of(psi)
    for row in range(rows[0], rows[1]):
        for m in range(1 << lane_bits):
            outcome = logical_index(tables, row << lane_bits | m)
            for sample in range(valid):
                place = row * 2 * lanes + (sample << lane_bits) + m
                re = float(psi[place])
                im = float(psi[place + lanes])
                values[first + sample, outcome] = re * re + im * im


@kernel
def write_amplitudes(
    psi: Any, lane_bits: int, tables: Any, first: int, valid: int, rows: Any, values: Any
) -> None:
    """values[sample, 2 outcome : 2 outcome + 2] = amplitude, for rows rows[0] to rows[1]."""
    lanes = lanes_of(psi)
    for row in range(rows[0], rows[1]):
        for m in range(1 << lane_bits):
            outcome = logical_index(tables, row << lane_bits | m)
            for sample in range(valid):
                place = row * 2 * lanes + (sample << lane_bits) + m
                values[first + sample, 2 * outcome] = psi[place]
                values[first + sample, 2 * outcome + 1] = psi[place + lanes]


@kernel
def adjoint_from_probabilities(
    psi: Any, lam: Any, lane_bits: int, tables: Any, first: int, valid: int, rows: Any, cotangent: Any
) -> None:
    """Lambda = cotangent of each outcome times psi, for rows rows[0] to rows[1]."""
    lanes = lanes_of(psi)
    for row in range(rows[0], rows[1]):
        a = row * 2 * lanes
        for m in range(1 << lane_bits):
            outcome = logical_index(tables, row << lane_bits | m)
            for sample in range(lanes >> lane_bits):
                weight = cotangent[first + sample, outcome] if sample < valid else 0.0
                lam[a + (sample << lane_bits) + m] = weight
        weights = load(lam, a)
        store(lam, a, weights * load(psi, a))
        store(lam, a + lanes, weights * load(psi, a + lanes))


@kernel
def adjoint_from_amplitudes(
    lam: Any, lane_bits: int, tables: Any, first: int, valid: int, rows: Any, cotangent: Any
) -> None:
    """Lambda = cotangent / 2: the change of the loss is Re(conj(cotangent) dpsi) = 2 Re(conj(lambda) dpsi)."""
    lanes = lanes_of(lam)
    for row in range(rows[0], rows[1]):
        for m in range(1 << lane_bits):
            outcome = logical_index(tables, row << lane_bits | m)
            for sample in range(lanes >> lane_bits):
                place = row * 2 * lanes + (sample << lane_bits) + m
                there = sample < valid
                lam[place] = 0.5 * cotangent[first + sample, 2 * outcome] if there else 0.0
                lam[place + lanes] = 0.5 * cotangent[first + sample, 2 * outcome + 1] if there else 0.0


@kernel
def write_start_cotangent(lam: Any, bits: int, lane_bits: int, first: int, valid: int, out: Any) -> None:
    """out[sample] = the cotangent 2 lambda of the start state, or its real parts where `out` has no more columns."""
    lanes = lanes_of(lam)
    parts = out.shape[1] >> bits
    for row in range(1 << (bits - lane_bits)):
        for m in range(1 << lane_bits):
            index = row << lane_bits | m
            for sample in range(valid):
                place = row * 2 * lanes + (sample << lane_bits) + m
                out[first + sample, parts * index] = 2.0 * lam[place]
                if parts == 2:
                    out[first + sample, 2 * index + 1] = 2.0 * lam[place + lanes]
