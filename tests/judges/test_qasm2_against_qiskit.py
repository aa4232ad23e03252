# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 2 reader and writer against Qiskit's, and against Cirq's where its parser is installed."""

import numpy as np
import pytest

import qstore as qs
from judges import cirq_judge
from judges.random_circuits import random_circuit
from qstore.circuit.qasm2 import dumps, loads
from qstore.errors import CircuitFormatError

qiskit = pytest.importorskip("qiskit")
from qiskit import qasm2  # noqa: E402  # after the skip
from qiskit.circuit.random import random_circuit as qiskit_circuit  # noqa: E402
from qiskit.quantum_info import Operator, Statevector  # noqa: E402

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'


def same_up_to_phase(left, right, atol=1e-9):
    phase = np.vdot(right, left)
    return np.allclose(left, phase / abs(phase) * right, atol=atol)


def our_unitary(circuit):
    """Column by column, by the embedded simulator."""
    n = circuit.n_qubits
    columns = []
    for state in np.eye(1 << n):
        prepared = qs.QuantumCircuit(n).initialize(state)
        for op in circuit.operations:
            prepared.append_operation(op)
        columns.append(qs.run(prepared, {}, qs.StateVector()).values[0])
    return np.array(columns).T


def judged(text):
    """Qiskit's unitary of a program that may use the later library; its qubit 0 is the least significant, like ours."""
    return Operator(qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)).data


@pytest.mark.parametrize("seed", range(12))
def test_what_we_write_means_the_same_to_qiskit(seed):
    rng = np.random.default_rng(seed)
    n = 1 + seed % 4
    circuit, bindings = random_circuit(rng, n, 15 + 2 * n)
    row = qs.CircuitBatch.of(circuit, bindings).row_bindings(1)
    assert same_up_to_phase(
        Statevector(qasm2.loads(dumps(circuit, bindings=row))).data, cirq_judge.statevector(circuit, row)
    )


@pytest.mark.parametrize("initialize", ["real", "complex"])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_states_that_we_prepare_are_the_same_to_qiskit(n, initialize):
    circuit, bindings = random_circuit(np.random.default_rng(n), n, 6, initialize=initialize)
    row = qs.CircuitBatch.of(circuit, bindings).row_bindings(0)
    assert same_up_to_phase(
        Statevector(qasm2.loads(dumps(circuit, bindings=row))).data, cirq_judge.statevector(circuit, row)
    )


@pytest.mark.parametrize("seed", range(12))
def test_what_qiskit_writes_means_the_same_to_us(seed):
    n = 1 + seed % 4
    text = qasm2.dumps(qiskit_circuit(n, 6, max_operands=min(n, 4), seed=seed))
    assert same_up_to_phase(our_unitary(loads(text)), judged(text))


LIBRARY = [("u3", 3, 1), ("u2", 2, 1), ("u1", 1, 1), ("u", 3, 1), ("p", 1, 1), ("id", 0, 1), ("x", 0, 1),
           ("y", 0, 1), ("z", 0, 1), ("h", 0, 1), ("s", 0, 1), ("sdg", 0, 1), ("t", 0, 1), ("tdg", 0, 1), ("sx", 0, 1),
           ("sxdg", 0, 1), ("rx", 1, 1), ("ry", 1, 1), ("rz", 1, 1), ("cx", 0, 2), ("cy", 0, 2), ("cz", 0, 2),
           ("ch", 0, 2), ("swap", 0, 2), ("crx", 1, 2), ("cry", 1, 2), ("crz", 1, 2), ("cu1", 1, 2), ("cp", 1, 2),
           ("cu3", 3, 2), ("csx", 0, 2), ("cu", 4, 2), ("rxx", 1, 2), ("rzz", 1, 2), ("ccx", 0, 3), ("cswap", 0, 3),
           ("rccx", 0, 3), ("rc3x", 0, 4), ("c3x", 0, 4), ("c3sqrtx", 0, 4), ("c4x", 0, 5), ("U", 3, 1), ("CX", 0, 2)]  # fmt: skip


@pytest.mark.parametrize(("name", "n_parameters", "n"), LIBRARY, ids=[row[0] for row in LIBRARY])
def test_every_gate_of_the_library_is_qiskits(name, n_parameters, n):
    angles = f"({','.join(['0.3', '-1.7', '2.2', '0.9'][:n_parameters])})" if n_parameters else ""
    qubits = [f"q[{q}]" for q in range(n)]
    text = f"{HEADER}qreg q[{n}]; {name}{angles} {','.join(qubits[1:] + qubits[:1])};"
    assert same_up_to_phase(our_unitary(loads(text)), judged(text))


PROGRAMS = [
    "qreg a[2]; qreg b[2]; h a; cx a,b; rz(pi/8) b; cx a[0],b[1];",
    "gate f(x,y) a,b { rx(x*y) a; cx a,b; u3(x/2,-y,x^2) b; } qreg q[3]; f(0.3,pi/7) q[2],q[0]; f(-1,2) q[0],q[1];",
    "gate g(t) a { rz(sin(t)+cos(t)*tan(t/3)) a; rx(exp(-t)) a; ry(ln(t)-sqrt(t)) a; } qreg q[2]; g(0.7) q; g(3) q[1];",
    "gate a0 q { h q; } gate a1 q,r { a0 q; cx q,r; barrier q,r; a0 r; } qreg q[2]; qreg r[2]; a1 q,r; a1 r[1],q[0];",
    "gate empty a {} qreg q[1]; empty q; rx(-2^2) q; rx(2^-1) q; rx(2^3^2/100) q; rx(1-2-3) q; rx(8/4/2) q;",
    "qreg q[1]; rx(-pi^2/3) q; ry(+-+1.5e-1) q; rz(((2)))q; rx(2*-3) q; rx(.5) q; rx(1.) q; rx(1-(-(2))*3) q;",
]


@pytest.mark.parametrize("body", PROGRAMS, ids=range(len(PROGRAMS)))
def test_programs_mean_the_same_to_both(body):
    assert same_up_to_phase(our_unitary(loads(HEADER + body)), judged(HEADER + body))


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return str(rng.choice(["pi", "2", "0.7", "1.5e-1", "3", ".25"]))
    kind = rng.integers(4)
    inner = random_expression(rng, depth - 1)
    if kind == 0:
        return f"{rng.choice(['sin', 'cos', 'tan'])}({inner})"
    if kind == 1:
        return f"-{inner}"
    if kind == 2:
        return f"({inner})"
    return f"{inner}{rng.choice(list('+-*/^'))}{random_expression(rng, depth - 1)}"


def test_random_expressions_have_the_value_that_qiskit_gives_them():
    rng = np.random.default_rng(5)
    compared = 0
    for _ in range(300):
        text = f"{HEADER}qreg q[1]; rx({random_expression(rng, 5)}) q[0];"
        try:
            theirs = float(qasm2.loads(text).data[0].operation.params[0])
        except (qasm2.QASM2ParseError, ValueError):  # their integer powers and divisions by zero
            continue
        if not np.isfinite(theirs):
            continue
        (op,) = loads(text).operations
        assert op.angles[0].constant == pytest.approx(theirs, rel=1e-12, abs=1e-12), text
        compared += 1
    assert compared > 200


REFUSED_BY_BOTH = ["h q[2];", "cx q[0],q[0];", "cx q,q[1];", "hh q[0];", "h(1) q[0];", "h q[0]", "qreg q[1];",
                   "gate g a { g a; }", "gate g a { h b; }", "gate cx a,b { }", "measure q -> c[0];", "h c[0];",
                   "rx(alpha) q[0];", "rx(1+) q[0];", "if(q==1) h q[0];",                    'include "missing.inc";', "creg q[1];", "cx q[0];"]  # fmt: skip


@pytest.mark.parametrize("body", REFUSED_BY_BOTH)
def test_what_qiskit_refuses_we_refuse(body):
    text = f"{HEADER}qreg q[2]; creg c[3]; {body}"
    with pytest.raises(qasm2.QASM2ParseError):
        qasm2.loads(text)
    with pytest.raises(CircuitFormatError):
        loads(text)


def test_feedback_means_the_same_to_qiskit():
    circuit = qs.QuantumCircuit(2).h(0).measure(0, bit=1).reset(0)
    with circuit.when(1, 0):
        circuit.ry(1, 0.3)
    theirs = qasm2.loads(dumps(circuit))
    assert [instruction.operation.name for instruction in theirs.data] == ["h", "measure", "reset", "if_else"]
    assert loads(qasm2.dumps(qasm2.loads(dumps(circuit)))) == circuit


@pytest.mark.parametrize("seed", range(6))
def test_what_we_write_means_the_same_to_cirq(seed):
    pytest.importorskip("ply")
    importer = pytest.importorskip("cirq.contrib.qasm_import")
    import cirq

    n = 1 + seed % 3
    circuit, bindings = random_circuit(np.random.default_rng(seed), n, 15, gates=["h", "t", "sx", "rx", "ry", "rz", "cx", "cz", "swap", "ccx", "cswap", "crx", "ch", "u"])  # fmt: skip
    row = qs.CircuitBatch.of(circuit, bindings).row_bindings(0)
    theirs = importer.circuit_from_qasm(dumps(circuit, bindings=row))
    order = [cirq.NamedQubit(f"q_{q}") for q in reversed(range(n))]
    state = theirs.final_state_vector(
        qubit_order=order, ignore_terminal_measurements=True, dtype=np.complex128
    )
    assert same_up_to_phase(state, cirq_judge.statevector(circuit, row))
