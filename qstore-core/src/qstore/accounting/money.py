# SPDX-License-Identifier: Apache-2.0
"""Amounts of money: what a user gives as `Decimal` dollars, and as the whole billionths that the ledger adds up."""

from __future__ import annotations

from decimal import Decimal

from qstore.errors import OptionError

__all__ = ["dollars", "from_nano", "nano"]

_NANO = Decimal(10) ** 9


def dollars(given: Decimal | float | str, what: str) -> Decimal:
    """An amount of money that a user gave.

    A float is taken as it is written: 0.1 is a tenth of a dollar.

    Args:
        given: dollars.
        what: the argument's name, for the message.

    Raises:
        OptionError: no number, below zero, or infinite.

    Example:
        >>> dollars(0.1, "budget")
        Decimal('0.1')
    """
    try:
        amount = Decimal(str(given))
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise OptionError(f"{what} must be an amount of dollars from 0 up, got {given!r}.")
    return amount


def nano(usd: Decimal, rounding: str) -> int:
    """Dollars as whole billionths.

    Args:
        usd: the amount.
        rounding: one of the `decimal` module's ways.

    Raises:
        OptionError: no amount of money, or four billion dollars and more.
    """
    amount = dollars(usd, "An amount")
    try:
        units = int((amount * _NANO).to_integral_value(rounding=rounding))
    except ArithmeticError:
        units = 1 << 63
    if units >= 1 << 62:
        raise OptionError(f"An amount must be below four billion dollars, got {usd!r}.")
    return units


def from_nano(units: int) -> Decimal:
    """Whole billionths as dollars, without zeros at their end."""
    return (Decimal(units) / _NANO).normalize() + Decimal(0) if units else Decimal(0)
