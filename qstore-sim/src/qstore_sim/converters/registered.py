# SPDX-License-Identifier: Apache-2.0
"""Whose circuit an object is, told without importing any library, and the converters as the plugin names them.

An object of a class of a library exists only where that library has been imported, so `sys.modules` has the answer.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from qstore.circuit import CircuitView, QuantumCircuit
from qstore.errors import BackendUnavailable

__all__ = [
    "from_braket",
    "from_cirq",
    "from_pennylane",
    "from_qiskit",
    "imported",
    "matches_braket",
    "matches_cirq",
    "matches_pennylane",
    "matches_qiskit",
    "to_braket",
    "to_cirq",
    "to_pennylane",
    "to_qiskit",
]


class _Library(NamedTuple):
    """Where a library's circuit class is, and what users install."""

    module: str
    name: str
    package: str
    extra: str


_LIBRARIES = {
    "cirq": _Library("cirq", "AbstractCircuit", "cirq-core", "cirq"),
    "qiskit": _Library("qiskit", "QuantumCircuit", "qiskit", "qiskit"),
    "pennylane": _Library("pennylane.tape", "QuantumScript", "pennylane", "pennylane"),
    "braket": _Library("braket.circuits", "Circuit", "amazon-braket-sdk", "braket"),
}


def matches_cirq(source: object) -> bool:
    """Whether this is a `cirq.Circuit` or `cirq.FrozenCircuit`."""
    return _is_circuit("cirq", source)


def matches_qiskit(source: object) -> bool:
    """Whether this is a `qiskit.QuantumCircuit`."""
    return _is_circuit("qiskit", source)


def matches_braket(source: object) -> bool:
    """Whether this is a `braket.circuits.Circuit`."""
    return _is_circuit("braket", source)


def matches_pennylane(source: object) -> bool:
    """Whether this is a tape (`QuantumScript`, `QuantumTape`), or a list or tuple of PennyLane operations."""
    if _is_circuit("pennylane", source):
        return True
    module = sys.modules.get("pennylane.operation")
    operator = getattr(module, "Operator", None)
    if operator is None or not isinstance(source, (list, tuple)) or not source:
        return False
    return all(isinstance(each, operator) for each in source)


def from_cirq(source: Any) -> QuantumCircuit:
    """A Cirq circuit as ours; see `qstore_sim.converters.cirq.to_qstore`."""
    return _read("cirq", source)


def to_cirq(circuit: CircuitView, *, bindings: Mapping[str, Any] | None = None) -> Any:
    """Our circuit as Cirq's; see `qstore_sim.converters.cirq.from_qstore`."""
    return _write("cirq", circuit, bindings)


def from_qiskit(source: Any) -> QuantumCircuit:
    """A Qiskit circuit as ours; see `qstore_sim.converters.qiskit.to_qstore`."""
    return _read("qiskit", source)


def to_qiskit(circuit: CircuitView, *, bindings: Mapping[str, Any] | None = None) -> Any:
    """Our circuit as Qiskit's; see `qstore_sim.converters.qiskit.from_qstore`."""
    return _write("qiskit", circuit, bindings)


def from_pennylane(source: Any) -> QuantumCircuit:
    """A PennyLane circuit as ours; see `qstore_sim.converters.pennylane.to_qstore`."""
    return _read("pennylane", source)


def to_pennylane(circuit: CircuitView, *, bindings: Mapping[str, Any] | None = None) -> Any:
    """Our circuit as PennyLane's; see `qstore_sim.converters.pennylane.from_qstore`."""
    return _write("pennylane", circuit, bindings)


def from_braket(source: Any) -> QuantumCircuit:
    """A Braket circuit as ours; see `qstore_sim.converters.braket.to_qstore`."""
    return _read("braket", source)


def to_braket(circuit: CircuitView, *, bindings: Mapping[str, Any] | None = None) -> Any:
    """Our circuit as Braket's; see `qstore_sim.converters.braket.from_qstore`."""
    return _write("braket", circuit, bindings)


def _read(library: str, source: Any) -> QuantumCircuit:
    made: QuantumCircuit = _converter(library).to_qstore(source)
    return made


def _write(library: str, circuit: CircuitView, bindings: Mapping[str, Any] | None) -> Any:
    return _converter(library).from_qstore(circuit, bindings=bindings)


def _converter(library: str) -> Any:
    imported(library)
    return importlib.import_module(f"qstore_sim.converters.{library}")


def imported(library: str) -> Any:
    """The library's module.

    Raises:
        BackendUnavailable: it is not installed, or does not import; says what to install.
    """
    known = _LIBRARIES[library]
    try:
        return importlib.import_module(known.module)
    except ImportError as exc:
        msg = f"The converter {library!r} needs {known.package}: pip install 'qstore-sim[{known.extra}]' ({exc})."
        raise BackendUnavailable(msg) from exc


def _is_circuit(library: str, source: object) -> bool:
    known = _LIBRARIES[library]
    found = getattr(sys.modules.get(known.module), known.name, None)
    return isinstance(found, type) and isinstance(source, found)
