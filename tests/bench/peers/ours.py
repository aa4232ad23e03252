# SPDX-License-Identifier: Apache-2.0
"""qstore's embedded simulator, asked through the public API only, in single precision."""

from __future__ import annotations

from typing import Any

import qstore as qs
from bench.workload import Array, Case, Workload
from qstore_sim.program.cost import flops_of


def circuit_of(case: Case, x: Array, w: Array) -> qs.QuantumCircuit:
    """The circuit with the parameters x and w."""
    sources = {"x": qs.Parameter("x", shape=x.shape[1:]), "w": qs.Parameter("w", shape=(w.size,))}
    circuit = qs.QuantumCircuit(case.qubits)
    if case.inputs == "amplitude":
        circuit.initialize(sources["x"])
    for step in case.instructions():
        circuit.append(step.gate, step.qubits, [sources[step.source][step.index]] if step.source else [])
    return circuit


def observables(case: Case) -> list[qs.Observable]:
    """The outputs."""
    paulis = {"X": qs.X, "Y": qs.Y, "Z": qs.Z}
    found = []
    for terms in case.paulis():
        total = qs.Observable()
        for coefficient, letters in terms:
            string = qs.I()
            for q, letter in enumerate(letters):
                if letter != "I":
                    string = string @ paulis[letter](q)
            total = total + coefficient * string
        found.append(total)
    return found


def build(case: Case, x: Array, w: Array, g: Array) -> Workload:
    """The training step by `value_and_vjp`, the forward step by `run`."""
    circuit = circuit_of(case, x, w)
    bindings = {"x": x, "w": w.ravel()}
    outputs = qs.Expectations(observables(case))
    backend = qs.get_backend("statevector", precision="single")

    def step() -> tuple[Any, Any, Any]:
        values, grads = qs.value_and_vjp(circuit, bindings, outputs, cotangent=g, backend=backend)
        return values, grads["x"], grads["w"].reshape(w.shape)

    def forward() -> Any:
        return qs.run(circuit, bindings, outputs, backend=backend).values

    flops = flops_of(backend, qs.CircuitBatch.of(circuit, bindings, outputs), gradient=True)
    return Workload(step, forward, flops)
