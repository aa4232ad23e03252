# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 3 jobs: what runs, what the registers hold, and what is refused."""

import math

import pytest

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
SHOTS = 400


def run(api, text, noise="forte-1"):
    body = {"type": "ionq.qasm3.v1", "backend": "simulator", "shots": SHOTS, "input": {"data": HEAD + text}}
    if noise:
        body["noise"] = {"model": noise, "seed": 3}
    return api.finished(api.post("/jobs", body).json()["id"])


def registers(api, text, **options):
    """The histogram of each register."""
    found = run(api, text, **options)
    assert found["status"] == "completed", found["failure"]
    name = found["results"]["ionq.result.histogram.json.v2"]["id"]
    return api.get(f"/jobs/{found['id']}/artifacts/{name}").json()["histogram"]["registers"]


def mostly(histogram):
    """The outcome that nearly all shots have."""
    best = max(histogram, key=histogram.get)
    assert histogram[best] > 0.95 * SHOTS
    return best


def test_gates_registers_and_bit_order(api):
    found = registers(
        api,
        "qubit[3] q;\nbit[2] c;\nbit d;\nx q[0];\ncx q[0], q[2];\nc[1] = measure q[0];\nd = measure q[1];",
    )
    assert mostly(found["output_all"]) == "101"
    assert mostly(found["c"]) == "10"  # bit 0 was never written
    assert mostly(found["d"]) == "0"


def test_a_measurement_in_the_middle_keeps_what_it_saw(api):
    found = registers(api, "qubit q;\nbit[2] c;\nx q;\nc[0] = measure q;\nx q;\nc[1] = measure q;")
    assert mostly(found["c"]) == "01"
    assert mostly(found["output_all"]) == "0"


def test_a_measurement_in_the_middle_collapses(api):
    """H, measure, H: without the measurement the last outcome would be certain."""
    found = registers(api, "qubit q;\nbit[2] c;\nh q;\nc[0] = measure q;\nh q;\nc[1] = measure q;")
    assert set(found["c"]) == {"00", "01", "10", "11"}
    for count in found["c"].values():
        assert abs(count / SHOTS - 0.25) < 5 * math.sqrt(0.25 * 0.75 / SHOTS)


def test_whole_registers_and_angles(api):
    text = """
        qubit[2] q; bit[2] c;   // both at once
        rx(pi) q;
        /* and back */ U(π/2 + pi/2, 0, -(pi)) q[0];
        barrier q;
        c = measure q;
    """
    assert mostly(registers(api, text)["c"]) == "10"


def test_the_old_arrow(api):
    assert mostly(registers(api, "qubit[1] q;\nbit[1] c;\nx q[0];\nmeasure q[0] -> c[0];")["c"]) == "1"


def test_the_ideal_simulator_gives_probabilities_of_final_measurements(api):
    found = run(api, "qubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;", noise=None)
    assert found["status"] == "completed"
    name = found["results"]["ionq.result.probabilities.json.v2"]["id"]
    values = api.get(f"/jobs/{found['id']}/artifacts/{name}").json()["probabilities"]["registers"]["c"]
    assert values == pytest.approx({"00": 0.5, "11": 0.5})


REFUSED = {
    "measured in the middle of an ideal simulation": (
        "qubit q;\nbit c;\nc = measure q;\nx q;",
        None,
        "PreflightError",
    ),
    "a branch": ("qubit q;\nbit c;\nx q;\nif (c) x q;", "aria-1", "UnsupportedGate"),
    "a loop": ("qubit q;\nfor int i in [0:3] { x q; }", "aria-1", "UnsupportedGate"),
    "a reset": ("qubit q;\nx q;\nreset q;", "aria-1", "UnsupportedGate"),
    "an unknown gate": ("qubit q;\nfoo q;", "aria-1", "UnsupportedGate"),
    "an undeclared register": ("qubit q;\nx r;", "aria-1", "InvalidInput"),
    "an entry that is not there": ("qubit[2] q;\nx q[2];", "aria-1", "InvalidInput"),
    "a register twice": ("qubit q;\nbit q;\nx q;", "aria-1", "InvalidInput"),
    "a qubit twice": ("qubit[2] q;\ncx q[0], q[0];", "aria-1", "InvalidInput"),
    "an angle that is code": ("qubit q;\nrx(__import__('os')) q;", "aria-1", "InvalidInput"),
    "an angle that is infinite": ("qubit q;\nrx(1/0) q;", "aria-1", "InvalidInput"),
    "too few angles": ("qubit q;\nrx q;", "aria-1", "InvalidInput"),
    "registers of different lengths": ("qubit[2] q;\nbit c;\nx q;\nc = measure q;", "aria-1", "InvalidInput"),
    "no gates": ("qubit q;", "aria-1", "InvalidInput"),
    "too many qubits": ("qubit[26] q;\nx q;", "aria-1", "NotEnoughQubits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_fails_in_preflight(api, case):
    text, noise, code = REFUSED[case]
    found = run(api, text, noise=noise)
    assert found["status"] == "failed"
    assert found["failure"]["code"] == code
    assert api.emulator.stats.billed == {}
