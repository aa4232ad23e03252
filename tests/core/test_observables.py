# SPDX-License-Identifier: Apache-2.0
"""Observables are Pauli sums: their algebra is that of Cirq's, and of the matrices."""

import copy
import pickle

import cirq
import numpy as np
import pytest
from dense_backend import pauli_matrix
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import observables

from qstore.circuit import I, Observable, PauliTerm, X, Y, Z
from qstore.errors import CircuitError

N = 3
ROUNDING = 1e-9
QUBITS = cirq.LineQubit.range(N)
PAULIS = {"X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}


def cirq_sum(observable):
    total = cirq.PauliSum()
    for term in observable.terms:
        total += term.coefficient * cirq.PauliString(
            {QUBITS[q]: PAULIS[letter] for q, letter in term.letters}
        )
    return total


def cirq_matrix(total):
    # Cirq's first qubit is the most significant one.
    return cirq.PauliSum.matrix(total, qubits=QUBITS[::-1]) if len(total) else np.zeros((1 << N, 1 << N))


@given(observables(N), observables(N), st.floats(-5, 5))
def test_sums_and_multiples_are_those_of_cirq(a, b, factor):
    for ours, theirs in [
        (a + b, cirq_sum(a) + cirq_sum(b)), (a - b, cirq_sum(a) - cirq_sum(b)), (-a, -cirq_sum(a)),
        (factor * a, factor * cirq_sum(a)), (a * factor, factor * cirq_sum(a)), (a + factor, cirq_sum(a) + factor),
        (factor - a, factor - cirq_sum(a)), (a / 4, cirq_sum(a) / 4),
    ]:  # fmt: skip
        assert np.allclose(pauli_matrix(ours, N), cirq_matrix(theirs), atol=ROUNDING)


@given(observables(N), observables(N))
def test_products_are_those_of_cirq_or_refused_as_not_hermitian(a, b):
    wanted = pauli_matrix(a, N) @ pauli_matrix(b, N)
    if np.allclose(wanted, wanted.conj().T, atol=ROUNDING):
        assert np.allclose(pauli_matrix(a @ b, N), wanted, atol=ROUNDING)
        assert np.allclose(pauli_matrix(a @ b, N), cirq_matrix(cirq_sum(a) * cirq_sum(b)), atol=ROUNDING)
    else:
        with pytest.raises(CircuitError, match="is not Hermitian: the two do not commute"):
            a @ b


@given(observables(N))
def test_squares_are_squares(a):
    assert np.allclose(
        pauli_matrix(a.squared(), N), np.linalg.matrix_power(pauli_matrix(a, N), 2), atol=ROUNDING
    )


@given(observables(N))
def test_terms_are_canonical(a):
    masks = [(term.x_mask, term.z_mask) for term in a]
    assert masks == sorted(set(masks))
    assert all(a.coefficients)
    assert (a - a) == Observable()
    for twin in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a)), sum(a * 1 for _ in range(1))):
        assert twin == a
        assert hash(twin) == hash(a)


def test_masks_and_facts():
    o = Z(0) @ Z(1) + 0.5 * X(2) - 2 * Y(1) + 3
    assert o.terms == (
        PauliTerm(0, 0, 3.0),
        PauliTerm(0, 3, 1.0),
        PauliTerm(2, 2, -2.0),
        PauliTerm(4, 0, 0.5),
    )
    assert repr(o) == "3.0 * I() + Z(0) @ Z(1) - 2.0 * Y(1) + 0.5 * X(2)"
    assert (o.n_qubits, len(o), o.is_diagonal) == (3, 4, False)
    assert (Z(4) @ Z(1) + 1).is_diagonal
    assert (I().n_qubits, Observable().n_qubits, repr(Observable())) == (0, 0, "0.0 * I()")
    assert X(70).n_qubits == 71
    assert X(0) @ X(0) == I() == Y(3) @ Y(3)


def test_numpy_numbers_work_on_both_sides():
    two = np.float64(2)
    assert two * Z(0) == Z(0) * two == 2 * Z(0) == np.int64(2) * Z(0)
    assert two + Z(0) == Z(0) + two == 2 + Z(0)
    assert two - Z(0) == 2 - Z(0)
    assert Z(0) / two == 0.5 * Z(0)
    assert sum([Z(0), Z(1)]) == Z(0) + Z(1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Z(-1), "a qubit number from 0 up, got -1"),
        (lambda: Z(1.0), "got 1.0"),
        (lambda: X(True), "got True"),
        (lambda: X(0) * Z(0), r"Use @ for the product of the observables X\(0\) and Z\(0\)"),
        (lambda: X(0) @ Z(0), r"\(X\(0\)\) @ \(Z\(0\)\) is not Hermitian"),
        (lambda: 1j * X(0), "must be a finite real number, got 1j"),
        (lambda: np.complex128(1j) * X(0), "must be a finite real number"),
        (lambda: X(0) * float("nan"), "must be a finite real number, got nan"),
        (lambda: X(0) + "Z", "must be a finite real number, got 'Z'"),
        (lambda: X(0) * True, "got True"),
        (lambda: X(0) / 0, "by zero"),
        (lambda: np.array([1.0, 2.0]) * X(0), "numpy.multiply is not defined for observables"),
        (lambda: np.sin(X(0)), "numpy.sin is not defined for observables"),
        (lambda: X(0) * 1e308 * 10, "overflowed"),
    ],
)
def test_what_is_no_observable_is_refused_with_the_reason(make, text):
    with pytest.raises(CircuitError, match=text):
        make()


def test_an_observable_is_multiplied_by_observables_only():
    with pytest.raises(TypeError, match="unsupported operand"):
        X(0) @ 2
