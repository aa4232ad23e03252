# SPDX-License-Identifier: Apache-2.0
"""Plain-text tables for the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """Columns two spaces apart, the header underlined.

    Args:
        header: a name for each column.
        rows: a cell for each column.
        right: the columns that stand at the right, numbers for instance.

    Example:
        >>> print(table(["outcome", "count"], [["00", "507"], ["11", "493"]], right={"count"}))
        outcome  count
        -------  -----
        00         507
        11         493
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width if name else "" for name, width in zip(header, widths, strict=True)], *rows]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
