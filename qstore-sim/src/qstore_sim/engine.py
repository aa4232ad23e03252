# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a batch: owns the scratch, shares tiles out over threads, cuts a single large tile into slices.

Threads are plain Python threads around kernels that release the GIL: safe in any number of callers, in forked
workers and inside other thread pools, where numba's own threading layers are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_sim.kernels import sweep
from qstore_sim.memory import aligned, check_memory
from qstore_sim.notice import first_call
from qstore_sim.program import layout
from qstore_sim.program.compile import Program
from qstore_sim.simd import VECTOR_BYTES

Floats = NDArray[np.float64]

SLICED_BITS = 12
"""From this size on a tile is cut into slices when there are fewer tiles than threads."""
THREADED_WORK = 1 << 17
"""Vector operations below which a second thread costs more than it brings (handing over takes about 30 us)."""
_SLICE_ROWS = 32

_pool: tuple[int, int, ThreadPoolExecutor] | None = None


def _threads(count: int) -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603  # one pool per process; a forked child must not use its parent's
    if _pool is None or _pool[0] != os.getpid() or _pool[1] < count:
        _pool = (os.getpid(), count, ThreadPoolExecutor(count, thread_name_prefix="qstore-sim"))
    return _pool[2]


def _shared_out(tasks: list[Callable[[], None]]) -> None:
    """Run the tasks at the same time, the first in this thread."""
    if len(tasks) > 1:
        futures = [_threads(len(tasks) - 1).submit(task) for task in tasks[1:]]
        tasks[0]()
        for future in futures:
            future.result()
    else:
        tasks[0]()


class Engine:
    """A program with a readout and the scratch to run it.

    Args:
        program, readout: what to run and what to read.
        dtype: float32 or float64.
        threads: most threads to use.
    """

    def __init__(self, program: Program, readout: layout.Readout, dtype: Any, threads: int) -> None:
        self.program, self.readout = program, readout
        self.dtype = np.dtype(dtype)
        self.lanes = VECTOR_BYTES // self.dtype.itemsize
        self._threads = threads
        self._spare: list[tuple[NDArray[Any], NDArray[Any], layout.Work]] = []

    def state_bytes(self, *, backward: bool) -> int:
        """Bytes of one tile's state, with the adjoint state for gradients."""
        return (1 << self.program.sizes.bits) * 2 * VECTOR_BYTES * (2 if backward else 1)

    def run(
        self, inputs: layout.Inputs, values: Floats, gradients: layout.GradientArrays | None = None
    ) -> None:
        """Fill `values` and, if given, `gradients`, which must come zeroed.

        Raises:
            ResourceError: the state does not fit into memory.
        """
        batch = int(inputs.batch[0])
        tiles = -(-batch // self.lanes)
        back = gradients is not None
        sizes = self.program.sizes
        work = tiles * (1 << sizes.bits) * (len(self.program.arrays.ops) + 2) * (3 if back else 1)
        workers = self._threads if work >= THREADED_WORK else 1
        sliced = tiles < workers and sizes.bits >= SLICED_BITS and len(self.program.arrays.passes) > 0
        with first_call((self.dtype, sliced)):
            if sliced:
                self._run_sliced(inputs, values, gradients, tiles, workers)
            else:
                self._run_tiles(inputs, values, gradients, tiles, min(workers, tiles))

    def _run_tiles(
        self,
        inputs: layout.Inputs,
        values: Floats,
        gradients: layout.GradientArrays | None,
        tiles: int,
        workers: int,
    ) -> None:
        back = gradients is not None
        back_to = self.program.back_to if back else -1
        grads = gradients if gradients is not None else _NO_GRADIENTS
        scratch = [self._take(backward=back, count=workers) for _ in range(workers)]
        cuts = [tiles * w // workers for w in range(workers + 1)]

        def task(w: int) -> Callable[[], None]:
            psi, lam, area = scratch[w]
            return lambda: sweep.run_tiles(
                psi,
                lam,
                self.program.arrays,
                self.readout,
                inputs,
                cuts[w],
                cuts[w + 1],
                back_to,
                values,
                grads,
                area,
            )

        _shared_out([task(w) for w in range(workers)])
        self._spare.extend(scratch)

    # ---- one tile in slices ----------------------------------------------------------------------------------------

    def _run_sliced(
        self,
        inputs: layout.Inputs,
        values: Floats,
        gradients: layout.GradientArrays | None,
        tiles: int,
        workers: int,
    ) -> None:
        arrays, readout = self.program.arrays, self.readout
        scratch = [self._take(backward=gradients is not None, count=1, state=w == 0) for w in range(workers)]
        psi, lam, main = scratch[0]
        areas = [main._replace(block=area.block, block2=area.block2, bins=area.bins, spare=area.spare,
                               weights=area.weights, terms=area.terms, sums=area.sums, means=area.means)
                 for _, _, area in scratch]  # fmt: skip
        grads = gradients if gradients is not None else _NO_GRADIENTS

        def step(kind: int, tile: int, number: int, total: int) -> None:
            cuts = [total * w // workers for w in range(workers + 1)]
            _shared_out([
                lambda w=w: sweep.run_slice(  # type: ignore[misc]  # the default binds the loop variable
                    kind, psi, lam, arrays, readout, inputs, tile, number, cuts[w], cuts[w + 1], values, areas[w]
                )
                for w in range(workers)
            ])  # fmt: skip

        def rows(kind: int, tile: int) -> None:
            total = 1 << self.program.sizes.bits
            cuts = [total * w // workers // _SLICE_ROWS * _SLICE_ROWS for w in range(workers)] + [total]
            _shared_out([
                lambda w=w: sweep.run_slice(  # type: ignore[misc]  # the default binds the loop variable
                    kind, psi, lam, arrays, readout, inputs, tile, 0, cuts[w], cuts[w + 1], values, areas[w]
                )
                for w in range(workers)
            ])  # fmt: skip

        for tile in range(tiles):
            for area in areas[1:]:
                area.sums[:] = 0.0
                area.means[:] = 0.0
                area.bins[:] = 0.0
            sweep.run_whole(sweep.PREPARE, psi, lam, arrays, readout, inputs, tile, values, grads, main)
            for number in range(len(arrays.passes)):
                step(sweep.FORWARD, tile, number, self._cosets(number))
            rows(sweep.MEANS, tile)
            for area in areas[1:]:
                main.means[:] += area.means
            sweep.run_whole(sweep.READ, psi, lam, arrays, readout, inputs, tile, values, grads, main)
            if gradients is None or self.program.back_to < 0:
                continue
            rows(sweep.ADJOINT, tile)
            for number in range(len(arrays.passes) - 1, self.program.back_to - 1, -1):
                step(sweep.BACKWARD, tile, number, self._cosets(number))
            for area in areas:
                sweep.collect_slice(arrays, area)
            for area in areas[1:]:
                main.sums[:] += area.sums
            sweep.run_whole(sweep.FINISH, psi, lam, arrays, readout, inputs, tile, values, grads, main)
        self._spare.extend(item for item in scratch if len(item[0]))

    def _cosets(self, number: int) -> int:
        visit = self.program.arrays.passes[number]
        return 1 << int(visit[layout.COSET_BITS])

    def release(self) -> None:
        """Give the scratch of earlier runs back."""
        self._spare.clear()

    # ---- scratch ---------------------------------------------------------------------------------------------------

    def _take(
        self, *, backward: bool, count: int, state: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any], layout.Work]:
        while state and self._spare:
            try:
                found = self._spare.pop()
            except IndexError:  # another thread was faster
                break
            if not backward or len(found[1]):
                return found
        sizes, lanes = self.program.sizes, self.lanes
        check_memory(self.state_bytes(backward=backward) * count, f"A run of {self.program.n_qubits} qubits")
        numbers = (1 << sizes.bits) * 2 * lanes if state else 0
        psi = aligned(numbers, self.dtype)
        lam = aligned(numbers if backward else 0, self.dtype)
        most = int(self.program.arrays.ops[:, layout.N_ROTATIONS].max(initial=1))
        area = layout.Work(
            block=aligned(sizes.block_rows * 2 * lanes, self.dtype),
            block2=aligned(sizes.block_rows * 2 * lanes if backward else 0, self.dtype),
            numbers=aligned(max(sizes.shared_numbers, 1), self.dtype),
            vectors=aligned(max(sizes.lane_vectors, 1) * lanes, self.dtype),
            bins=aligned(sizes.bin_vectors * lanes, self.dtype),
            spare=aligned(max(16, 2 * most) * lanes, self.dtype),
            weights=aligned(_SLICE_ROWS * lanes, self.dtype),
            terms=aligned(max(1, len(self.readout.terms)) * lanes, self.dtype),
            sums=aligned(sizes.rotations * lanes, np.float64),
            means=aligned(len(self.readout.terms) * lanes, np.float64),
            spare64=aligned(2 * most, np.float64),
        )
        return psi, lam, area


_NO_GRADIENTS = layout.GradientArrays(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))
