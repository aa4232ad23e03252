# SPDX-License-Identifier: Apache-2.0
"""Three wires in a row, as in a Trotter step of the Ising model, are free fermions, and often take fewer entanglers.

Where the axes on each wire lie in one plane, the rotations of two neighbouring pairs and turns about the planes'
normals are rotations of neighbours among six Majorana modes: turn, pair, turn, pair, turn are G_1 .. G_5, G_s a
rotation in the plane (s, s + 1) of SO(6). Turns are free, so what counts is how often G_2 and G_4 occur. Which words of
G_s reach the same rotations is a question about permutations (G_s G_t G_s reaches what G_t G_s G_t does, as
reflections do), so the best word is known beforehand; its angles follow one by one from where the matrix must vanish.
Kokcu, Camps, Bassman Oftelie, Freericks, de Jong, Van Beeumen, Kemper, "Algebraic compression of quantum circuits for
Hamiltonian evolution", Phys. Rev. A 105, 032420 (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_ionq.native.network import (
    PARALLEL,
    Item,
    Local,
    Network,
    Rotation,
    are_parallel,
    commute,
    rebuilt,
)
from qstore_ionq.native.quaternions import Vector, cross, dot, norm, orthogonal_to, rotation, unit
from qstore_ionq.native.rewrites import Audit, distance, unitary

MODES = 6
_FEWEST = 5
_TOLERANCE = 1e-11
Permutation = tuple[int, ...]


class Letter(NamedTuple):
    """G_s by an angle, s from 1 to 5."""

    s: int
    angle: float


class Plane(NamedTuple):
    """Where a wire's axes lie: the normal, and the direction from which azimuths about it count."""

    normal: Vector
    zero: Vector


def compressed(network: Network, audit: Audit | None = None) -> Network:
    """The network with fewer entanglers on three wires in a row, where there are such; `audit` counts the steps."""
    changed = True
    while changed:
        changed = False
        for middle, ends in _rows_of_three(network.rotations):
            before, run, after = _run(network.rotations, middle, ends)
            made = _rewritten(run, middle, ends) if len(run) >= _FEWEST else None
            if made is not None:
                if audit is not None:
                    audit.compare((ends[0], middle, ends[1]), run, made)
                network = rebuilt(network, [*before, *made, *after])
                changed = True
                break
    return network


def _rows_of_three(rotations: Sequence[Rotation]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Every wire with two that it meets, where they meet often enough for a word to be shorter."""
    often: dict[tuple[int, int], int] = {}
    for each in rotations:
        if len(each.wires) == 2 and not each.is_symbolic:
            for pair in (each.wires, each.wires[::-1]):
                often[pair[0], pair[1]] = often.get((pair[0], pair[1]), 0) + 1
    for (middle, left), number in often.items():
        for (wire, right), others in often.items():
            if wire == middle and right > left and number + others >= _FEWEST:
                yield middle, (left, right)


def _run(
    rotations: Sequence[Rotation], middle: int, ends: tuple[int, int]
) -> tuple[list[Rotation], list[Rotation], list[Rotation]]:
    """The run of the two pairs' rotations that can be brought together from the first one on.

    What comes after it blocks its wires: one rotation still lets those past that have its axis, two with different axes
    let nothing past. Once the middle wire is blocked the run is at its end.

    Returns:
        What can be done before it, the run, and what is after it.
    """
    pairs = ({middle, ends[0]}, {middle, ends[1]})
    start = next(i for i, each in enumerate(rotations) if set(each.wires) in pairs and not each.is_symbolic)
    before, run, after = list(rotations[:start]), [rotations[start]], []
    only: dict[int, Vector] = {}
    blocked: set[int] = set()
    for number in range(start + 1, len(rotations)):
        each = rotations[number]
        free = not any(
            wire in blocked or (wire in only and not are_parallel(axis, only[wire]))
            for wire, axis in zip(each.wires, each.axes, strict=True)
        )
        if free and not each.is_symbolic and set(each.wires) in pairs:
            run.append(each)
        elif free and all(commute(each, other) for other in run):
            before.append(each)
        else:
            after.append(each)
            for wire, axis in zip(each.wires, each.axes, strict=True):
                if wire in only and not are_parallel(axis, only[wire]):
                    blocked.add(wire)
                only.setdefault(wire, axis)
            if middle in blocked:
                after += rotations[number + 1 :]
                break
    return before, run, after


def _rewritten(run: list[Rotation], middle: int, ends: tuple[int, int]) -> list[Item] | None:
    """The run with fewer entanglers, if its axes are coplanar and there is a better word; compared with the run."""
    wires = (ends[0], middle, ends[1])
    planes = [_plane(wire, run) for wire in wires]
    if any(plane is None for plane in planes):
        return None
    known = [plane for plane in planes if plane is not None]
    letters, turned = _letters(run, wires, known)
    permutation = _demazure([letter.s for letter in reversed(letters)])
    entanglers, word = shortest_word(permutation)
    if entanglers >= len(run):
        return None
    whole = reduce(lambda done, letter: _givens(letter) @ done, letters, np.eye(MODES))
    back = [Letter(2 * place + 1, azimuth) for place, azimuth in enumerate(turned)]
    items = _items([*_factored(whole, permutation, word), *back], wires, known)
    if distance(unitary(wires, run), unitary(wires, items)) > _TOLERANCE:
        return None  # special angles can make the matrix vanish where the word does not expect it
    return items


def _plane(wire: int, run: list[Rotation]) -> Plane | None:
    axes = [each.axes[each.wires.index(wire)] for each in run if wire in each.wires]
    other = next((axis for axis in axes if norm(cross(axes[0], axis)) > PARALLEL), None)
    normal = orthogonal_to(axes[0]) if other is None else unit(cross(axes[0], other))
    if any(abs(dot(normal, axis)) > PARALLEL for axis in axes):
        return None
    return Plane(normal, axes[0])


def _letters(
    run: list[Rotation], wires: tuple[int, int, int], planes: list[Plane]
) -> tuple[list[Letter], list[float]]:
    """The run as turns and pairs in time order, and where the three wires are turned to at its end.

    Each wire turns from the azimuth of one axis to the next; an axis and its opposite are the same up to a sign.
    """
    at = [0.0, 0.0, 0.0]
    letters = []
    for each in run:
        angle = each.radians
        for wire, axis in zip(each.wires, each.axes, strict=True):
            place = wires.index(wire)
            change = math.remainder(_azimuth(axis, planes[place]) - at[place], 2 * math.pi)
            if abs(change) > math.pi / 2:
                change -= math.copysign(math.pi, change)
                angle = -angle
            if abs(change) > PARALLEL:
                letters.append(Letter(2 * place + 1, -change))
                at[place] += change
        letters.append(Letter(2 if wires[0] in each.wires else 4, angle))
    return letters, at


def _azimuth(axis: Vector, plane: Plane) -> float:
    return math.atan2(dot(axis, cross(plane.normal, plane.zero)), dot(axis, plane.zero))


def _demazure(word: Sequence[int]) -> Permutation:
    """The permutation whose cell the products of these rotations fill; letters in matrix order."""
    p = list(range(MODES))
    for s in word:
        if p[s - 1] < p[s]:
            p[s - 1], p[s] = p[s], p[s - 1]
    return tuple(p)


@cache  # at most 720 permutations
def shortest_word(p: Permutation) -> tuple[int, tuple[int, ...]]:
    """How many entanglers a permutation's cell takes, and a word for it, letters in matrix order."""
    options = []
    for s in range(1, MODES):
        if p[s - 1] > p[s]:
            q = list(p)
            q[s - 1], q[s] = q[s], q[s - 1]
            entanglers, word = shortest_word(tuple(q))
            options.append((entanglers + (s % 2 == 0), (*word, s)))
    return min(options, default=(0, ()))


def _givens(letter: Letter) -> NDArray[np.float64]:
    g = np.eye(MODES)
    c, s = math.cos(letter.angle), math.sin(letter.angle)
    i = letter.s - 1
    g[i, i] = g[i + 1, i + 1] = c
    g[i, i + 1], g[i + 1, i] = -s, s
    return g


def _factored(whole: NDArray[np.float64], p: Permutation, word: tuple[int, ...]) -> list[Letter]:
    """The angles of a word for a rotation in its permutation's cell, in time order.

    The last factor of the matrix product turns columns s-1 and s so that, on the rows from p[s-1] on, column s-1 depends
    on the columns before it, as it does in the cell of the permutation without that letter.
    """
    left = list(p)
    letters = []
    for s in reversed(word):
        row = left[s - 1]
        basis, values, _ = np.linalg.svd(whole[row:, : s - 1], full_matrices=False)
        basis = basis[:, values > 1e-9]
        u, v = (column - basis @ (basis.T @ column) for column in (whole[row:, s - 1], whole[row:, s]))
        direction = u if u @ u > v @ v else v
        letter = Letter(s, math.atan2(u @ direction, v @ direction))
        whole = whole @ _givens(Letter(s, -letter.angle))
        left[s - 1], left[s] = left[s], left[s - 1]
        letters.append(letter)
    # What is left is diagonal, +1 and -1: half turns, which are Paulis.
    signs = [1 if whole[i, i] > 0 else -1 for i in range(MODES)]
    for i in range(MODES - 1):
        if signs[i] < 0:
            letters.append(Letter(i + 1, math.pi))
            signs[i + 1] = -signs[i + 1]
    return letters


def _items(letters: list[Letter], wires: tuple[int, int, int], planes: list[Plane]) -> list[Item]:
    items: list[Item] = []
    for s, angle in letters:
        place = s // 2
        if s % 2:
            items.append(Local(wires[place], rotation(planes[place].normal, angle)))
        else:
            pair = (wires[place - 1], wires[place])
            items.append(Rotation(pair, (planes[place - 1].zero, planes[place].zero), angle))
    return items
