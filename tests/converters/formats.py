# SPDX-License-Identifier: Apache-2.0
"""Each format with its judge: the library's own unitary of its own circuit, in our order of bits.

Libraries are imported when their format is used, and a format whose library is missing says so.
"""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import qstore as qs
from qstore.circuit.entries import entry_values

CIRQ_WORDS = {"s": ("S", 1), "si": ("S", -1), "t": ("T", 1), "ti": ("T", -1), "v": ("X", 0.5), "vi": ("X", -0.5),
              "x": ("X", 1), "y": ("Y", 1), "z": ("Z", 1), "h": ("H", 1), "swap": ("SWAP", 1)}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How one format is written, read and judged.

    Attributes:
        name: in `circuit.to(name)`.
        modules: what the judge needs.
        unitary: (theirs, n) to their matrix in our order.
        bind: (theirs with symbols, circuit, row) to theirs with numbers; None where there are no symbols.
        exact: whether the global phase must agree, too.
    """

    name: str
    modules: tuple[str, ...]
    unitary: Callable[[Any, int], np.ndarray]
    bind: Callable[[Any, Any, Any], Any] | None = None
    exact: bool = True

    def missing(self):
        """The first module that is not installed, or an empty string."""
        for module in self.modules:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    importlib.import_module(module)
            except ImportError:
                return module
        return ""


def our_unitary(circuit, row=None):
    """From the gates' own matrices, index by index, apart from everything that converters use."""
    n = circuit.n_qubits
    index = np.arange(1 << n)
    total = np.eye(1 << n, dtype=complex)
    for op in circuit.operations:
        matrix = op.matrix() if op.unitary else op.matrix(row)
        inside = sum((index >> q & 1) << i for i, q in enumerate(op.qubits))
        outside = index & ~sum(1 << q for q in op.qubits)
        total = np.where(outside[:, None] == outside[None, :], matrix[np.ix_(inside, inside)], 0) @ total
    return total


def reversed_bits(matrix):
    """A matrix whose first qubit was the most significant one."""
    n = len(matrix).bit_length() - 1
    axes = [*reversed(range(n)), *reversed(range(n, 2 * n))]
    return np.asarray(matrix).reshape((2,) * (2 * n)).transpose(axes).reshape(1 << n, 1 << n)


def distance(left, right, *, exact):
    """The largest entry of the difference; up to a global phase if not exact."""
    if left.shape != right.shape:
        return np.inf
    if not exact:
        overlap = np.vdot(right, left)
        right = right * (overlap / abs(overlap) if abs(overlap) > 1e-12 else 1)
    return float(np.abs(left - right).max())


def _cirq(theirs, n):
    import cirq

    qubits = cirq.LineQubit.range(n)
    return theirs.unitary(qubit_order=qubits[::-1], qubits_that_should_be_present=qubits, dtype=np.complex128)


def _bind_cirq(theirs, circuit, row):
    import cirq

    return cirq.resolve_parameters(theirs, entry_values(circuit, row))


def _qiskit(theirs, n):
    from qiskit.quantum_info import Operator

    assert theirs.num_qubits == n
    return Operator(theirs).data


def _bind_qiskit(theirs, circuit, row):
    return theirs.assign_parameters(entry_values(circuit, row), strict=False)


def _pennylane(theirs, n):
    import pennylane as qml

    return reversed_bits(qml.matrix(theirs, wire_order=range(n)))


def _bind_pennylane(theirs, circuit, row):
    import pennylane as qml

    values = entry_values(circuit, row)

    def number(value):
        return (
            float(value.subs({s: values[s.name] for s in value.free_symbols}))
            if hasattr(value, "subs")
            else value
        )

    operations = [
        qml.ops.functions.bind_new_parameters(op, [number(v) for v in op.data]) for op in theirs.operations
    ]
    return qml.tape.QuantumScript(operations)


def _braket(theirs, n):
    assert theirs.qubit_count == n
    return reversed_bits(theirs.to_unitary())


def _bind_braket(theirs, circuit, row):
    return theirs.make_bound_circuit(entry_values(circuit, row, identifier=True))


def _qasm2(theirs, n):
    from qiskit import qasm2

    return _qiskit(qasm2.loads(theirs, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS), n)


def _qasm3(theirs, n):
    from qiskit import qasm3

    return _qiskit(qasm3.loads(theirs), n)


def _bind_qasm3(theirs, circuit, row):
    from qiskit import qasm3

    from qstore.circuit.qasm3.escapes import escaped_name

    loaded = qasm3.loads(theirs)
    values = {
        escaped_name(name): value for name, value in entry_values(circuit, row, identifier=True).items()
    }
    present = {parameter.name for parameter in loaded.parameters}
    return loaded.assign_parameters({name: values[name] for name in present})


def _unitary_of_bound_qasm3(theirs, n):
    return _qasm3(theirs, n) if isinstance(theirs, str) else _qiskit(theirs, n)


def _ionq(theirs, n):
    """Cirq's gates by the words of the service's documentation."""
    import cirq

    qubits = cirq.LineQubit.range(n)
    made = cirq.Circuit()
    rotations = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    for gate in theirs["circuit"]:
        name = gate["gate"]
        if name == "cnot":
            made.append(cirq.CNOT(qubits[gate["control"]], qubits[gate["target"]]))
        elif name in rotations:
            made.append(rotations[name](gate["rotation"])(qubits[gate["target"]]))
        elif name in {"xx", "yy", "zz"}:
            power = getattr(cirq, f"{name.upper()}PowGate")
            theta = gate["rotation"]
            made.append(
                power(exponent=theta / np.pi, global_shift=-0.5).on(*(qubits[q] for q in gate["targets"]))
            )
        else:
            word, exponent = CIRQ_WORDS[name]
            on = gate["targets"] if "targets" in gate else [gate["target"]]
            made.append((getattr(cirq, word) ** exponent).on(*(qubits[q] for q in on)))
    return _cirq(made, n)


FORMATS = {
    each.name: each
    for each in (
        Format("cirq", ("cirq",), _cirq, _bind_cirq),
        Format("qiskit", ("qiskit",), _qiskit, _bind_qiskit),
        Format("pennylane", ("pennylane",), _pennylane, _bind_pennylane),
        Format("braket", ("braket.circuits",), _braket, _bind_braket),
        Format("qasm2", ("qiskit",), _qasm2, exact=False),
        Format("qasm3", ("qiskit", "qiskit_qasm3_import"), _unitary_of_bound_qasm3, _bind_qasm3, exact=False),
        Format("ionq", ("cirq",), _ionq, exact=False),
    )
}


def write(circuit, name, **options):
    """Behind the door that users go through."""
    return circuit.to(name, **options)


def read(theirs):
    """Likewise."""
    return qs.QuantumCircuit.from_any(theirs)
