# SPDX-License-Identifier: Apache-2.0
"""Circuits as IonQ's JSON, and back: the `input` of a job, gates with radians (QIS) or turns (native).

Writing is what the backend sends for one row. The format knows numbers only, and measures every qubit. Reading takes
the `input` object, a whole job with one, or the text of either. Any number of controls is read exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Any

from numpy.typing import ArrayLike

from qstore.batch import CircuitBatch
from qstore.circuit import Angle, CircuitView, Operation, QuantumCircuit, Template
from qstore.circuit.block import Block
from qstore.circuit.constants import plain_operations
from qstore.errors import CircuitError, CircuitFormatError, OptionError, ServiceError
from qstore_ionq.qis import WORDS
from qstore_ionq.rendering import NATIVE_GATES, render_native, render_qis
from qstore_ionq.wire import load

__all__ = ["MAX_CHARACTERS", "MAX_GATES", "dumps", "loads", "matches"]

MAX_GATES = 150_000
"""Most gates of one circuit, as the service takes."""
MAX_CHARACTERS = 64 * 2**20
_HEADER_WITHIN = 4096
_FORMAT = "IonQ's JSON"
TURN = 2 * math.pi

_QIS: Mapping[str, tuple[str, int, bool]] = MappingProxyType(
    {word: (row, 2 if word in {"swap", "xx", "yy", "zz"} else 1, word in {"rx", "ry", "rz", "xx", "yy", "zz"})
     for row, word in WORDS.items() if word != "cnot"}
    | {"cnot": ("x", 1, False), "not": ("x", 1, False)}
)  # fmt: skip
"""For each word of the QIS set: the row of the gate table, the number of targets, whether it has a `rotation`."""


def dumps(
    circuit: CircuitView, *, bindings: Mapping[str, ArrayLike] | None = None, gateset: str | None = None
) -> dict[str, Any]:
    """A circuit as the `input` of a job.

    Args:
        circuit: unitary; a builder or a template.
        bindings: the parameters' values for one sample, because the format knows numbers only.
        gateset: "qis", or "native" for a circuit of native gates; by default native where it is made of these.

    Raises:
        CircuitError: there are parameters and no bindings, or noise.
        CapabilityError: it measures or resets inside.
        OptionError: there is no such gateset, or the circuit is not made of its gates.

    Example:
        >>> dumps(QuantumCircuit(2).h(0).cx(0, 1))["circuit"]
        [{'gate': 'h', 'target': 0}, {'gate': 'cnot', 'control': 0, 'target': 1}]
    """
    template = Template(circuit.n_qubits, plain_operations(circuit, bindings, _FORMAT))
    if gateset not in {None, "qis", "native"}:
        raise OptionError(f"gateset is 'qis' or 'native', got {gateset!r}.")
    own = bool(template.gates) and template.gates <= NATIVE_GATES
    native = own if gateset is None else gateset == "native"
    if native and not own:
        raise OptionError(
            "The circuit is not made of native gates. qstore_ionq.native.compile_native makes it so, with what it did to "
            "the qubits; here gateset='qis' writes it as it is."
        )
    batch = CircuitBatch.of(template)
    rendering = render_native(batch) if native else render_qis(batch)
    return {"gateset": rendering.gateset, "qubits": rendering.n_qubits, "circuit": rendering.circuit(0)}


def matches(source: object) -> bool:
    """Whether this is an object, or the text of one, with a circuit of IonQ's."""
    if isinstance(source, bytes):
        source = source[:_HEADER_WITHIN].decode(errors="replace")
    if isinstance(source, str):
        head = source[:_HEADER_WITHIN].lstrip("\ufeff \t\r\n")
        return head.startswith("{") and '"circuit"' in head and ('"gate' in head or '"ionq.' in head)
    if not isinstance(source, dict):
        return False
    inner = source.get("input", source)
    return isinstance(inner, dict) and isinstance(inner.get("circuit"), list)


def loads(source: str | bytes | Mapping[str, Any]) -> QuantumCircuit:
    """Read a circuit.

    Args:
        source: the `input` of a job, a job with one, or the text of either.

    Raises:
        CircuitFormatError: it cannot be read; names the gate by its position.

    Example:
        >>> print(loads({"gateset": "qis", "qubits": 2, "circuit": [{"gate": "x", "control": 1, "target": 0}]}))
        q0: ─X─
             │
        q1: ─●─
    """
    document = _document(source)
    gates = document.get("circuit")
    if not isinstance(gates, list):
        raise CircuitFormatError(
            f"{_FORMAT} has a list 'circuit' in its 'input'; this has {sorted(map(str, document))[:9]}."
        )
    if len(gates) > MAX_GATES:
        raise CircuitFormatError(f"{len(gates)} gates; at most {MAX_GATES} are read.")
    gateset = document.get("gateset", "qis")
    if gateset not in ("qis", "native"):
        raise CircuitFormatError(f"gateset {gateset!r:.80}; 'qis' and 'native' are known.")
    read = _native if gateset == "native" else _qis
    blocks = []
    for position, gate in enumerate(gates):
        try:
            blocks.append(read(gate))
        except (CircuitError, ArithmeticError, LookupError, TypeError, ValueError) as exc:
            raise CircuitFormatError(f"Gate {position} ({gate!r:.120}) cannot be read: {exc}") from exc
    operations = [op for block in blocks for op in block.operations]
    used = max((q for op in operations for q in op.qubits), default=0) + 1
    return _built(document.get("qubits", used), operations)


def _built(n_qubits: Any, operations: Sequence[Operation]) -> QuantumCircuit:
    if isinstance(n_qubits, bool) or not isinstance(n_qubits, int):
        raise CircuitFormatError(f"'qubits' must be a whole number, got {n_qubits!r:.80}.")
    try:
        made = QuantumCircuit(n_qubits)
        for op in operations:
            made.append_operation(op)
    except CircuitError as exc:
        raise CircuitFormatError(f"The circuit does not fit together: {exc}") from exc
    return made


def _document(source: Any) -> Mapping[str, Any]:
    if isinstance(source, (str, bytes)):
        if len(source) > MAX_CHARACTERS:
            raise CircuitFormatError(
                f"The text has {len(source)} characters; at most {MAX_CHARACTERS} are read."
            )
        try:
            source = load(source.encode() if isinstance(source, str) else source, "The circuit")
        except (ServiceError, UnicodeError) as exc:
            raise CircuitFormatError(str(exc)) from exc
    inner = source.get("input", source) if isinstance(source, Mapping) else source
    if not isinstance(inner, Mapping):
        raise CircuitFormatError(f"{_FORMAT} is an object, got {type(inner).__name__}.")
    if "circuits" in inner:
        raise CircuitFormatError("A job of several circuits: convert the entries of 'circuits' one by one.")
    return inner


def _native(gate: Any) -> Block:
    name = gate["gate"]
    if name == "nop":
        return Block()
    if name in {"gpi", "gpi2"}:
        return Block((Operation(name, _qubits(gate, "target", 1), (_turns(gate["phase"]),)),))
    qubits = _qubits(gate, "target", 2)
    if name == "ms":
        first, second = gate["phases"]
        angles = (_turns(first), _turns(second), _turns(gate.get("angle", 0.25)))
        return Block((Operation("ms", qubits, angles),))
    if name == "zz":
        # Cirq's client calls the angle `phase`.
        return Block((Operation("zz", qubits, (_turns(gate.get("angle", gate.get("phase", 0.25))),)),))
    raise CircuitFormatError(f"no native gate is called {name!r:.40}")


def _qis(gate: Any) -> Block:
    name = gate["gate"]
    controls = _qubits(gate, "control", None)
    if name == "pauliexp":
        return _pauli_exponential(gate).controlled(controls)
    if not isinstance(name, str) or name not in _QIS:
        raise CircuitFormatError(f"no QIS gate is called {name!r:.40}")
    row, targets, rotates = _QIS[name]
    if name == "z" and "rotation" in gate:  # what Qiskit's client sends for its phase gates
        row, rotates = "p", True
    if name == "cnot" and not controls:
        raise CircuitFormatError("a cnot has a control")
    qubits = _qubits(gate, "target", targets)
    if set(qubits) & set(controls):
        raise CircuitFormatError("a qubit is control and target")
    angles = (_angle(gate["rotation"]),) if rotates else ()
    return Block((Operation(row, qubits, angles),)).controlled(controls)


def _pauli_exponential(gate: Any) -> Block:
    """exp(-i time sum c P): the product of its terms' rotations, if these commute; the last letter is the first target's."""
    targets, terms, coefficients = gate["targets"], gate["terms"], gate["coefficients"]
    qubits = _qubits(gate, "target", len(targets))
    time = _number(gate["time"])
    if not all(
        isinstance(term, str) and len(term) == len(targets) and not set(term) - set("IXYZ") for term in terms
    ):
        raise CircuitFormatError(f"'terms' are strings of {len(targets)} letters I, X, Y, Z")
    if any(
        sum("I" not in pair and pair[0] != pair[1] for pair in zip(a, b, strict=True)) % 2
        for a, b in combinations(terms, 2)
    ):
        raise CircuitFormatError("terms that do not commute; split the exponential into Trotter steps")
    rotations = []
    for term, coefficient in zip(terms, coefficients, strict=True):
        letters = {
            qubit: letter for qubit, letter in zip(qubits, reversed(term), strict=True) if letter != "I"
        }
        rotations.append(_pauli_rotation(letters, _angle(2 * time * _number(coefficient))))
    return Block.joined(rotations)


def _pauli_rotation(letters: Mapping[int, str], angle: Angle) -> Block:
    """exp(-i angle/2 P)."""
    if not letters:
        return Block((), angle.scaled(-0.5))
    *rest, last = letters
    into = [Operation("sdg", (q,)) for q, letter in letters.items() if letter == "Y"]
    into += [Operation("h", (q,)) for q, letter in letters.items() if letter != "Z"]
    into += [Operation("cx", (q, last)) for q in rest]
    before = Block(tuple(into))
    return Block.joined((before, Block((Operation("rz", (last,), (angle,)),)), before.inverse()))


def _qubits(gate: Any, role: str, number: int | None) -> tuple[int, ...]:
    """The qubits of a role, given as `target` or `targets`, `control` or `controls`."""
    given = gate.get(role, gate.get(f"{role}s", []))
    listed = given if isinstance(given, list) else [given]
    if any(isinstance(qubit, bool) or not isinstance(qubit, int) or qubit < 0 for qubit in listed):
        raise CircuitFormatError(f"{role!r} must be whole numbers, got {given!r:.80}")
    if number is not None and len(listed) != number:
        raise CircuitFormatError(f"takes {number} {role}(s), got {len(listed)}")
    return tuple(listed)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CircuitFormatError(f"{value!r:.80} is no finite number")
    return float(value)


def _angle(value: Any) -> Angle:
    return Angle(constant=_number(value) + 0.0)


def _turns(value: Any) -> Angle:
    return Angle(constant=_number(value) * TURN + 0.0)
