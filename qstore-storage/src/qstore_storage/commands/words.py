# SPDX-License-Identifier: Apache-2.0
"""Numbers, moments and small curves as people read them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from qstore.cli.words import dollars

__all__ = ["amount", "figure", "moment", "money", "sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-~=+*#"


def figure(value: float) -> str:
    """A number with four significant digits, whole numbers in full.

    Example:
        >>> figure(0.123456), figure(76800.0), figure(float("nan")), figure(float("inf")), figure(1.5e-9)
        ('0.1235', '76,800', 'nan', 'inf', '1.5e-09')
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def amount(value: float, unit: str) -> str:
    """A number with its unit.

    Example:
        >>> amount(0.5, "s"), amount(3, ""), amount(2.5, "USD"), amount(0.25, "share")
        ('0.5 s', '3', '$2.50', '25 %')
    """
    if unit == "USD":
        return money(value)
    if unit == "share" and math.isfinite(value):
        return f"{100 * value:.3g} %"
    return f"{figure(value)} {unit}".rstrip()


def money(usd: float) -> str:
    """Dollars; sums of many float prices are cut at a hundredth of a cent.

    Example:
        >>> money(12.5), money(0.0), money(0.00021)
        ('$12.50', '$0.00', '$0.0002')
    """
    if not math.isfinite(usd):
        return str(usd)
    return dollars(Decimal(f"{usd:.4f}").normalize()) if round(usd, 4) else "$0.00"


def moment(seconds: float) -> str:
    """A moment, by UTC.

    Example:
        >>> moment(0.0)
        '1970-01-01 00:00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "unknown"  # a timestamp that the user gave may be anything


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """A curve in one line of text, in what the terminal can show.

    Example:
        >>> sparkline([0, 1, 2, 3]) in {"▁▃▆█", "_-+#"}
        True
    """
    good = [value for value in values if math.isfinite(value)]
    if not good:
        return ""
    groups = [good[i * len(good) // width : (i + 1) * len(good) // width] for i in range(width)]
    points = good if len(good) <= width else [sum(group) / len(group) for group in groups if group]
    low, high = min(points), max(points)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        _BLOCKS.encode(encoding)
        marks = _BLOCKS
    except (UnicodeEncodeError, LookupError):
        marks = _PLAIN
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # the same but for rounding
        return marks[len(marks) // 2] * len(points)
    return "".join(
        marks[min(round((value - low) / (high - low) * (len(marks) - 1)), len(marks) - 1)] for value in points
    )
