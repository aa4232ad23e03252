# SPDX-License-Identifier: Apache-2.0
"""Noise models are values that add channels behind gates."""

import numpy as np
import pytest

import qstore as qs
from qstore.errors import CapabilityError, CircuitError, OptionError


def test_errors_follow_gates_by_their_number_of_qubits():
    circuit = qs.QuantumCircuit(3).h(0).cx(0, 1).ccx(0, 1, 2).i(2).measure(0)
    with circuit.when(0):
        circuit.rx(1, "t")
    noisy = qs.NoiseModel.depolarizing(0.01, 0.05).apply(circuit)
    names = [(op.gate, op.qubits) for op in noisy.operations]
    assert names == [
        ("h", (0,)), ("depolarizing", (0,)), ("cx", (0, 1)), ("depolarizing2", (0, 1)), ("ccx", (0, 1, 2)),
        ("depolarizing2", (0, 1)), ("depolarizing2", (1, 2)), ("i", (2,)), ("measure", (0,)), ("rx", (1,)),
        ("depolarizing", (1,)),
    ]  # fmt: skip
    assert noisy.operations[9].condition == circuit.operations[-1].condition
    assert [p.name for p in noisy.parameters] == ["t"]
    assert len(circuit) == 6


def test_damping_follows_on_every_qubit_of_a_gate():
    noisy = qs.NoiseModel(amplitude_damping=0.1, phase_damping=0.2).apply(qs.QuantumCircuit(2).cx(0, 1))
    assert noisy.gate_counts() == {"cx": 1, "amplitude_damping": 2, "phase_damping": 2}


def test_p2_is_ten_times_p1_by_default():
    assert qs.NoiseModel.depolarizing(0.003) == qs.NoiseModel(p1=0.003, p2=0.03)
    assert repr(qs.NoiseModel.depolarizing(0.5)) == "NoiseModel(p1=0.5, p2=1.0)"


def test_fidelities_give_the_depolarizing_model_with_the_same_average_fidelity():
    capabilities = qs.Capabilities(max_qubits=5, fidelity_1q=0.999, fidelity_2q=0.98, fidelity_readout=0.97)
    model = qs.NoiseModel.from_capabilities(capabilities)
    assert model.readout_0 == model.readout_1 == pytest.approx(0.03)
    for build, fidelity, n in ((lambda c: c.depolarizing(0, p=model.p1), 0.999, 1),
                               (lambda c: c.depolarizing2(0, 1, p=model.p2), 0.98, 2)):  # fmt: skip
        (op,) = build(qs.QuantumCircuit(n)).operations
        d = 1 << n
        # Average fidelity from the operators: (d + sum |tr K|**2) / (d**2 + d).
        traces = abs(np.trace(op.operators(), axis1=1, axis2=2)) ** 2
        assert (d + traces.sum()) / (d * d + d) == pytest.approx(fidelity, abs=1e-12)
    with pytest.raises(CapabilityError, match="declares no fidelities"):
        qs.NoiseModel.from_capabilities(qs.Capabilities(max_qubits=5))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "0.1", True, float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(OptionError, match="p1 is a probability"):
        qs.NoiseModel(p1=wrong)


@pytest.mark.parametrize(
    ("operators", "on", "message"),
    [
        (np.eye(2), 0, r"shape \(number, 2, 2\)"),
        ([np.eye(2), np.eye(2)], 0, "differs from the identity by 1"),
        ([np.eye(8)], (0, 1, 2), "1 or 2 qubits"),
        ([[["a", 0], [0, 1]]], 0, "complex numbers"),
        ([np.full((2, 2), np.nan)], 0, "no Kraus operators"),
        (np.zeros((0, 2, 2)), 0, "shape"),
    ],
)
def test_what_is_no_channel_is_refused(operators, on, message):
    with pytest.raises(CircuitError, match=message):
        qs.QuantumCircuit(3).kraus(operators, on)
