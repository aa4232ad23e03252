# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them: dollars, seconds, bytes, errors, bars."""

from __future__ import annotations

import sys
from decimal import Decimal

__all__ = ["bar", "dollars", "error", "number", "seconds", "size"]

_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_BAR = 24


def dollars(usd: Decimal) -> str:
    """Dollars and cents, with more digits where there are any.

    Example:
        >>> dollars(Decimal("3.5")), dollars(Decimal("0.00022")), dollars(Decimal(0))
        ('$3.50', '$0.00022', 'free')
    """
    if not usd:
        return "free"
    places = max(2, -int(usd.normalize().as_tuple().exponent))
    return f"${usd:,.{places}f}"


def seconds(duration: float) -> str:
    """A duration in the unit that suits it.

    Example:
        >>> seconds(0.0021), seconds(90), seconds(0)
        ('2.1 ms', '1.5 min', '0 s')
    """
    for unit, name in _TIMES:
        if duration >= unit:
            return f"{duration / unit:.3g} {name}"
    return "0 s" if duration <= 0 else "under 1 us"


def size(count: int) -> str:
    """A number of bytes.

    Example:
        >>> size(512), size(3 * 2**20)
        ('512 B', '3.0 MiB')
    """
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def error(expected: float) -> str:
    """An absolute error; 0 is exact.

    Example:
        >>> error(0.0), error(0.03162)
        ('exact', '+-0.032')
    """
    return "exact" if expected == 0 else f"+-{expected:.2g}"


def number(value: float) -> str:
    """A real number with six digits after the point.

    Example:
        >>> number(0.5), number(-0.0)
        (' 0.500000', ' 0.000000')
    """
    return f"{value + 0.0: .6f}"


def bar(share: float) -> str:
    """A bar for a share from 0 to 1, in what the terminal can show.

    Example:
        >>> len(bar(0.5))
        12
    """
    encoding = (
        getattr(sys.stdout, "encoding", None) or "utf-8"
    )  # text that is kept in memory takes everything
    try:
        "█".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#" * round(share * _BAR)
    return "█" * round(share * _BAR)
