# SPDX-License-Identifier: Apache-2.0
"""Our circuits in PennyLane's own gates, for gradients by backpropagation through its default.qubit."""

import pennylane as qml

import torch

PLAIN = {"i": qml.Identity, "x": qml.X, "y": qml.Y, "z": qml.Z, "h": qml.H, "s": qml.S, "t": qml.T, "sx": qml.SX,
         "rx": qml.RX, "ry": qml.RY, "rz": qml.RZ, "p": qml.PhaseShift, "u": qml.U3, "cx": qml.CNOT, "cy": qml.CY,
         "cz": qml.CZ, "ch": qml.CH, "swap": qml.SWAP, "iswap": qml.ISWAP, "crx": qml.CRX, "cry": qml.CRY,
         "crz": qml.CRZ, "cp": qml.ControlledPhaseShift, "rxx": qml.IsingXX, "ryy": qml.IsingYY, "rzz": qml.IsingZZ,
         "zz": qml.IsingZZ, "ccx": qml.Toffoli, "cswap": qml.CSWAP}  # fmt: skip
DAGGERS = {"sdg": qml.S, "tdg": qml.T, "sxdg": qml.SX}


def _apply(op, row):
    zero = torch.zeros((), dtype=torch.float64)
    angles = [
        zero + angle.constant + sum(c * row[p.name].reshape(-1)[i] for p, i, c in angle.terms)
        for angle in op.angles
    ]
    wires = list(op.qubits)
    if op.gate in PLAIN:
        PLAIN[op.gate](*angles, wires=wires)
    elif op.gate in DAGGERS:
        qml.adjoint(DAGGERS[op.gate](wires=wires))
    elif op.gate == "unitary":
        size = 1 << len(wires)
        qml.QubitUnitary(
            torch.tensor(op.unitary, dtype=torch.complex128).reshape(size, size), wires=wires[::-1]
        )
    elif op.gate == "initialize":
        vector = row[op.amplitudes.real.name].to(torch.complex128)
        if op.amplitudes.imag is not None:
            vector = vector + 1j * row[op.amplitudes.imag.name]
        qml.StatePrep(vector / torch.linalg.vector_norm(vector), wires=wires[::-1])
    elif op.gate == "cu":
        qml.PhaseShift(angles[3], wires=wires[0])
        qml.ctrl(qml.U3(*angles[:3], wires=wires[1]), control=wires[0])
    elif op.gate == "gpi":
        qml.RZ(-angles[0], wires=wires)
        qml.X(wires)
        qml.RZ(angles[0], wires=wires)
    elif op.gate == "gpi2":
        qml.RZ(-angles[0], wires=wires)
        qml.RX(torch.pi / 2, wires=wires)
        qml.RZ(angles[0], wires=wires)
    elif op.gate == "ms":
        for angle, wire in zip(angles[:2], wires, strict=True):
            qml.RZ(-angle, wires=wire)
        qml.IsingXX(angles[2], wires=wires)
        for angle, wire in zip(angles[:2], wires, strict=True):
            qml.RZ(angle, wires=wire)
    else:
        raise KeyError(op.gate)


def _pauli(observable):
    letters = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}
    summands = []
    for term in observable.terms:
        factors = [letters[letter](q) for q, letter in term.letters] or [qml.Identity(0)]
        summands.append(term.coefficient * (qml.prod(*factors) if len(factors) > 1 else factors[0]))
    return qml.sum(*summands) if len(summands) > 1 else summands[0]


def gradients(circuit, bindings, per_sample, observables, cotangent):
    """Gradients of sum(cotangent * expectations), row by row, by torch."""
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in bindings.items()}

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_qubits), interface="torch", diff_method="backprop")
    def run(row):
        for op in circuit.operations:
            _apply(op, row)
        return [qml.expval(_pauli(observable)) for observable in observables]

    total = 0
    for index, weights in enumerate(cotangent):
        row = {name: tensor[index] if name in per_sample else tensor for name, tensor in tensors.items()}
        total = total + sum(weight * value for weight, value in zip(weights, run(row), strict=True))
    total.backward()
    return {name: tensor.grad.numpy() if tensor.grad is not None else torch.zeros_like(tensor).numpy()
            for name, tensor in tensors.items()}  # fmt: skip
