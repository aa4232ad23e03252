# SPDX-License-Identifier: Apache-2.0
"""The hardware-efficient ansatz: encoded data, then layers of RY and RZ on every qubit and CNOTs between them.

Source: Kandala et al., "Hardware-efficient variational quantum eigensolver for small molecules", Nature 549, 242
(2017), arXiv:1704.05018; the entanglement patterns are named as in Qiskit's circuit library.
"""

from __future__ import annotations

from types import MappingProxyType

from qstore.circuit import Parameter, QuantumCircuit
from qstore.errors import OptionError, nearest_names
from qstore.layers.encodings import encoding_named

__all__ = ["ENTANGLEMENTS", "entangling_pairs", "hardware_efficient_circuit"]


def _linear(n: int) -> list[tuple[int, int]]:
    return [(q, q + 1) for q in range(n - 1)]


def _circular(n: int) -> list[tuple[int, int]]:
    # On two qubits the ring is the line; on one there is nothing to entangle.
    return [*_linear(n), (n - 1, 0)] if n > 2 else _linear(n)


def _full(n: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(n) for b in range(a + 1, n)]


def _none(_: int) -> list[tuple[int, int]]:
    return []


ENTANGLEMENTS = MappingProxyType({"linear": _linear, "circular": _circular, "full": _full, "none": _none})
"""Pattern name to a function from the number of qubits to (control, target) pairs."""


def entangling_pairs(n_qubits: int, entanglement: str) -> list[tuple[int, int]]:
    """The (control, target) pairs of a pattern.

    Raises:
        OptionError: no such pattern.

    Example:
        >>> entangling_pairs(3, "circular")
        [(0, 1), (1, 2), (2, 0)]
    """
    found = ENTANGLEMENTS.get(entanglement) if isinstance(entanglement, str) else None
    if found is None:
        hint = nearest_names(str(entanglement), list(ENTANGLEMENTS))
        raise OptionError(f"entanglement must be one of {list(ENTANGLEMENTS)}, got {entanglement!r}.{hint}")
    return found(n_qubits)


def hardware_efficient_circuit(
    n_qubits: int, depth: int, *, entanglement: str = "linear", encoding: str = "angle"
) -> QuantumCircuit:
    """Data in the parameter "x", weights in "weights" of shape (depth, n_qubits, 2).

    Args:
        n_qubits: number of qubits.
        depth: number of layers of RY(weights[layer, q, 0]), RZ(weights[layer, q, 1]) and CNOTs; at least 1.
        entanglement: "linear", "circular", "full" or "none".
        encoding: "angle" (x of shape (n_qubits,), RY(x_q) on each qubit), "reupload" (the same in front of every layer)
            or "amplitude" (x of shape (2**n_qubits,), normalised to the initial state).

    Raises:
        OptionError: an argument is out of range.
        CircuitError: n_qubits is out of range.

    Example:
        >>> hardware_efficient_circuit(3, 2).gate_counts()
        {'ry': 9, 'rz': 6, 'cx': 4}
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise OptionError(f"depth must be an integer of at least 1, got {depth!r}.")
    circuit = QuantumCircuit(n_qubits)
    pairs = entangling_pairs(n_qubits, entanglement)
    how = encoding_named(encoding)
    if how.expand is not None and not how.pads:
        raise OptionError(
            f"{encoding!r} encoding takes more than the circuit can compute of x: use qstore.layers.QuantumFeatureExtractor."
        )
    x, qubits = Parameter("x", (how.bound(n_qubits),)), tuple(range(n_qubits))
    how.append(circuit, x, qubits)
    weights = Parameter("weights", (depth, n_qubits, 2))
    for layer in range(depth):
        if layer and how.every_layer:
            how.append(circuit, x, qubits)
        for q in range(n_qubits):
            circuit.ry(q, weights[layer, q, 0]).rz(q, weights[layer, q, 1])
        for control, target in pairs:
            circuit.cx(control, target)
    return circuit
