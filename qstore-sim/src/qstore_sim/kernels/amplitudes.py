# SPDX-License-Identifier: Apache-2.0
"""Between the state of a tile and arrays by sample: preparation, probabilities, amplitudes and their cotangents.

By sample, the index is the logical outcome; in a tile it is the physical row (see `program.frame`). Complex numbers
by sample are pairs of float64.
"""

from typing import Any

from qstore_sim.simd import kernel, lanes_of, load, splat_like, store


@kernel
def logical_index(tables: Any, row: int) -> Any:
    """The outcome that a physical row stands for; `tables` as in `layout.ProgramArrays`."""
    half = tables[1]
    low = 1 << half
    return tables[3 + (row & (low - 1))] ^ tables[3 + low + (row >> half)]


@kernel
def start_state(psi: Any, origin: int, bits: int, fill: int, amplitudes: Any, first: int) -> None:
    """|0...0> where `amplitudes` has no rows, else the given state; nothing has moved the frame yet.

    Without `fill` the passes supply the zeros: only row 0 is written.
    """
    lanes = lanes_of(psi)
    zero = splat_like(psi, 0.0)
    if amplitudes.shape[0] == 0:
        for row in range(1 << bits if fill else 1):
            store(psi, origin + row * 2 * lanes, zero)
            store(psi, origin + row * 2 * lanes + lanes, zero)
        for lane in range(lanes):
            psi[origin + lane] = 1.0
        return
    for row in range(1 << bits):
        for lane in range(lanes):
            sample = min(first + lane, amplitudes.shape[0] - 1)
            psi[origin + row * 2 * lanes + lane] = amplitudes[sample, 2 * row]
            psi[origin + row * 2 * lanes + lanes + lane] = amplitudes[sample, 2 * row + 1]


@kernel
def write_probabilities(
    psi: Any, origin: int, bits: int, tables: Any, first: int, valid: int, values: Any
) -> None:
    """values[sample, outcome] = |amplitude|**2."""
    lanes = lanes_of(psi)
    for row in range(1 << bits):
        outcome = logical_index(tables, row)
        for lane in range(valid):
            re = float(psi[origin + row * 2 * lanes + lane])
            im = float(psi[origin + row * 2 * lanes + lanes + lane])
            values[first + lane, outcome] = re * re + im * im


@kernel
def write_amplitudes(
    psi: Any, origin: int, bits: int, tables: Any, first: int, valid: int, values: Any
) -> None:
    """values[sample, 2 outcome : 2 outcome + 2] = amplitude."""
    lanes = lanes_of(psi)
    for row in range(1 << bits):
        outcome = logical_index(tables, row)
        for lane in range(valid):
            values[first + lane, 2 * outcome] = psi[origin + row * 2 * lanes + lane]
            values[first + lane, 2 * outcome + 1] = psi[origin + row * 2 * lanes + lanes + lane]


@kernel
def adjoint_from_probabilities(
    psi: Any, lam: Any, origin: int, bits: int, tables: Any, first: int, valid: int, cotangent: Any
) -> None:
    """Lambda = cotangent of each outcome times psi."""
    lanes = lanes_of(psi)
    for row in range(1 << bits):
        outcome = logical_index(tables, row)
        a = origin + row * 2 * lanes
        for lane in range(lanes):
            weight = cotangent[first + lane, outcome] if lane < valid else 0.0
            lam[a + lane] = weight
        weights = load(lam, a)
        store(lam, a, weights * load(psi, a))
        store(lam, a + lanes, weights * load(psi, a + lanes))


@kernel
def adjoint_from_amplitudes(
    lam: Any, origin: int, bits: int, tables: Any, first: int, valid: int, cotangent: Any
) -> None:
    """Lambda = cotangent / 2: the change of the loss is Re(conj(cotangent) dpsi) = 2 Re(conj(lambda) dpsi)."""
    lanes = lanes_of(lam)
    for row in range(1 << bits):
        outcome = logical_index(tables, row)
        a = origin + row * 2 * lanes
        for lane in range(lanes):
            valid_lane = lane < valid
            lam[a + lane] = 0.5 * cotangent[first + lane, 2 * outcome] if valid_lane else 0.0
            lam[a + lanes + lane] = 0.5 * cotangent[first + lane, 2 * outcome + 1] if valid_lane else 0.0


@kernel
def write_start_cotangent(lam: Any, origin: int, bits: int, first: int, valid: int, out: Any) -> None:
    """out[sample] = the cotangent 2 lambda of the start state."""
    lanes = lanes_of(lam)
    for row in range(1 << bits):
        for lane in range(valid):
            out[first + lane, 2 * row] = 2.0 * lam[origin + row * 2 * lanes + lane]
            out[first + lane, 2 * row + 1] = 2.0 * lam[origin + row * 2 * lanes + lanes + lane]
