# SPDX-License-Identifier: Apache-2.0
"""Circuits as text: one line per qubit, qubit 0 on top, a column per layer."""

from __future__ import annotations

import re

from qstore.circuit.operation import Operation
from qstore.circuit.view import CircuitView

__all__ = ["draw_text"]

_CONTROLS = {"cx": ("●", "X"), "cy": ("●", "Y"), "cz": ("●", "●"), "ch": ("●", "H"), "crx": ("●", "RX"),
             "cry": ("●", "RY"), "crz": ("●", "RZ"), "cp": ("●", "P"), "cu": ("●", "U"), "swap": ("x", "x"),
             "iswap": ("ix", "ix"), "ccx": ("●", "●", "X"), "cswap": ("●", "x", "x")}  # fmt: skip
_NAMES = {"sdg": "S†", "tdg": "T†", "sx": "√X", "sxdg": "√X†", "amplitude_damping": "AmpDamp",
          "phase_damping": "PhaseDamp", "depolarizing": "Depol", "bit_flip": "BitFlip", "reset": "|0>",
          "initialize": "Init", "unitary": "Unitary", "kraus": "Kraus", "depolarizing2": "Depol2", "measure": "M"}  # fmt: skip
_MAX_LABEL = 28
_LONG_NUMBER = re.compile(r"(?<![\w.])\d+\.\d{5,}(?:e-?\d+)?(?![\w.])")


def _shortened(number: re.Match[str]) -> str:
    return f"{float(number[0]):.4g}"


def draw_text(circuit: CircuitView, *, max_width: int) -> str:
    """Draw a circuit; see `CircuitView.draw`."""
    columns = _columns(circuit)
    names = [f"q{q}: " for q in range(circuit.n_qubits)]
    margin = max(map(len, names))
    blocks: list[list[list[str]]] = [[]]
    used = margin
    for column in columns:
        if blocks[-1] and used + len(column[0]) > max_width:
            blocks.append([])
            used = margin
        blocks[-1].append(column)
        used += len(column[0])
    drawn = []
    for block in blocks:
        wires = []
        for q, name in enumerate(names):
            wires.append((name.ljust(margin) + "".join(column[2 * q] for column in block) + "─").rstrip())
            between = (" " * margin + "".join(column[2 * q + 1] for column in block)).rstrip()
            if between:
                wires.append(between)
        drawn.append("\n".join(wires))
    return "\n\n".join(drawn)


def _columns(circuit: CircuitView) -> list[list[str]]:
    """Per column, 2 n lines of equal width: a wire line and the gap below it, for each qubit."""
    occupied: list[set[int]] = []
    placed: list[list[Operation]] = []
    earliest = [0] * circuit.n_qubits
    bits: dict[int, int] = {}
    for op in circuit.operations:
        span = set(range(min(op.qubits), max(op.qubits) + 1))
        column = max(earliest[q] for q in op.qubits)
        touched = [op.bit] if op.bit is not None else []
        touched += [op.condition.bit] if op.condition is not None else []
        column = max([column, *(bits.get(bit, 0) for bit in touched)])
        while column < len(placed) and occupied[column] & span:
            column += 1
        while column >= len(placed):
            placed.append([])
            occupied.append(set())
        placed[column].append(op)
        occupied[column] |= span
        for q in op.qubits:
            earliest[q] = column + 1
        bits.update(dict.fromkeys(touched, column + 1))
    return [_column(circuit.n_qubits, operations) for operations in placed]


def _column(n_qubits: int, operations: list[Operation]) -> list[str]:
    cells = [""] * n_qubits
    linked = set()
    for op in operations:
        for q, label in zip(op.qubits, _labels(op), strict=True):
            cells[q] = label
        linked |= set(range(min(op.qubits), max(op.qubits)))
    inside = {q for op in operations for q in range(min(op.qubits), max(op.qubits) + 1)}
    width = max(map(len, cells))
    lines = []
    for q, label in enumerate(cells):
        text = label or ("┼" if q in inside else "")
        lines.append("─" + text.ljust(width, "─"))
        lines.append(" " + ("│" if q in linked else " ").ljust(width))
    return lines


def _labels(op: Operation) -> tuple[str, ...]:
    shapes = _CONTROLS.get(op.gate)
    name = _NAMES.get(op.gate, op.gate.upper())
    angles = (
        "(" + ", ".join(_LONG_NUMBER.sub(_shortened, str(angle)) for angle in op.angles) + ")"
        if op.angles
        else ""
    )
    if op.amplitudes is not None and op.amplitudes.parameters:
        angles = "(" + ", ".join(p.name for p in op.amplitudes.parameters) + ")"
    if op.bit is not None:
        angles = f"→c{op.bit}"
    if len(angles) > _MAX_LABEL:
        angles = angles[: _MAX_LABEL - 2] + "…)"
    suffix = f" if c{op.condition.bit}={op.condition.value}" if op.condition else ""
    if shapes is not None:
        return (*shapes[:-1], shapes[-1] + angles + suffix)
    if len(op.qubits) == 1:
        return (name + angles + suffix,)
    last = len(op.qubits) - 1
    return (*(f"{name}:{i}" for i in range(last)), f"{name}:{last}{angles}{suffix}")
