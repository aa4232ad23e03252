# SPDX-License-Identifier: Apache-2.0
"""Runs of CX and diagonal gates on three bits are phase polynomials, and often take fewer entanglers.

Such a run multiplies the bit string b by a phase exp(-i/2 sum angle_p (-1)^(p.b)) over parities p and maps b linearly. A
parity costs nothing while a wire holds it, and one partial entangler (RZZ) while two wires hold its parts. The
cheapest way through all parities to the final map, a SWAP being free, is a shortest path over (what the wires hold,
which parities are done). So a Toffoli gate, six CX in most decompositions, takes three RZZ and two CX, with fewer
pulses around them. Only which parities occur matters, so paths are found once and angles may be symbolic.
Amy, Azimzadeh, Mosca, "On the CNOT-complexity of CNOT-phase circuits", Quantum Sci. Technol. 4, 015002 (2018).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np

from qstore.circuit import Angle, Operation
from qstore_ionq.native.gates import Expression, Pair, Swap, Turn, steps_of
from qstore_ionq.native.linear import add_linear
from qstore_ionq.native.quaternions import Z_AXIS
from qstore_ionq.native.rewrites import Audit
from qstore_ionq.native.runs import Run, parts_of, swaps_into

WIDTH = 3
_FEWEST_ENTANGLERS = 2
Rows = tuple[int, ...]
_PRICES = {"rzz": 100, "cx": 101}
"""Of equally many moves those with fewer CX: a partial entangler leaves more to merge with, and less to turn back."""


class Move(NamedTuple):
    """A CX (control, target) or an RZZ on two wires."""

    gate: str
    first: int
    second: int


def with_parity_networks(
    operations: Sequence[Operation], seed: int = 0, width: int = WIDTH, audit: Audit | None = None
) -> list[Operation] | None:
    """The operations with runs on three qubits resynthesised, where that takes no more entanglers.

    Args:
        operations: of a circuit, in order.
        seed: picks one of the paths that are equally short, which the network around them may like better or worse.
        width: most qubits of a run; 2 finds every CX RZ CX on its own.
        audit: where the steps are compared with what they replace.

    Returns:
        None where no run has a parity of three bits or a symbolic phase: merging finds all there is to find then.
    """
    random = np.random.default_rng(seed)
    result: list[Operation] = []
    changed = False
    for part in parts_of(operations, lambda op: op.gate == "cx", _fits, width):
        if isinstance(part, Run):
            qubits = [part.qubits[i] for i in random.permutation(len(part.qubits))] if seed else part.qubits
            made = _resynthesised(Run(part.operations, qubits))
            changed = changed or made is not None
            if audit is not None and made is not None:
                audit.compare_operations(qubits, part.operations, made)
            result += part.operations if made is None else made
        else:
            result += part
    return result if changed else None


def _fits(op: Operation) -> bool:
    """Whether it maps bits linearly, or multiplies them by phases."""
    return op.gate in {"cx", "swap"} or _phases(op) is not None


def _phases(op: Operation) -> tuple[Turn | Pair, ...] | None:
    """A diagonal gate as Z rotations of one and of two qubits; None for any other."""
    found: list[Turn | Pair] = []
    steps = steps_of(op)
    if steps is None:
        return None
    for step in steps:
        if isinstance(step, Swap):
            return None
        axes = (step.axis,) if isinstance(step, Turn) else (step.first, step.second)
        if any(axis != Z_AXIS for axis in axes):
            return None
        found.append(step)
    return tuple(found)


def _resynthesised(run: Run) -> list[Operation] | None:
    entanglers = sum(len(op.qubits) == 2 and op.gate != "swap" for op in run.operations)
    if entanglers < _FEWEST_ENTANGLERS:
        return None
    place = {q: i for i, q in enumerate(run.qubits)}
    n = len(run.qubits)
    rows = [1 << i for i in range(n)]
    angles: dict[int, Expression] = {}
    for op in run.operations:
        on = [place[q] for q in op.qubits]
        phases = _phases(op)
        if phases is None:
            add_linear(rows, op.gate, *on)
        for step in phases or ():
            mask = rows[on[step.position]] if isinstance(step, Turn) else rows[on[0]] ^ rows[on[1]]
            angles[mask] = step.angle + angles[mask] if mask in angles else step.angle
    needed = frozenset(mask for mask, angle in angles.items() if isinstance(angle, Angle) or angle)
    whole = n == WIDTH and (1 << WIDTH) - 1 in needed
    if not whole and not any(isinstance(angle, Angle) for angle in angles.values()):
        return None
    moves, wire_of = shortest(tuple(rows), needed)
    if len(moves) > entanglers or (len(moves) == entanglers and not whole):
        return None
    return _emitted(moves, wire_of, angles, run.qubits)


def _emitted(
    moves: Sequence[Move], wire_of: Sequence[int], angles: dict[int, Expression], wires: Sequence[int]
) -> list[Operation]:
    left = dict(angles)
    rows = [1 << i for i in range(len(wires))]
    made: list[Operation] = []

    def turn_what_is_held() -> None:
        for wire, mask in enumerate(rows):
            if mask in left:
                made.append(Operation("rz", (wires[wire],), (_as_angle(left.pop(mask)),)))

    turn_what_is_held()
    for gate, first, second in moves:
        if gate == "cx":
            rows[second] ^= rows[first]
            made.append(Operation("cx", (wires[first], wires[second])))
            turn_what_is_held()
        else:
            angle = left.pop(rows[first] ^ rows[second])
            made.append(Operation("rzz", (wires[first], wires[second]), (_as_angle(angle),)))
    return made + [Operation("swap", (wires[a], wires[b])) for a, b in swaps_into(wire_of)]


def _as_angle(value: Expression) -> Angle:
    return value if isinstance(value, Angle) else Angle(constant=value)


@lru_cache(maxsize=4096)
def shortest(target: Rows, needed: frozenset[int]) -> tuple[tuple[Move, ...], tuple[int, ...]]:
    """The fewest moves through all needed parities to wires that hold `target` in some order.

    Returns:
        The moves, and for each wire of the target the wire that holds it at the end.
    """
    n = len(target)
    start = tuple(1 << i for i in range(n))
    goal = frozenset(permutations(target))
    first = (start, needed - set(start))
    queue: list[tuple[int, int, tuple[Rows, frozenset[int]]]] = [(0, 0, first)]
    came: dict[tuple[Rows, frozenset[int]], tuple[tuple[Rows, frozenset[int]], Move] | None] = {first: None}
    cost = {first: 0}
    count = 0
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    while queue:
        _, _, state = heapq.heappop(queue)
        rows, left = state
        if not left and rows in goal:
            break
        here = cost[state]
        following = []
        for a, b in pairs:
            changed = (*rows[:b], rows[b] ^ rows[a], *rows[b + 1 :])
            following.append(((changed, left - {changed[b]}), Move("cx", a, b)))
            if a < b and rows[a] ^ rows[b] in left:
                following.append(((rows, left - {rows[a] ^ rows[b]}), Move("rzz", a, b)))
        for new, move in following:
            price = here + _PRICES[move.gate]
            if price < cost.get(new, 1 << 30):
                cost[new] = price
                came[new] = (state, move)
                count += 1
                heapq.heappush(queue, (price + _at_least(new), count, new))
    moves = []
    at = state
    while (step := came[at]) is not None:
        at, move = step
        moves.append(move)
    return tuple(moves[::-1]), tuple(state[0].index(mask) for mask in target)


def _at_least(state: tuple[Rows, frozenset[int]]) -> int:
    """Moves that are needed at least: each does one parity, or makes one wire hold another one."""
    return _PRICES["rzz"] * len(state[1])
