# SPDX-License-Identifier: Apache-2.0
"""From a template to a program: lower, merge, cut into passes, encode.

A program depends on the template, on which bindings are per sample, on whose gradient is wanted, on how many bits of the
index are lanes, and on nothing else. Circuits with channels or measurements are not for here, see `noise`.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass

from qstore.circuit import Angle, Operation, Template
from qstore_sim.program import layout
from qstore_sim.program.encode import Encoder
from qstore_sim.program.frame import Frame
from qstore_sim.program.lanes import Order, least_flipped
from qstore_sim.program.lowering import lowered, lowered_unitary
from qstore_sim.program.passes import BLOCK_QUBITS, WHOLE_QUBITS, Pass, Span, passes
from qstore_sim.program.price import price
from qstore_sim.program.relevance import relevant
from qstore_sim.program.sequence import Dense, Diagonal, Item, Sequence

SHARED_WIDTH = 6
"""Most qubits' worth of phases in one shared table: 64 entries, and 64 bins of one vector going backwards."""
LANE_WIDTH = 4
"""As SHARED_WIDTH with per-sample angles, where each entry is two vectors."""
MANY_ITEMS = 200
"""Circuits with more operations are cut into passes in fewer ways before one is chosen."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled circuit.

    Attributes:
        arrays, sizes: for the kernels.
        frame: what the rows mean at the end.
        n_qubits: of the circuit; a density program has twice as many bits.
        shared, samples: parameters that enter angles, in the order of their entries, with their first entry.
        n_shared, n_samples: number of entries.
        starts: the `initialize` operations.
        dense: the dense operations in the order of their matrices.
        back_to: the first pass that the backward sweep must reach; -1 for none.
    """

    arrays: layout.ProgramArrays
    sizes: layout.Sizes
    frame: Frame
    n_qubits: int
    shared: tuple[tuple[str, int, int], ...]
    samples: tuple[tuple[str, int, int], ...]
    n_shared: int
    n_samples: int
    starts: tuple[Operation, ...]
    dense: tuple[Dense, ...]
    back_to: int


def compile_program(
    template: Template,
    per_sample: frozenset[str],
    trained: frozenset[str],
    *,
    with_phase: bool,
    lane_bits: int = 0,
    read: Items[tuple[str, tuple[int, ...]]] | None = None,
) -> Program:
    """Compile a template.

    Args:
        template: the circuit.
        per_sample: names of the parameters whose values differ between samples.
        trained: names of the parameters whose gradient is wanted.
        with_phase: whether the global phase is kept (a statevector is asked for).
        lane_bits: how many bits of the index go into the lanes, see `program.lanes`.
        read: the Pauli strings (letters, qubits) whose expectations determine the outputs; None if all amplitudes count.
    """
    bits = template.n_qubits
    sequence = Sequence(bits, collect=False)
    starts = []
    for op in template.operations:
        if op.gate == "initialize":
            starts.append(op)
        else:
            _append(sequence, op)
    if with_phase:
        _append_phase(sequence)
    entries, shared, samples, n_shared, n_samples = _entries(template, per_sample)
    items, frame = sequence.items, sequence.frame
    if read is not None:
        items = relevant(items, [frame.pauli(letters, qubits) for letters, qubits in read], bits)
    if lane_bits and not starts:  # prepared amplitudes come in the order of the circuit's own qubits
        order = Order(least_flipped(items, bits, lane_bits), bits)
        items, frame = [order.item(item) for item in items], order.frame(frame)
    layouts = [
        _encoded(
            frame, Encoder(bits, lane_bits, lambda name, index: _shifted(entries[name], index), trained),
            passes(items, bits - lane_bits, lane_bits, from_zero=not starts, block=block),
            {name for name, first in entries.items() if first < 0}, trained,
        )
        for block in _block_sizes(len(items), bits - lane_bits)
    ]  # fmt: skip
    encoder, arrays, back_to = min(layouts, key=lambda layout: price(layout[1]))
    if any(parameter.name in trained for op in starts for parameter in op.parameters):
        back_to = 0
    return Program(
        arrays, encoder.sizes(), frame, bits, shared, samples, n_shared, n_samples, tuple(starts),
        tuple(encoder.dense), back_to,
    )  # fmt: skip


def _block_sizes(n_items: int, row_bits: int) -> list[int]:
    """Dimensions of blocks to try; for long circuits not all, which would take too long."""
    sizes = [BLOCK_QUBITS - 2, BLOCK_QUBITS - 1, BLOCK_QUBITS][0 if n_items <= MANY_ITEMS else 1 :]
    if row_bits <= WHOLE_QUBITS:
        sizes = [row_bits, *(size for size in sizes[:-1] if size < row_bits)]
    return sizes


def _encoded(
    frame: Frame, encoder: Encoder, visits: list[Pass], lane_names: set[str], trained: frozenset[str]
) -> tuple[Encoder, layout.ProgramArrays, int]:  # fmt: skip
    """The encoder, its arrays, and the first pass that the backward sweep must reach; -1 for none."""
    back_to = -1
    for number, visit in enumerate(visits):
        visit.items = _split(visit.items, lane_names, encoder.lane_bits)
        encoder.add_pass(visit)
        if back_to < 0 and any(_is_trained(item, trained) for item in visit.items):
            back_to = number
    return encoder, encoder.finished(frame.logical_index_tables()), back_to


def _append(sequence: Sequence, op: Operation) -> None:
    if op.gate != "unitary":
        moves = lowered(op.gate, op.qubits, op.angles)
    elif len(op.qubits) == 1:
        moves = lowered_unitary(op.matrix(), op.qubits[0])
    else:
        sequence.dense(op.qubits, op.matrix())
        return
    for move in moves:
        sequence.apply(move)


def _append_phase(sequence: Sequence) -> None:
    phase = sequence.phase.scaled(-2.0)
    if phase.terms or phase.constant:
        target = next((item for item in sequence.items if isinstance(item, Diagonal)), None)
        if target is None:
            target = Diagonal()
            sequence.items.append(target)
        target.add(0, phase)


def _entries(template: Template, per_sample: frozenset[str]) -> tuple[
    dict[str, int], tuple[tuple[str, int, int], ...], tuple[tuple[str, int, int], ...], int, int
]:  # fmt: skip
    used = {term.parameter.name for op in template.operations for angle in op.angles for term in angle.terms}
    entries: dict[str, int] = {}
    lists: dict[bool, list[tuple[str, int, int]]] = {False: [], True: []}
    totals = {False: 0, True: 0}
    for parameter in template.parameters:
        if parameter.name in used:
            own = parameter.name in per_sample
            entries[parameter.name] = ~totals[own] if own else totals[own]
            lists[own].append((parameter.name, totals[own], parameter.size))
            totals[own] += parameter.size
    return entries, tuple(lists[False]), tuple(lists[True]), totals[False], totals[True]


def _shifted(first: int, index: int) -> int:
    return first + index if first >= 0 else first - index


def _is_trained(item: Item, trained: frozenset[str]) -> bool:
    if isinstance(item, Dense):
        return False
    angles = item.angles.values() if isinstance(item, Diagonal) else (item.angle,)
    return any(parameter.name in trained for angle in angles for parameter, _, _ in angle.terms)


def _split(items: list[Item], lane_names: set[str], lane_bits: int) -> list[Item]:
    """Diagonals cut to the width of a phase table, per-sample angles apart from shared ones."""
    result: list[Item] = []
    for item in items:
        if not isinstance(item, Diagonal):
            result.append(item)
            continue
        lanes: dict[int, Angle] = {}
        shared: dict[int, Angle] = {}
        for mask, angle in item.angles.items():
            own = lane_bits > 0 or any(parameter.name in lane_names for parameter, _, _ in angle.terms)
            (lanes if own else shared)[mask] = angle
        result += _chunks(lanes, LANE_WIDTH, lane_bits) + _chunks(shared, SHARED_WIDTH, lane_bits)
    return result


def _chunks(angles: dict[int, Angle], width: int, lane_bits: int) -> list[Diagonal]:
    rank = Span()
    for mask in angles:
        rank.add(mask >> lane_bits)
    number = -(-len(rank) // width) or 1
    limit = -(-len(rank) // number)
    chunks: list[tuple[Span, Diagonal]] = []
    for mask, angle in angles.items():
        rows = mask >> lane_bits
        fitting = [chunk for chunk in chunks if len(chunk[0]) < limit or not chunk[0].reduce(rows)]
        if not fitting:
            chunks.append((Span(), Diagonal()))
        span, diagonal = fitting[0] if fitting else chunks[-1]
        span.add(rows)
        diagonal.add(mask, angle)
    return [diagonal for _, diagonal in chunks]
