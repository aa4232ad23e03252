# SPDX-License-Identifier: Apache-2.0
"""What the emulator makes of circuits: every gate against its matrix, and what it refuses."""

import math
import random

import numpy as np
import pytest

from emulator.bodies import BELL, H0, X0, batch
from emulator.gate_matrices import FIXED, TURNING, applied, exponential, native

EXACT = 1e-12
"""Rounding of some tens of gates in double precision."""
ANGLE = 0.7371


def start_state(n):
    """A product of different rotations, and the gates that prepare it."""
    gates, state = [], np.zeros(1 << n, dtype=complex)
    state[0] = 1
    for q in range(n):
        for name, angle in (("ry", 0.4 + 0.3 * q), ("rz", 0.9 - 0.2 * q)):
            gates.append({"gate": name, "target": q, "rotation": angle})
            state = applied(TURNING[name](angle), (q,), state)
    return gates, state


def end(n, state):
    """Rotations that turn phases into probabilities."""
    gates = [{"gate": "ry", "target": q, "rotation": 1.1 + 0.1 * q} for q in range(n)]
    for q in range(n):
        state = applied(TURNING["ry"](1.1 + 0.1 * q), (q,), state)
    return gates, np.abs(state) ** 2


def assert_same(found, expected):
    assert set(map(int, found)) <= set(range(len(expected)))
    for outcome, p in enumerate(expected):
        assert abs(found.get(str(outcome), 0.0) - p) < EXACT


def test_every_gate_with_up_to_four_controls_in_one_batch(api):
    """54 circuits; the batch is one request."""
    circuits, expected = [], []
    cases = [(name, None, matrix) for name, matrix in FIXED.items()]
    cases += [(name, ANGLE, make(ANGLE)) for name, make in TURNING.items()]
    for name, rotation, matrix in cases:
        for controls in (0, 1, 4):
            width = matrix.shape[0].bit_length() - 1
            n = width + controls
            order = list(range(n))
            random.Random(f"{name} {controls}").shuffle(order)
            gate = {"gate": name, "targets": order[:width]}
            if controls:
                gate["controls"] = order[width:]
            if rotation is not None:
                gate["rotation"] = rotation
            before, state = start_state(n)
            state = applied(matrix, order[:width], state, order[width:])
            after, probabilities = end(n, state)
            circuits.append([*before, gate, *after])
            expected.append(probabilities)
    job = api.post("/jobs", batch(*circuits)).json()["id"]
    assert api.finished(job)["status"] == "completed"
    found = api.get(f"/jobs/{job}/results/probabilities/aggregated").json()
    for each, probabilities in zip(found.values(), expected, strict=True):
        assert_same(each, probabilities)


def test_both_spellings_of_qubits_mean_the_same(api):
    singular = api.probabilities(X0, {"gate": "cnot", "control": 0, "target": 1}, {"gate": "x", "target": 2})
    lists = api.probabilities(
        {"gate": "x", "targets": [0]},
        {"gate": "cnot", "controls": [0], "targets": [1]},
        {"gate": "x", "targets": [2]},
    )
    mixed = api.probabilities(
        {"gate": "not", "targets": [0]},
        {"gate": "x", "control": 0, "targets": [1]},
        {"gate": "x", "target": [2]},
    )
    assert singular == lists == mixed == {"7": 1.0}


def test_qubit_zero_is_the_least_significant_bit(api):
    assert api.probabilities(X0, qubits=2) == {"1": 1.0}


@pytest.mark.parametrize("entangler", ["ms", "zz"])
def test_native_gates_take_turns(api, entangler):
    phases, angle = (0.13, 0.31), 0.17
    gates = [
        {"gate": "gpi2", "target": 0, "phase": 0.1}, {"gate": "gpi", "target": 1, "phase": 0.3},
        {"gate": "gpi2", "target": 1, "phase": 0.41}, {"gate": entangler, "targets": [1, 0], "phases": list(phases), "angle": angle},
        {"gate": "nop", "target": 0}, {"gate": "gpi2", "target": 1, "phase": 0.77}, {"gate": "gpi2", "target": 0, "phase": -0.6},
    ]  # fmt: skip
    state = np.array([1, 0, 0, 0], dtype=complex)
    steps = [("gpi2", (0,), (0.1,)), ("gpi", (1,), (0.3,)), ("gpi2", (1,), (0.41,)), (entangler, (1, 0), phases),
             ("gpi2", (1,), (0.77,)), ("gpi2", (0,), (-0.6,))]  # fmt: skip
    for name, qubits, values in steps:
        state = applied(native(name, values, angle), qubits, state)
    assert_same(api.probabilities(*gates, gateset="native"), np.abs(state) ** 2)


def test_defaults_of_native_angles_and_the_name_that_cirq_gives_to_that_of_zz(api):
    pulses = [{"gate": "gpi2", "target": q, "phase": 0.25} for q in (0, 1)]
    last = {"gate": "gpi2", "target": 1, "phase": 0}

    def run(gate):
        return api.probabilities(*pulses, {"targets": [0, 1], **gate}, last, gateset="native")

    assert run({"gate": "zz"}) == run({"gate": "zz", "angle": 0.25}) == run({"gate": "zz", "phase": 0.25})
    assert run({"gate": "zz", "phase": 0.1}) == run({"gate": "zz", "angle": 0.1}) != run({"gate": "zz"})
    ms = {"gate": "ms", "phases": [0.1, 0.2]}
    assert run(ms) == run({**ms, "angle": 0.25}) != run({**ms, "angle": 0.1})


@pytest.mark.parametrize(
    ("terms", "coefficients", "targets"),
    [
        (["XZ"], [0.3], [0, 1]),
        (["XX", "ZZ"], [0.3, 0.5], [1, 0]),
        (["IZ", "ZI", "II"], [0.3, 0.5, 0.7], [0, 2]),
        (["XIY", "IZI"], [0.3, -0.5], [2, 0, 1]),
        (["X", "Z"], [0.3, 0.5], [1]),
        (["XXI", "IYY", "ZIZ", "XYZ"], [0.3, 0.5, -0.2, 0.4], [0, 2, 1]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) and isinstance(value[0], str) else "",
)
def test_pauli_exponentials_commuting_or_not(api, terms, coefficients, targets):
    n, time = 3, 1.1
    before, state = start_state(n)
    state = applied(exponential(terms, coefficients, time), targets, state)
    after, expected = end(n, state)
    gate = {
        "gate": "pauliexp",
        "targets": targets,
        "terms": terms,
        "coefficients": coefficients,
        "time": time,
    }
    assert_same(api.probabilities(*before, gate, *after), expected)


def test_unused_qubits_cost_nothing(api):
    """36 qubits would not fit into any memory; the two that are used do."""
    gates = [{"gate": "x", "target": 35}, {"gate": "h", "target": 4}]
    found = api.probabilities(*gates, backend="qpu.forte-1", qubits=36, shots=100)
    assert set(found) <= {str(1 << 35), str((1 << 35) + 16), "0", "16"}


REFUSED = {
    "no gates": ([], {}, "InvalidInput", "no gates"),
    "unknown gate": ([{"gate": "u3", "target": 0}], {}, "UnsupportedGate", "'u3'"),
    "a likely slip": ([{"gate": "swop", "targets": [0, 1]}], {}, "UnsupportedGate", "Did you mean 'swap'"),
    "native gate among qis": ([{"gate": "gpi", "target": 0, "phase": 0.0}], {}, "UnsupportedGate", "cannot mix"),
    "qis gate among native": ([H0], {"gateset": "native"}, "UnsupportedGate", "cannot mix"),
    "qubit twice": ([{"gate": "cnot", "control": 0, "target": 0}], {}, "InvalidInput", "different"),
    "no qubit": ([{"gate": "h"}], {}, "InvalidInput", "target"),
    "negative qubit": ([{"gate": "h", "target": -1}], {}, "InvalidInput", "-1"),
    "beyond the width": ([{"gate": "h", "target": 2}], {"qubits": 2}, "InvalidInput", "qubit 2"),
    "too wide": ([{"gate": "h", "target": 29}], {}, "NotEnoughQubits", "30 qubits, the machine 29"),
    "too wide for the noise model": (
        [{"gate": "h", "target": 25}], {"noise": {"model": "aria-1"}}, "NotEnoughQubits", "machine 25",
    ),
    "cnot without control": ([{"gate": "cnot", "target": 0}], {}, "InvalidInput", "control"),
    "rotation missing": ([{"gate": "rx", "target": 0}], {}, "InvalidInput", "rotation"),
    "rotation a word": ([{"gate": "rx", "target": 0, "rotation": "pi"}], {}, "InvalidInput", "rotation"),
    "rotation too large": ([{"gate": "rx", "target": 0, "rotation": 10**400}], {}, "InvalidInput", "finite"),
    "angle that overflows": (
        [{"gate": "zz", "targets": [0, 1], "angle": 1e308}],
        {"gateset": "native"},
        "InvalidInput",
        "overflows",
    ),
    "too many controls": (
        [{"gate": "x", "target": 0, "controls": list(range(1, 9))}], {}, "TooManyControls", "8 controls",
    ),
    "phase out of range": (
        [{"gate": "gpi", "target": 0, "phase": 1.5}], {"gateset": "native"}, "InvalidInput", "1.5 turns",
    ),
    "ms beyond a quarter": (
        [{"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": 0.3}], {"gateset": "native"}, "InvalidInput", "0.3",
    ),
    "ms with one phase": (
        [{"gate": "ms", "targets": [0, 1], "phases": [0]}], {"gateset": "native"}, "InvalidInput", "phases",
    ),
    "ms on forte": (
        [{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}], {"gateset": "native", "backend": "qpu.forte-1"},
        "UnsupportedGate", "'zz'",
    ),
    "zz on aria": (
        [{"gate": "zz", "targets": [0, 1]}], {"gateset": "native", "backend": "qpu.aria-1"}, "UnsupportedGate", "'ms'",
    ),
    "pauli letters": (
        [{"gate": "pauliexp", "targets": [0], "terms": ["Q"], "coefficients": [1], "time": 1}], {}, "InvalidInput", "'Q'",
    ),
    "negative time": (
        [{"gate": "pauliexp", "targets": [0], "terms": ["X"], "coefficients": [1], "time": -1}], {}, "InvalidInput", "time",
    ),
    "many that do not commute": (
        [{"gate": "pauliexp", "targets": [0, 1, 2, 3], "terms": ["XIII", "ZIII"], "coefficients": [1, 1], "time": 1}], {},
        "UnsupportedGate", "commute",
    ),
    "debiasing of few shots": (
        [H0], {"backend": "qpu.aria-1", "shots": 100, "settings": {"error_mitigation": {"debiasing": True}}},
        "DebiasingError", "500",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_fails_its_job_with_the_services_code_and_is_not_billed(api, case):
    gates, fields, code, words = REFUSED[case]
    found = api.failure(*gates, **fields)
    assert found["code"] == code
    assert words in found["message"]
    assert api.emulator.stats.billed == {}


def test_one_bad_circuit_fails_its_whole_batch_and_is_named(api):
    job = api.post("/jobs", batch(BELL, [{"gate": "u3", "target": 0}])).json()["id"]
    found = api.finished(job)
    assert found["status"] == "failed"
    assert found["failure"]["message"].startswith("Circuit 1:")
    assert [api.get(f"/jobs/{child}").json()["status"] for child in found["child_job_ids"]] == [
        "failed",
        "failed",
    ]


def test_more_outcomes_than_allowed_fail_instead_of_filling_the_memory(start):
    api = start(max_outcomes=8)
    found = api.failure(*({"gate": "h", "target": q} for q in range(4)))
    assert found["code"] == "SimulationError"
    assert "16" in found["message"]


def test_probabilities_are_exact(api):
    found = api.probabilities(*BELL)
    assert found == pytest.approx({"0": 0.5, "3": 0.5}, abs=EXACT)
    assert math.isclose(sum(found.values()), 1, abs_tol=EXACT)
