# SPDX-License-Identifier: Apache-2.0
"""Expectations of Pauli sums, and the adjoint state that starts the backward sweep.

Terms with the same flips x share their products conj(psi_i) psi_{i^x}. Of these, 64 rows at a time, one
Walsh-Hadamard transform gives the sums for all Z masks at once; the adjoint state's weights go the same way back.
Coefficients already hold the phase of the term: a term adds `coefficient * sum_i (-1)**parity(i & z) q_i` with
q_i = Re(conj(psi_i) psi_{i^x}), or the imaginary part for an odd number of Y.
The low `lane_bits` bits of i are lanes (`program.lanes`): a flip of these exchanges lanes, their parities are signs.
"""

from typing import Any

from qstore_sim.kernels.diagonal import walsh_hadamard
from qstore_sim.program.layout import GROUP_ODD, GROUP_START, GROUP_STOP, GROUP_X, TERM_OUTPUT, TERM_Z
from qstore_sim.simd import (
    accumulate,
    exchange,
    fma,
    kernel,
    lanes_of,
    load,
    neg,
    parity,
    splat_like,
    spliced,
    store,
)

CHUNK_BITS = 6


@kernel
def add_means(
    psi: Any, bits: int, lane_bits: int, first: int, last: int, groups: Any, terms: Any, work: Any
) -> None:
    """work.means[term] += the term's sum over rows first to last (multiples of the chunk), lane by lane."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    chunk_bits = min(CHUNK_BITS, bits - lane_bits)
    chunk = 1 << chunk_bits
    for g in range(groups.shape[0]):
        x = groups[g, GROUP_X] >> lane_bits
        x_lanes = groups[g, GROUP_X] & ((1 << lane_bits) - 1)
        for start in range(first, last, chunk):
            for j in range(chunk):
                a = (start + j) * row
                re = load(psi, a)
                im = load(psi, a + lanes)
                if groups[g, GROUP_X] == 0:
                    q = fma(re, re, im * im)
                else:
                    b = ((start + j) ^ x) * row
                    u = exchange(load(psi, b), x_lanes)
                    v = exchange(load(psi, b + lanes), x_lanes)
                    q = fma(re, v, neg(im * u)) if groups[g, GROUP_ODD] else fma(re, u, im * v)
                store(work.weights, j * lanes, q)
            walsh_hadamard(work.weights, 0, chunk_bits)
            for t in range(groups[g, GROUP_START], groups[g, GROUP_STOP]):
                z = terms[t, TERM_Z] >> lane_bits
                total = load(work.weights, (z & (chunk - 1)) * lanes)
                if parity(z & start):
                    total = neg(total)
                accumulate(work.means, t * lanes, total)


@spliced
def write_means(
    means: Any, lanes: int, lane_bits: int, readout: Any, first: int, valid: int, values: Any
) -> None:
    """values[sample, output] = sum of coefficient times mean; for a variance the second half only helps the first."""
    terms = readout.terms
    for sample in range(valid):
        for k in range(values.shape[1]):
            values[first + sample, k] = 0.0
    for t in range(terms.shape[0]):
        output = terms[t, TERM_OUTPUT]
        for sample in range(valid):
            place = t * lanes + (sample << lane_bits)
            mean = means[place]
            for m in range(1, 1 << lane_bits):
                mean += -means[place + m] if parity(m & terms[t, TERM_Z]) else means[place + m]
            values[first + sample, output] += readout.coefficients[t] * mean
    for sample in range(valid):
        if readout.variance[0]:
            half = values.shape[1] // 2
            for k in range(half):
                values[first + sample, k] -= values[first + sample, half + k] ** 2


@spliced
def load_cotangent(
    readout: Any, lane_bits: int, first: int, valid: int, values: Any, cotangent: Any, out: Any
) -> None:
    """out[term] = coefficient times the upstream gradient, with the sign of each lane; 0 in lanes without a sample."""
    lanes = lanes_of(out)
    terms = readout.terms
    half = values.shape[1] // 2
    for t in range(terms.shape[0]):
        k = terms[t, TERM_OUTPUT]
        for sample in range(lanes >> lane_bits):
            weight = 0.0
            if sample < valid:
                if readout.variance[0] and k >= half:
                    weight = -2.0 * values[first + sample, k] * cotangent[first + sample, k - half]
                else:
                    weight = cotangent[first + sample, k]
            weight *= readout.coefficients[t]
            place = t * lanes + (sample << lane_bits)
            out[place] = weight
            for m in range(1, 1 << lane_bits):
                out[place + m] = -weight if parity(m & terms[t, TERM_Z]) else weight


@kernel
def adjoint_state(
    psi: Any, lam: Any, bits: int, lane_bits: int, first: int, last: int, groups: Any, terms: Any, cotangent: Any,
    work: Any,
) -> None:  # fmt: skip
    """Lambda = (sum of cotangent times term) psi on rows first to last."""
    lanes = lanes_of(psi)
    row = 2 * lanes
    chunk_bits = min(CHUNK_BITS, bits - lane_bits)
    chunk = 1 << chunk_bits
    zero = splat_like(psi, 0.0)
    if groups.shape[0] == 0:
        lam[first * row : last * row] = 0.0
    for start in range(first, last, chunk):
        for g in range(groups.shape[0]):
            x = groups[g, GROUP_X] >> lane_bits
            x_lanes = groups[g, GROUP_X] & ((1 << lane_bits) - 1)
            for j in range(chunk):
                store(work.weights, j * lanes, zero)
            for t in range(groups[g, GROUP_START], groups[g, GROUP_STOP]):
                z = terms[t, TERM_Z] >> lane_bits
                weight = load(cotangent, t * lanes)
                if parity(z & start):
                    weight = neg(weight)
                place = (z & (chunk - 1)) * lanes
                store(work.weights, place, load(work.weights, place) + weight)
            walsh_hadamard(work.weights, 0, chunk_bits)
            odd = groups[g, GROUP_ODD]
            for j in range(chunk):
                a = (start + j) * row
                b = ((start + j) ^ x) * row
                weight = load(work.weights, j * lanes)
                u = weight * exchange(load(psi, b), x_lanes)
                v = weight * exchange(load(psi, b + lanes), x_lanes)
                if odd:
                    u, v = v, neg(u)
                if g > 0:
                    u, v = u + load(lam, a), v + load(lam, a + lanes)
                store(lam, a, u)
                store(lam, a + lanes, v)
