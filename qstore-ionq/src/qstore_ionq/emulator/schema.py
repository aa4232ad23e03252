# SPDX-License-Identifier: Apache-2.0
"""What `--strict` refuses: everything that the published schema of 2 September 2026 does not list.

The tables below are that schema's fields. No client of today passes it whole: cirq-ionq sends `lang` and a string for
`shots`, qiskit-ionq a null seed, PennyLane's plugin no Content-Type. It shows what a client could do better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from qstore_ionq.emulator.gates import NATIVE_GATES, PAULI_EXPONENTIAL, QIS_GATES

__all__ = ["strict_complaints", "strict_query"]

_JOB = frozenset(
    {"type", "backend", "name", "shots", "session_id", "dry_run", "metadata", "noise", "settings", "input"}
)
_INPUT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ionq.circuit.v1": frozenset({"gateset", "qubits", "circuit"}),
        "ionq.multi-circuit.v1": frozenset({"gateset", "qubits", "circuits"}),
        "ionq.qasm3.v1": frozenset({"data"}),
    }
)
_CIRCUIT = frozenset({"name", "qubits", "gateset", "registers", "circuit"})
_OBJECTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "noise": frozenset({"model", "seed"}),
        "settings": frozenset({"error_mitigation", "compilation"}),
        "settings.error_mitigation": frozenset({"debiasing", "symmetry_verification"}),
        "settings.compilation": frozenset({"opt", "precision", "gate_basis", "service_version"}),
    }
)
_QUBITS = frozenset({"gate", "target", "targets"})
_QIS = _QUBITS | {"control", "controls"}
_ROTATING = frozenset(name for name, row in QIS_GATES.items() if row.rotates)
_NATIVE_FIELDS = {
    name: _QUBITS | {parameter.name.partition(".")[0] for parameter in row.parameters}
    for name, row in NATIVE_GATES.items()
}
_EXPONENTIAL = _QUBITS | {"terms", "coefficients", "time"}
_MAX_KEY, _MAX_VALUE = 40, 40_000

Complaint = tuple[str, str]


def strict_complaints(body: Mapping[str, Any], content_type: str) -> Iterator[Complaint]:
    """Every field of a job that the schema does not have, and every value of another type."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        yield "", "must be sent with Content-Type: application/json"
    yield from _unknown(body, _JOB, "")
    if body.get("shots") is not None and not isinstance(body["shots"], int):
        yield "shots", "must be an integer"
    for path, allowed in _OBJECTS.items():
        found: Any = body
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict):
            yield from _unknown(found, allowed, f"{path}.")
    noise = body.get("noise")
    if isinstance(noise, dict) and "seed" in noise and noise["seed"] is None:
        yield "noise.seed", "must be an integer"
    yield from _metadata(body.get("metadata"))
    raw = body.get("input")
    if isinstance(raw, dict):
        yield from _unknown(raw, _INPUT.get(str(body.get("type")), frozenset(raw)), "input.")
        yield from _gates(raw.get("circuit"), raw.get("gateset"), "input.circuit")
        circuits = raw.get("circuits")
        for index, each in enumerate(circuits if isinstance(circuits, list) else ()):
            if isinstance(each, dict):
                path = f"input.circuits.{index}"
                yield from _unknown(each, _CIRCUIT, f"{path}.")
                yield from _gates(
                    each.get("circuit"), each.get("gateset", raw.get("gateset")), f"{path}.circuit"
                )


def strict_query(query: Mapping[str, str], body: bytes) -> Iterator[Complaint]:
    """What is wrong with a GET: a body, or a boolean that is spelled as in Python."""
    if body:
        yield "", "a GET request has no body"
    for name, value in query.items():
        if value in {"True", "False"}:
            yield name, "must be true or false"


def _unknown(found: Mapping[str, Any], allowed: frozenset[str], prefix: str) -> Iterator[Complaint]:
    for key in found:
        if key not in allowed:
            yield f"{prefix}{key}", "is not allowed"


def _metadata(found: Any) -> Iterator[Complaint]:
    for key, value in found.items() if isinstance(found, dict) else ():
        if len(key) > _MAX_KEY:
            yield f"metadata.{key[:_MAX_KEY]}", f"has a key of more than {_MAX_KEY} characters"
        if isinstance(value, str) and len(value) > _MAX_VALUE:
            yield f"metadata.{key[:_MAX_KEY]}", f"has more than {_MAX_VALUE} characters"


def _gates(gates: Any, gateset: Any, path: str) -> Iterator[Complaint]:
    known = NATIVE_GATES if gateset == "native" else {**QIS_GATES, PAULI_EXPONENTIAL: None}
    for index, gate in enumerate(gates if isinstance(gates, list) else ()):
        name = gate.get("gate") if isinstance(gate, dict) else None
        if not isinstance(name, str):
            continue  # refused in any mode
        if name not in known:
            yield f"{path}.{index}.gate", f"must be one of {', '.join(known)}"
        elif gateset == "native":
            yield from _unknown(gate, frozenset(_NATIVE_FIELDS[name]), f"{path}.{index}.")
        elif name == PAULI_EXPONENTIAL:
            yield from _unknown(gate, _EXPONENTIAL, f"{path}.{index}.")
        else:
            allowed = _QIS | {"rotation"} if name in _ROTATING else _QIS
            yield from _unknown(gate, allowed, f"{path}.{index}.")
