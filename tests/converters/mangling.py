# SPDX-License-Identifier: Apache-2.0
"""Damaged programs: cut, doubled, exchanged and sprinkled with words of their language, by seed and number."""

import json
from functools import cache

import numpy as np

from fuzz.converters import make
from qstore.circuit.json_format import from_json
from qstore.circuit.qasm2 import loads as qasm2
from qstore.circuit.qasm3 import loads as qasm3
from qstore_ionq.converter import loads as ionq

READERS = {"qasm2": qasm2, "qasm3": qasm3, "json": from_json, "ionq": ionq}
_QASM = ["(", ")", "{", "}", "[", "]", ";", ",", "-", "+", "*", "/", "**", "1e999", "0", "99999999999999999999", "q", "c",
         "q[0]", "c[0]", "pi", "gate", "h", "cx", "measure", "->", "=", "==", "if", "reset", '"', "\x00", "\u2028", "é", "//"]  # fmt: skip
WORDS = {
    "qasm2": [*_QASM, "qreg", "creg", "include", "opaque", "barrier", "U(0,0,0)", "sin(", "^", "if(c==1)"],
    "qasm3": [*_QASM, "ctrl @", "inv @", "pow(0.5) @", "pow(-2) @", "negctrl(2) @", "for int i in [0:3]", "else", "let",
              "const int n = 3;", "input float t;", "array[float, 2]", "gphase(1)", "bit", "qubit", "1/2", "<<", "&&", "!",
              "/*", "*/", "@", "#", "0x", "1_0", "while", "def", "t", "n", "float(", "q[0:2]", "q[{0,1}]", "++", "+="],
    "json": ["null", "true", "-1", "1e999", "NaN", "[]", "{}", '""', '"gate"', '"x"', "99999999999999999999", "0.5", "[", "{"],
    "ionq": ["null", "true", "-1", "1e999", "NaN", "[]", "{}", '""', '"gate"', '"x"', "99999999999999999999", "0.5", "[", "{",
             '"pauliexp"', '"terms"', '"native"', '"controls"'],
}  # fmt: skip


@cache
def whole(name, seed, number):
    """A circuit in the format, undamaged."""
    circuit, row = make(seed, number)
    if name == "json":
        return circuit.to_json()
    made = circuit.to(name, bindings=row) if name != "qasm3" or number % 2 else circuit.to(name)
    return json.dumps(made) if name == "ionq" else made


def mangled(name, seed, count):
    """Damaged texts, and now and then a whole one."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        text = whole(name, seed, number % 20)
        for _ in range(int(rng.integers(0, 4))):
            text = _damaged(text, WORDS[name], rng)
        yield text.encode(errors="replace") if number % 7 == 0 else text


def _damaged(text, words, rng):
    a, b = sorted(int(i) for i in rng.integers(len(text) + 1, size=2))
    b = min(b, a + 40)
    kind = rng.integers(5)
    word = str(words[int(rng.integers(len(words)))])
    if kind == 0:
        return text[:a] + text[b:]
    if kind == 1:
        return text[:b] + text[a:b] + text[b:]
    if kind == 2:
        return text[:a] + word + text[a:]
    if kind == 3:
        return text[:a] + word + text[b:]
    return text[:a] + " ".join(str(w) for w in rng.choice(words, size=4)) + text[a:]
