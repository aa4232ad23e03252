# SPDX-License-Identifier: Apache-2.0
"""The service's circuit JSON in Cirq's own gates, for judging what we send; none of our matrices enters."""

import cirq
import numpy as np

PI = np.pi
TURN = 2 * PI


def _native(gate, on):
    if gate["gate"] in ("gpi", "gpi2"):
        exponent, shift = (1.0, 0.0) if gate["gate"] == "gpi" else (0.5, -0.5)
        power = cirq.PhasedXPowGate(phase_exponent=2 * gate["phase"], exponent=exponent, global_shift=shift)
        return [power.on(on[0])]
    if gate["gate"] == "zz":
        return [cirq.ZZPowGate(exponent=2 * gate["angle"], global_shift=-0.5).on(*on)]
    first, second = gate["phases"]
    return [
        cirq.rz(-TURN * first).on(on[0]), cirq.rz(-TURN * second).on(on[1]),
        cirq.XXPowGate(exponent=2 * gate["angle"], global_shift=-0.5).on(*on),
        cirq.rz(TURN * first).on(on[0]), cirq.rz(TURN * second).on(on[1]),
    ]  # fmt: skip


_FIXED = {"x": cirq.X, "not": cirq.X, "y": cirq.Y, "z": cirq.Z, "h": cirq.H, "s": cirq.S, "si": cirq.S**-1, "t": cirq.T,
          "ti": cirq.T**-1, "v": cirq.X**0.5, "vi": cirq.X**-0.5, "swap": cirq.SWAP}  # fmt: skip
_TURNING = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
_PAIRS = {"xx": cirq.XXPowGate, "yy": cirq.YYPowGate, "zz": cirq.ZZPowGate}


def _qis(gate, on):
    name = gate["gate"]
    if name == "cnot":
        return [cirq.CNOT(*on)]
    if name in _FIXED:
        return [_FIXED[name].on(*on)]
    if name in _TURNING:
        return [_TURNING[name](gate["rotation"]).on(*on)]
    return [_PAIRS[name](exponent=gate["rotation"] / PI, global_shift=-0.5).on(*on)]


def cirq_circuit(gates, n_qubits, gateset):
    """The circuit and its qubits, the last one first: Cirq's first qubit is its most significant."""
    qubits = cirq.LineQubit.range(n_qubits)
    made = cirq.Circuit()
    for gate in gates:
        numbers = [gate[key] for key in ("control", "target") if key in gate] + gate.get("targets", [])
        assert all(0 <= q < n_qubits for q in numbers)
        made.append((_native if gateset == "native" else _qis)(gate, [qubits[q] for q in numbers]))
    return made, list(reversed(qubits))


def unitary(gates, n_qubits, gateset):
    made, order = cirq_circuit(gates, n_qubits, gateset)
    return made.unitary(qubit_order=order, qubits_that_should_be_present=order, dtype=np.complex128)


def probabilities(gates, n_qubits, gateset):
    made, order = cirq_circuit(gates, n_qubits, gateset)
    state = cirq.Simulator(dtype=np.complex128).simulate(made, qubit_order=order).final_state_vector
    return np.abs(state) ** 2


def distance(first, second):
    """Largest difference of two unitaries' entries, up to the global phase."""
    place = np.unravel_index(np.argmax(np.abs(second)), second.shape)
    return np.abs(first - first[place] / second[place] * second).max()
