# SPDX-License-Identifier: Apache-2.0
"""The gates of `stdgates.inc`, built in, and how the writer defines those of the gate table that it lacks.

The standard gates as in the specification's file (https://openqasm.com/language/standard_library.html): most are rows
of the gate table exactly; `u2` and `u3` have a global phase of their own, which counts under `ctrl`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from qstore.circuit.gates import GATES
from qstore.circuit.qasm3.gates import Gate

__all__ = ["BUILT_IN", "DEFINITIONS", "STANDARD", "WRITTEN_NAMES", "row_gate"]


def row_gate(row: str, name: str = "") -> Gate:
    """A row of the gate table as a gate that can be called."""
    spec = GATES[row]
    return Gate(name or row, spec.n_angles, spec.n_qubits, row, tuple(range(spec.n_angles)))


_SAME_NAMES = (
    "p", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "rx", "ry", "rz", "cx", "cy", "cz", "cp", "crx", "cry", "crz",
    "ch", "swap", "ccx", "cswap", "cu",
)  # fmt: skip

STANDARD: Mapping[str, Gate] = MappingProxyType(
    {name: row_gate(name) for name in _SAME_NAMES}
    | {
        "id": row_gate("i", "id"),
        "CX": row_gate("cx", "CX"),
        "phase": row_gate("p", "phase"),
        "cphase": row_gate("cp", "cphase"),
        "u1": row_gate("p", "u1"),
        "u2": Gate("u2", 2, 1, "u", (math.pi / 2, 0, 1), (-0.5, -0.5)),
        "u3": Gate("u3", 3, 1, "u", (0, 1, 2), (0.0, -0.5, -0.5)),
    }
)
"""The gates of the file, by name."""

BUILT_IN: Mapping[str, Gate] = MappingProxyType({"U": row_gate("u", "U"), "gphase": Gate("gphase", 1, 0)})
"""The gates of the language itself."""

WRITTEN_NAMES: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME_NAMES} | {"i": "id", "u": "U"}
)
"""Rows of the gate table that need no definition, and what they are called."""

DEFINITIONS: Mapping[str, str] = MappingProxyType({
    "sxdg": "gate sxdg a { inv @ sx a; }",
    "iswap": "gate iswap a, b { s a; s b; h a; cx a, b; cx b, a; h b; }",
    "rxx": "gate rxx(theta) a, b { h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b; }",
    "ryy": "gate ryy(theta) a, b { sdg a; sdg b; h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b; s a; s b; }",
    "rzz": "gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }",
    "gpi": "gate gpi(phi) a { rz(-phi) a; x a; rz(phi) a; }",
    "gpi2": "gate gpi2(phi) a { rz(-phi) a; rx(pi/2) a; rz(phi) a; }",
    "ms": "gate ms(phi0, phi1, theta) a, b { rz(-phi0) a; rz(-phi1) b; h a; h b; cx a, b; rz(theta) b; cx a, b; h a; "
          "h b; rz(phi0) a; rz(phi1) b; }",
    "zz": "gate zz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }",
})  # fmt: skip
"""The other unitary rows as the writer defines them; the reader knows these texts again."""
