# SPDX-License-Identifier: Apache-2.0
"""The native compiler, judged by Cirq on the service's documented matrices."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_ionq.native import IonQNativeCompiler, IonQOptimizer, compile_native

sys.path.insert(0, str(Path(__file__).parent))
import native_judge as judge

PI = math.pi


@pytest.mark.parametrize("entangler", ["ms", "zz"])
@pytest.mark.parametrize("symbolic", [0.0, 0.5])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_random_circuits_agree_with_cirq(entangler, symbolic, level):
    random = np.random.default_rng([level, int(2 * symbolic)])
    for _ in range(12):
        n = int(random.integers(1, 5))
        circuit = judge.random_circuit(random, n, int(random.integers(1, 25)), symbolic)
        program = compile_native(circuit, entangler, level=level)
        assert program.certificate.error <= 1e-10
        values = judge.values_of(circuit, random, (2,))
        bound = program.bind(values, list(values), 2)
        for row in (0, 1) if values else (0,):
            source = judge.source_unitary(circuit, {name: array[row] for name, array in values.items()})
            assert judge.deviation(bound, row, source) < 1e-9


@pytest.mark.parametrize("entangler", ["ms", "zz"])
def test_what_is_sent_lies_in_the_native_range(entangler):
    random = np.random.default_rng(5)
    circuit = judge.random_circuit(random, 4, 40, 0.6)
    values = judge.values_of(circuit, random, (50,))
    bound = compile_native(circuit, entangler).bind(values, list(values), 50)
    for row in range(50):
        for entry in json.loads(json.dumps(bound.circuit(row))):
            phases = entry.get("phases", [entry["phase"]] if "phase" in entry else [])
            assert all(-0.5 <= phase <= 0.5 for phase in phases)
            if entry["gate"] == "ms":
                assert 0 <= entry["angle"] <= 0.25
            elif entry["gate"] == "zz":
                assert -0.25 <= entry["angle"] <= 0.25


def test_shared_and_per_sample_bindings_bind_alike():
    w, x = qs.Parameter("w", shape=(2,)), qs.Parameter("x")
    circuit = qs.QuantumCircuit(2).rxx(0, 1, w[0] * 5).ry(0, x).rzz(0, 1, 3 * w[1] + x).rx(1, w[1])
    program = compile_native(circuit)
    random = np.random.default_rng(0)
    weights, data = random.uniform(-12, 12, 2), random.uniform(-12, 12, 5)
    together = program.bind({"w": weights, "x": data}, ["x"], 5)
    for row in range(5):
        alone = program.bind({"w": weights, "x": data[row]}, [], 1)
        assert together.circuit(row) == alone.circuit(0)
        assert together.outcomes(row, range(4)).tolist() == alone.outcomes(0, range(4)).tolist()


def test_a_swap_becomes_a_relabelling_that_outcomes_undo():
    circuit = qs.QuantumCircuit(3).x(0).swap(0, 2)
    bound = compile_native(circuit).bind({})
    assert bound.circuit(0) == []  # the X is a flip of the outcome, the SWAP a relabelling
    assert bound.outcomes(0, [0b000]).tolist() == [0b100]


@pytest.mark.parametrize(
    ("circuit", "entanglers"),
    [
        (qs.QuantumCircuit(2).cp(0, 1, 0.3), 1),
        (qs.QuantumCircuit(2).cx(0, 1).rz(1, 0.3).cx(0, 1), 1),
        (qs.QuantumCircuit(2).cx(0, 1).rz(1, "t").cx(0, 1), 1),
        (qs.QuantumCircuit(2).crx(0, 1, "t"), 1),
        (qs.QuantumCircuit(2).cx(0, 1).cx(1, 0).cx(0, 1), 0),
        (qs.QuantumCircuit(2).iswap(0, 1), 1),
        (qs.QuantumCircuit(3).ccx(0, 1, 2), 5),
        (qs.QuantumCircuit(2).cx(0, 1).cx(0, 1), 0),
        (qs.QuantumCircuit(2).rxx(0, 1, "t").rxx(0, 1, 0.2), 1),
    ],
)
def test_the_fewest_entanglers(circuit, entanglers):
    for entangler in ("ms", "zz"):
        assert compile_native(circuit, entangler).gate_counts[1] == entanglers


def test_a_layer_of_cx_between_all_pairs_takes_one_less_than_qubits():
    circuit = qs.QuantumCircuit(6)
    for a in range(6):
        for b in range(a + 1, 6):
            circuit.cx(a, b)
    assert compile_native(circuit).gate_counts[1] == 5


@pytest.mark.parametrize(("n", "plain", "fewest"), [(3, 6, 5), (8, 21, 19)])
def test_the_ends_of_an_ising_chain_are_compressed(n, plain, fewest):
    random = np.random.default_rng(n)
    circuit = qs.QuantumCircuit(n)
    for _ in range(3):
        for q in range(n - 1):
            circuit.rzz(q, q + 1, random.uniform(-3, 3))
        for q in range(n):
            circuit.rx(q, random.uniform(-3, 3))
    assert compile_native(circuit, level=1).gate_counts[1] == plain
    program = compile_native(circuit)
    assert program.gate_counts[1] == fewest
    assert program.certificate.error < 1e-10


def test_blocks_of_two_qubits_share_their_pulses():
    random = np.random.default_rng(3)
    circuit = qs.QuantumCircuit(4)
    for pairs in [((0, 1), (2, 3)), ((1, 2), (3, 0)), ((0, 2), (1, 3))]:
        for pair in pairs:
            matrix = np.linalg.qr(random.normal(size=(4, 4)) + 1j * random.normal(size=(4, 4)))[0]
            circuit.unitary(matrix, pair)
    pulses, entanglers = compile_native(circuit, "ms").gate_counts
    assert entanglers == 18
    assert pulses == 20  # one per wire and block, two per wire to measure; fixed axes take 32
    random_state = np.random.default_rng(0)
    bound = compile_native(circuit, "ms").bind({})
    assert (
        judge.deviation(bound, 0, judge.source_unitary(circuit, judge.values_of(circuit, random_state)))
        < 1e-9
    )


@pytest.mark.parametrize("entangler", ["ms", "zz"])
def test_three_qubit_unitaries_compile(entangler):
    random = np.random.default_rng(1)
    matrix = np.linalg.qr(random.normal(size=(8, 8)) + 1j * random.normal(size=(8, 8)))[0]
    circuit = qs.QuantumCircuit(3).unitary(matrix, (2, 0, 1))
    bound = compile_native(circuit, entangler).bind({})
    assert judge.deviation(bound, 0, judge.source_unitary(circuit, {})) < 1e-9


def test_amplitudes_are_compiled_and_bound_for_the_batch():
    a = qs.Parameter("a", shape=(4,))
    circuit = qs.QuantumCircuit(2).initialize(a).ry(0, "t")
    program = compile_native(circuit)
    random = np.random.default_rng(2)
    values = {"a": random.normal(size=(3, 4)), "t": np.float64(0.4)}
    bound = program.bind(values, ["a"], 3)
    for row in range(3):
        start = np.zeros(4)
        start[0] = 1
        native = np.abs(judge.native_unitary(bound.circuit(row), 2) @ start) ** 2
        found = np.zeros(4)
        found[bound.outcomes(row, range(4))] = native
        wanted = qs.run(circuit, {"a": values["a"][row], "t": values["t"]}).values[0]
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_large_circuits_are_checked_step_by_step():
    random = np.random.default_rng(0)
    circuit = qs.QuantumCircuit(16)
    w = qs.Parameter("w", shape=(16,))
    for layer in range(2):
        for q in range(16):
            circuit.ry(q, w[q] if layer else 0.1 * q).rx(q, 0.2)
        for q in range(15):
            circuit.cx(q, q + 1).rzz(q, q + 1, 0.3)
    circuit.unitary(np.linalg.qr(random.normal(size=(4, 4)))[0], (0, 15))
    certificate = compile_native(circuit).certificate
    assert certificate.method == "local rewrites"
    assert certificate.checks > 100
    assert certificate.error < 1e-10


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(CapabilityError, match="only unitaries"):
        compile_native(qs.QuantumCircuit(1).depolarizing(0, p=0.1))
    with pytest.raises(CapabilityError, match="only unitaries"):
        compile_native(qs.QuantumCircuit(1).measure(0).h(0))
    with pytest.raises(OptionError, match="entangler must be one of"):
        compile_native(qs.QuantumCircuit(1), "cz")
    with pytest.raises(OptionError, match="level must be"):
        compile_native(qs.QuantumCircuit(1), level=7)


def test_the_compiler_of_a_machine_uses_its_entangler():
    circuit = qs.QuantumCircuit(2).h(0).cx(0, 1)
    assert IonQNativeCompiler("aria-1").compile(circuit).entangler == "ms"
    assert IonQNativeCompiler("ionq.forte-1").compile(circuit).entangler == "zz"


def test_costs_follow_the_compiled_gates():
    circuit = qs.QuantumCircuit(2).h(0).cx(0, 1).rz(1, 0.4).cx(0, 1)
    optimizer = IonQOptimizer("aria-1", plan="azure")
    estimate = optimizer.estimate_cost(circuit, shots=100_000)
    pulses, entanglers = optimizer.optimize(circuit).gate_counts
    assert estimate.native_gate_count == pulses + entanglers
    assert float(estimate.total_cost) == pytest.approx(100_000 * (pulses * 0.00022 + entanglers * 0.000975))
    plain = IonQNativeCompiler("aria-1", level=0).compile(circuit).gate_counts
    assert entanglers < plain[1]
    from qstore.errors import BudgetExceeded

    with pytest.raises(BudgetExceeded, match="max_cost_per_shot"):
        IonQOptimizer("aria-1", max_cost_per_shot=0.0001).optimize(circuit)


def test_debiased_shots_cost_their_minimum():
    circuit = qs.QuantumCircuit(1).h(0)
    assert float(IonQOptimizer("forte-1", plan="azure").estimate_cost(circuit, 1000).total_cost) == 97.5
    plain = IonQOptimizer("forte-1", plan="azure", debiasing=False).estimate_cost(circuit, 1000)
    assert float(plain.total_cost) == pytest.approx(12.4166)
    with pytest.raises(OptionError, match="max_cost_per_shot"):
        IonQOptimizer("forte-1", max_cost_per_shot=float("nan"))


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        ({}, "No array"),
        ({"t": np.zeros(3)}, "shape"),
        ({"t": np.nan}, "NaN"),
        ({"t": 0.1, "u": 1.0}, "not a parameter"),
    ],
)
def test_bindings_that_do_not_fit_are_refused(bindings, message):
    program = compile_native(qs.QuantumCircuit(2).rx(0, "t").cx(0, 1))
    with pytest.raises(BindingError, match=message):
        program.bind(bindings)
    with pytest.raises(IndexError):
        program.bind({"t": 0.1}).circuit(1)


def test_large_angles_are_checked_as_well_as_they_are_known():
    certificate = compile_native(qs.QuantumCircuit(2).h(0).h(1).rzz(0, 1, 1e9)).certificate
    assert certificate.error <= certificate.tolerance == pytest.approx(1e-5)
    assert compile_native(qs.QuantumCircuit(2).h(0).rzz(0, 1, 3.0)).certificate.tolerance == 1e-10
