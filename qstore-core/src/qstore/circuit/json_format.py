# SPDX-License-Identifier: Apache-2.0
"""Circuits as versioned JSON, canonical so that its bytes can be fingerprinted.

The document is `{"format": "qstore-circuit", "version": 1, "n_qubits", "parameters": {name: shape}, "operations"}`.
An operation is an object with `gate`, `qubits` and, where it has them, `angles` (numbers, or
`[constant, [name, flat index, coefficient], ...]`), `unitary` and `amplitudes` (lists of [real, imaginary], or
`{"real": name, "imag": name}`), `bit`, `condition` ([bit, value]). Reading goes through the builder, which checks
everything the builder checks. Duplicate keys, NaN, unknown keys and more than the limits below are refused.
"""

from __future__ import annotations

import json
from typing import Any

from qstore.circuit.angles import Angle, AngleLike, Parameter, as_angle
from qstore.circuit.circuit import QuantumCircuit
from qstore.circuit.operation import Operation
from qstore.circuit.view import CircuitView
from qstore.errors import CircuitError, CircuitFormatError

__all__ = ["FORMAT_VERSION", "MAX_BYTES", "MAX_OPERATIONS", "from_json", "to_json"]

FORMAT = "qstore-circuit"
FORMAT_VERSION = 1
MAX_BYTES = 64 * 2**20
MAX_OPERATIONS = 1_000_000
_OPERATION_KEYS = {"gate", "qubits", "angles", "unitary", "amplitudes", "bit", "condition"}
_DOCUMENT_KEYS = {"format", "version", "n_qubits", "parameters", "operations"}


def to_json(circuit: CircuitView) -> str:
    """Write a circuit; equal circuits give equal text."""
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "n_qubits": circuit.n_qubits,
        "parameters": {p.name: list(p.shape) for p in circuit.parameters},
        "operations": [_written(op) for op in circuit.operations],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def from_json(text: str | bytes) -> QuantumCircuit:
    """Read a circuit; see `QuantumCircuit.from_json`."""
    if not isinstance(text, (str, bytes)):
        raise CircuitFormatError(f"A circuit is read from str or bytes, got {type(text).__name__}.")
    if len(text) > MAX_BYTES:
        raise CircuitFormatError(
            f"The text has {len(text)} characters; a circuit may have at most {MAX_BYTES}."
        )
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except CircuitFormatError:
        raise
    except (ValueError, RecursionError) as exc:
        raise CircuitFormatError(f"Not JSON: {exc}.") from exc
    _require(isinstance(document, dict) and document.get("format") == FORMAT, f"Not a {FORMAT} document.")
    version = document.get("version")
    _require(
        type(version) is int and version == FORMAT_VERSION,
        f"Format version {version!r}; this release reads version {FORMAT_VERSION}.",
    )
    _require(
        set(document) == _DOCUMENT_KEYS, f"The keys {sorted(document)} are not {sorted(_DOCUMENT_KEYS)}."
    )
    operations = document["operations"]
    _require(isinstance(operations, list), "'operations' must be a list.")
    _require(
        len(operations) <= MAX_OPERATIONS, f"{len(operations)} operations; at most {MAX_OPERATIONS} are read."
    )
    try:
        parameters = {name: _read_parameter(name, shape) for name, shape in document["parameters"].items()}
        circuit = QuantumCircuit(document["n_qubits"])
    except (CircuitError, AttributeError, TypeError) as exc:
        raise CircuitFormatError(f"'parameters' or 'n_qubits' is damaged: {exc}") from exc
    for position, record in enumerate(operations):
        try:
            _read(circuit, record, parameters)
        except (CircuitError, ArithmeticError, LookupError, TypeError, ValueError) as exc:
            raise CircuitFormatError(f"Operation {position} ({record!r:.120}) is damaged: {exc}") from exc
    unused = set(parameters) - {p.name for p in circuit.parameters}
    _require(not unused, f"The parameters {sorted(unused)} are declared but not used.")
    return circuit


def _written(op: Operation) -> dict[str, Any]:
    record: dict[str, Any] = {"gate": op.gate, "qubits": list(op.qubits)}
    if op.angles:
        record["angles"] = [_written_angle(angle) for angle in op.angles]
    if op.unitary:
        record["unitary"] = _written_complex(op.unitary)
    if op.amplitudes is not None and op.amplitudes.constant:
        record["amplitudes"] = _written_complex(op.amplitudes.constant)
    elif op.amplitudes is not None:
        record["amplitudes"] = dict(
            zip(("real", "imag"), (p.name for p in op.amplitudes.parameters), strict=False)
        )
    if op.bit is not None:
        record["bit"] = op.bit
    if op.condition is not None:
        record["condition"] = [op.condition.bit, op.condition.value]
    return record


def _written_complex(entries: tuple[complex, ...]) -> list[list[float]]:
    # -0.0 equals 0.0, so equal circuits would get different fingerprints if it were written as it is.
    return [[entry.real + 0.0, entry.imag + 0.0] for entry in entries]


def _written_angle(angle: Angle) -> float | list[Any]:
    if angle.is_constant:
        return angle.constant
    return [angle.constant, *([p.name, index, coefficient] for p, index, coefficient in angle.terms)]


def _read(circuit: QuantumCircuit, record: Any, parameters: dict[str, Parameter]) -> None:
    _require(isinstance(record, dict) and not set(record) - _OPERATION_KEYS, "unknown keys")
    gate, qubits = record["gate"], tuple(record["qubits"])
    if "condition" in record:
        bit, value = record["condition"]
        plain = {key: part for key, part in record.items() if key != "condition"}
        with circuit.when(bit, value):
            _read(circuit, plain, parameters)
    elif gate == "measure":
        _only(record, "bit")
        _require(record["bit"] is not None, "a measurement names its bit")
        (qubit,) = qubits
        circuit.measure(qubit, bit=record["bit"])
    elif gate == "unitary":
        _only(record, "unitary")
        size = 1 << len(qubits)
        entries = _complex(record["unitary"])
        circuit.unitary([entries[row * size : (row + 1) * size] for row in range(size)], qubits)
    elif gate == "kraus":
        _only(record, "unitary")
        size = 1 << len(qubits)
        entries = _complex(record["unitary"])
        _require(len(entries) % size**2 == 0, "'unitary' holds whole operators")
        rows = [entries[row : row + size] for row in range(0, len(entries), size)]
        circuit.kraus([rows[row : row + size] for row in range(0, len(rows), size)], qubits)
    elif gate == "initialize":
        _only(record, "amplitudes")
        given = record["amplitudes"]
        if isinstance(given, dict):
            _require(
                "real" in given and not set(given) - {"real", "imag"}, "amplitudes name 'real' and 'imag'"
            )
            imag = parameters[given["imag"]] if "imag" in given else None
            circuit.initialize(parameters[given["real"]], qubits, imag=imag)
        else:
            circuit.initialize(_complex(given), qubits)
    else:
        _only(record, "angles")
        circuit.append(
            gate, qubits, tuple(_read_angle(angle, parameters) for angle in record.get("angles", ()))
        )


def _read_angle(value: Any, parameters: dict[str, Parameter]) -> AngleLike:
    if not isinstance(value, list):
        _require(not isinstance(value, str), f"the angle {value!r} is neither a number nor a list")
        return value  # type: ignore[no-any-return]  # the builder refuses anything but a number
    constant, *terms = value
    _require(not isinstance(constant, (str, list)), f"the constant {constant!r} is not a number")
    angle = as_angle(constant)
    for name, index, coefficient in terms:
        parameter = parameters[name]
        _require(isinstance(index, int) and 0 <= index < parameter.size, f"entry {index!r} of {name!r}")
        angle = angle + _entry(parameter, index) * coefficient
    return angle


def _read_parameter(name: str, shape: Any) -> Parameter:
    _require(isinstance(shape, list), f"the shape {shape!r} of {name!r} is not a list")
    _require(not any(isinstance(size, bool) for size in shape), f"the shape {shape!r} of {name!r}")
    return Parameter(name, tuple(shape))


def _entry(parameter: Parameter, flat: int) -> Angle:
    index = []
    for size in reversed(parameter.shape):
        index.append(flat % size)
        flat //= size
    return parameter[tuple(reversed(index))] if parameter.shape else +parameter


def _complex(pairs: Any) -> list[complex]:
    return [complex(real, imag) for real, imag in pairs]


def _only(record: dict[str, Any], key: str) -> None:
    extra = set(record) - {"gate", "qubits", key}
    _require(not extra, f"{record['gate']!r} does not take {sorted(extra)}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise CircuitFormatError(
            f"The key {next(n for n in names if names.count(n) > 1)!r} occurs twice in one object."
        )
    return result


def _refuse_constant(name: str) -> float:
    raise CircuitFormatError(f"{name} is not a finite number.")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise CircuitFormatError(message)
