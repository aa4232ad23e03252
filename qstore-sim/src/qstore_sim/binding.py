# SPDX-License-Identifier: Apache-2.0
"""Bindings as the kernels take them, and gradients back in the shape of the bindings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle
from qstore_sim.preparation import is_real, pull_back_start, start_numbers
from qstore_sim.program.compile import Program
from qstore_sim.program.layout import GradientArrays, Inputs

Floats = NDArray[np.float64]
Bindings = Mapping[str, Floats]

_NOTHING = np.zeros((0, 0))
_NO_NUMBERS = np.zeros(0)
_NOTHING_KEPT = np.zeros(2, dtype=np.int64)


def make_inputs(
    program: Program,
    bindings: Bindings,
    per_sample: frozenset[str],
    size: int,
    cotangent: Floats | None = None,
) -> Inputs:
    """Inputs of a run of `size` rows; a parameter that the program takes per sample is repeated if it is shared."""
    flat = [bindings[name].reshape(-1) for name, _, _ in program.shared]
    columns = [
        bindings[name].reshape(size, -1) if name in per_sample else
        np.ascontiguousarray(np.broadcast_to(bindings[name].reshape(1, -1), (size, width)))
        for name, _, width in program.samples
    ]  # fmt: skip
    return Inputs(
        _joined(flat, _NO_NUMBERS),
        _joined(columns, _NOTHING),
        _number(size),
        _dense(program) if program.dense else _NOTHING,
        start_numbers(program.starts, program.n_qubits, bindings) if program.starts else _NOTHING,
        _NOTHING if cotangent is None else plain(cotangent),
        _NOTHING_KEPT,
    )


@lru_cache(64)
def _number(size: int) -> NDArray[np.int64]:
    """A number as an array, which the kernels only read."""
    return np.array([size])


def _joined(parts: list[Floats], nothing: Floats) -> Floats:
    if not parts:
        return nothing
    return plain(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=-1)


def plain(array: NDArray[Any]) -> Floats:
    """float64, contiguous, aligned and writable: numba would compile every kernel again for a read-only array."""
    flags = array.flags
    if array.dtype == np.float64 and flags.c_contiguous and flags.writeable and flags.aligned:
        return array
    return np.array(array, dtype=np.float64, order="C")


def _dense(program: Program) -> Floats:
    return np.concatenate([item.matrix.reshape(1, -1) for item in program.dense], axis=1).view(np.float64)


def evaluate(angle: Angle, bindings: Bindings, per_sample: frozenset[str]) -> Floats:
    """The values of an angle, (batch,) or (1,) where all rows share it."""
    total = np.full(1, angle.constant)
    for parameter, index, coefficient in angle.terms:
        rows = bindings[parameter.name].reshape(-1 if parameter.name in per_sample else 1, parameter.size)
        total = total + coefficient * rows[:, index]
    return total


def gradient_arrays(program: Program, size: int, tiles: int) -> GradientArrays:
    """Zeroed arrays for the kernels to fill."""
    prepared, parts = 0, 2
    if program.starts and program.back_to == 0:
        prepared, parts = size, 1 if is_real(program.starts, program.n_qubits) else 2
    return GradientArrays(
        np.zeros((tiles, program.n_shared)), np.zeros((size, program.n_samples)),
        np.empty((prepared, parts << program.n_qubits)) if prepared else _NOTHING,
    )  # fmt: skip


def gradients_by_name(
    program: Program, arrays: GradientArrays, bindings: Bindings, wanted: Collection[str]
) -> dict[str, Floats]:
    """Gradients of the parameters in `wanted`, shaped like their bindings."""
    found: dict[str, Floats] = {}
    if program.shared:
        totals = arrays.shared[0] if len(arrays.shared) == 1 else arrays.shared.sum(axis=0)
        for name, first, width in program.shared:
            if name in wanted:
                found[name] = totals[first : first + width].reshape(bindings[name].shape)
    for name, first, width in program.samples:
        if name in wanted:
            own = arrays.samples if width == program.n_samples else arrays.samples[:, first : first + width]
            found[name] = np.ascontiguousarray(own).reshape(bindings[name].shape)
    if arrays.start.size:
        real = is_real(program.starts, program.n_qubits)
        cotangent = arrays.start if real else arrays.start.view(np.complex128)
        for name, gradient in pull_back_start(
            program.starts, program.n_qubits, bindings, cotangent, wanted
        ).items():
            found[name] = found[name] + gradient if name in found else gradient
    for name in wanted:
        if name not in found:
            found[name] = np.zeros(bindings[name].shape)
    return found
