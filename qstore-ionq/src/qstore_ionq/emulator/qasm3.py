# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 3 jobs: the straight-line part of the language that the service takes.

Declarations, standard gates and measurements, also in the middle; no loops, branches, gate definitions or resets. A
measurement whose qubit goes on is deferred: its outcome is copied onto a qubit of its own, which is read at the end.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from qstore.errors import nearest_names
from qstore_ionq.emulator.circuits import PreflightError, Program
from qstore_ionq.emulator.gates import PHASE_GATE, QIS_GATES, Gate, QisGate

__all__ = ["read_qasm3"]

MAX_STATEMENTS = 150_000
_MAX_EXPRESSION = 500
_MAX_WIDTH = 62
"""Outcomes are 64-bit integers."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DECLARATION = re.compile(r"(qubit|bit)\s*(?:\[\s*(\d{1,7})\s*\])?\s+([A-Za-z_]\w*)$")
_MEASURE = re.compile(
    r"(?:(?P<bit>\S.*?)\s*=\s*measure\s+(?P<qubit>\S.*)|measure\s+(?P<from>\S.*?)\s*->\s*(?P<to>\S.*))$"
)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?\s+(\S.*)$", re.DOTALL)
_OPERAND = re.compile(r"([A-Za-z_]\w*)\s*(?:\[\s*(\d{1,7})\s*\])?$")
_REFUSED = ("if", "for", "while", "gate", "def", "defcal", "box", "reset", "let", "ctrl", "inv", "pow", "input", "output",
            "array", "const", "int", "float", "angle", "extern", "delay", "switch")  # fmt: skip


def _controlled(name: str, controls: int) -> tuple[QisGate, int]:
    return (PHASE_GATE if name == "p" else QIS_GATES[name], controls)


_GATES: Mapping[str, tuple[QisGate, int]] = MappingProxyType(
    {
        **{name: _controlled(name, 0) for name in ("x", "y", "z", "h", "s", "t", "rx", "ry", "rz", "swap", "p")},
        **{f"c{name}": _controlled(name, 1) for name in ("x", "y", "z", "h", "rx", "ry", "rz", "swap", "p")},
        "sdg": _controlled("si", 0), "tdg": _controlled("ti", 0), "sx": _controlled("v", 0),
        "sxdg": _controlled("vi", 0), "ccx": _controlled("x", 2), "CX": _controlled("x", 1),
        "phase": _controlled("p", 0), "cphase": _controlled("p", 1), "u1": _controlled("p", 0),
        "rxx": _controlled("xx", 0), "ryy": _controlled("yy", 0), "rzz": _controlled("zz", 0),
    }
)  # fmt: skip
"""The core's row and the number of controls, which come first among the operands."""
_EULER = ("U", "u", "u3", "u2")
_IGNORED = ("id", "barrier", "gphase")

_ARITHMETIC: Mapping[type, Callable[..., float]] = MappingProxyType(
    {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
     ast.USub: operator.neg, ast.UAdd: operator.pos}
)  # fmt: skip
_CONSTANTS = MappingProxyType({"pi": math.pi, "tau": math.tau, "euler": math.e})


class _Reader:
    """What has been read so far."""

    def __init__(self) -> None:
        self.qubits: dict[str, tuple[int, int]] = {}
        self.bits: dict[
            str, list[tuple[int, int] | None]
        ] = {}  # the qubit, and at which gate it was measured
        self.gates: list[Gate] = []
        self.n_qubits = 0

    def statement(self, text: str) -> None:
        """Read one statement."""
        declared = _DECLARATION.match(text)
        measured = _MEASURE.match(text)
        if declared:
            self._declare(declared[1], int(declared[2] or 1), declared[3])
        elif measured:
            bits = self._operand(measured["bit"] or measured["to"], self.bits)
            qubits = self._operand(measured["qubit"] or measured["from"], self.qubits)
            if len(bits) != len(qubits):
                raise PreflightError(
                    "InvalidInput", f"{len(qubits)} qubits are measured into {len(bits)} bits."
                )
            for (name, bit), (register, index) in zip(bits, qubits, strict=True):
                self.bits[name][bit] = (self.qubits[register][0] + index, len(self.gates))
        else:
            self._call(text)

    def _declare(self, kind: str, size: int, name: str) -> None:
        if name in self.qubits or name in self.bits:
            raise PreflightError("InvalidInput", f"{name!r} is declared twice.")
        if kind == "bit":
            self.bits[name] = [None] * size
        else:
            self.qubits[name] = (self.n_qubits, size)
            self.n_qubits += size

    def _operand(self, text: str, known: Mapping[str, object]) -> list[tuple[str, int]]:
        """A register's entry, or all of them."""
        found = _OPERAND.match(text.strip())
        if not found or found[1] not in known:
            raise PreflightError(
                "InvalidInput", f"{text.strip()[:80]!r} is not a declared register or an entry of one."
            )
        name = found[1]
        size = self.qubits[name][1] if name in self.qubits else len(self.bits[name])
        if found[2] is None:
            return [(name, index) for index in range(size)]
        if int(found[2]) >= size:
            raise PreflightError(
                "InvalidInput", f"{name!r} has {size} entries; {text.strip()!r} is none of them."
            )
        return [(name, int(found[2]))]

    def _call(self, text: str) -> None:
        word = re.match(r"[A-Za-z_]\w*", text)
        if word and word[0] in _IGNORED:
            return
        call = _CALL.match(text)
        if not call or word is None or word[0] in _REFUSED:
            raise PreflightError(
                "UnsupportedGate", "only declarations, gates and measurements are supported."
            )
        name, inside, operands = call[1], call[2], call[3]
        angles = [_value(part) for part in inside.split(",")] if inside else []
        each = [self._operand(part, self.qubits) for part in operands.split(",")]
        qubits = [[self.qubits[register][0] + index for register, index in entries] for entries in each]
        if len(qubits) == 1 and len(qubits[0]) > 1:  # `h q;` means every qubit of q
            qubits = [[q] for q in qubits[0]]
            for one in qubits:
                self._gate(name, angles, one)
            return
        self._gate(name, angles, [q for entries in qubits for q in entries])

    def _gate(self, name: str, angles: list[float], qubits: list[int]) -> None:
        if len(set(qubits)) != len(qubits):
            raise PreflightError("InvalidInput", f"{name!r} names a qubit twice.")
        if name in _EULER:
            if len(qubits) != 1 or len(angles) != (2 if name == "u2" else 3):
                raise PreflightError("InvalidInput", f"{name!r} has the wrong number of angles or qubits.")
            theta, phi, lam = angles if len(angles) == 3 else (math.pi / 2, *angles)
            target = tuple(qubits)
            for row, angle in ((PHASE_GATE, lam), (QIS_GATES["ry"], theta), (PHASE_GATE, phi)):
                self.gates.append(Gate(row, (), target, (angle,)))
            return
        if name not in _GATES:
            raise PreflightError(
                "UnsupportedGate", f"there is no gate {name!r}.{nearest_names(name, list(_GATES))}"
            )
        row, controls = _GATES[name]
        if len(qubits) != controls + row.targets or len(angles) != int(row.rotates):
            raise PreflightError("InvalidInput", f"{name!r} has the wrong number of angles or qubits.")
        self.gates.append(Gate(row, tuple(qubits[:controls]), tuple(qubits[controls:]), tuple(angles)))


def read_qasm3(text: str, *, limit: int, ideal: bool) -> Program:
    """Read a program.

    Args:
        text: OpenQASM 3.
        limit: how many qubits the machine has.
        ideal: whether it runs on the ideal simulator, which cannot measure in the middle.

    Raises:
        PreflightError: the machine cannot run it.
    """
    statements = [part.strip() for part in _COMMENT.sub(" ", text).split(";")]
    if len(statements) > MAX_STATEMENTS:
        raise PreflightError("TooManyGates", f"The program has more than {MAX_STATEMENTS} statements.")
    reader = _Reader()
    for index, statement in enumerate(statements):
        if not statement or re.match(r"(OPENQASM\s+3(\.\d+)?|include\s+\"[^\"]*\")$", statement):
            continue
        try:
            reader.statement(statement)
        except PreflightError as exc:
            raise PreflightError(exc.code, f"Statement {index + 1} ({statement[:60]!r}): {exc}") from None
    if not reader.gates:
        raise PreflightError("InvalidInput", "The program has no gates.")
    if reader.n_qubits > limit:
        raise PreflightError(
            "NotEnoughQubits", f"The program has {reader.n_qubits} qubits, the machine {limit}."
        )
    return _deferred(reader, ideal)


def _deferred(reader: _Reader, ideal: bool) -> Program:
    """The program with every measurement at its end."""
    last: dict[int, int] = {q: index for index, gate in enumerate(reader.gates) for q in gate.qubits}
    copies: dict[tuple[int, int], int] = {}
    registers = []
    for name, bits in reader.bits.items():
        held: list[int | None] = []
        for measured in bits:
            if measured is None:
                held.append(None)
            elif last.get(measured[0], -1) < measured[1]:
                held.append(measured[0])
            else:
                held.append(copies.setdefault(measured, reader.n_qubits + len(copies)))
        registers.append((name, tuple(held)))
    if copies and ideal:
        raise PreflightError(
            "PreflightError",
            "Measurements in the middle of a circuit need samples: choose a machine, or a noise model such as 'aria-1'.",
        )
    if reader.n_qubits + len(copies) > _MAX_WIDTH:
        raise PreflightError(
            "TooManyGates", f"Qubits and measurements in the middle together are more than {_MAX_WIDTH}."
        )
    gates: list[Gate] = []
    for index in range(len(reader.gates) + 1):
        gates += [
            Gate(QIS_GATES["x"], (q,), (copy,), free=True) for (q, at), copy in copies.items() if at == index
        ]
        gates += reader.gates[index : index + 1]
    return Program(reader.n_qubits, tuple(gates), tuple(registers))


def _value(text: str) -> float:
    """An angle: numbers, pi, tau, euler, + - * / and brackets."""
    if len(text) > _MAX_EXPRESSION:
        raise PreflightError("InvalidInput", f"the angle {text[:40]!r}... is too long.")
    plain = text.replace("π", "pi").replace("τ", "tau").replace("ℇ", "euler").strip()
    try:
        value = float(_evaluate(ast.parse(plain, mode="eval").body))
    except (
        SyntaxError,
        ValueError,
        ZeroDivisionError,
        OverflowError,
        RecursionError,
        KeyError,
        TypeError,
    ) as exc:
        raise PreflightError("InvalidInput", f"{text.strip()!r} is not an angle.") from exc
    if not math.isfinite(value):
        raise PreflightError("InvalidInput", f"{text.strip()!r} is not finite.")
    return value


def _evaluate(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name):
        return _CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp):
        return _ARITHMETIC[type(node.op)](_evaluate(node.operand))
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    raise ValueError(type(node).__name__)
