# SPDX-License-Identifier: Apache-2.0
"""Bodies of jobs."""


def job(*gates, backend="simulator", gateset="qis", qubits=None, **fields):
    """The body of a job with one circuit."""
    body = {"gateset": gateset, "circuit": list(gates)}
    if qubits is not None:
        body["qubits"] = qubits
    return {"type": "ionq.circuit.v1", "backend": backend, "input": body, **fields}


def batch(*circuits, backend="simulator", gateset="qis", **fields):
    """The body of a job with several circuits."""
    listed = [{"circuit": list(gates)} for gates in circuits]
    return {
        "type": "ionq.multi-circuit.v1", "backend": backend, "input": {"gateset": gateset, "circuits": listed}, **fields
    }  # fmt: skip


H0 = {"gate": "h", "target": 0}
X0 = {"gate": "x", "target": 0}
BELL = (H0, {"gate": "cnot", "control": 0, "target": 1})
