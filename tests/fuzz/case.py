# SPDX-License-Identifier: Apache-2.0
"""One random circuit with random bindings, outputs and options, and Cirq's answers to the same questions.

A case is made from (seed, number) alone, so a failure is repeated with `python -m fuzz.run --seed S --only N`.
Values are compared in a few rows, gradients in one entry of each parameter with central differences of Cirq's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qstore as qs
from judges import cirq_judge
from judges.random_circuits import random_circuit, random_observable

VALUES = {"double": 1e-9, "single": 1e-4}
GRADIENTS = {"double": 1e-6, "single": 5e-4}
STEP = 1e-5  # central differences are good to about 1e-10 / STEP + STEP**2
ROWS = 2
KINDS = ("Expectations", "Variance", "Probabilities", "Probabilities of some", "StateVector")


class DisagreementError(AssertionError):
    """An answer differs from Cirq's."""


@dataclass(frozen=True)
class FuzzCase:
    """What is run.

    Attributes:
        label: all options in a line.
        rows: the rows that are compared.
        entries: for each parameter the flat index of the entry whose derivative is compared; 0 for the batch axis
            stands for the first compared row.
    """

    label: str
    circuit: qs.QuantumCircuit
    bindings: dict[str, NDArray[np.float64]]
    outputs: Any
    precision: str
    threads: int
    rows: tuple[int, ...]
    entries: dict[str, int]
    cotangent_seed: int


def make(seed: int, number: int) -> FuzzCase:
    """The case of that number."""
    rng = np.random.default_rng([seed, number])
    n = int(
        rng.choice(
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12],
            p=[0.1, 0.12, 0.15, 0.15, 0.14, 0.12, 0.08, 0.06, 0.04, 0.02, 0.02],
        )
    )
    batch = int(rng.choice([1, 2, 3, 4, 5, 8, 9, 16, 17, 33]))
    length = int(rng.integers(1, 12 + 4 * n))
    initialize = rng.choice([None, "real", "complex"], p=[0.7, 0.15, 0.15])
    circuit, bindings = random_circuit(rng, n, length, batch=batch, initialize=initialize)
    if rng.random() < 0.2:  # all bindings shared: one row
        bindings = {
            name: a[0] if name == "x" or (name == "a" and a.ndim == 2) else a for name, a in bindings.items()
        }
    size = qs.CircuitBatch.of(circuit, bindings).size
    kind = str(rng.choice(KINDS))
    precision = str(rng.choice(["double", "single"]))
    threads = int(rng.integers(1, 4))
    rows = tuple(sorted({int(r) for r in rng.integers(size, size=ROWS)}))
    shapes = {parameter.name: parameter.size for parameter in circuit.parameters}
    return FuzzCase(
        label=f"case {number}: {n} qubits, {len(circuit.operations)} gates, batch {size}, initialize {initialize}, {kind}, "
        f"{precision}, {threads} threads",
        circuit=circuit, bindings=bindings, outputs=_outputs(kind, n, rng), precision=precision, threads=threads,
        rows=rows, entries={name: int(rng.integers(count)) for name, count in shapes.items()},
        cotangent_seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _outputs(kind: str, n: int, rng: np.random.Generator) -> Any:
    if kind in {"Expectations", "Variance"}:
        count = int(rng.integers(1, 4))
        return getattr(qs, kind)([random_observable(rng, n) for _ in range(count)])
    if kind == "Probabilities of some":
        return qs.Probabilities(tuple(int(q) for q in rng.permutation(n)[: max(1, n // 2)]))
    return getattr(qs, kind)()


def expected(case: FuzzCase, row: dict[str, NDArray[np.float64]]) -> NDArray[Any]:
    """Cirq's values of one row."""
    n, outputs = case.circuit.n_qubits, case.outputs
    state = cirq_judge.statevector(case.circuit, row)
    if isinstance(outputs, qs.StateVector):
        return state
    if isinstance(outputs, qs.Probabilities):
        probabilities = abs(state) ** 2
        if outputs.qubits is None:
            return probabilities
        outcome = np.arange(1 << n)
        place = sum((outcome >> q & 1) << i for i, q in enumerate(outputs.qubits))
        return np.bincount(place, weights=probabilities, minlength=1 << len(outputs.qubits))
    means = np.array([cirq_judge.expectation(o, n, state) for o in outputs.observables])
    if isinstance(outputs, qs.Expectations):
        return means
    return np.array([cirq_judge.expectation(o.squared(), n, state) for o in outputs.observables]) - means**2


def check(case: FuzzCase, backend: Any = None) -> None:
    """Compare values and derivatives.

    Raises:
        DisagreementError: with all that is needed to repeat it.
    """
    chosen = backend or qs.get_backend("statevector", precision=case.precision, threads=case.threads)
    batch = qs.CircuitBatch.of(case.circuit, case.bindings, case.outputs)
    picked = {row: batch.row_bindings(row) for row in case.rows}
    truth = {row: expected(case, bindings) for row, bindings in picked.items()}
    scale = max(1.0, *(float(abs(values).max()) for values in truth.values()))
    rng = np.random.default_rng(case.cotangent_seed)
    width = len(next(iter(truth.values())))
    cotangent = np.zeros(
        (batch.size, width), dtype=complex if isinstance(case.outputs, qs.StateVector) else float
    )
    for row in case.rows:
        cotangent[row] = rng.normal(size=width) / width**0.5
        if isinstance(case.outputs, qs.StateVector):
            cotangent[row] += 1j * rng.normal(size=width) / width**0.5
    alone = qs.run(case.circuit, case.bindings, case.outputs, backend=chosen).values
    values, gradients = qs.value_and_vjp(case.circuit, case.bindings, case.outputs, cotangent, backend=chosen)
    for row in case.rows:
        for what, found in (("run", alone), ("value_and_vjp", values)):
            _compare(case, f"{what}, row {row}", found[row], truth[row], VALUES[case.precision] * scale)
    for name, entry in case.entries.items():
        found, wanted = _derivative(case, picked, name, entry, gradients[name], cotangent)
        tolerance = GRADIENTS[case.precision] * scale * max(1.0, float(abs(wanted)))
        _compare(case, f"gradient of {name}[{entry}]", found, wanted, tolerance)


def _derivative(
    case: FuzzCase, picked: dict[int, dict[str, NDArray[np.float64]]], name: str, entry: int,
    gradient: NDArray[np.float64], cotangent: NDArray[Any],
) -> tuple[Any, Any]:  # fmt: skip
    """Ours and Cirq's derivative with respect to one entry; of the first compared row where rows have their own."""
    shared = gradient.shape == next(iter(picked.values()))[name].shape
    rows = case.rows if shared else case.rows[:1]
    found = gradient.reshape(-1)[entry] if shared else gradient[rows[0]].reshape(-1)[entry]
    wanted = 0.0
    for row in rows:
        sides = []
        for shift in (STEP, -STEP):
            moved = {key: np.array(array) for key, array in picked[row].items()}
            moved[name].reshape(-1)[entry] += shift
            sides.append((expected(case, moved) * cotangent[row].conj()).sum().real)
        wanted += (sides[0] - sides[1]) / (2 * STEP)
    return found, wanted


def _compare(case: FuzzCase, what: str, found: Any, wanted: Any, tolerance: float) -> None:
    error = float(np.max(abs(np.asarray(found) - wanted)))
    if not error <= tolerance:
        raise DisagreementError(
            f"{case.label}: {what} differs by {error:.2e} > {tolerance:.1e}\n{case.circuit.freeze().to_json()}"
        )
