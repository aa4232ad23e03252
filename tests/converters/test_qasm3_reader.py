# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 3 reader and writer: what programs mean, what is refused and where, and what comes back of a circuit."""

import math
import time

import numpy as np
import pytest

from converters.formats import distance, our_unitary
from qstore.circuit import Condition, Parameter, QuantumCircuit
from qstore.circuit.qasm3 import dumps, loads, matches, quantum, statements
from qstore.errors import CircuitError, CircuitFormatError

HEADER = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
PI = math.pi


def read(body):
    return loads(HEADER + body)


def test_a_program_becomes_the_circuit_it_says():
    text = """// a comment before the header
    OPENQASM 3.1; /* and one
    over lines */ include "stdgates.inc";
    const float turn = pi / 4;
    int count = 2;
    input angle[32] theta;
    qubit[3] q; qubit a;
    @annotation that nobody needs
    h q[0]; CX q[0], a;
    barrier q;
    for uint i in [0:count] { rx(turn * i) q[i]; }
    for int i in {0, 2} ry(-turn) q[i];
    count += 1;
    if (count == 3) { z q[1]; } else { x q[1]; }
    rz(2 * theta + turn - theta / 4) a;
    let ends = q[0:2:2] ++ a;
    s ends;
    cx q[1], q[{0, 2}];
    """
    expected = (
        QuantumCircuit(4).h(0).cx(0, 3).rx(0, 0.0).rx(1, PI / 4).rx(2, PI / 2).ry(0, -PI / 4).ry(2, -PI / 4)
    )
    expected.z(1).rz(3, 1.75 * Parameter("theta") + PI / 4).s(0).s(2).s(3).cx(1, 0).cx(1, 2)
    assert loads(text) == expected
    assert loads(text.encode()) == loads("\ufeff" + text) == QuantumCircuit.from_qasm3(text) == expected
    assert QuantumCircuit.from_any(text) == QuantumCircuit.from_any(text.encode()) == expected


def test_old_declarations_and_missing_headers_are_read():
    assert loads("qreg q[2]; creg c[2]; U(0.1, 0.2, 0.3) q[1]; c = measure q;") == QuantumCircuit(2).u(
        1, 0.1, 0.2, 0.3
    )


EXPRESSIONS = {
    "2 + 3 * 4 ** 2 / 8": 8.0, "-2 ** 2": -4.0, "2 ** -1": 0.5, "2 ** 3 ** 0": 2.0, "(1 + 2) * 3 % 5": 4.0,
    "0x1F + 0b11 + 0o7 + 1_000": 1041.0, "1 << 4 | 1": 17.0, "7 & 12 ^ 1": 5.0, "τ / 2 - π": 0.0, "ℇ - euler": 0.0,
    "sin(pi / 6) + cos(0) + sqrt(4.0)": 3.5, "float(3) / 2": 1.5, "int(2.7) + 0.5": 2.5, "mod(7, 4) + floor(2.9)": 5.0,
    "pow(2, 3) + exp(0) + log(1)": 9.0, "1e-3 + .5 + 2.": 2.501, "arccos(1) + arcsin(0) + arctan(0)": 0.0, "6 / 3": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_have_their_values(text):
    (op,) = read(f"qubit q; rx({text}) q;").operations
    assert op.angles[0].constant == pytest.approx(EXPRESSIONS[text], abs=1e-12)


def test_arrays_hold_angles():
    body = "const array[float[64], 2, 2] t = {{0.1, 0.2}, {0.3, 0.4}}; array[int, 3] order = {2, 0, 1}; order[0] = 1; qubit[3] q;"
    made = read(f"{body} for int i in order {{ rx(t[1, 0] + i) q[i]; }}")
    assert made == QuantumCircuit(3).rx(1, 1.3).rx(0, 0.3).rx(1, 1.3)


def test_inputs_come_back_as_the_arrays_their_names_say():
    w, x = Parameter("w", (2, 3)), Parameter("x")
    circuit = (
        QuantumCircuit(2).rx(0, w[0, 1]).ry(1, 2 * w[1, 0] - x).cu(0, 1, x, w[0, 1], 0.5, 0.25).p(0, "if")
    )
    for arrays in (False, True):
        assert loads(dumps(circuit, arrays=arrays)) == circuit
    assert "input float[64] w__1_2;" in dumps(circuit)  # not used, but it tells the shape
    assert "input float[64] x_;" in dumps(circuit)  # x is a gate
    assert "input array[float[64], 2, 3] w;" in dumps(circuit, arrays=True)
    contradicting = read("input float w__0; input float w__0_1; qubit q; rx(w__0 + w__0_1) q;")
    assert [p.shape for p in contradicting.parameters] == [(), ()]


def test_every_row_comes_back_from_what_is_written():
    from judges.random_circuits import UNITARIES
    from qstore.circuit import GATES

    for name in UNITARIES:
        spec = GATES[name]
        circuit = QuantumCircuit(3).append(
            name, tuple(reversed(range(spec.n_qubits))), [0.25, -1.5, 3.0, 0.1][: spec.n_angles]
        )
        assert loads(dumps(circuit)) == circuit, name


def test_feedback_comes_back():
    circuit = QuantumCircuit(3).h(0).measure(0, bit=2).reset(0)
    with circuit.when(2, 0):
        circuit.rx(1, "t").x(2)
    with circuit.when(2):
        circuit.reset(1).measure(1, bit=0)
    with circuit.when(0):
        circuit.h(2)
    assert loads(dumps(circuit)) == circuit
    assert loads(dumps(circuit, measure=True)) == circuit


def test_conditions():
    start = "qubit[2] q; bit[2] c; c[1] = measure q[0];"
    for test, wanted in {
        "c[1]": 1,
        "!c[1]": 0,
        "c[1] == 0": 0,
        "1 == c[1]": 1,
        "c == 2": 1,
        "c[1] != 1": 0,
        "c == 0": 0,
    }.items():
        last = read(f"{start} if ({test}) x q[1];").operations[-1]
        assert last.condition == Condition(1, wanted), test
    for test in ("c == 1", "c[0]", "c == 9", "false", "c[1] && false"):
        assert len(read(f"{start} if ({test}) x q[1]; h q[0];").operations) == 2, test
    both = read(f"{start} if (c[1]) {{ x q[1]; }} else {{ h q[1]; z q[1]; }}").operations
    assert [(op.gate, op.condition) for op in both[1:]] == [
        ("x", Condition(1)),
        ("h", Condition(1, 0)),
        ("z", Condition(1, 0)),
    ]


REFUSED = [
    ("OPENQASM 2.0;", 1, 10, "reads OpenQASM 3, not '2.0'"),
    (HEADER, 3, 1, "declares no qubits"),
    ('include "other.inc";', 1, 9, "Only 'stdgates.inc'"),
    ("qubit q; h q;", 1, 10, 'comes with include "stdgates.inc"'),
    (HEADER + "qubit q; hh q;", 3, 10, "No gate named 'hh'. Did you mean 'h'"),
    (HEADER + "qubit[2] q; cx q[0];", 3, 13, r"'cx' takes 2 qubit\(s\), got 1"),
    (HEADER + "qubit[2] q; cx q[0], q[0];", 3, 13, "acts on a qubit twice"),
    (HEADER + "qubit[2] q; h q[2];", 3, 17, r"'q' ends with q\[1\]"),
    (HEADER + "qubit[2] q; rx q[0];", 3, 13, r"takes 1 parameter\(s\), got 0"),
    (HEADER + "qubit q; rx(theta) q;", 3, 13, "No value named 'theta'"),
    (HEADER + "input float t; qubit q; rx(sin(t)) q;", 3, 28, "not affine"),
    (HEADER + "input float t; qubit q; rx(t * t) q;", 3, 30, "product of parameters"),
    (HEADER + "input int n; qubit q;", 3, 7, "inputs become parameters"),
    (HEADER + "input float t; qubit q; if (t > 0) x q;", 3, 31, "cannot be compared"),
    (HEADER + "input float t; qubit[4] q; x q[t];", 3, 32, "whole number"),
    (HEADER + "qubit q; rx(1/0) q;", 3, 14, "no value: .*zero"),
    (HEADER + "qubit q; rx(1/8) q;", 3, 14, "write 1.0/8"),
    (HEADER + "qubit q; rx(2**1000) q;", 3, 14, "64 bits"),
    (HEADER + "qubit q; rx(1 << 1000000000) q;", 3, 15, "a shift by"),
    (HEADER + "qubit q; while (true) { x q; }", 3, 10, "loops of unknown length are left out"),
    (HEADER + "def f(int n) { }", 3, 1, "subroutines are left out"),
    (HEADER + "qubit q; delay[10ns] q;", 3, 10, "times are left out"),
    (HEADER + "pragma braket noise;", 3, 1, "pragmas are left out"),
    (HEADER + "#pragma braket noise", 3, 1, "'#' has no meaning"),
    (HEADER + "const int n = 2; n = 3;", 3, 18, "is constant"),
    (HEADER + "int n = 2.5;", 3, 5, "whole number"),
    (HEADER + "uint[2] n = 4;", 3, 9, "does not fit 2 bits"),
    (HEADER + "qubit[2] q; bit[3] c; c = measure q;", 3, 23, r"2 qubit\(s\) cannot be measured into 3"),
    (HEADER + "qubit q; bit c; c = 1;", 3, 17, "written by measure only"),
    (HEADER + "qubit[2] q; bit[2] c; c = measure q; if (c == 1) x q[0];", 3, 44, "measured bits of 'c'"),
    (HEADER + "qubit[2] q; bit[2] c; c = measure q; if (c[0]) if (c[1]) x q[0];", 3, 48, "inside another one"),
    (HEADER + "qubit q; bit c; c = measure q; if (c) { c = measure q; x q; }", 3, 56, "measured again inside"),
    (HEADER + "qubit q; int n = 0; bit c; c = measure q; if (c) n = 1;", 3, 50, "cannot depend on a measured bit"),
    (HEADER + "gate g a { h b; }", 3, 14, "no qubit 'b', it has a"),
    (HEADER + "gate g a { g a; }", 3, 12, "No gate named 'g'"),
    (HEADER + "gate h a { }", 3, 6, "There is a gate 'h' already"),
    (HEADER + "qubit q; for int i in [0:0:3] x q;", 3, 23, "step 0"),
    (HEADER + "qubit[20] q; ctrl(13) @ x q[0], q[1];", 3, 25, r"takes 14 qubit\(s\)"),
    (HEADER + "qubit[20] q; ctrl(13) @ x " + ", ".join(f"q[{i}]" for i in range(14)) + ";", 3, 25, "13 controls"),
    (HEADER + "qubit[4] q; pow(0.5) @ ctrl @ cswap q[0], q[1], q[2], q[3];", 3, 31, "not whole"),
    (HEADER + "qubit q; pow(q) @ x q;", 3, 14, "wants a number"),
    (HEADER + "qubit q; { x q; }", 3, 10, "Expected a statement"),
    (HEADER + "qubit q; x q", 3, 13, "Expected ';', found the end"),
    (HEADER + "qubit q; if (true) { qubit r; }", 3, 28, "declared at the top"),
    (HEADER + "qubit[0] q;", 3, 10, "at least one"),
    (HEADER + "qubit[2000] q;", 3, 13, "at most 1024"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_refused_with_the_place_and_the_reason(text, line, column, message):
    with pytest.raises(CircuitFormatError, match=message) as caught:
        loads(text)
    assert str(caught.value).startswith(f"Line {line}, column {column}: "), str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, {}, bytearray(b"OPENQASM 3;")])
def test_only_text_is_read(wrong):
    with pytest.raises(CircuitFormatError, match="read from str or bytes"):
        loads(wrong)
    assert not matches(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("OPENQASM 3.0;", True), ("/* hi */ // ho\nOPENQASM 3;", True), (b"OPENQASM 3.1;", True), ("OPENQASM 2.0;", False),
     ("", False), ("{}", False), (b"\xff", False), ('"', False)],
)  # fmt: skip
def test_the_converter_knows_its_texts(text, expected):
    assert matches(text) is expected


@pytest.mark.parametrize("opening", ["(", "-", "!", "sin(", "float(", "1**", "1-(", "{"])
def test_nesting_is_limited_and_length_is_not(opening):
    with pytest.raises(CircuitFormatError, match="nested deeper than"):
        read(f"qubit q; rx({opening * 100_000}1) q;")
    assert read(f"qubit q; rx({'1+' * 5000}1) q;") == QuantumCircuit(1).rx(0, 5001)
    with pytest.raises(CircuitFormatError, match="nested deeper than"):
        read("qubit q; " + "if (true) { " * 1000)
    with pytest.raises(CircuitFormatError, match="nested deeper than"):
        read("qubit q; " + "for int i in [0:1] " * 1000 + "x q;")


def test_a_few_lines_cannot_ask_for_endless_work(monkeypatch):
    monkeypatch.setattr(statements, "MAX_STEPS", 100_000)
    doubling = "gate g0 a { h a; }" + "".join(
        f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}" for i in range(1, 45)
    )
    programs = [
        f"{doubling} qubit q; g44 q;",
        f"{doubling.replace('h a;', '')} qubit q; g44 q;",
        f"{doubling} qubit q; inv @ g44 q;",
        "qubit q; for int i in [0:1000000000] { x q; }",
        "qubit q; for int i in [0:1000000000] { }",
        "for int i in [0:100000] for int j in [0:100000] for int k in [0:100000] ;",
        "qubit[14] q; ctrl(11) @ ccx " + ", ".join(f"q[{i}]" for i in range(14)) + "; " + "gate r a { pow(60000) @ x a; }"
        "gate rr a { pow(60000) @ r a; } rr q[0];",
        "gate r a { pow(900000) @ h a; } qubit q; pow(1000000) @ r q;",
    ]  # fmt: skip
    for text in programs:
        start = time.monotonic()
        with pytest.raises(CircuitFormatError, match=r"more than|too long"):
            read(text)
        assert time.monotonic() - start < 60
    chain = "gate g0 a { h a; }" + "".join(f"gate g{i} a {{ g{i - 1} a; }}" for i in range(1, 60))
    with pytest.raises(CircuitFormatError, match=f"nested deeper than {quantum.MAX_DEPTH} levels"):
        read(chain)


def test_what_the_format_cannot_say_is_refused():
    with pytest.raises(CircuitError, match="OpenQASM 3 has no noise"):
        dumps(QuantumCircuit(1).depolarizing(0, p=0.1))
    with pytest.raises(CircuitError, match="amplitudes that depend on a parameter"):
        dumps(QuantumCircuit(1).initialize(Parameter("a", (2,))))
    with pytest.raises(CircuitError, match="rename the parameter 'my angle'"):
        dumps(QuantumCircuit(1).rx(0, "my angle"))


def test_many_controls_powers_and_inverses_are_exact():
    body = "gate g(t) a, b { gphase(t); rx(t) a; ctrl @ sx a, b; }"
    inner = our_unitary(
        QuantumCircuit(2).rx(0, 0.3).compose(QuantumCircuit(1).sx(0).controlled(), (1, 0))
    ) * np.exp(0.3j)
    for modifiers, matrix in {
        "": inner,
        "pow(3) @ ": inner @ inner @ inner,
        "inv @ ": inner.conj().T,
    }.items():
        made = our_unitary(
            read(
                f"{body} qubit[5] q; ctrl @ negctrl @ ctrl @ {modifiers}g(0.3) q[2], q[3], q[4], q[0], q[1];"
            )
        )
        expected = np.eye(32, dtype=complex)
        at = 4 + 16
        expected[at : at + 4, at : at + 4] = matrix
        assert distance(made, expected, exact=True) < 1e-12
