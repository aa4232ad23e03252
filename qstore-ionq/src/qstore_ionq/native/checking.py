# SPDX-License-Identifier: Apache-2.0
"""Every compile checks itself.

Up to 12 qubits the program, bound to random values, acts on random states beside its source. Larger ones are checked step
by step: every gate was compared with its rotations and every rewriting with what it replaced, as it was made
(`rewrites`), and the pulses are followed through the network here. At each entangler what the hardware does, seen from the network, must be the
network's rotation times one-qubit gates; these are carried on, and must be the network's own at the end.
"""

from __future__ import annotations

import math

import numpy as np

from qstore.compiler import TOLERANCE, Certificate, require_equivalent
from qstore.errors import CompilationError
from qstore_ionq.native.kak import factors, rotation_matrix
from qstore_ionq.native.network import Network
from qstore_ionq.native.program import TURN, BoundProgram, NativeProgram
from qstore_ionq.native.quaternions import (
    IDENTITY,
    X_AXIS,
    Z_AXIS,
    Quaternion,
    Vector,
    inverse,
    matrix,
    product,
    rotation,
)
from qstore_ionq.native.rewrites import RANGE, Audit, distance, number

_DRAWS = 3
_EXACT = 1e4
"""Up to this angle (radians) rounding stays below the tolerance; a larger one is itself only known to 1e-16 of its size."""


def certified(program: NativeProgram, network: Network, audit: Audit | None) -> Certificate:
    """The evidence that a program equals its source.

    Raises:
        CompilationError: it does not.
    """
    allowed = TOLERANCE * max(1.0, _largest_angle(program) / _EXACT)
    if audit is None:
        return require_equivalent(
            program.lowered_source, lambda values: program.bind_lowered(values).as_circuit(0), states=_DRAWS,
            tolerance=allowed,
        )  # fmt: skip
    random = np.random.default_rng(1)
    error, checks = audit.error, audit.checks
    for _ in range(_DRAWS):
        values = {p.name: random.uniform(-RANGE, RANGE, p.shape) for p in program.lowered_source.parameters}
        error = max(error, _followed(program.bind_lowered(values), network, values))
        checks += len(program.ops)
    if not error <= allowed:
        raise CompilationError(
            f"The compiled circuit differs from its source: a rewriting step is off by {error:.2g}, allowed is {allowed:.0e}. "
            "It was not used. This is a mistake in the compiler: please report the circuit (to_json())."
        )
    return Certificate("local rewrites", checks, error, allowed)


def _largest_angle(program: NativeProgram) -> float:
    """The largest angle, radians, that the check may meet."""
    angles = (angle for op in program.lowered_source.operations for angle in op.angles)
    return max(
        (
            abs(angle.constant) + sum(abs(term.coefficient) for term in angle.terms) * RANGE
            for angle in angles
        ),
        default=0.0,
    )


def _followed(bound: BoundProgram, network: Network, values: dict[str, np.ndarray]) -> float:
    """The largest deviation of a step, where hardware = (local gates) . network all the way."""
    locals_: list[Quaternion] = [IDENTITY] * bound.n_qubits
    rotations = iter(network.rotations)
    worst = 0.0
    for op in bound.ops:
        if op.gate == "gpi2":
            pulse = rotation(_equatorial(float(op.phases[0][0])), math.pi / 2)
            locals_[op.wires[0]] = product(pulse, locals_[op.wires[0]])
            continue
        while len((each := next(rotations)).wires) == 1:
            _undo(each.wires[0], each.axes[0], number(each.angle, values), locals_)
        a, b = op.wires
        assert op.angle is not None
        axes = (Z_AXIS, Z_AXIS) if op.gate == "zz" else tuple(_equatorial(float(p[0])) for p in op.phases)
        done = rotation_matrix(axes[0], axes[1], TURN * float(op.angle[0]))
        wanted = rotation_matrix(each.axes[0], each.axes[1], -number(each.angle, values))
        seen = done @ np.kron(matrix(locals_[a]), matrix(locals_[b])) @ wanted
        locals_[a], locals_[b] = factors(seen)
        split = np.asarray(np.kron(matrix(locals_[a]), matrix(locals_[b])), dtype=complex)
        worst = max(worst, distance(seen, split))
    for each in rotations:
        if len(each.wires) != 1:
            return math.inf
        _undo(each.wires[0], each.axes[0], number(each.angle, values), locals_)
    for wire, expected in enumerate(network.locals):
        last = rotation(Z_AXIS, float(bound.virtual[wire][0]))
        if bound.flips[wire][0]:
            last = product(last, rotation(X_AXIS, math.pi))
        worst = max(worst, distance(matrix(product(last, locals_[wire])), matrix(expected)))
    return worst


def _undo(wire: int, axis: Vector, angle: float, locals_: list[Quaternion]) -> None:
    locals_[wire] = product(locals_[wire], inverse(rotation(axis, angle)))


def _equatorial(turns: float) -> Vector:
    return (math.cos(TURN * turns), math.sin(TURN * turns), 0.0)
