# SPDX-License-Identifier: Apache-2.0
"""Angles are affine: arithmetic agrees with arithmetic on numbers, and everything else is refused with the reason."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore.circuit import Angle, Parameter, QuantumCircuit
from qstore.circuit.angles import as_angle
from qstore.errors import CircuitError

ROUNDING = 1e-9
numbers = st.floats(-100, 100)
w, scalar = Parameter("w", (2, 3)), Parameter("t")
BINDINGS = {"w": np.arange(6.0).reshape(2, 3) / 7 - 0.3, "t": np.array(1.7)}
leaves = st.sampled_from([w[0, 0], w[1, 2], w[-1, -1], w[0, 1], scalar])
scalars = st.sampled_from([float, np.float64, np.array])


def value(expression):
    return (
        expression.value(BINDINGS) if hasattr(expression, "value") else as_angle(expression).value(BINDINGS)
    )


@given(leaves, leaves, numbers, numbers.filter(lambda number: abs(number) > 1e-3), scalars)
def test_arithmetic_agrees_with_arithmetic_on_the_values(a, b, number, divisor, kind):
    x, y, n, d = value(a), value(b), kind(number), kind(divisor)
    for expression, wanted in [
        (a + b, x + y), (a - b, x - y), (a + n, x + number), (n + a, number + x), (a - n, x - number),
        (n - a, number - x), (a * n, x * number), (n * a, number * x), (a / d, x / divisor), (-a, -x), (+a, x),
        (2 * (a - b) / d + n * b - 1, 2 * (x - y) / divisor + number * y - 1),
    ]:  # fmt: skip
        assert isinstance(expression, Angle)
        assert math.isclose(value(expression), wanted, rel_tol=ROUNDING, abs_tol=ROUNDING)


@given(st.lists(st.tuples(leaves, numbers), max_size=6))
def test_terms_are_sorted_merged_and_never_zero(parts):
    total = sum((factor * leaf for leaf, factor in parts), start=Angle())
    keys = [(term.parameter.name, term.entry) for term in total.terms]
    assert keys == sorted(set(keys))
    assert all(term.coefficient for term in total.terms)


def test_terms_that_cancel_leave_no_trace():
    assert w[0, 0] + 1 - w[0, 0] == Angle(constant=1.0)
    assert (w[0, 0] * 1e-300 * 1e-300).is_constant
    assert (0 * w[0, 0]).is_constant


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: w[0, 0] * w[0, 1], r"\(w\[0, 0\]\) \* \(w\[0, 1\]\) is a product of parameters"),
        (lambda: w[0, 0] * scalar, "product of parameters"),
        (lambda: w[0, 0] / w[0, 1], r"Division by w\[0, 1\]"),
        (lambda: 1 / w[0, 1], r"Division by w\[0, 1\]"),
        (lambda: np.float64(1) / w[0, 1], r"Division by w\[0, 1\]"),
        (lambda: w[0, 0] / 0, "by zero"),
        (lambda: w[0, 0] ** 2, r"\(w\[0, 0\]\) \*\* 2 is not affine"),
        (lambda: 2 ** w[0, 0], r"2 \*\* \(w\[0, 0\]\) is not affine"),
        (lambda: np.sin(w[0, 0]), r"numpy.sin of the angle w\[0, 0\] is not affine"),
        (lambda: np.float64(2) ** w[0, 0], "numpy.power"),
        (lambda: np.ones(2) * w[0, 0], "numpy.multiply"),
        (lambda: w[0, 0] * np.ones(2), r"ndarray of shape \(2,\)"),
        (lambda: w[0, 0] * 1j, "complex"),
        (lambda: np.complex128(1j) * w[0, 0], "complex128"),
        (lambda: w[0, 0] + math.nan, "angle nan of an angle is not finite"),
        (lambda: w[0, 0] * math.inf, "factor inf"),
        (lambda: w[0, 0] + 10**400, "not finite"),
        (lambda: w[0, 0] * 1e200 * 1e200, "overflowed"),
        (lambda: w[0, 0] + "1.5" + True, "bool True"),
        (lambda: w[0, 0] + None, "NoneType None"),
        (lambda: w + 1, r"Parameter 'w' has shape \(2, 3\); name one entry, such as w\[0, 0\]"),
        (
            lambda: w[0],
            r"w\[0\] is not one entry: parameter 'w' has shape \(2, 3\), so an entry takes 2 integer",
        ),
        (lambda: w[0, 1.0], "is not one entry"),
        (lambda: list(w), "Only a one-dimensional parameter can be iterated"),
        (lambda: len(scalar), "is a scalar and has no length"),
        (lambda: w[0, 0] + Parameter("w", (4,))[0], r"Two parameters called 'w' have shapes"),
    ],
)
def test_what_is_not_affine_is_refused_with_the_reason(make, text):
    with pytest.raises(CircuitError, match=text):
        make()


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("", (), "printable, non-empty name, got ''"),
        ("a\nb", (), "printable"),
        (3, (), "printable"),
        ("w", (0,), "at least 1"),
        ("w", (2, -1), "at least 1"),
        ("w", (2.5,), "shape must be a tuple of integers, got"),
        ("w", "23", "shape must be a tuple of integers, got '23'"),
        ("w", None, "shape must be a tuple of integers"),
        ("w", (2**20, 2**20), "more than 67108864 entries"),
    ],
)
def test_a_parameter_with_a_bad_name_or_shape_is_refused(name, shape, text):
    with pytest.raises(CircuitError, match=text):
        Parameter(name, shape)


def test_a_parameter_is_an_array_of_symbols():
    assert Parameter("w", 4) == Parameter("w", (4,)) == Parameter("w", [np.int64(4)])
    assert (w.size, w.ndim, len(w)) == (6, 2, 2)
    assert [repr(entry) for entry in Parameter("x", (2,))] == ["x[0]", "x[1]"]
    assert w[-1, -1] == w[1, 2] == w[np.int64(1), 2]
    with pytest.raises(IndexError, match="Index 2 on axis 0 of parameter 'w'"):
        w[2, 0]


def test_a_string_is_short_for_a_scalar_parameter():
    assert as_angle("t") == scalar + 0


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (2 * w[1, 0] + 0.5, "2*w[1, 0] + 0.5"),
        (-scalar, "-1*t"),
        (w[0, 0] - scalar / 2 - 1, "-0.5*t + w[0, 0] - 1"),
        (Angle(constant=-0.25), "-0.25"),
        (1e20 + scalar, "t + 1e+20"),
    ],
)
def test_an_angle_reads_like_its_formula(expression, text):
    assert repr(expression) == text


def test_angles_and_parameters_survive_copies():
    angle = 2 * w[1, 0] + scalar - 1
    for twin in (copy.copy(angle), copy.deepcopy(angle), pickle.loads(pickle.dumps(angle))):
        assert twin == angle
        assert hash(twin) == hash(angle)


def test_gates_take_numpy_numbers_and_single_angles():
    circuit = (
        QuantumCircuit(1)
        .append("rx", 0, w[0, 0])
        .append("rx", 0, np.float32(0.5))
        .append("rx", 0, np.int64(2))
    )
    assert [op.angles[0].constant for op in circuit.operations] == [0.0, 0.5, 2.0]
