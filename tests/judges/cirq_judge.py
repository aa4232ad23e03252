# SPDX-License-Identifier: Apache-2.0
"""Our circuits in Cirq's own gates (never our matrices), and Cirq's answers in our conventions."""

import itertools

import cirq
import numpy as np

from qstore.circuit import GATES

PI = np.pi


def _p(angle):
    return cirq.ZPowGate(exponent=angle / PI)


def _steps(name, a):
    """A gate as (cirq gate, positions) pairs; the first position is the first qubit of the row."""
    one = {"i": cirq.I, "x": cirq.X, "y": cirq.Y, "z": cirq.Z, "h": cirq.H, "s": cirq.S, "sdg": cirq.S**-1,
           "t": cirq.T, "tdg": cirq.T**-1, "sx": cirq.X**0.5, "sxdg": cirq.X**-0.5}  # fmt: skip
    two = {"cx": cirq.CNOT, "cy": cirq.ControlledGate(cirq.Y), "cz": cirq.CZ, "ch": cirq.ControlledGate(cirq.H),
           "swap": cirq.SWAP, "iswap": cirq.ISWAP}  # fmt: skip
    if name in one:
        return [(one[name], (0,))]
    if name in two:
        return [(two[name], (0, 1))]
    if name in ("rx", "ry", "rz"):
        return [(getattr(cirq, name)(a[0]), (0,))]
    if name in ("crx", "cry", "crz"):
        return [(cirq.ControlledGate(getattr(cirq, name[1:])(a[0])), (0, 1))]
    if name in ("rxx", "ryy", "rzz", "zz"):
        power = {"rxx": cirq.XXPowGate, "ryy": cirq.YYPowGate, "rzz": cirq.ZZPowGate, "zz": cirq.ZZPowGate}[
            name
        ]
        return [(power(exponent=a[0] / PI, global_shift=-0.5), (0, 1))]
    u = lambda theta, phi, lam: [_p(lam), cirq.ry(theta), _p(phi)]  # noqa: E731  # three lines for one formula
    return {
        "p": lambda: [(_p(a[0]), (0,))],
        "cp": lambda: [(cirq.CZPowGate(exponent=a[0] / PI), (0, 1))],
        "u": lambda: [(gate, (0,)) for gate in u(*a)],
        "cu": lambda: [(_p(a[3]), (0,)), *((cirq.ControlledGate(gate), (0, 1)) for gate in u(*a[:3]))],
        "ccx": lambda: [(cirq.TOFFOLI, (0, 1, 2))],
        "cswap": lambda: [(cirq.FREDKIN, (0, 1, 2))],
        "gpi": lambda: [(cirq.PhasedXPowGate(phase_exponent=a[0] / PI), (0,))],
        "gpi2": lambda: [(cirq.PhasedXPowGate(phase_exponent=a[0] / PI, exponent=0.5, global_shift=-0.5), (0,))],
        "ms": lambda: [(cirq.rz(-a[0]), (0,)), (cirq.rz(-a[1]), (1,)),
                       (cirq.XXPowGate(exponent=a[2] / PI, global_shift=-0.5), (0, 1)),
                       (cirq.rz(a[0]), (0,)), (cirq.rz(a[1]), (1,))],
    }[name]()  # fmt: skip


def _channel(name, angle):
    strength = np.sin(angle / 2) ** 2
    return {"amplitude_damping": cirq.amplitude_damp, "phase_damping": cirq.phase_damp,
            "depolarizing": cirq.depolarize, "bit_flip": cirq.bit_flip}[name](strength)  # fmt: skip


def cirq_circuit(circuit, row, record=()):
    """The operations behind `initialize`, and the initial state, in Cirq's order (last qubit first).

    Every measurement is the projection on its outcome in `record`, and conditions are decided by that.
    """
    n = circuit.n_qubits
    qubits = cirq.LineQubit.range(n)
    made = cirq.Circuit()
    factors = []
    outcomes, bits = iter(record), {}
    for op in circuit.operations:
        on = [qubits[q] for q in op.qubits]
        if op.gate == "measure":
            bits[op.bit] = next(outcomes)
            made.append(cirq.KrausChannel([np.diag([1.0 - bits[op.bit], float(bits[op.bit])])]).on(*on))
            continue
        if op.condition is not None and bits[op.condition.bit] != op.condition.value:
            continue
        angles = [angle.value(row) for angle in op.angles]
        if op.gate == "initialize":
            vector = (
                np.array(op.amplitudes.constant)
                if op.amplitudes.constant
                else row[op.amplitudes.real.name].astype(complex)
            )
            if op.amplitudes.imag is not None:
                vector = vector + 1j * row[op.amplitudes.imag.name]
            factors.append((op.qubits, vector / np.linalg.norm(vector)))
        elif op.gate == "unitary":
            size = 1 << len(on)
            made.append(cirq.MatrixGate(np.array(op.unitary).reshape(size, size)).on(*reversed(on)))
        elif op.gate == "reset":
            # Not cirq.reset: that normalises, and a projected state carries its record's probability.
            made.append(cirq.KrausChannel([np.array([[1, 0], [0, 0]]), np.array([[0, 1], [0, 0]])]).on(*on))
        elif op.gate == "kraus":
            made.append(cirq.KrausChannel(list(op.operators())).on(*reversed(on)))
        elif op.gate == "depolarizing2":
            made.append(cirq.depolarize(np.sin(angles[0] / 2) ** 2, n_qubits=2).on(*on))
        elif GATES[op.gate].kind.value == "channel":
            made.append(_channel(op.gate, angles[0]).on(on[0]))
        else:
            made.append(gate.on(*(on[i] for i in positions)) for gate, positions in _steps(op.gate, angles))
    return made, _initial(n, factors), list(reversed(qubits))


def _initial(n, factors):
    state = np.zeros(1 << n, dtype=complex)
    state[0] = 1
    for on, vector in factors:
        fresh = np.zeros_like(state)
        for index in np.flatnonzero(state):
            for sub, amplitude in enumerate(vector):
                fresh[index | sum((sub >> i & 1) << q for i, q in enumerate(on))] += state[index] * amplitude
        state = fresh
    return state


def statevector(circuit, row):
    made, initial, order = cirq_circuit(circuit, row)
    return (
        cirq.Simulator(dtype=np.complex128)
        .simulate(made, initial_state=initial, qubit_order=order)
        .final_state_vector
    )


def density_matrix(circuit, row):
    """The state, summed over all records of the measurements inside."""
    total = 0
    measurements = sum(op.gate == "measure" for op in circuit.operations)
    for record in itertools.product((0, 1), repeat=measurements):
        made, initial, order = cirq_circuit(circuit, row, record)
        simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
        start = np.outer(initial, initial.conj())
        total = total + simulator.simulate(made, initial_state=start, qubit_order=order).final_density_matrix
    return total


def pauli_matrix(observable, n):
    """The dense matrix of an observable, from Cirq's Pauli strings."""
    total = np.zeros((1 << n, 1 << n), dtype=complex)
    for term in observable.terms:
        string = cirq.DensePauliString("".join(dict(term.letters).get(q, "I") for q in reversed(range(n))))
        total += term.coefficient * cirq.unitary(string)
    return total


def expectation(observable, n, state):
    """<state| observable |state> by Cirq's Pauli strings, for sizes whose dense matrices are too large."""
    qubits = cirq.LineQubit.range(n)
    order = {qubit: n - 1 - q for q, qubit in enumerate(qubits)}
    letters = {"X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}
    total = 0.0
    for term in observable.terms:
        string = cirq.PauliString({qubits[q]: letters[letter] for q, letter in term.letters})
        total += (
            term.coefficient
            * string.expectation_from_state_vector(state, order, check_preconditions=False).real
        )
    return total
