# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a batch: owns the scratch, decides how many threads take part and in what."""

from __future__ import annotations

from operator import is_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_sim.crew import NO_GRADIENTS, crew_for
from qstore_sim.kept_states import Room
from qstore_sim.kernels import sweep
from qstore_sim.kernels.handles import handles
from qstore_sim.memory import aligned, check_memory
from qstore_sim.notice import announced, first_call
from qstore_sim.program import layout
from qstore_sim.program.compile import Program
from qstore_sim.width import VECTOR_BYTES

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Scratch(NamedTuple):
    """What a thread works with.

    Attributes:
        psi, lam: state and adjoint state (empty without gradients).
        work: everything else; handle, seat: addresses (see `kernels.handles`, `kernels.crew`).
        progress, next_tile: of a run with one thread; the number of the next tile to do.
        others: scratch for more threads on the same state.
    """

    psi: NDArray[Any]
    lam: NDArray[Any]
    work: layout.Work
    handle: NDArray[np.int64]
    seat: NDArray[np.int64]
    progress: NDArray[np.int64]
    next_tile: NDArray[np.int64]
    others: list[Scratch]


PIECE_ROWS = (1 << 15) // VECTOR_BYTES
"""Rows of a tile for each piece of a step; tiles of at least two pieces may be done by threads together."""
MOST_PIECES = 64
THREADED_WORK = (1 << 19) // VECTOR_BYTES
"""Vector operations below which a second thread costs more than it brings."""


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
        self.samples: int = self.lanes >> program.sizes.lane_bits
        self._threads = threads
        self._rows: int = 1 << (program.sizes.bits - program.sizes.lane_bits)
        self._pieces = max(1, min(MOST_PIECES, self._rows // PIECE_ROWS))
        self._progress_size = 2 * (2 * len(program.arrays.passes) + 6)
        self._tile_work = self._rows * (len(program.arrays.ops) + 2)
        self._spare: list[Scratch] = []
        self._latest_team: tuple[list[Scratch], Numbers, Numbers] | None = None

    def state_bytes(self, *, backward: bool) -> int:
        """Bytes of one tile's state, with the adjoint state for gradients."""
        return int(self._rows * 2 * VECTOR_BYTES * (2 if backward else 1))

    def tiles(self, batch: int) -> int:
        """Tiles of a batch."""
        return -(-batch // self.samples)

    def kept_bytes(self, batch: int) -> int:
        """Bytes of the final states of all tiles of a batch."""
        return self.tiles(batch) * self.state_bytes(backward=False)

    def new_kept(self, batch: int) -> NDArray[Any]:
        """Room for the final states of all tiles of a batch."""
        return aligned(self.kept_bytes(batch) // self.dtype.itemsize, self.dtype)

    def run(
        self, inputs: layout.Inputs, values: Floats, gradients: layout.GradientArrays | None = None,
        kept: Room | None = None,
    ) -> None:  # fmt: skip
        """Fill `values` and, if given, `gradients`, which must come zeroed.

        With `kept`, a room made of `new_kept`, the two are done in two calls: the first one fills `values` and `kept`, the second
        one, with the same inputs and what the first one filled, `gradients`; it may be repeated.

        Raises:
            ResourceError: the state does not fit into memory.
        """
        tiles = self.tiles(len(values))
        back = gradients is not None
        if kept is not None:
            inputs = layout.Inputs(*inputs[:-1], kept.backward if back else kept.forward)
        back_to = self.program.back_to if back else -1
        grads = gradients if gradients is not None else NO_GRADIENTS
        work = tiles * self._tile_work * ((3 if kept is None else 2) if back else 1)
        workers = self._threads if work >= THREADED_WORK else 1
        together = tiles < workers and self._pieces > 1
        states = 1 if together else min(workers, tiles)
        scratch = self._take(backward=back or kept is not None, count=states)
        seats = workers if together else states
        if seats == 1:
            own = scratch[0]
            where, progress = own.seat, own.progress
        else:
            where, progress = self._seated(scratch, workers, tiles) if together else self._team(scratch)
        next_tile = scratch[0].next_tile
        next_tile[0] = 0
        arguments = (seats - 1, where, together, inputs, next_tile, tiles, back_to, values, grads, progress)
        crew = crew_for(self.dtype)
        if announced(self.dtype):
            crew.run(*arguments)
        else:
            with first_call(self.dtype):
                crew.run(*arguments)
        self._spare.extend(reversed(scratch))  # the next run takes them in the same order

    def release(self) -> None:
        """Give the scratch of earlier runs back."""
        self._spare.clear()
        self._latest_team = None

    def _seated(self, scratch: list[Scratch], workers: int, tiles: int) -> tuple[Numbers, Numbers]:
        """The seats and the progress of threads on the same tile."""
        everyone = scratch + self._beside(scratch[0], workers - 1)
        seats = np.concatenate([own.seat for own in everyone])
        return seats, np.zeros((tiles, self._progress_size), dtype=np.int64)

    def _team(self, scratch: list[Scratch]) -> tuple[Numbers, Numbers]:
        """The seats and the progress of threads with a tile each, who mostly are those of the run before."""
        latest = self._latest_team
        if latest is not None and len(latest[0]) == len(scratch) and all(map(is_, latest[0], scratch)):
            return latest[1], latest[2]
        seats = np.concatenate([own.seat for own in scratch])
        progress = np.zeros((len(scratch), self._progress_size), dtype=np.int64)
        self._latest_team = list(scratch), seats, progress
        return seats, progress

    # ---- scratch ---------------------------------------------------------------------------------------------------

    def _take(self, *, backward: bool, count: int) -> list[Scratch]:
        """Scratch for some threads with a state each, as far as possible from earlier runs."""
        found: list[Scratch] = []
        while self._spare and len(found) < count:
            try:
                scratch = self._spare.pop()
            except IndexError:  # another thread was faster
                break
            if not backward or len(scratch.lam):
                found.append(scratch)
        missing = count - len(found)
        if missing:
            check_memory(
                self.state_bytes(backward=backward) * missing, f"A run of {self.program.n_qubits} qubits"
            )
        return found + [self._new_scratch(backward=backward) for _ in range(missing)]

    def _new_scratch(self, *, backward: bool) -> Scratch:
        sizes, lanes, dtype = self.program.sizes, self.lanes, self.dtype
        terms = len(self.readout.terms)
        own_angles = int(self.program.arrays.rotations[:, layout.OWN].sum()) * lanes
        own = self._own_area(backward=backward)
        work = layout.Work(
            **own,
            bins=aligned(self._pieces * sizes.bin_vectors * lanes, dtype),
            sums=aligned(self._pieces * sizes.rotations * lanes, np.float64),
            means=aligned(self._pieces * terms * lanes, np.float64),
            signs=_lane_signs(sizes.lane_bits, lanes, dtype),
            numbers=aligned(max(sizes.shared_numbers, 1), dtype),
            vectors=aligned(max(sizes.lane_vectors, 1) * lanes, dtype),
            cosines=aligned(2 * sizes.rotations, np.float64),
            scales=aligned(sizes.rotations, np.float64),
            spare64=aligned(2 * self._most_rotations(), np.float64),
            angles=aligned(own_angles, np.float64),
            lane_cosines=aligned(own_angles, np.float64),
            lane_sines=aligned(own_angles, np.float64),
        )
        psi = aligned(self._rows * 2 * lanes, dtype)
        lam = aligned(self._rows * 2 * lanes if backward else 0, dtype)
        return self._scratch(psi, lam, work)

    def _beside(self, first: Scratch, count: int) -> list[Scratch]:
        """Scratch for more threads on the same tile."""
        while len(first.others) < count:
            own = self._own_area(backward=len(first.lam) > 0)
            first.others.append(self._scratch(first.psi, first.lam, first.work._replace(**own)))
        return first.others[:count]

    def _scratch(self, psi: NDArray[Any], lam: NDArray[Any], work: layout.Work) -> Scratch:
        handle = handles(self.program.arrays, self.readout, work, self._pieces)
        seat = np.array(
            [[psi.ctypes.data, len(psi), lam.ctypes.data, len(lam), handle.ctypes.data, len(handle)]]
        )
        progress = np.zeros((1, self._progress_size), dtype=np.int64)
        return Scratch(psi, lam, work, handle, seat, progress, np.zeros(1, dtype=np.int64), [])

    def _own_area(self, *, backward: bool) -> dict[str, NDArray[Any]]:
        """What threads on one tile do not share."""
        block = self.program.sizes.block_rows * 2
        counts = {
            "block": block,
            "block2": block if backward else 0,
            "spare": max(16, 2 * self._most_rotations()),
            "weights": sweep.CHUNK_ROWS,
            "terms": max(1, len(self.readout.terms)),
        }
        return {name: aligned(count * self.lanes, self.dtype) for name, count in counts.items()}

    def _most_rotations(self) -> int:
        return int(self.program.arrays.ops[:, layout.N_ROTATIONS].max(initial=1))


def _lane_signs(lane_bits: int, lanes: int, dtype: Any) -> NDArray[Any]:
    """For each mask on the lanes' bits, a vector of +1 and -1: the parity of each lane."""
    signs = aligned(lanes << lane_bits, dtype)
    masks, lane = np.ogrid[: 1 << lane_bits, :lanes]
    signs.reshape(-1, lanes)[:] = 1 - 2 * (np.bitwise_count(masks & lane) & 1).astype(int)
    return signs
