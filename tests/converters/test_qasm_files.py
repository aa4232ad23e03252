# SPDX-License-Identifier: Apache-2.0
"""Programs as people write them: parsed, judged by Qiskit, written again in both languages, and the same circuit still.

`QSTORE_QASM_FILES` names a folder of more of them.
"""

import os
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
from converters.formats import distance, our_unitary, reversed_bits

qiskit = pytest.importorskip("qiskit")
pytestmark = pytest.mark.filterwarnings("ignore")
MORE = os.environ.get("QSTORE_QASM_FILES", "")
FILES = [
    *sorted((Path(__file__).parent / "qasm").glob("*.qasm")),
    *(sorted(Path(MORE).glob("*.qasm")) if MORE else []),
]
ALLOWED = 1e-9


def judged(text, bindings=None):
    from qiskit import qasm2
    from qiskit.quantum_info import Operator

    if "OPENQASM 2" in text:
        made = qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    else:
        pytest.importorskip("qiskit_qasm3_import")
        try:
            made = qiskit.qasm3.loads(text)
        except qiskit.qasm3.QASM3ImporterError:  # it reads no constants; Braket does
            return by_braket(text)
    made.remove_final_measurements()
    if made.parameters:
        made = made.assign_parameters({p.name: bindings[p.name] for p in made.parameters})
    return Operator(made).data


def by_braket(text):
    circuits = pytest.importorskip("braket.circuits")
    text = text.replace('include "stdgates.inc";', "gate cx a, b { ctrl @ x a, b; }")
    return reversed_bits(circuits.Circuit.from_ir(text).to_unitary())


def test_there_are_programs():
    assert len(FILES) >= 6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_program_means_the_same_to_qiskit_and_after_writing_it_again(path):
    text = path.read_text(encoding="utf-8")
    circuit = qs.QuantumCircuit.from_any(text)
    rng = np.random.default_rng(3)
    row = {p.name: rng.uniform(-3, 3, p.shape) for p in circuit.parameters}
    truth = our_unitary(circuit, row)
    named = qs.circuit.entries.entry_values(circuit, row, identifier=True)
    assert distance(judged(text, named), truth, exact=False) < ALLOWED
    for written in (circuit.to("qasm3"), circuit.to("qasm3", arrays=True), circuit.to("qasm2", bindings=row)):
        again = qs.QuantumCircuit.from_any(written)
        assert distance(our_unitary(again, row), truth, exact=False) < ALLOWED
        if "array" not in written:
            assert distance(judged(written, named), truth, exact=False) < ALLOWED
