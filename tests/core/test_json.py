# SPDX-License-Identifier: Apache-2.0
"""JSON both ways: what is written is read back equal, and nothing else is read."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import circuits

from qstore.circuit import GATES, Parameter, QuantumCircuit
from qstore.circuit.json_format import MAX_BYTES, MAX_OPERATIONS
from qstore.errors import CircuitFormatError


@given(circuits(extras=True, max_operations=12))
def test_what_is_written_is_read_back_equal(circuit):
    text = circuit.to_json()
    twin = QuantumCircuit.from_json(text)
    assert twin == circuit
    assert twin.parameters == circuit.parameters
    assert twin.to_json() == text == circuit.freeze().to_json()
    assert QuantumCircuit.from_json(text.encode()) == circuit


def test_every_gate_of_the_table_makes_the_round_trip():
    circuit = QuantumCircuit(4).initialize(Parameter("x", (2,)), 3).unitary(np.eye(8), (2, 0, 1)).measure(0)
    circuit.kraus([np.diag([1, 0.6]), np.diag([0, 0.8])], 1)
    for name, row in GATES.items():
        if row.n_qubits and name != "measure":
            circuit.append(name, tuple(range(row.n_qubits)), [f"a{i}" for i in range(row.n_angles)])
    assert set(circuit.gate_counts()) == set(GATES)
    assert QuantumCircuit.from_json(circuit.to_json()) == circuit


def document(**changes):
    plain = {"format": "qstore-circuit", "version": 1, "n_qubits": 2, "parameters": {"w": [2]},
             "operations": [{"gate": "rx", "qubits": [0], "angles": [[0.0, ["w", 1, 1.0]]]}]}  # fmt: skip
    return plain | changes


def with_operation(**operation):
    return document(operations=[*document()["operations"], operation])


HUGE = 10**400
REFUSED = [
    ("[]", "Not a qstore-circuit document"),
    ("{", "Not JSON"),
    (b"\xff\xfe{}", "Not JSON"),
    ("[" * 100_000, "Not JSON"),
    ('{"format": "qstore-circuit", "format": "qstore-circuit"}', "The key 'format' occurs twice"),
    (document(format="qasm"), "Not a qstore-circuit document"),
    (document(version=2), "Format version 2; this release reads version 1"),
    (document(version=True), "Format version True"),
    (document(version=None), "Format version None"),
    (document(extra=1), "The keys"),
    ({"format": "qstore-circuit", "version": 1}, "The keys"),
    (document(operations={}), "'operations' must be a list"),
    (document(n_qubits=0), "n_qubits must be an integer"),
    (document(n_qubits=2.0), "n_qubits must be an integer"),
    (document(n_qubits=-5), "n_qubits must be an integer"),
    (document(n_qubits=HUGE), "n_qubits must be an integer"),
    (document(parameters=[]), "is damaged"),
    (document(parameters={"w": "2"}), "is not a list"),
    (document(parameters={"w": [True]}), "'w'"),
    (document(parameters={"w": [2.5]}), "shape must be"),
    (document(parameters={"w": [-2]}), "at least 1"),
    (document(parameters={"": [2]}), "printable"),
    (document(parameters={"w": [HUGE, HUGE]}), "more than"),
    (document(parameters={"w": [2], "v": []}), r"parameters \['v'\] are declared but not used"),
    (with_operation(gate="hh", qubits=[0]), r"Operation 1 .* No gate named 'hh'"),
    (with_operation(gate=["h"], qubits=[0]), "No gate named"),
    (with_operation(gate=None, qubits=[0]), "No gate named"),
    (with_operation(gate="h", qubits=[2]), "'h' on qubit 2"),
    (with_operation(gate="h", qubits=[-1]), "'h' on qubit -1"),
    (with_operation(gate="h", qubits="0"), "'h' on qubit '0'"),
    (with_operation(gate="h", qubits=[0.0]), "'h' on qubit 0.0"),
    (with_operation(gate="h", qubits=0), "Operation 1"),
    (with_operation(gate="h"), "Operation 1"),
    (with_operation(gate="h", qubits=[0], color="red"), "unknown keys"),
    (with_operation(gate="h", qubits=[0], bit=0), "'h' does not take"),
    (with_operation(gate="cx", qubits=[0, 0]), "needs different qubits"),
    (with_operation(gate="rx", qubits=[0]), r"takes 1 angle\(s\), got 0"),
    (with_operation(gate="rx", qubits=[0], angles=["w"]), "neither a number nor a list"),
    (with_operation(gate="rx", qubits=[0], angles=[None]), "NoneType"),
    (with_operation(gate="rx", qubits=[0], angles=[True]), "bool"),
    (with_operation(gate="rx", qubits=[0], angles=[HUGE]), "not finite"),
    (with_operation(gate="rx", qubits=[0], angles=[["nan", ["w", 0, 1]]]), "is not a number"),
    (with_operation(gate="rx", qubits=[0], angles=[["0.5"]]), "is not a number"),
    (with_operation(gate="rx", qubits=[0], angles=[[]]), "Operation 1"),
    (with_operation(gate="rx", qubits=[0], angles=[[0, ["v", 0, 1]]]), "'v'"),
    (with_operation(gate="rx", qubits=[0], angles=[[0, ["w", 2, 1]]]), "entry 2 of 'w'"),
    (with_operation(gate="rx", qubits=[0], angles=[[0, ["w", -1, 1]]]), "entry -1 of 'w'"),
    (with_operation(gate="rx", qubits=[0], angles=[[0, ["w", 0, "1"]]]), "str '1'"),
    (with_operation(gate="rx", qubits=[0], angles=[[0, ["w", 0, HUGE]]]), "not finite"),
    (with_operation(gate="unitary", qubits=[0], unitary=[[1, 0]] * 4), "not unitary"),
    (with_operation(gate="unitary", qubits=[0], unitary=[[1, 0]]), "Operation 1"),
    (with_operation(gate="unitary", qubits=[0], unitary=[[HUGE, 0]] * 4), "Operation 1"),
    (with_operation(gate="unitary", qubits=[0], unitary=[["1", "0"]] * 4), "Operation 1"),
    (with_operation(gate="unitary", qubits=[0]), "'unitary'"),
    (with_operation(gate="kraus", qubits=[0], unitary=[[1, 0]] * 4), "no Kraus operators"),
    (with_operation(gate="kraus", qubits=[0], unitary=[[1, 0]] * 3), "whole operators"),
    (with_operation(gate="kraus", qubits=[0], unitary=[]), "Operation 1"),
    (with_operation(gate="kraus", qubits=[0]), "'unitary'"),
    (with_operation(gate="initialize", qubits=[1], amplitudes=[[1, 0], [1, 0]]), "have norm"),
    (with_operation(gate="initialize", qubits=[1], amplitudes={"imag": "w"}), "amplitudes name"),
    (with_operation(gate="initialize", qubits=[1], amplitudes={"real": "v"}), "'v'"),
    (with_operation(gate="initialize", qubits=[0], amplitudes={"real": "w"}), "have operations already"),
    (with_operation(gate="measure", qubits=[0]), "'bit'"),
    (with_operation(gate="measure", qubits=[0], bit=None), "names its bit"),
    (with_operation(gate="measure", qubits=[0, 1], bit=0), "Operation 1"),
    (with_operation(gate="measure", qubits=[0], bit=-1), "classical bit"),
    (with_operation(gate="measure", qubits=[0], bit=4096), "classical bit"),
    (with_operation(gate="measure", qubits=[0], bit=HUGE), "classical bit"),
    (with_operation(gate="x", qubits=[0], condition=[0, 1]), "No measurement has written"),
    (with_operation(gate="x", qubits=[0], condition=None), "Operation 1"),
    (with_operation(gate="x", qubits=[0], condition=[0]), "Operation 1"),
    (document(operations=[None]), "Operation 0"),
    (json.dumps(document()).replace("1.0", "NaN"), "NaN is not a finite number"),
    (json.dumps(document()).replace("1.0", "-Infinity"), "-Infinity is not a finite number"),
    (json.dumps(document()).replace("1.0", "1e999"), "not finite"),
    (json.dumps(document()).replace("0.0", "1e999"), "not finite"),
    (json.dumps(document()).replace("1.0", "9" * 5000), "Not JSON"),
    (json.dumps(document()).replace('"w"', '"\\ud800"'), "printable"),
]


@pytest.mark.parametrize(("given_document", "text"), REFUSED, ids=range(len(REFUSED)))
def test_damaged_documents_are_refused_with_the_reason(given_document, text):
    written = given_document if isinstance(given_document, str | bytes) else json.dumps(given_document)
    with pytest.raises(CircuitFormatError, match=text):
        QuantumCircuit.from_json(written)


def test_the_plain_document_itself_is_read():
    assert QuantumCircuit.from_json(json.dumps(document())) == QuantumCircuit(2).rx(
        0, Parameter("w", (2,))[1]
    )


@pytest.mark.parametrize("given_thing", [None, 5, {}, bytearray(b"{}")])
def test_only_text_is_read(given_thing):
    with pytest.raises(CircuitFormatError, match="read from str or bytes"):
        QuantumCircuit.from_json(given_thing)


def test_limits_are_stated_and_kept():
    with pytest.raises(CircuitFormatError, match=f"at most {MAX_BYTES}"):
        QuantumCircuit.from_json(" " * (MAX_BYTES + 1))
    with pytest.raises(
        CircuitFormatError, match=f"{MAX_OPERATIONS + 1} operations; at most {MAX_OPERATIONS}"
    ):
        QuantumCircuit.from_json(json.dumps(document(operations=[0] * (MAX_OPERATIONS + 1))))


WRONG = st.sampled_from(
    [None, True, -1, 0, 3, 1.5, HUGE, "", "w", "h", [], {}, [[]], [0], math.pi, {"real": "x"}]
)


def places(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*path, key))


@given(circuits(extras=True, max_operations=5), st.data())
def test_a_replaced_or_lost_piece_never_raises_anything_but_our_error(circuit, data):
    damaged = json.loads(circuit.to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in places(damaged) if path] or [()]))
        if not path:
            return
        parent = damaged
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent[path[-1]] = data.draw(WRONG)
        else:
            del parent[path[-1]]
    try:
        read = QuantumCircuit.from_json(json.dumps(damaged))
    except CircuitFormatError:
        return
    assert QuantumCircuit.from_json(read.to_json()) == read


@given(circuits(extras=True, max_operations=4), st.data())
def test_flipped_characters_never_raise_anything_but_our_error(circuit, data):
    text = bytearray(circuit.to_json().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CircuitFormatError):
        QuantumCircuit.from_json(bytes(text))
