# SPDX-License-Identifier: Apache-2.0
"""Threads that share a run: what the caller does (`lead`), and what a helping thread does (`serve`).

Where tiles are many each thread takes the next one that nobody has; where they are few and large all threads work on
the same tile (`sweep`). A helper looks at its mailbox for a while before it goes to sleep, so in a training loop it
begins a microsecond after the caller, where waking a thread takes fifty. Nobody depends on it: a job that no helper has
taken when the caller is done is withdrawn.
"""

from typing import Any

from qstore_sim.addresses import (
    address_of,
    atomic_load,
    atomic_store,
    compare_exchange,
    elements_at,
    fetch_add,
    float64_at,
    float64_table_at,
    int64_at,
    int64_table_at,
    yield_processor,
)
from qstore_sim.kernels.sweep import run_tile
from qstore_sim.program.layout import GradientArrays, Inputs
from qstore_sim.simd import kernel, spliced

# A seat: where a thread's state, adjoint state and handle are, each with its length.
SEAT_NUMBERS = 6

# A job: the seat, what `work_on` is told, and every array of `Inputs` and `GradientArrays` as an address and its shape.
NUMBER, TOGETHER, TILES, BACK_TO, NEXT_TILE, BATCH, KEPT = 6, 7, 8, 9, 10, 11, 12
SHARED, PROGRESS, TABLES = 13, 15, 18
SAMPLES_TABLE, DENSE_TABLE, START_TABLE, COTANGENT_TABLE = 0, 1, 2, 3
VALUES_TABLE, SHARED_GRADIENTS_TABLE, SAMPLE_GRADIENTS_TABLE, START_GRADIENTS_TABLE = 4, 5, 6, 7
TABLE_NUMBERS = 3
JOB_NUMBERS = TABLES + 8 * TABLE_NUMBERS

# A mailbox; its stride is a multiple of a cache line, so that two helpers never wait for each other's.
STATE, AWAKE, JOB = 0, 1, 2
NOTHING, POSTED, TAKEN = 0, 1, 2
MAILBOX_SIZE = (JOB + JOB_NUMBERS + 7) // 8 * 8

LOOKS = 64
"""Looks at a mailbox between two offers of the processor to somebody else."""
OFFERS = 4000
"""Offers before a helper goes to sleep: some 2 ms, about what a caller does between two steps."""


@spliced
def work_on(
    like: Any, seat: Any, number: int, together: bool, inputs: Any, next_tile: Any, tiles: int, back_to: int,
    values: Any, gradients: Any, progress: Any,
) -> None:  # fmt: skip
    """One thread's part of a run; progress: zeros, (tiles or threads, 2 * steps)."""
    psi = elements_at(like, seat[0], seat[1])
    lam = elements_at(like, seat[2], seat[3])
    handle = int64_table_at(seat[4], seat[5], 2)
    tile = 0 if together else fetch_add(next_tile, 0, 1)
    first = True
    while tile < tiles:
        own = progress[tile if together else number]
        if not together:
            own[:] = 0
        run_tile(psi, lam, handle, inputs, tile, first, back_to, values, gradients, own)
        first = False
        tile = tile + 1 if together else fetch_add(next_tile, 0, 1)


@spliced
def lead(
    like: Any, seats: Any, mail: Any, together: bool, inputs: Any, next_tile: Any, tiles: int, back_to: int,
    values: Any, gradients: Any, progress: Any,
) -> None:  # fmt: skip
    """A whole run, with a helper at every seat but the first."""
    for helper in range(mail.shape[0]):
        box = mail[helper]
        job = box[JOB:]
        for number in range(SEAT_NUMBERS):
            job[number] = seats[helper + 1, number]
        job[NUMBER] = helper + 1
        job[TOGETHER] = 1 if together else 0
        job[TILES] = tiles
        job[BACK_TO] = back_to
        job[NEXT_TILE] = address_of(next_tile)
        job[BATCH] = address_of(inputs.batch)
        job[KEPT] = address_of(inputs.kept)
        job[SHARED] = address_of(inputs.shared)
        job[SHARED + 1] = inputs.shared.shape[0]
        job[PROGRESS] = address_of(progress)
        job[PROGRESS + 1] = progress.shape[0]
        job[PROGRESS + 2] = progress.shape[1]
        place = TABLES
        for table in (  # in the order of the numbers of the tables above
            inputs.samples, inputs.dense, inputs.start, inputs.cotangent, values, gradients.shared, gradients.samples,
            gradients.start,
        ):  # fmt: skip
            job[place] = address_of(table)
            job[place + 1] = table.shape[0]
            job[place + 2] = table.shape[1]
            place += TABLE_NUMBERS
        atomic_store(box, STATE, POSTED)
    work_on(like, seats[0], 0, together, inputs, next_tile, tiles, back_to, values, gradients, progress)
    for helper in range(mail.shape[0]):
        box = mail[helper]
        if not compare_exchange(box, STATE, POSTED, NOTHING):
            looks = 0
            while atomic_load(box, STATE) != NOTHING:
                looks += 1
                if looks > LOOKS:
                    yield_processor()


@spliced
def table_of(job: Any, number: int) -> Any:
    """The number-th float64 table of a job, in a tuple."""
    place = TABLES + TABLE_NUMBERS * number
    return (float64_table_at(job[place], job[place + 1], job[place + 2]),)


@spliced
def serve_once(like: Any, box: Any) -> None:
    """Do the job in the mailbox."""
    job = box[JOB:]
    inputs = Inputs(
        float64_at(job[SHARED], job[SHARED + 1]), table_of(job, SAMPLES_TABLE)[0], int64_at(job[BATCH], 1),
        table_of(job, DENSE_TABLE)[0], table_of(job, START_TABLE)[0], table_of(job, COTANGENT_TABLE)[0],
        int64_at(job[KEPT], 2),
    )  # fmt: skip
    gradients = GradientArrays(
        table_of(job, SHARED_GRADIENTS_TABLE)[0], table_of(job, SAMPLE_GRADIENTS_TABLE)[0],
        table_of(job, START_GRADIENTS_TABLE)[0],
    )  # fmt: skip
    work_on(
        like, job[:SEAT_NUMBERS], job[NUMBER], job[TOGETHER] == 1, inputs, int64_at(job[NEXT_TILE], 1), job[TILES],
        job[BACK_TO], table_of(job, VALUES_TABLE)[0], gradients,
        int64_table_at(job[PROGRESS], job[PROGRESS + 1], job[PROGRESS + 2]),
    )  # fmt: skip


@spliced
def serve(like: Any, box: Any) -> None:
    """Do jobs until none has come for a while."""
    atomic_store(box, AWAKE, 1)
    offers = 0
    while offers < OFFERS:
        for _ in range(LOOKS):
            if atomic_load(box, STATE) == POSTED and compare_exchange(box, STATE, POSTED, TAKEN):
                serve_once(like, box)
                atomic_store(box, STATE, NOTHING)
                offers = 0
        yield_processor()
        offers += 1
    atomic_store(box, AWAKE, 0)


@kernel
def run(
    like: Any, own_box: Any, seats: Any, mail: Any, together: bool, inputs: Any, next_tile: Any, tiles: int,
    back_to: int, values: Any, gradients: Any, progress: Any,
) -> None:  # fmt: skip
    """What Python calls: `serve` with a mailbox of one's own, else `lead`. One entry, as each compiles all kernels."""
    if len(own_box):
        serve(like, own_box)
    else:
        lead(like, seats, mail, together, inputs, next_tile, tiles, back_to, values, gradients, progress)
