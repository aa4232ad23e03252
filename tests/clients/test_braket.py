# SPDX-License-Identifier: Apache-2.0
"""Amazon Braket's local simulator never speaks this API; it judges what native gates do."""

import math

import pytest

from clients.expectations import NATIVE_DIGITS, NATIVE_GATES, NATIVE_PROBABILITIES

circuits = pytest.importorskip("braket.circuits")
devices = pytest.importorskip("braket.devices")
httpx2 = pytest.importorskip("httpx2")

TURN = 2 * math.pi
TOLERANCE = 1e-9


def judged(circuit):
    result = devices.LocalSimulator().run(circuit.probability(), shots=0).result()
    return [float(p) for p in result.values[0]]  # qubit 0 first


def emulated(emulator, gates, n=2):
    """Probabilities with qubit 0 first, as Braket has them."""
    body = {"type": "ionq.circuit.v1", "backend": "simulator",
            "input": {"gateset": "native", "qubits": n, "circuit": gates}}  # fmt: skip
    with httpx2.Client(headers={"Authorization": "apiKey test"}) as client:
        job = client.post(f"{emulator.url}/jobs", json=body).json()["id"]
        emulator.wait_until_idle()
        found = client.get(f"{emulator.url}/jobs/{job}/results/probabilities").json()
    return [found.get(str(int(format(state, f"0{n}b")[::-1], 2)), 0.0) for state in range(1 << n)]


def test_braket_agrees_on_the_native_circuit(emulator):
    a, b, c, d, angle, e = NATIVE_GATES
    circuit = circuits.Circuit().gpi2(0, a * TURN).gpi(1, b * TURN)
    circuit = circuit.ms(0, 1, c * TURN, d * TURN, angle * TURN).gpi2(1, e * TURN)
    expected = judged(circuit)
    assert expected == pytest.approx(list(NATIVE_PROBABILITIES.values()), abs=NATIVE_DIGITS)
    gates = [
        {"gate": "gpi2", "target": 0, "phase": a}, {"gate": "gpi", "target": 1, "phase": b},
        {"gate": "ms", "targets": [0, 1], "phases": [c, d], "angle": angle}, {"gate": "gpi2", "target": 1, "phase": e},
    ]  # fmt: skip
    assert emulated(emulator, gates) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("gate", ["ms", "zz"])
def test_each_entangler_between_pulses_that_tell_its_qubits_apart(emulator, gate, swapped):
    pair = (1, 0) if swapped else (0, 1)
    phases, angle = (0.11, 0.37), 0.19
    circuit = circuits.Circuit().gpi2(0, 0.2 * TURN).gpi2(1, 0.45 * TURN)
    entangler = {"gate": gate, "targets": list(pair), "angle": angle}
    if gate == "ms":
        circuit = circuit.ms(*pair, phases[0] * TURN, phases[1] * TURN, angle * TURN)
        entangler["phases"] = list(phases)
    else:
        circuit = circuit.zz(*pair, angle * TURN)
    circuit = circuit.gpi2(0, 0.63 * TURN).gpi2(1, 0.08 * TURN)
    gates = [
        {"gate": "gpi2", "target": 0, "phase": 0.2}, {"gate": "gpi2", "target": 1, "phase": 0.45}, entangler,
        {"gate": "gpi2", "target": 0, "phase": 0.63}, {"gate": "gpi2", "target": 1, "phase": 0.08},
    ]  # fmt: skip
    assert emulated(emulator, gates) == pytest.approx(judged(circuit), abs=TOLERANCE)
