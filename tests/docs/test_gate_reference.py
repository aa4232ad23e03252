# SPDX-License-Identifier: Apache-2.0
"""docs/reference/gates.md is the gate table, printed. `python tests/docs/test_gate_reference.py` writes it again."""

from __future__ import annotations

import inspect
from pathlib import Path

from qstore.circuit import GATES, QuantumCircuit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "gates.md"

HEAD = """# Gates

Every operation of `QuantumCircuit`, printed from the gate table (`qstore.circuit.GATES`) by
`python tests/docs/test_gate_reference.py`. Angles are radians; the first qubit of a controlled gate is the control, and
the first qubit of any gate is the least significant bit of its matrix. *Inverse* and *controlled* name the row that
`circuit.inverse()` and `circuit.controlled()` use, a dash means that the gate is taken apart first. *Shifts* is the
number of shifted circuits that one angle's exact gradient takes.

| call | what it is | inverse | controlled | shifts |
|---|---|---|---|---|
"""


def page() -> str:
    rows = []
    for name, spec in GATES.items():
        method = getattr(QuantumCircuit, name)
        arguments = ", ".join(p for p in inspect.signature(method).parameters if p != "self")
        summary = inspect.getdoc(method).splitlines()[0].replace("|", "\\|")
        inverse = f"`{spec.inverse[0]}`" if spec.inverse else "-"
        controlled = f"`{spec.controlled}`" if spec.controlled else "-"
        shifts = ", ".join(str(2 * rule.order) for rule in spec.shift_rules) or "-"
        rows.append(f"| `{name}({arguments})` | {summary} | {inverse} | {controlled} | {shifts} |")
    return HEAD + "\n".join(rows) + "\n"


def test_the_gate_reference_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
