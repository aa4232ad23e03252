# SPDX-License-Identifier: Apache-2.0
"""Whether a compiled circuit does what its source does: the check that every compile passes before it is used.

Both circuits act on the same random states, for random values of their parameters. Two unitaries that differ agree on a
random state with probability zero, so a few states decide up to the rounding error: for a distance d between the
unitaries (largest singular value of the difference, best global phase) the error found on a Haar-random state is of
the order of d / 2**(n/2) at least, so planted mistakes of the size of a gate are far above the tolerance.
The simulation here is small and plain on purpose: an independent judge of what the fast engines compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import CircuitView
from qstore.errors import CompilationError, ResourceError

__all__ = [
    "MAX_CHECKED_QUBITS",
    "TOLERANCE",
    "Certificate",
    "distance_on_states",
    "evolved",
    "require_equivalent",
]

TOLERANCE = 1e-10
MAX_CHECKED_QUBITS = 12
_STATES = 3

States = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Certificate:
    """The evidence that a compiled circuit equals its source.

    Attributes:
        method: "states" (both circuits on random states) or "local rewrites" (each rewriting step by itself).
        checks: number of states, or of rewriting steps, that were compared.
        error: the largest deviation of an amplitude that was found, global phase aside.
        tolerance: what was allowed.
    """

    method: str
    checks: int
    error: float
    tolerance: float = TOLERANCE


Values = Mapping[str, NDArray[np.float64]]
Binder = Callable[[Values], CircuitView]


def require_equivalent(
    source: CircuitView,
    compiled: CircuitView | Binder,
    *,
    states: int = _STATES,
    tolerance: float = TOLERANCE,
    seed: int = 1,
) -> Certificate:
    """Compare two circuits on random states at random parameter values.

    Args:
        source: a unitary circuit.
        compiled: another with the same parameters, or what makes one without parameters from their values. It may
            have more qubits, which start in |0> and must end there.
        states: how many states, each with parameter values of its own from [-4 pi, 4 pi].
        tolerance: largest deviation of an amplitude.
        seed: of the states and values.

    Raises:
        CompilationError: they differ, or one of them is no unitary.
        ResourceError: more than 12 qubits.

    Example:
        >>> from qstore import QuantumCircuit
        >>> one, other = QuantumCircuit(2).swap(0, 1), QuantumCircuit(2).cx(0, 1).cx(1, 0).cx(0, 1)
        >>> require_equivalent(one, other).method
        'states'
    """
    error = distance_on_states(source, compiled, states=states, seed=seed)
    if not error <= tolerance:
        raise CompilationError(
            f"The compiled circuit differs from its source: an amplitude is off by {error:.2g}, allowed is {tolerance:.0e}. "
            "It was not used. This is a mistake in the compiler or in a pass: please report the circuit (to_json())."
        )
    return Certificate("states", states, error, tolerance)


def distance_on_states(
    source: CircuitView, compiled: CircuitView | Binder, *, states: int = _STATES, seed: int = 1
) -> float:
    """The largest deviation of an amplitude between two circuits on random states, best global phase.

    Raises:
        CompilationError: one of them is no unitary, or the compiled one lacks qubits.
        ResourceError: more than 12 qubits.
    """
    random = np.random.default_rng(seed)
    shapes = {p.name: p.shape for p in source.parameters}
    if isinstance(compiled, CircuitView):
        shapes |= {p.name: p.shape for p in compiled.parameters}
    draws = states if shapes else 1  # without parameters one passage takes all states
    worst = 0.0
    for _ in range(draws):
        values = {name: random.uniform(-4 * math.pi, 4 * math.pi, shape) for name, shape in shapes.items()}
        other = compiled if isinstance(compiled, CircuitView) else compiled(values)
        extra = other.n_qubits - source.n_qubits
        if extra < 0:
            raise CompilationError(
                f"The compiled circuit has {other.n_qubits} qubits, its source {source.n_qubits}."
            )
        if other.n_qubits > MAX_CHECKED_QUBITS:
            raise ResourceError(
                f"Circuits are compared on states up to {MAX_CHECKED_QUBITS} qubits, got {other.n_qubits}."
            )
        first = _random_states(random, states // draws, source.n_qubits)
        found = _deviation(
            evolved(source, first, values), evolved(other, _widened(first, extra), values), extra
        )
        worst = max(worst, found)
    return worst


def evolved(circuit: CircuitView, states: States, values: Values) -> States:
    """States (number, 2**n) after a unitary circuit; `values` hold one sample of every parameter.

    Raises:
        CompilationError: the circuit holds something that is no unitary.
    """
    n = circuit.n_qubits
    tensor = states.reshape(-1, *(2,) * n)
    for op in circuit.operations:
        if not op.is_unitary:
            raise CompilationError(
                f"{op.gate!r} on {op.qubits} is no unitary, so the circuits cannot be compared."
            )
        tensor = _applied(tensor, op.matrix(values), op.qubits, n)
    return np.ascontiguousarray(tensor).reshape(len(states), -1)


def _applied(
    tensor: NDArray[np.complex128], matrix: NDArray[np.complex128], qubits: Sequence[int], n: int
) -> NDArray[np.complex128]:
    """A matrix whose first qubit is the least significant, on axes that list qubit n-1 first."""
    k = len(qubits)
    axes = [n - q for q in reversed(qubits)]  # axis 0 counts the states
    moved = np.tensordot(matrix.reshape((2,) * (2 * k)), tensor, axes=(range(k, 2 * k), axes))
    return np.moveaxis(moved, range(k), axes)


def _random_states(random: np.random.Generator, count: int, n: int) -> States:
    states: States = random.normal(size=(count, 1 << n)) + 1j * random.normal(size=(count, 1 << n))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    return states


def _widened(states: States, extra: int) -> States:
    """The same states beside qubits in |0>, which are the most significant."""
    result = np.zeros((len(states), states.shape[1] << extra), dtype=complex)
    result[:, : states.shape[1]] = states
    return result


def _deviation(first: States, second: States, extra: int) -> float:
    wide = _widened(first, extra)
    overlaps = np.einsum("si,si->s", wide.conj(), second)
    sizes = np.abs(overlaps)
    # One phase for all states: it is the unitaries that may differ by one.
    phase = overlaps[np.argmax(sizes)] / max(float(sizes.max()), 1e-300)
    return float(np.abs(second - phase * wide).max())
