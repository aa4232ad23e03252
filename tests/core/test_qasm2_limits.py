# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 2 reader at its limits: long, deep and endless programs, expressions, and that no text upsets it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore.circuit import QuantumCircuit
from qstore.circuit.qasm2 import definitions, loads, reader
from qstore.circuit.text import source, tokens
from qstore.errors import CircuitFormatError

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
PI = math.pi


def read(body):
    return loads(HEADER + body)


def test_limits_are_stated_and_kept(monkeypatch):
    monkeypatch.setattr(source, "MAX_CHARACTERS", 100)
    with pytest.raises(CircuitFormatError, match="has 101 characters; at most 100 are read"):
        loads(" " * 101)
    monkeypatch.undo()
    monkeypatch.setattr(reader, "MAX_OPERATIONS", 10)
    assert len(read("qreg q[5]; h q; h q;")) == 10
    with pytest.raises(
        CircuitFormatError, match=r"Line 3, column 22: The circuit has more than 10 operations"
    ):
        read("qreg q[5]; h q; h q; h q;")
    with pytest.raises(CircuitFormatError, match="more than 10 operations"):
        read("qreg q[11]; reset q;")


def test_a_few_lines_cannot_ask_for_endless_work():
    doubling = "gate g0 a { h a; }" + "".join(
        f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}" for i in range(1, 90)
    )
    with pytest.raises(CircuitFormatError, match="more than 1000000 operations"):
        read(f"{doubling} qreg q[1]; g89 q[0];")
    empty = doubling.replace("{ h a; }", "{ }")
    with pytest.raises(CircuitFormatError, match="takes more than 20000000 steps"):
        read(f"{empty} qreg q[1]; g89 q[0];")
    chain = "gate g0 a { h a; }" + "".join(f"gate g{i} a {{ g{i - 1} a; }}" for i in range(1, 101))
    with pytest.raises(CircuitFormatError, match="Definitions of gates are nested deeper than 100 levels"):
        read(chain)
    assert len(read(chain.replace("gate g100 a { g99 a; }", "qreg q[1];g99 q;"))) == 1


@pytest.mark.parametrize("opening", ["(", "-", "+", "sin(", "1^", "1-("])
def test_nesting_is_limited_and_length_is_not(opening):
    with pytest.raises(CircuitFormatError, match="nested deeper than 100 levels"):
        read(f"qreg q[1]; rx({opening * 100_000}1) q[0];")
    closing = ")" * opening.count("(")
    read(f"qreg q[1]; rx({opening * 40}1{closing * 40}) q[0];")
    assert read(f"qreg q[1]; rx({'1+' * 5000}1) q[0];") == QuantumCircuit(1).rx(0, 5001)


def test_long_numbers_are_read_or_refused():
    zeros = "0" * 10_000
    assert read(f"qreg q[{zeros}2]; h q[{zeros}1];") == QuantumCircuit(2).h(1)
    assert read(f"qreg q[1]; rx({zeros}.5{zeros}) q[0];") == QuantumCircuit(1).rx(0, 0.5)
    for text in (f"qreg q[1{zeros}];", f"qreg q[1]; rx(1{zeros}) q[0];", f"qreg q[1]; rx(1e1{zeros}) q[0];"):
        with pytest.raises(CircuitFormatError, match="too large"):
            read(text)


def test_the_limits_are_those_of_the_documentation():
    assert reader.MAX_OPERATIONS == 1_000_000
    assert definitions.MAX_DEPTH == 100
    assert source.MAX_CHARACTERS == 2**26
    assert tokens.MAX_NAME == 255


# Expressions


def expressions():
    numbers_ = st.one_of(
        st.integers(0, 9).map(lambda n: (str(n), float(n))),
        st.floats(0, 9).map(lambda x: (f"{x:.3f}", float(f"{x:.3f}"))),
        st.just(("pi", PI)),
    )

    def binary(pair):
        sign, (left, a), (right, b) = pair
        return f"({left}){sign}({right})", {"+": a + b, "-": a - b, "*": a * b}[sign]

    def unary(pair):
        name, (inner, a) = pair
        return (f"-({inner})", -a) if name == "-" else (f"{name}({inner})", getattr(math, name)(a))

    return st.recursive(
        numbers_,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from("+-*"), inner, inner).map(binary),
            st.tuples(st.sampled_from(["-", "sin", "cos"]), inner).map(unary),
        ),
        max_leaves=12,
    )


@given(expressions())
def test_expressions_have_their_values(pair):
    text, value = pair
    if abs(value) < 1e12:
        for body in (f"rx({text}) q[0];", f"gate g(x,y) a {{ rx({text}+x-y) a; }} g(2,2) q[0];"):
            (op,) = read(f"qreg q[1]; {body}").operations
            assert op.angles[0].constant == pytest.approx(value, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1-2-3", -4), ("2*3+4", 10), ("2+3*4", 14), ("8/4/2", 1), ("-2^2", -4), ("2^-1", 0.5), ("2^3^2", 512),
     ("2^-1*3", 1.5), ("-2*3", -6), ("2--3", 5), ("+-+2", -2), ("1.e1", 10), (".5e-1", 0.05), ("2E+1", 20),
     ("5/2", 2.5), ("exp(ln(2))", 2), ("sqrt(9)", 3), ("tan(pi/4)", 1), ("3*pi/2", 1.5 * PI), ("007", 7)],
)  # fmt: skip
def test_precedence_is_that_of_arithmetic(text, value):
    (op,) = read(f"qreg q[1]; rx({text}) q[0];").operations
    assert op.angles[0].constant == pytest.approx(value, rel=1e-15)


# Whatever the text


def parses_or_refuses(text):
    try:
        loads(text)
    except CircuitFormatError as exc:
        assert str(exc)  # noqa: PT017  # nothing else may be raised


@settings(max_examples=300)
@given(st.one_of(st.text(), st.binary(), st.text().map(lambda text: HEADER + text)))
def test_any_text_is_read_or_refused(text):
    parses_or_refuses(text)


WORDS = ["qreg", "creg", "gate", "opaque", "if", "measure", "reset", "barrier", "include", '"qelib1.inc"', "q", "c", "g",
         "h", "cx", "rx", "u3", "pi", "sin", "0", "1", "2", "3.5", "1e400", "(", ")", "[", "]", "{", "}", ",", ";", "->",
         "==", "+", "-", "*", "/", "^", "U", "CX", "qreg q[2];", "creg c[2];", "gate g(a) b {", "h q[0];", "q[1]", "c[0]",
         "measure q -> c;", "if(c==1)", "rx(pi/2)"]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_any_sequence_of_words_is_read_or_refused(words):
    parses_or_refuses(HEADER + "qreg q[2]; creg c[2];" + " ".join(words))


EXAMPLE = (
    HEADER
    + """
gate majority(angle) a,b,c { cx c,b; rz(angle/2 + sin(pi)) a; ccx a,b,c; barrier a,b; }
qreg q[4]; creg c[2]; creg flag[1];
majority(0.25) q[0],q[1],q[2];
measure q[3] -> flag[0];
if (flag == 1) x q[0];
reset q[1]; h q;
measure q[0] -> c[0];
"""
)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 12), st.text(max_size=4)),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_program_is_read_or_refused(changes):
    text = EXAMPLE
    for position, removed, inserted in changes:
        text = text[:position] + inserted + text[position + removed :]
    parses_or_refuses(text)


def test_the_example_that_gets_damaged_is_read():
    assert len(loads(EXAMPLE)) == 10
