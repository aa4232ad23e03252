# SPDX-License-Identifier: Apache-2.0
"""Sampled jobs: the published noise against its density matrix, whole counts, and what the seed repeats."""

import itertools
import math

import numpy as np
import pytest

from emulator.bodies import BELL, H0, batch
from emulator.gate_matrices import FIXED, PAULIS, TURNING

SHOTS = 20_000
RATES = {
    "aria-1": (0.0005, 0.0133),
    "aria-2": (0.000657333333, 0.01856),
    "forte-1": (0.000266667, 0.004949333),
}
"""docs.ionq.com, "Simulation with noise models": r on one and on two qubits."""
CIRCUIT = (
    *({"gate": "ry", "target": q, "rotation": 0.5 + q} for q in range(3)),
    *({"gate": "xx", "targets": [q, q + 1], "rotation": 1.2} for q in (0, 1) for _ in range(15)),
)


def on(matrix, qubits, n=3):
    """The full matrix, qubit 0 the least significant."""
    full = np.zeros((1 << n, 1 << n), dtype=complex)
    rest = [q for q in range(n) if q not in qubits]
    for column, row in itertools.product(range(1 << n), repeat=2):
        if all((column >> q & 1) == (row >> q & 1) for q in rest):
            a = sum((row >> q & 1) << i for i, q in enumerate(qubits))
            b = sum((column >> q & 1) << i for i, q in enumerate(qubits))
            full[row, column] = matrix[a, b]
    return full


def depolarized(rho, qubits, rate):
    """Kraus sqrt(1 - (d-1) r/d) I, sqrt(r/d) P with d = 4 or 16."""
    d = 4 ** len(qubits)
    total = (1 - (d - 1) * rate / d) * rho
    for letters in itertools.product("IXYZ", repeat=len(qubits)):
        if set(letters) != {"I"}:
            matrix = np.eye(1)
            for letter in letters:
                matrix = np.kron(PAULIS[letter], matrix)
            full = on(matrix, qubits)
            total = total + rate / d * full @ rho @ full.conj().T
    return total


def exact(model):
    """The diagonal of the density matrix."""
    rho = np.zeros((8, 8), dtype=complex)
    rho[0, 0] = 1
    for gate in CIRCUIT:
        qubits = gate.get("targets", [gate.get("target")])
        full = on(TURNING[gate["gate"]](gate["rotation"]), qubits)
        rho = depolarized(full @ rho @ full.conj().T, qubits, RATES[model][len(qubits) - 1])
    return rho.diagonal().real


@pytest.mark.parametrize("model", RATES)
def test_noise_is_the_published_channel_behind_every_gate(api, model):
    found = api.probabilities(*CIRCUIT, shots=SHOTS, noise={"model": model, "seed": 1})
    expected = exact(model)
    distance = sum(abs(found.get(str(k), 0) - p) for k, p in enumerate(expected)) / 2
    # The mean of this distance is sum sqrt(p (1-p) / (2 pi shots)); twice that has never been seen by chance.
    assert distance < 2 * sum(math.sqrt(p * (1 - p) / (2 * math.pi * SHOTS)) for p in expected)
    ideal = api.probabilities(*CIRCUIT)
    assert sum(abs(found.get(str(k), 0) - ideal.get(str(k), 0)) for k in range(8)) / 2 > 2 * distance


def test_trajectories_beyond_the_density_matrix(api):
    """14 qubits in pairs; a pair is wrong with a known probability."""
    gates = [
        {"gate": "zz", "targets": [q, q + 1], "rotation": 0.0} for q in range(0, 14, 2) for _ in range(3)
    ]
    shots = 2000
    found = api.probabilities(*gates, shots=shots, noise={"model": "aria-2", "seed": 2})
    # Of the 15 Paulis 12 flip at least one of the two bits: three channels in a row leave a pair right with probability
    # (1 + 3 (1 - r)**3) / 4.
    right = ((1 + 3 * (1 - RATES["aria-2"][1]) ** 3) / 4) ** 7
    assert abs(found["0"] - right) < 5 * math.sqrt(right * (1 - right) / shots)
    assert len(found) > 10


def test_the_density_matrix_takes_over_where_every_shot_has_errors(api):
    """16 times as many shots as there are outcomes, and errors in most of them: the same distribution."""
    gates = [{"gate": "xx", "targets": [0, 1], "rotation": 0.3}] * 150
    found = api.probabilities(*gates, shots=SHOTS, noise={"model": "aria-2", "seed": 2})
    keep = (1 - RATES["aria-2"][1]) ** 150  # what is left of every Pauli string's mean
    even = keep * math.cos(0.5 * 150 * 0.3) ** 2 + (1 - keep) / 4
    assert abs(found["0"] - even) < 5 * math.sqrt(even * (1 - even) / SHOTS)


@pytest.mark.parametrize("backend", ["qpu.aria-1", "qpu.forte-1", "qpu.forte-enterprise-1"])
def test_counts_of_machines_sum_to_their_shots(api, backend):
    job = api.submit(*BELL, backend=backend, shots=777)
    assert api.finished(job)["shots"] == 777
    histogram = api.get(f"/jobs/{job}/results/histogram").json()
    probabilities = api.get(f"/jobs/{job}/results/probabilities").json()
    shots = api.get(f"/jobs/{job}/results/shots").json()
    assert sum(histogram.values()) == len(shots) == 777
    assert {k: round(p * 777) for k, p in probabilities.items()} == histogram
    assert {k: shots.count(k) for k in set(shots)} == histogram
    assert all(isinstance(each, str) for each in shots)


def test_a_noise_seed_repeats_and_another_does_not(api):
    def run(seed):
        return api.probabilities(H0, shots=500, noise={"model": "aria-1", "seed": seed})

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_equal_circuits_without_a_seed_are_drawn_independently(api):
    assert api.probabilities(H0, backend="qpu.aria-1", shots=400) != api.probabilities(
        H0, backend="qpu.aria-1", shots=400
    )


def test_the_emulators_seed_repeats_everything_whatever_the_order(start):
    one, other = start(seed=21), start(seed=21)
    names = [("qpu.aria-1", 0.3), ("qpu.forte-1", 0.8), ("qpu.aria-1", 1.4)]

    def run(api, order):
        return {
            names[i]: api.probabilities(
                {"gate": "ry", "target": 0, "rotation": names[i][1]}, backend=names[i][0], shots=300
            )
            for i in order
        }

    assert run(one, [0, 1, 2]) == run(other, [2, 0, 1])
    assert run(start(seed=22), [0, 1, 2]) != run(one, [0, 1, 2])


def test_a_circuit_in_a_batch_is_drawn_like_the_circuit_alone(start):
    fields = {"backend": "qpu.aria-1", "shots": 300}
    alone = start(seed=5).probabilities(*BELL, **fields)
    api = start(seed=5)
    job = api.post(
        "/jobs", batch([H0], [{"gate": "ry", "target": 0, "rotation": 1.0}], BELL, BELL, **fields)
    ).json()["id"]
    api.finished(job)
    found = list(api.get(f"/jobs/{job}/results/probabilities/aggregated").json().values())
    assert found[2] == alone
    assert found[3] != alone


def test_machines_without_noise_are_still_measured(start):
    api = start(qpu_noise=False)
    found = api.probabilities(*BELL, backend="qpu.aria-1", shots=1000)
    assert set(found) == {"0", "3"}
    assert found["0"] * 1000 == pytest.approx(round(found["0"] * 1000))
    assert found["0"] != 0.5  # with this seed


def test_debiased_jobs_have_variants_and_sharpening_votes_over_them(api):
    job = api.submit(
        *BELL, backend="qpu.aria-1", shots=1050, settings={"error_mitigation": {"debiasing": True}}
    )
    found = api.finished(job)
    variants = found["output"]["error_mitigation"]["debiasing"]["variants"]
    assert len(variants) == 10
    assert sum(each["shots"] for each in variants) == 1050
    total = {}
    for each in variants:
        part = api.get(f"/jobs/{job}/variants/{each['variant_id']}/results/histogram").json()
        assert sum(part.values()) == each["shots"]
        total = {k: total.get(k, 0) + part.get(k, 0) for k in {*total, *part}}
    plain = api.get(f"/jobs/{job}/results/probabilities").json()
    assert {k: round(p * 1050) for k, p in plain.items()} == total
    assert set(plain) > {"0", "3"}
    for spelling in ("true", "True"):
        sharpened = api.get(f"/jobs/{job}/results/probabilities", sharpen=spelling).json()
        assert set(sharpened) == {"0", "3"}
        assert sum(round(p * 1050) for p in sharpened.values()) == 1050
    assert api.get(f"/jobs/{job}/results/probabilities", sharpen="False").json() == plain
    assert api.get(f"/jobs/{job}/results/probabilities", aggregation="voting").json() == sharpened


def test_machines_debias_by_themselves_from_500_shots_on(api):
    assert (
        "debiasing"
        in api.finished(api.submit(H0, backend="qpu.aria-1", shots=500))["output"]["error_mitigation"]
    )
    for fields in ({"shots": 499}, {"shots": 500, "settings": {"error_mitigation": {"debiasing": False}}}):
        found = api.finished(api.submit(H0, backend="qpu.aria-1", **fields))
        assert found["output"]["error_mitigation"] == {}


def test_matrices_of_this_test_are_unitary():
    for matrix in (*FIXED.values(), *(make(0.3) for make in TURNING.values())):
        assert np.allclose(matrix @ matrix.conj().T, np.eye(len(matrix)))
