# SPDX-License-Identifier: Apache-2.0
"""Parameters and the affine expressions of them that a gate accepts as an angle.

A `Parameter` is a named *array* of real symbols. Indexing it down to one entry gives an `Angle`, an affine
expression `constant + sum(coefficient * entry)`. Products of entries, sines and other functions are refused
with the reason: gradients on hardware and the one-matrix-product binding rest on angles being affine.

Angles are radians. Arrays are never stored here; they arrive as bindings (see `qstore.batch`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from qstore.errors import CircuitError

__all__ = ["Angle", "AngleLike", "Parameter", "Term", "as_angle"]

MAX_PARAMETER_ENTRIES = 1 << 26
"""Largest number of entries of one Parameter: amplitudes of 26 qubits."""

_AFFINE_HINT = (
    "An angle must be an affine expression of parameter entries, such as 2 * w[0] + 0.5; "
    "compute anything else before binding and bind the result to a parameter of its own."
)


class _Affine:
    """Arithmetic shared by an entry, an affine expression, and a scalar parameter."""

    __slots__ = ()

    def _angle(self) -> Angle:
        raise CircuitError(f"{self!r} is not an angle. {_AFFINE_HINT}")

    def __add__(self, other: AngleLike) -> Angle:
        return _combine(self._angle(), 1.0, as_angle(other))

    __radd__ = __add__

    def __sub__(self, other: AngleLike) -> Angle:
        return _combine(self._angle(), -1.0, as_angle(other))

    def __rsub__(self, other: AngleLike) -> Angle:
        return _combine(as_angle(other), -1.0, self._angle())

    def __mul__(self, factor: Any) -> Angle:
        if isinstance(factor, _Affine):
            msg = f"({self._angle()}) * ({factor._angle()}) is a product of parameters. {_AFFINE_HINT}"
            raise CircuitError(msg)
        return self._angle().scaled(_finite(factor, "factor"))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Angle:
        if isinstance(divisor, _Affine):
            raise CircuitError(f"Division by {divisor._angle()}. {_AFFINE_HINT}")
        value = _finite(divisor, "divisor")
        if value == 0:
            raise CircuitError(f"Division of the angle {self._angle()} by zero.")
        return self._angle().scaled(1.0 / value)

    def __rtruediv__(self, other: Any) -> Angle:
        raise CircuitError(f"Division by {self._angle()}. {_AFFINE_HINT}")

    def __pow__(self, exponent: Any) -> Angle:
        raise CircuitError(f"({self._angle()}) ** {exponent!r} is not affine. {_AFFINE_HINT}")

    def __rpow__(self, base: Any) -> Angle:
        raise CircuitError(f"{base!r} ** ({self._angle()}) is not affine. {_AFFINE_HINT}")

    def __neg__(self) -> Angle:
        return self._angle().scaled(-1.0)

    def __pos__(self) -> Angle:
        return self._angle()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # numpy scalars on the left (np.pi * x[0]) arrive here instead of in __rmul__.
        operation = _UFUNCS.get(ufunc.__name__)
        scalars = all(isinstance(item, _Affine) or np.ndim(item) == 0 for item in inputs)
        if method != "__call__" or operation is None or kwargs or not scalars:
            raise CircuitError(f"numpy.{ufunc.__name__} of the angle {self!r} is not affine. {_AFFINE_HINT}")
        plain = [item if isinstance(item, _Affine) else _finite(item, "operand") for item in inputs]
        return (
            getattr(plain[0], operation)(*plain[1:])
            if isinstance(plain[0], _Affine)
            else (getattr(plain[1], _REFLECTED[operation])(plain[0]))
        )


_UFUNCS = {"add": "__add__", "subtract": "__sub__", "multiply": "__mul__", "divide": "__truediv__",
           "negative": "__neg__", "positive": "__pos__"}  # fmt: skip
_REFLECTED = {
    "__add__": "__radd__",
    "__sub__": "__rsub__",
    "__mul__": "__rmul__",
    "__truediv__": "__rtruediv__",
}


@dataclass(frozen=True)
class Parameter(_Affine):
    """A named array of real symbols.

    `Parameter("w", shape=(4, 2))` has eight entries; `w[1, 0]` is one of them and can be used as an angle.
    A parameter of shape `()` is itself an angle.

    Args:
        name: how the bindings call it; any non-empty string without control characters.
        shape: the shape of one sample's array.

    Raises:
        CircuitError: the name is empty, or the shape has a size below 1 or too many entries.

    Example:
        >>> w = Parameter("w", shape=(4, 2))
        >>> 2 * w[1, 0] + 0.5
        2*w[1, 0] + 0.5
    """

    name: str
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not self.name.isprintable():
            raise CircuitError(f"A parameter needs a printable, non-empty name, got {self.name!r}.")
        try:
            sizes = (self.shape,) if isinstance(self.shape, (int, np.integer)) else tuple(self.shape)
            shape = tuple(operator.index(size) for size in sizes)
        except TypeError as exc:
            raise CircuitError(
                f"Parameter {self.name!r}: shape must be a tuple of integers, got {self.shape!r}."
            ) from exc
        if any(size < 1 for size in shape):
            raise CircuitError(f"Parameter {self.name!r}: every size of shape {shape} must be at least 1.")
        if math.prod(shape) > MAX_PARAMETER_ENTRIES:
            raise CircuitError(
                f"Parameter {self.name!r}: shape {shape} has more than {MAX_PARAMETER_ENTRIES} entries."
            )
        object.__setattr__(self, "shape", shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise CircuitError(f"Parameter {self.name!r} is a scalar and has no length.")
        return self.shape[0]

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int | tuple[int, ...]) -> Angle:
        """One entry as an angle; as many integers as the parameter has axes, negative ones from the end."""
        indices = index if isinstance(index, tuple) else (index,)
        if len(indices) != len(self.shape) or not all(isinstance(i, (int, np.integer)) for i in indices):
            msg = (
                f"{self.name}[{', '.join(map(str, indices))}] is not one entry: parameter {self.name!r} has shape "
                f"{self.shape}, so an entry takes {len(self.shape)} integer(s)."
            )
            raise CircuitError(msg)
        flat = 0
        for axis, (i, size) in enumerate(zip(indices, self.shape, strict=True)):
            if not -size <= i < size:
                # IndexError, and not ours, ends `for entry in parameter` the way Python expects.
                raise IndexError(
                    f"Index {i} on axis {axis} of parameter {self.name!r} with shape {self.shape}."
                )
            flat = flat * size + int(i) % size
        return Angle(terms=(Term(self, flat, 1.0),))

    def __iter__(self) -> Iterator[Angle]:
        if len(self.shape) != 1:
            raise CircuitError(
                f"Only a one-dimensional parameter can be iterated; {self.name!r} has shape {self.shape}."
            )
        return (self[i] for i in range(self.shape[0]))

    def _angle(self) -> Angle:
        if self.shape:
            example = ", ".join("0" for _ in self.shape)
            msg = f"Parameter {self.name!r} has shape {self.shape}; name one entry, such as {self.name}[{example}]."
            raise CircuitError(msg)
        return Angle(terms=(Term(self, 0, 1.0),))


class Term(NamedTuple):
    """One summand of an angle: `coefficient * parameter.ravel()[entry]`."""

    parameter: Parameter
    entry: int
    coefficient: float

    def __str__(self) -> str:
        name = self.parameter.name
        if self.parameter.shape:
            name += f"[{', '.join(str(int(i)) for i in np.unravel_index(self.entry, self.parameter.shape))}]"
        return name if self.coefficient == 1 else f"{_number(self.coefficient)}*{name}"


@dataclass(frozen=True, slots=True)
class Angle(_Affine):
    """An affine expression of parameter entries, in radians.

    Attributes:
        terms: the summands, sorted by parameter name and entry, no entry twice, no zero coefficient.
        constant: the part without parameters.
    """

    terms: tuple[Term, ...] = ()
    constant: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.constant) and all(math.isfinite(term.coefficient) for term in self.terms)):
            raise CircuitError(f"The angle {self!r} is not finite: its arithmetic overflowed.")

    @property
    def is_constant(self) -> bool:
        """Whether no parameter enters."""
        return not self.terms

    def scaled(self, factor: float) -> Angle:
        """Return `factor` times this angle."""
        terms = tuple(Term(p, i, c * factor) for p, i, c in self.terms if c * factor)
        return Angle(terms, self.constant * factor + 0.0)

    def value(self, bindings: Mapping[str, np.ndarray]) -> float:
        """Evaluate for bindings that hold one sample (exactly the parameters' shapes)."""
        return self.constant + sum(c * float(np.ravel(bindings[p.name])[i]) for p, i, c in self.terms)

    def _angle(self) -> Angle:
        return self

    def __repr__(self) -> str:
        if not self.terms:
            return _number(self.constant)
        text = " + ".join(str(term) for term in self.terms)
        if self.constant:
            text += f" + {_number(self.constant)}"
        return text.replace("+ -", "- ")


AngleLike = Angle | Parameter | str | float
"""What a gate method accepts as an angle: a string is short for a scalar Parameter of that name."""


def as_angle(value: AngleLike) -> Angle:
    """Turn a number, a parameter, a parameter's name or an expression into an `Angle`.

    Raises:
        CircuitError: it is none of these, or not finite.
    """
    if isinstance(value, _Affine):
        return value._angle()
    if isinstance(value, str):
        return Parameter(value)._angle()
    return Angle(constant=_finite(value, "angle"))


def _finite(value: Any, what: str) -> float:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (Real, np.floating, np.integer)):
        shape = f" of shape {np.shape(value)}" if np.ndim(value) else ""
        msg = f"{type(value).__name__}{shape} {value!r} cannot be used as {what} of an angle. {_AFFINE_HINT}"
        raise CircuitError(msg)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise CircuitError(f"{what} {number!r} of an angle is not finite.")
    return number + 0.0  # turns -0.0 into 0.0, so that equal circuits have equal fingerprints


def _combine(left: Angle, sign: float, right: Angle) -> Angle:
    sums: dict[tuple[Parameter, int], float] = {(p, i): c for p, i, c in left.terms}
    for p, i, c in right.terms:
        sums[p, i] = sums.get((p, i), 0.0) + sign * c
    shapes: dict[str, Parameter] = {}
    for p, _ in sums:
        if shapes.setdefault(p.name, p) != p:
            raise CircuitError(
                f"Two parameters called {p.name!r} have shapes {shapes[p.name].shape} and {p.shape}."
            )
    ordered = sorted(((p, i, c) for (p, i), c in sums.items() if c), key=lambda term: (term[0].name, term[1]))
    return Angle(tuple(Term(*term) for term in ordered), left.constant + sign * right.constant + 0.0)


def _number(value: float) -> str:
    return str(int(value)) if abs(value) < 1e6 and value == int(value) else f"{value!r}"
