# SPDX-License-Identifier: Apache-2.0
"""A job's circuit in native gates, for those who want to see it.

What was submitted in native gates is shown as it is, the rest as qstore's own compiler makes it, with its relabelling and
flips written out: running what is shown gives the outcomes of what was submitted. The emulator itself simulates the gates
as they were submitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qstore.errors import QStoreError
from qstore_ionq.emulator.circuits import PreflightError, read_program
from qstore_ionq.emulator.devices import DEVICES, NOISE_MODELS
from qstore_ionq.emulator.jobs import Job
from qstore_ionq.emulator.lowering import ANGLES, Noise, lowered
from qstore_ionq.emulator.service import Service
from qstore_ionq.emulator.validation import SINGLE
from qstore_ionq.emulator.wire import ApiError

__all__ = ["native_circuit"]

_MAX_GATES = 5_000
"""Compiling more would keep the server from answering."""


def native_circuit(service: Service, job: Job) -> dict[str, Any]:
    """The circuit in native gates.

    Raises:
        ApiError: 404, the job has not ended or has failed, or it has no circuit of its own, or too large a one.
    """
    if job.type != SINGLE or job.failure is not None or not job.is_final(service.clock.now()):
        raise ApiError(404, f"Job {job.id} has no compiled circuit.")
    given = _submitted(service, job)
    if job.native:
        return {"gateset": "native", "qubits": job.qubits, "circuit": given["circuit"]}
    if len(given["circuit"]) > _MAX_GATES:
        raise ApiError(404, f"The emulator compiles circuits of up to {_MAX_GATES} gates for show.")
    try:
        gates = _compiled(given["circuit"], job)
    except QStoreError as exc:
        raise ApiError(404, f"Job {job.id} has no compiled circuit: {exc}") from exc
    return {"gateset": "native", "qubits": job.qubits, "circuit": gates}


def _submitted(service: Service, job: Job) -> dict[str, Any]:
    """The input of one circuit, a child's taken from its parent's."""
    if job.parent_id is None:
        return dict(service.store.input(job.id)["input"])
    whole = service.store.input(job.parent_id)["input"]
    index = service.store.jobs[job.parent_id].child_ids.index(job.id)
    return {**{key: value for key, value in whole.items() if key != "circuits"}, **whole["circuits"][index]}


def _compiled(given: list[dict[str, Any]], job: Job) -> list[dict[str, Any]]:
    from qstore_ionq.native import compile_native  # not needed to emulate

    program = read_program(given, native=False, n_qubits=job.qubits, entanglers=(), limit=job.qubits)
    angles = np.array([angle for gate in program.gates if gate.commuting for angle in gate.angles])
    template = lowered(program, NOISE_MODELS["ideal"], Noise.NONE).freeze()
    entangler = DEVICES[job.backend].entanglers[0]
    bound = compile_native(template, entangler=entangler).bind({ANGLES: angles} if angles.size else {})
    # All wires start in |0>, so the one whose outcome is a qubit's may as well be called by that qubit's number.
    qubit_of = {wire: program.active[qubit] for qubit, wire in enumerate(bound.wire_of)}
    gates = bound.circuit(0)
    for gate in gates:
        if "target" in gate:
            gate["target"] = qubit_of[gate["target"]]
        else:
            gate["targets"] = [qubit_of[wire] for wire in gate["targets"]]
    flipped = [qubit_of[wire] for wire in bound.wire_of if bound.flips[wire][0]]
    gates += [{"gate": "gpi", "target": qubit, "phase": 0.0} for qubit in flipped]
    if not gates:
        raise PreflightError("InvalidInput", "nothing is left to do.")
    return gates
