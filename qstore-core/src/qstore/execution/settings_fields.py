# SPDX-License-Identifier: Apache-2.0
"""The table of settings: their names, their environment variables, what they may be, and what they are by default.

Every place a setting can come from (a call, the environment, the file) goes through the same reading, so that
`"25"`, `25` and `25.0` mean the same budget everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from qstore.accounting import Budget
from qstore.errors import OptionError, QStoreError, nearest_names

__all__ = ["BY_NAME", "FALLBACK_BACKEND", "FIELDS", "Field"]

FALLBACK_BACKEND = "auto"
"""The router, which without a budget chooses among what is free: the embedded simulator where nothing else is installed."""

NONE = "none"
"""How the environment and the file say "no such limit": neither of them has a None."""

_SHOWN = 60
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_AIMS = ("cost", "speed", "accuracy")
_FALLBACKS = ("simulation", "next", NONE)
_MAX_CONCURRENT = 1_000_000
_MAX_BYTES = 2**50
_MAX_USD = 10**9


class Field(NamedTuple):  # a dataclass takes a millisecond longer to make, and everybody imports this
    """A setting.

    Attributes:
        name: in `configure`, in `Settings` and in the file.
        variable: its environment variable.
        default: what it is where nobody says anything.
        read: from what somebody said to the value; raises OptionError, or ValueError with what is expected.
        summary: one line for people.
    """

    name: str
    variable: str
    default: Any
    read: Callable[[Any], Any]
    summary: str

    def value(self, given: Any) -> Any:
        """The value that is meant.

        Raises:
            OptionError: it cannot be one of this setting.
        """
        try:
            return self.read(given)
        except QStoreError as exc:
            raise OptionError(f"{self.name}: {exc}") from None
        except (ValueError, TypeError, ArithmeticError) as exc:
            shown = repr(given)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
            raise OptionError(f"{self.name} must be {exc}, got {shown}.") from None


def _name(given: Any) -> str:
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise ValueError("the registered name of a backend, such as 'statevector'")
    return given.strip()


def _budget_name(given: Any) -> str:
    return Budget(0, name=given.strip() if isinstance(given, str) else given).name


def _time_zone(given: Any) -> str:
    return Budget(0, time_zone=given.strip() if isinstance(given, str) else given).time_zone


def _dollars(given: Any) -> Decimal | None:
    if given == NONE:
        return None
    expected = f"an amount of dollars from 0 to {_MAX_USD}, or {NONE!r}"
    if isinstance(given, bool) or not isinstance(given, (int, float, str, Decimal)):
        raise ValueError(expected)  # noqa: TRY004  # one message for all that is no amount
    try:
        amount = Budget(given.strip().removeprefix("$") if isinstance(given, str) else given).total_usd
    except OptionError:
        raise ValueError(expected) from None
    if amount > _MAX_USD:
        raise ValueError(expected)
    return amount


def _preferences(given: Any) -> Mapping[str, float]:
    expected = "weights from 0 up such as cost=0.3,speed=0.5,accuracy=0.2, not all of them 0"
    if isinstance(given, str):
        parts = [part.partition("=") for part in given.split(",")]
        given = {name.strip(): weight for name, _, weight in parts}
        if len(given) != len(parts):
            raise ValueError(expected)
    if not isinstance(given, Mapping):
        raise ValueError(expected)  # noqa: TRY004  # as above
    for name in given:
        if name not in _AIMS:
            hint = nearest_names(str(name), list(_AIMS))
            raise OptionError(f"{str(name)[:_SHOWN]!r} is none of {', '.join(_AIMS)}.{hint}")
    weights = {name: _weight(given.get(name, 0.0), expected) for name in _AIMS}
    if not any(weights.values()):
        raise ValueError(expected)
    return MappingProxyType(weights)


def _weight(given: Any, expected: str) -> float:
    if isinstance(given, bool):
        raise ValueError(expected)  # noqa: TRY004  # as above
    try:
        weight = float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(expected) from None
    if not math.isfinite(weight) or weight < 0:
        raise ValueError(expected)
    return weight


def _count(given: Any) -> int:
    return _whole(given, 1, _MAX_CONCURRENT, f"a whole number from 1 to {_MAX_CONCURRENT}")


def _bytes(given: Any) -> int:
    expected = "a number of bytes from 0 up such as 268435456, '256MiB' or '2GB'"
    if isinstance(given, str):
        text = given.strip().lower().removesuffix("b").strip()
        digits = text.rstrip("kmgi")
        unit = text[len(digits) :]
        if not digits.strip().isdecimal() or len(digits) > 20 or (unit and unit not in _UNITS):
            raise ValueError(expected)
        given = int(digits) * _UNITS.get(unit, 1)
    return _whole(given, 0, _MAX_BYTES, expected)


def _whole(given: Any, low: int, high: int, expected: str) -> int:
    if isinstance(given, str) and given.strip().isdecimal() and len(given) <= 20:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
        raise ValueError(expected)
    return given


def _fallback(given: Any) -> str:
    if given not in _FALLBACKS:
        raise ValueError(" or ".join(map(repr, _FALLBACKS)))
    return str(given)


FIELDS = (
    Field("default_backend", "QSTORE_BACKEND", FALLBACK_BACKEND, _name,
          "the registered name that backend=None means"),
    Field("budget_usd", "QSTORE_BUDGET_USD", None, _dollars,
          "dollars that may be spent under the budget's name in all; none: nothing that is paid is chosen"),
    Field("daily_budget_usd", "QSTORE_DAILY_BUDGET_USD", None, _dollars,
          "dollars that may be spent on one day; none: no such limit"),
    Field("budget_name", "QSTORE_BUDGET_NAME", "default", _budget_name,
          "what the money is counted under in the ledger"),
    Field("budget_time_zone", "QSTORE_BUDGET_TIME_ZONE", "UTC", _time_zone,
          "whose midnight ends a day of the budget, such as Europe/Berlin"),
    Field("preferences", "QSTORE_PREFERENCES", MappingProxyType({"cost": 0.3, "speed": 0.5, "accuracy": 0.2}), _preferences,
          "what the router weighs: cost, speed, accuracy"),
    Field("max_concurrent", "QSTORE_MAX_CONCURRENT", 100, _count,
          "most circuits that the executor has in flight"),
    Field("cache_bytes", "QSTORE_CACHE_BYTES", 256 * 2**20, _bytes,
          "most bytes of results that the executor keeps in memory"),
    Field("fallback", "QSTORE_FALLBACK", "simulation", _fallback,
          "what follows when a backend is down or the budget is spent: simulation, next or none"),
)  # fmt: skip
"""In the order in which people read them; the fields of `Settings` have the same names."""

BY_NAME = {field.name: field for field in FIELDS}
