# SPDX-License-Identifier: Apache-2.0
"""`Budget`: how much may be spent under a name, in all and on one day. What was spent is in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from qstore.accounting.money import dollars
from qstore.errors import OptionError

__all__ = ["UNLIMITED", "Budget", "day_of", "start_of_day", "zone"]

UNLIMITED = "unlimited"
"""The name under which money is counted that no budget limits."""


@dataclass(frozen=True, slots=True, repr=False)
class Budget:
    """How much may be spent under a name.

    Attributes:
        total_usd: over the whole life of the name in the ledger.
        daily_usd: on one day; None for no such limit.
        name: what the money is counted under; another name starts from zero.
        time_zone: whose midnight ends a day, such as "Europe/Berlin".

    Raises:
        OptionError: a limit that is no amount of money, no name, or no time zone.

    Example:
        >>> Budget("25", daily_usd=5, name="thesis")
        Budget(total_usd=Decimal('25'), daily_usd=Decimal('5'), name='thesis')
    """

    total_usd: Decimal
    daily_usd: Decimal | None = None
    name: str = "default"
    time_zone: str = "UTC"

    def __init__(
        self,
        total_usd: Decimal | float | str,
        daily_usd: Decimal | float | str | None = None,
        name: str = "default",
        time_zone: str = "UTC",
    ) -> None:
        object.__setattr__(self, "total_usd", dollars(total_usd, "total_usd"))
        object.__setattr__(self, "daily_usd", None if daily_usd is None else dollars(daily_usd, "daily_usd"))
        if not isinstance(name, str) or not name or name == UNLIMITED:
            raise OptionError(f"A budget's name is a string other than '' and {UNLIMITED!r}, got {name!r}.")
        object.__setattr__(self, "name", name)
        zone(time_zone)
        object.__setattr__(self, "time_zone", time_zone)

    def __repr__(self) -> str:
        zone = f", time_zone={self.time_zone!r}" if self.time_zone != "UTC" else ""
        return f"Budget(total_usd={self.total_usd!r}, daily_usd={self.daily_usd!r}, name={self.name!r}{zone})"


def zone(name: str) -> tzinfo:
    """The time zone of a name.

    Raises:
        OptionError: there is none of that name here.

    Example:
        >>> zone("UTC")
        datetime.timezone.utc
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # reads files; few budgets need it

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, KeyError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise OptionError(
            f"time_zone must be a name such as 'Europe/Berlin' or 'UTC', got {name!r}. On Windows the names come with: "
            "pip install tzdata"
        ) from exc


def day_of(at_s: float, time_zone: str) -> date:
    """The day on which a moment falls.

    Args:
        at_s: seconds since 1970 by UTC.
        time_zone: where.

    Example:
        >>> day_of(1_800_000_000, "UTC").isoformat(), day_of(1_800_000_000, "Asia/Tokyo").isoformat()
        ('2027-01-15', '2027-01-15')
    """
    return datetime.fromtimestamp(at_s, zone(time_zone)).date()


def start_of_day(at_s: float, time_zone: str) -> float:
    """When the day began on which a moment falls, in seconds since 1970 by UTC.

    Days of 23 and 25 hours are what they are. Where midnight itself is skipped by summer time, the day begins when the
    clock jumps.

    Example:
        >>> start_of_day(1_800_000_000, "UTC") == 1_800_000_000 - 1_800_000_000 % 86400
        True
    """
    where = zone(time_zone)
    today = datetime.fromtimestamp(at_s, where).date()
    begin = datetime(today.year, today.month, today.day, tzinfo=where).timestamp()
    # A midnight that does not exist is read with the offset of the evening before, which may lie in the day before.
    while datetime.fromtimestamp(begin, where).date() < today:
        begin += timedelta(minutes=15).total_seconds()
    return begin
