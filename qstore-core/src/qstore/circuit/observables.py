# SPDX-License-Identifier: Apache-2.0
"""Observables: real linear combinations of Pauli strings.

A string is a pair of bit masks: bit q of `x_mask` and of `z_mask` says which Pauli acts on qubit q (X: 1 0, Z: 0 1,
Y: 1 1). The string is the Hermitian product of its Paulis; no phase is hidden in the masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.errors import CircuitError

__all__ = ["I", "Observable", "PauliTerm", "X", "Y", "Z"]

_HERMITIAN_TOLERANCE = 1e-12
"""Relative rounding allowed in the imaginary part of a product before it counts as not Hermitian."""


class PauliTerm(NamedTuple):
    """`coefficient` times the Pauli string of two masks."""

    x_mask: int
    z_mask: int
    coefficient: float

    @property
    def letters(self) -> tuple[tuple[int, str], ...]:
        """The (qubit, letter) pairs that are not the identity, by qubit."""
        support = self.x_mask | self.z_mask
        qubits = (q for q in range(support.bit_length()) if support >> q & 1)
        return tuple((q, "IXZY"[(self.x_mask >> q & 1) + 2 * (self.z_mask >> q & 1)]) for q in qubits)

    def __str__(self) -> str:
        string = " @ ".join(f"{letter}({q})" for q, letter in self.letters) or "I()"
        return string if self.coefficient == 1 else f"{self.coefficient!r} * {string}"


@dataclass(frozen=True, slots=True)
class Observable:
    """A real linear combination of Pauli strings, built from `X(q)`, `Y(q)`, `Z(q)` with `+ - * / @`.

    Attributes:
        terms: sorted by masks, none twice, none with coefficient zero.

    Example:
        >>> Z(0) @ Z(1) + 0.5 * X(2)
        Z(0) @ Z(1) + 0.5 * X(2)
    """

    terms: tuple[PauliTerm, ...] = ()

    @classmethod
    def of(cls, terms: Iterable[PauliTerm]) -> Observable:
        """The sum of terms in any order, of which several may be of one string.

        Raises:
            CircuitError: a coefficient of the sum is not finite.

        Example:
            >>> Observable.of([PauliTerm(1, 0, 0.5), PauliTerm(0, 1, 2.0), PauliTerm(1, 0, 0.25)])
            2.0 * Z(0) + 0.75 * X(0)
        """
        sums: dict[tuple[int, int], float] = {}
        for x, z, c in terms:
            sums[x, z] = sums.get((x, z), 0.0) + c
        if not all(map(math.isfinite, sums.values())):
            raise CircuitError("A coefficient of an observable is not finite: its arithmetic overflowed.")
        return cls(tuple(PauliTerm(x, z, c) for (x, z), c in sorted(sums.items()) if c))

    @property
    def x_masks(self) -> tuple[int, ...]:
        """The X mask of each term."""
        return tuple(term.x_mask for term in self.terms)

    @property
    def z_masks(self) -> tuple[int, ...]:
        """The Z mask of each term."""
        return tuple(term.z_mask for term in self.terms)

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """The coefficient of each term."""
        return np.array([term.coefficient for term in self.terms])

    @property
    def n_qubits(self) -> int:
        """One more than the highest qubit it acts on."""
        return max((term.x_mask | term.z_mask for term in self.terms), default=0).bit_length()

    @property
    def is_diagonal(self) -> bool:
        """Whether only I and Z occur, so that outcomes of a plain measurement give its value."""
        return not any(term.x_mask for term in self.terms)

    def squared(self) -> Observable:
        """The square, an observable again (needed for variances)."""
        return self @ self

    def __add__(self, other: Observable | float) -> Observable:
        return Observable.of([*self.terms, *as_observable(other).terms])

    __radd__ = __add__

    def __neg__(self) -> Observable:
        return self * -1.0

    def __sub__(self, other: Observable | float) -> Observable:
        return self + -as_observable(other)

    def __rsub__(self, other: Observable | float) -> Observable:
        return as_observable(other) + -self

    def __mul__(self, factor: float) -> Observable:
        if isinstance(factor, Observable):
            raise CircuitError(
                f"Use @ for the product of the observables {self} and {factor}; * takes numbers."
            )
        number = _finite(factor)
        return Observable.of(PauliTerm(x, z, c * number) for x, z, c in self.terms)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Observable:
        if _finite(divisor) == 0:
            raise CircuitError(f"Division of the observable {self} by zero.")
        return self * (1.0 / divisor)

    def __matmul__(self, other: Observable) -> Observable:
        """The operator product, which must be Hermitian: on different qubits it is the tensor product."""
        if not isinstance(other, Observable):
            return NotImplemented
        product: dict[tuple[int, int], complex] = {}
        scale = 0.0
        for left in self.terms:
            for right in other.terms:
                masks = (left.x_mask ^ right.x_mask, left.z_mask ^ right.z_mask)
                value = left.coefficient * right.coefficient * 1j ** _product_phase(left, right)
                product[masks] = product.get(masks, 0) + value
                scale = max(scale, abs(value))
        if any(abs(value.imag) > _HERMITIAN_TOLERANCE * scale for value in product.values()):
            raise CircuitError(
                f"({self}) @ ({other}) is not Hermitian: the two do not commute, so it is no observable."
            )
        kept = {
            masks: value.real for masks, value in product.items() if abs(value) > _HERMITIAN_TOLERANCE * scale
        }
        return Observable.of(PauliTerm(*masks, value) for masks, value in kept.items())

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # np.float64(2) * Z(0): numpy asks us before it tries to make an array of objects.
        if (
            method == "__call__"
            and ufunc.__name__ in _REFLECTED
            and isinstance(inputs[0], (np.generic, float, int))
        ):
            return getattr(self, _REFLECTED[ufunc.__name__])(inputs[0])
        raise CircuitError(f"numpy.{ufunc.__name__} is not defined for observables; use + - * / @.")

    def __iter__(self) -> Iterator[PauliTerm]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __repr__(self) -> str:
        return " + ".join(str(term) for term in self.terms).replace("+ -", "- ") or "0.0 * I()"


_REFLECTED = {"add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__"}


def I() -> Observable:  # noqa: E743  # the identity's name in the literature
    """The identity, a constant in a Pauli sum."""
    return Observable((PauliTerm(0, 0, 1.0),))


def X(qubit: int) -> Observable:
    """Pauli X on one qubit."""
    return Observable((PauliTerm(_bit(qubit), 0, 1.0),))


def Y(qubit: int) -> Observable:
    """Pauli Y on one qubit."""
    return Observable((PauliTerm(_bit(qubit), _bit(qubit), 1.0),))


def Z(qubit: int) -> Observable:
    """Pauli Z on one qubit."""
    return Observable((PauliTerm(0, _bit(qubit), 1.0),))


def as_observable(value: Observable | float) -> Observable:
    """An observable as it is; a number as that multiple of the identity."""
    return value if isinstance(value, Observable) else I() * value


def _bit(qubit: int) -> int:
    if isinstance(qubit, bool) or not isinstance(qubit, (int, np.integer)) or qubit < 0:
        raise CircuitError(f"An observable acts on a qubit number from 0 up, got {qubit!r}.")
    return 1 << int(qubit)


def _finite(value: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (Real, np.floating, np.integer))
        or not math.isfinite(value)
    ):
        raise CircuitError(f"A coefficient of an observable must be a finite real number, got {value!r}.")
    return float(value)


def _product_phase(left: PauliTerm, right: PauliTerm) -> int:
    """The power k in P_left P_right = i**k P, with Y written as i X Z on each qubit."""
    y_left = (left.x_mask & left.z_mask).bit_count()
    y_right = (right.x_mask & right.z_mask).bit_count()
    crossing = (left.z_mask & right.x_mask).bit_count()  # Z X = -X Z
    y_product = ((left.x_mask ^ right.x_mask) & (left.z_mask ^ right.z_mask)).bit_count()
    return (y_left + y_right + 2 * crossing - y_product) % 4
