# SPDX-License-Identifier: Apache-2.0
"""The gates of `qelib1.inc`, built in: reading a program opens no file.

Two files go by that name. The first one (`PAPER`: Cross, Bishop, Smolin, Gambetta, "Open Quantum Assembly Language",
arXiv:1707.03429) has 23 gates, which every reader knows; so the writer uses these and defines all others. The one that
Qiskit ships has more; so the reader knows these too, and lets a program define again what the first one lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from qstore.circuit.gates import GATES
from qstore.circuit.qasm2.expressions import Expression
from qstore.circuit.qasm2.gates import Call, Gate

__all__ = ["BUILT_IN", "DEFINITIONS", "PAPER", "PRELUDE", "WRITTEN_NAMES", "row_gate"]

PAPER = frozenset({
    "u3", "u2", "u1", "cx", "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "rx", "ry", "rz", "cz", "cy", "ch", "ccx",
    "crz", "cu1", "cu3",
})  # fmt: skip
"""Gates of the first version of the file."""

_SAME_NAMES = (
    "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p", "u", "cx", "cy", "cz", "ch", "swap",
    "crx", "cry", "crz", "cp", "cu", "rxx", "rzz", "ccx", "cswap",
)  # fmt: skip
"""Rows of the gate table that the later file calls as the table does."""

WRITTEN_NAMES: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME_NAMES if name in PAPER} | {"i": "id", "p": "u1", "u": "u3", "cp": "cu1"}
)
"""Rows of the gate table that the first file has, and what it calls them."""

_OTHER_NAMES: Mapping[str, tuple[str, int, tuple[Expression, ...]]] = {
    "id": ("i", 0, ()),
    "u0": ("i", 1, ()),
    "u1": ("p", 1, ((0,),)),
    "u2": ("u", 2, ((math.pi / 2,), (0,), (1,))),
    "u3": ("u", 3, ((0,), (1,), (2,))),
    "cu1": ("cp", 1, ((0,),)),
    "cu3": ("cu", 3, ((0,), (1,), (2,), (0.0,))),
}
"""More names for rows of the gate table: row, number of parameters, and the row's angles from them."""

PRELUDE = """
gate csx c,t { h t; cp(pi/2) c,t; h t; }
gate rccx a,b,c {
  h c; t c; cx b,c; tdg c; cx a,c; t c; cx b,c; tdg c; h c;
}
gate rc3x a,b,c,d {
  h d; t d; cx c,d; tdg d; h d; cx a,d; t d; cx b,d; tdg d; cx a,d; t d; cx b,d; tdg d; h d; t d; cx c,d; tdg d; h d;
}
gate _c3p(lambda) a,b,c,d {
  cp(lambda/4) a,d; cx a,b; cp(-lambda/4) b,d; cx a,b; cp(lambda/4) b,d; cx b,c; cp(-lambda/4) c,d; cx a,c;
  cp(lambda/4) c,d; cx b,c; cp(-lambda/4) c,d; cx a,c; cp(lambda/4) c,d;
}
gate c3x a,b,c,d { h d; _c3p(pi) a,b,c,d; h d; }
gate c3sqrtx a,b,c,d { h d; _c3p(pi/2) a,b,c,d; h d; }
gate c4x a,b,c,d,e {
  h e; cp(pi/2) d,e; h e; c3x a,b,c,d; h e; cp(-pi/2) d,e; h e; c3x a,b,c,d; c3sqrtx a,b,c,e;
}
"""
"""Gates of the later file that are no rows of the gate table."""

DEFINITIONS: Mapping[str, str] = MappingProxyType({
    "sx": "gate sx a { sdg a; h a; sdg a; }",
    "sxdg": "gate sxdg a { s a; h a; s a; }",
    "swap": "gate swap a,b { cx a,b; cx b,a; cx a,b; }",
    "iswap": "gate iswap a,b { s a; s b; h a; cx a,b; cx b,a; h b; }",
    "crx": "gate crx(theta) a,b { h b; crz(theta) a,b; h b; }",
    "cry": "gate cry(theta) a,b { ry(theta/2) b; cx a,b; ry(-theta/2) b; cx a,b; }",
    "cu": "gate cu(theta,phi,lambda,gamma) a,b { u1(gamma+(lambda+phi)/2) a; u1((lambda-phi)/2) b; cx a,b; "
          "u3(-theta/2,0,-(phi+lambda)/2) b; cx a,b; u3(theta/2,phi,0) b; }",
    "rxx": "gate rxx(theta) a,b { h a; h b; cx a,b; rz(theta) b; cx a,b; h a; h b; }",
    "ryy": "gate ryy(theta) a,b "
           "{ rx(pi/2) a; rx(pi/2) b; cx a,b; rz(theta) b; cx a,b; rx(-pi/2) a; rx(-pi/2) b; }",
    "rzz": "gate rzz(theta) a,b { cx a,b; rz(theta) b; cx a,b; }",
    "cswap": "gate cswap a,b,c { cx c,b; ccx a,b,c; cx c,b; }",
    "gpi": "gate gpi(phi) a { rz(-phi) a; x a; rz(phi) a; }",
    "gpi2": "gate gpi2(phi) a { rz(-phi) a; rx(pi/2) a; rz(phi) a; }",
    "ms": "gate ms(phi0,phi1,theta) a,b { rz(-phi0) a; rz(-phi1) b; h a; h b; cx a,b; rz(theta) b; cx a,b; h a; h b; "
          "rz(phi0) a; rz(phi1) b; }",
    "zz": "gate zz(theta) a,b { cx a,b; rz(theta) b; cx a,b; }",
})  # fmt: skip
"""The other rows as the writer defines them, by gates of the first file; the reader knows these texts again.

There is no `cu3` among them: its phase differs between the two files.
"""


@cache
def row_gate(name: str) -> Gate:
    """A row of the gate table as a gate that can be called."""
    row = GATES[name]
    angles = tuple((index,) for index in range(row.n_angles))
    return Gate(name, row.n_angles, row.n_qubits, (Call(name, angles, tuple(range(row.n_qubits))),))


def _other(name: str) -> Gate:
    row, n_parameters, angles = _OTHER_NAMES[name]
    n_qubits = GATES[row].n_qubits
    return Gate(name, n_parameters, n_qubits, (Call(row, angles, tuple(range(n_qubits))),))


BUILT_IN: Mapping[str, Gate] = MappingProxyType(
    {name: row_gate(name) for name in _SAME_NAMES} | {name: _other(name) for name in _OTHER_NAMES}
)
"""Gates of the later file that are rows of the gate table, by the file's names."""
