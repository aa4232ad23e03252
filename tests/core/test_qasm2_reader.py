# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 2 reader: what it makes of programs, and what it refuses and where."""

import math

import numpy as np
import pytest
from dense_backend import unitary

from qstore.circuit import Condition, Operation, QuantumCircuit
from qstore.circuit.qasm2 import loads, matches
from qstore.errors import CircuitFormatError

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
PI = math.pi


def read(body):
    return loads(HEADER + body)


def same_up_to_phase(left, right, atol=1e-12):
    left, right = (unitary(each) if isinstance(each, QuantumCircuit) else each for each in (left, right))
    phase = np.vdot(right, left)
    return np.allclose(left, phase / abs(phase) * right, atol=atol)


def test_a_program_becomes_the_circuit_it_says():
    text = """// a comment before the header
    OPENQASM 2.0;
    include "qelib1.inc"; // the built-in library
    qreg a[2]; creg c[2];
    qreg b[1];
    h a[0]; cx a[0],a[1];
    barrier a, b[0];
    u(pi/2, 0.25, -1e-3) b[0];
    rz(3*pi/4) a[1];
    CX b[0], a[0];
    U(0,0,.5) a[0];
    measure a -> c;
    """
    expected = QuantumCircuit(3).h(0).cx(0, 1).u(2, PI / 2, 0.25, -1e-3).rz(1, 3 * PI / 4)
    assert loads(text) == expected.cx(2, 0).u(0, 0, 0, 0.5)
    assert loads(text.encode()) == loads("\ufeff" + text) == QuantumCircuit.from_qasm2(text) == loads(text)
    assert QuantumCircuit.from_any(text) == QuantumCircuit.from_any(text.encode()) == loads(text)


LIBRARY = {
    "u3(0.1,0.2,0.3)": ("u", 0.1, 0.2, 0.3), "u2(0.1,0.2)": ("u", PI / 2, 0.1, 0.2), "u1(0.1)": ("p", 0.1),
    "u0(3)": ("i",), "id": ("i",), "u(0.1,0.2,0.3)": ("u", 0.1, 0.2, 0.3), "p(0.1)": ("p", 0.1), "sx": ("sx",),
    "sxdg": ("sxdg",), "x": ("x",), "y": ("y",), "z": ("z",), "h": ("h",), "s": ("s",), "sdg": ("sdg",), "t": ("t",),
    "tdg": ("tdg",), "rx(0.1)": ("rx", 0.1), "ry(0.1)": ("ry", 0.1), "rz(0.1)": ("rz", 0.1), "cx": ("cx",),
    "cy": ("cy",), "cz": ("cz",), "ch": ("ch",), "swap": ("swap",), "crx(0.1)": ("crx", 0.1), "cry(0.1)": ("cry", 0.1),
    "crz(0.1)": ("crz", 0.1), "cu1(0.1)": ("cp", 0.1), "cp(0.1)": ("cp", 0.1), "cu3(0.1,0.2,0.3)": ("cu", 0.1, 0.2, 0.3, 0.0),
    "cu(0.1,0.2,0.3,0.4)": ("cu", 0.1, 0.2, 0.3, 0.4), "rxx(0.1)": ("rxx", 0.1), "rzz(0.1)": ("rzz", 0.1),
    "ccx": ("ccx",), "cswap": ("cswap",),
}  # fmt: skip


@pytest.mark.parametrize("call", LIBRARY)
def test_gates_of_the_library_are_rows_of_the_gate_table(call):
    row, *angles = LIBRARY[call]
    n = Operation(row, ()).spec.n_qubits
    qubits = tuple(reversed(range(n)))
    listed = ",".join(f"q[{q}]" for q in qubits)
    assert read(f"qreg q[{n}]; {call} {listed};") == QuantumCircuit(n).append(row, qubits, angles)


def controlled(matrix, times):
    for _ in range(times):
        size = len(matrix)
        bigger = np.eye(2 * size, dtype=complex)
        bigger[1::2, 1::2] = matrix
        matrix = bigger
    return matrix


@pytest.mark.parametrize(
    ("call", "matrix", "controls"),
    [("csx", np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2, 1), ("c3x", np.array([[0, 1], [1, 0]]), 3),
     ("c3sqrtx", np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2, 3), ("c4x", np.array([[0, 1], [1, 0]]), 4)],
)  # fmt: skip
def test_gates_with_many_controls_have_their_matrices(call, matrix, controls):
    listed = ",".join(f"q[{q}]" for q in range(controls + 1))
    circuit = read(f"qreg q[{controls + 1}]; {call} {listed};")
    assert same_up_to_phase(circuit, controlled(matrix.astype(complex), controls))


@pytest.mark.parametrize(("call", "n"), [("rccx", 3), ("rc3x", 4)])
def test_relative_phase_gates_flip_like_those_with_true_phases(call, n):
    matrix = unitary(read(f"qreg q[{n}]; {call} {','.join(f'q[{q}]' for q in range(n))};"))
    flipped = controlled(np.array([[0, 1], [1, 0]], dtype=complex), n - 1)
    np.testing.assert_allclose(np.abs(matrix), flipped.real, atol=1e-12)


def test_gates_of_the_text_are_expanded_with_their_angles():
    text = """qreg q[3];
    gate half(a) x { rz(a/2) x; }
    gate both(a,b) x, y { half(2*a) x; barrier x,y; half(b - a) y; cx y,x; }
    gate nothing() x { }
    gate also x {}
    both(0.5, -(1)) q[2], q[0];
    nothing() q[0]; also q;"""
    assert read(text) == QuantumCircuit(3).rz(2, 0.5).rz(0, -0.75).cx(0, 2)


def test_parameters_qubits_gates_and_registers_may_share_names():
    text = "qreg x[1]; gate y2(y2) y2 { rx(y2) y2; } y2(0.5) x[0]; x x[0];"
    assert read(text) == QuantumCircuit(1).rx(0, 0.5).x(0)


def test_whole_registers_go_along_in_step():
    text = "qreg a[2]; qreg b[2]; h a; cx a, b; cx a[1], b; ccx a, b, a2[0];".replace(
        "qreg b", "qreg a2[1]; qreg b"
    )
    expected = QuantumCircuit(5).h(0).h(1).cx(0, 3).cx(1, 4).cx(1, 3).cx(1, 4).ccx(0, 3, 2).ccx(1, 4, 2)
    assert read(text) == expected


def test_later_gates_of_the_library_may_be_defined_again_and_early_ones_may_not():
    mine = "gate rzz(t) a,b { cx a,b; u1(t) b; cx a,b; } qreg q[2]; rzz(0.3) q[0],q[1];"
    assert read(mine) == QuantumCircuit(2).cx(0, 1).p(1, 0.3).cx(0, 1)
    with pytest.raises(CircuitFormatError, match="There is a gate 'cx' already"):
        read("gate cx a,b { CX a,b; }")
    with pytest.raises(CircuitFormatError, match="There is a gate 'rzz' already"):
        read(mine.replace("qreg", "gate rzz(t) a,b {} qreg"))
    own = "OPENQASM 2.0; gate h a { U(pi/2,0,pi) a; } qreg q[1]; h q[0];"
    assert loads(own) == QuantumCircuit(1).u(0, PI / 2, 0, PI)


def test_a_definition_that_our_writer_writes_is_the_gate_itself():
    definition = "gate zz(theta) a,b { cx a,b; rz(theta) b; cx a,b; }"
    assert read(f"{definition} qreg q[2]; zz(0.5) q[1],q[0];") == QuantumCircuit(2).zz(1, 0, 0.5)
    other = definition.replace("theta", "t")
    assert read(f"{other} qreg q[2]; zz(0.5) q[1],q[0];") == QuantumCircuit(2).cx(1, 0).rz(0, 0.5).cx(1, 0)


# What measurements and resets mean


def test_measurements_at_the_end_are_left_out_and_others_stay():
    assert read("qreg q[2]; creg c[2]; h q[0]; measure q -> c;") == QuantumCircuit(2).h(0)
    assert read("qreg q[2]; creg c[2]; measure q[0] -> c[1]; measure q[0] -> c[0];") == QuantumCircuit(2)
    kept = read("qreg q[2]; creg c[2]; measure q -> c; h q[1];")
    assert kept == QuantumCircuit(2).measure(1, bit=1).h(1)
    read_later = read("qreg q[2]; creg a[3]; creg c[1]; measure q[0] -> c[0]; if (c == 1) x q[1];")
    expected = QuantumCircuit(2).measure(0, bit=3)
    with expected.when(3):
        expected.x(1)
    assert read_later == expected
    # Its bit is read, but only by a measurement that is left out itself.
    assert read(
        "qreg q[2]; creg c[1]; creg d[1]; measure q[0]->c[0]; if(c==1) measure q[1]->d[0];"
    ) == QuantumCircuit(2)


def test_a_reset_of_a_fresh_qubit_is_left_out():
    text = "qreg q[2]; reset q; x q[0]; reset q;"
    assert read(text) == QuantumCircuit(2).x(0).reset(0)


CONDITIONS = [
    ("creg c[1]; measure q[0]->c[0]; if(c==1)", Condition(0, 1)),
    ("creg c[1]; measure q[0]->c[0]; if(c==0)", Condition(0, 0)),
    ("creg c[1]; measure q[0]->c[0]; if(c==2)", "never"),
    ("creg c[1]; measure q[0]->c[0]; if(c==00001)", Condition(0, 1)),
    ("creg c[1]; measure q[0]->c[0]; if(c==" + "9" * 5000 + ")", "never"),
    ("creg c[3]; measure q[0]->c[1]; if(c==2)", Condition(1, 1)),
    ("creg c[3]; measure q[0]->c[1]; if(c==0)", Condition(1, 0)),
    ("creg c[3]; measure q[0]->c[1]; if(c==3)", "never"),
    ("creg c[3]; measure q[0]->c[1]; if(c==8)", "never"),
    ("creg c[3]; if(c==0)", None),
    ("creg c[3]; if(c==1)", "never"),
    ("creg b[2]; creg c[2]; measure q->b; measure q[0]->c[0]; if(c==1)", Condition(2, 1)),
]


@pytest.mark.parametrize(("text", "condition"), CONDITIONS, ids=range(len(CONDITIONS)))
def test_conditions_come_down_to_one_bit_where_the_others_cannot_be_set(text, condition):
    gates = [op for op in read(f"qreg q[2]; {text} x q[1];").operations if op.gate == "x"]
    assert [op.condition for op in gates] == ([] if condition == "never" else [condition])


def test_conditions_hold_for_everything_a_statement_becomes():
    text = "qreg q[3]; creg c[1]; gate two a { h a; t a; } measure q[0]->c[0]; if(c==1) two q; if(c==0) reset q[1]; x q;"
    operations = read(text).operations
    assert [op.gate for op in operations] == ["measure", *["h", "t"] * 3, "reset", "x", "x", "x"]
    assert [op.condition for op in operations[1:8]] == [Condition(0)] * 6 + [Condition(0, 0)]


# What is refused, and where

REFUSED = [
    ("", 1, 1, "Expected 'OPENQASM' as the first word of the program, found the end"),
    ("qreg q[1];", 1, 1, "Expected 'OPENQASM'"),
    ("OPENQASM 3.0;\n", 1, 10, "This reads OpenQASM 2.0, not '3.0'"),
    ("OPENQASM 2.0", 1, 13, "Expected ';', found the end of the program"),
    (HEADER, 3, 1, "declares no qubits"),
    (HEADER + "creg c[2];", 3, 11, "declares no qubits"),
    ('OPENQASM 2.0; include "other.inc";', 1, 23, "Only 'qelib1.inc' can be included"),
    ("OPENQASM 2.0; include qelib1;", 1, 23, 'Expected "qelib1.inc" in quotes'),
    ('OPENQASM 2.0; include "qelib1.inc', 1, 23, "no closing quote"),
    ("OPENQASM 2.0; qreg q[1]; h q[0];", 1, 26, 'comes with include "qelib1.inc"'),
    (HEADER + "qreg q[2];\n  hh q[0];", 4, 3, "No gate named 'hh'. Did you mean 'h'"),
    (HEADER + "qreg q[2]; cx q[0];", 3, 12, r"'cx' takes 2 qubit\(s\), got 1"),
    (HEADER + "qreg q[2]; rx q[0];", 3, 12, r"'rx' takes 1 parameter\(s\), got 0"),
    (HEADER + "qreg q[2]; h() q[0]; h(1) q[0];", 3, 22, r"'h' takes 0 parameter\(s\), got 1"),
    (HEADER + "qreg q[2]; cx q[1],q[1];", 3, 12, "'cx' acts on a qubit twice"),
    (HEADER + "qreg q[2]; cx q,q[1];", 3, 12, "'cx' acts on a qubit twice"),
    (HEADER + "qreg q[2]; qreg r[3]; cx q,r;", 3, 23, "different sizes: 2 and 3"),
    (HEADER + "qreg q[2]; h q[2];", 3, 16, r"'q' ends with q\[1\]"),
    (HEADER + "qreg q[2]; h q[-1];", 3, 16, "Expected the number of a qubit, found '-'"),
    (HEADER + "qreg q[2]; h q[0.0];", 3, 16, "Expected the number of a qubit"),
    (
        HEADER + "qreg q[2]; h q[99999999999];",
        3,
        16,
        "A number of 11 digits is too large for the number of a qubit",
    ),
    (
        HEADER + "qreg qubits[2]; h qubit[0];",
        3,
        19,
        "No quantum register named 'qubit'. Did you mean 'qubits'",
    ),
    (HEADER + "qreg q[2]; creg c[2]; h c[0];", 3, 25, "No quantum register named 'c'"),
    (HEADER + "qreg q[2]; measure q -> q;", 3, 25, "No classical register named 'q'"),
    (HEADER + "qreg q[2]; creg c[3]; measure q -> c;", 3, 23, r"2 qubit\(s\) cannot be measured into 3 bit"),
    (HEADER + "qreg q[2]; creg c[3]; measure q[0] - > c[0];", 3, 36, "Expected '->', found '-'"),
    (HEADER + "qreg q[0];", 3, 8, "at least one"),
    (HEADER + "qreg q[2]; qreg q[2];", 3, 17, "There is a register 'q' already"),
    (HEADER + "qreg q[2]; creg q[2];", 3, 17, "There is a register 'q' already"),
    (HEADER + "qreg pi[2];", 3, 6, "'pi' is a word of the language"),
    (HEADER + "qreg q[1000]; qreg r[25];", 3, 22, "1025 qubits; a circuit has at most 1024"),
    (HEADER + "creg q[4000]; creg r[97];", 3, 22, "4097 classical bits; a circuit has at most 4096"),
    (HEADER + "opaque magic a;", 3, 1, "opaque gate has nothing"),
    (HEADER + "gate g a { h b; }", 3, 14, "no qubit 'b', it has a"),
    (HEADER + "gate g a,a {}", 3, 10, "'a' occurs twice"),
    (HEADER + "gate g(t,t) a {}", 3, 10, "'t' occurs twice"),
    (HEADER + "gate g a { g a; }", 3, 12, "No gate named 'g'"),
    (HEADER + "gate g a { cx a,a; }", 3, 12, "'cx' names a qubit twice"),
    (HEADER + "gate g a { cx a; }", 3, 12, r"'cx' takes 2 qubit\(s\), got 1"),
    (HEADER + "gate g a { h a[0]; }", 3, 15, r"Expected ';', found '\['"),
    (HEADER + "gate g a { measure a; }", 3, 12, "No gate named 'measure'"),
    (HEADER + "gate g { }", 3, 8, "Expected the name of a qubit"),
    (HEADER + "gate g a { h a;", 3, 16, "Expected a statement, found the end"),
    (HEADER + "gate g(a) b { rx(c) b; }", 3, 18, "No parameter named 'c'; this gate has a"),
    (HEADER + "gate sin a {}", 3, 6, "'sin' is a word of the language"),
    (HEADER + "qreg q[1]; rx(theta) q[0];", 3, 15, "No parameter named 'theta'"),
    (HEADER + "qreg q[1]; rx(1/0) q[0];", 3, 15, "no finite value: .*division by zero"),
    (HEADER + "qreg q[1]; rx(ln(0)) q[0];", 3, 15, "no finite value"),
    (HEADER + "qreg q[1]; rx(sqrt(-1)) q[0];", 3, 15, "no finite value"),
    (HEADER + "qreg q[1]; rx((-1)^0.5) q[0];", 3, 15, "no finite value"),
    (HEADER + "qreg q[1]; rx(10^400) q[0];", 3, 15, "no finite value"),
    (HEADER + "qreg q[1]; rx(1e200*1e200) q[0];", 3, 15, "no finite value"),
    (HEADER + "qreg q[1]; rx(2*1e999) q[0];", 3, 17, "number is too large"),
    (HEADER + "qreg q[1]; rx(1.0.0) q[0];", 3, 18, r"Expected '\)', found '.0'"),
    (HEADER + "qreg q[1]; rx(2 pi) q[0];", 3, 17, r"Expected '\)', found 'pi'"),
    (HEADER + "qreg q[1]; rx(1+) q[0];", 3, 17, "Expected a number"),
    (HEADER + "qreg q[1]; rx(sin 1) q[0];", 3, 19, r"Expected '\('"),
    (HEADER + "gate g(a) b { rx(1/a) b; }\nqreg q[1]; g(0) q[0];", 4, 12, "An angle of 'g' has no value"),
    (
        HEADER + "gate g(a) b { rx(a*1e300) b; }\nqreg q[1]; g(1e300) q[0];",
        4,
        12,
        "An angle of 'g' has no value",
    ),
    (HEADER + "qreg q[1]; if(q==1) x q[0];", 3, 15, "No classical register named 'q'"),
    (HEADER + "qreg q[1]; creg c[1]; if(c=1) x q[0];", 3, 27, "'=' has no meaning here"),
    (HEADER + "qreg q[1]; creg c[1]; if(c==-1) x q[0];", 3, 29, "Expected a whole number"),
    (HEADER + "qreg q[1]; creg c[1]; if(c==1) if(c==0) x q[0];", 3, 32, "No gate named 'if'"),
    (HEADER + "qreg q[1]; creg c[1]; if(c==1) barrier q;", 3, 32, "No gate named 'barrier'"),
    (
        HEADER + "qreg q[2]; creg c[2]; measure q->c; if(c==1) x q[0];",
        3,
        37,
        "condition on 2 measured bits of 'c'",
    ),
    (
        HEADER + "qreg q[2]; creg c[2]; measure q[0]->c[0]; if(c==1) measure q->c;",
        3,
        52,
        "cannot change the bit",
    ),
    (HEADER + "qreg q[1]; h q[0]", 3, 18, "Expected ';', found the end"),
    (HEADER + "qreg q[1]; ; ", 3, 12, "Expected a statement, found ';'"),
    (HEADER + "qreg q[1]; \u0127 q[0];", 3, 12, "'\u0127' has no meaning here"),
    (HEADER + "qreg q[1]; h q[\u0661];", 3, 16, "no meaning here"),
    (HEADER + "/* no */", 3, 1, "Expected a statement, found '/'"),
    (HEADER + f"qreg {'a' * 256}[1];", 3, 6, "A name of 256 characters; at most 255"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_refused_with_the_place_and_the_reason(text, line, column, message):
    with pytest.raises(CircuitFormatError, match=message) as caught:
        loads(text)
    assert str(caught.value).startswith(f"Line {line}, column {column}: ")


def test_an_error_shows_the_line_with_a_caret_below_the_place():
    with pytest.raises(CircuitFormatError) as caught:
        read("qreg q[2];\n\trz(2*alpha) q[0]; // fine\nh q;")
    assert str(caught.value).splitlines()[1:] == ["     rz(2*alpha) q[0]; // fine", "          ^~~~~"]
    with pytest.raises(CircuitFormatError) as caught:
        read("qreg q[2];" + " " * 10_000 + "hh q;" + " " * 10_000)
    _, excerpt, caret = str(caught.value).splitlines()
    assert len(excerpt) < 120
    assert excerpt[caret.index("^") :].startswith("hh q;")


@pytest.mark.parametrize("given_thing", [None, 5, {}, ["OPENQASM 2.0;"], bytearray(b"OPENQASM 2.0;")])
def test_only_text_is_read(given_thing):
    with pytest.raises(CircuitFormatError, match="read from str or bytes"):
        loads(given_thing)
    assert not matches(given_thing)


def test_bytes_must_be_utf8():
    with pytest.raises(CircuitFormatError, match="not UTF-8"):
        loads(b"OPENQASM 2.0; \xff")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("OPENQASM 2.0;", True), ("// hi\n\n  OPENQASM 2;", True), (b"OPENQASM 2.0;", True), ("OPENQASM\n2.0;", True),
     ("OPENQASM 3.0;", False), ("", False), ("{}", False), ("qreg q[2];", False), (b"\xff\xfe", False), (5, False)],
)  # fmt: skip
def test_the_converter_knows_its_texts(text, expected):
    assert matches(text) is expected
