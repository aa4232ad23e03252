# SPDX-License-Identifier: Apache-2.0
"""`Explanation`: the candidates for a batch with their figures, scores and reasons, as a table and as data."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore.routing.scores import Score, Weights

__all__ = ["Explanation", "Row"]

_HEADS = ("", "backend", "cost", "time", "error", "score", "why")
_NUMBERS = ("cost", "time", "error", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate.

    Attributes:
        backend: its name.
        chosen: whether it would run the batch now.
        usd, seconds, error: what is expected; None where it was not asked.
        score: None where there is none.
        reason: why it is chosen, comes later, or is left out.
        basis: what the seconds rest on: "estimated", or "estimated x 8, as measured".
    """

    backend: str
    chosen: bool = False
    usd: Decimal | None = None
    seconds: float | None = None
    error: float | None = None
    score: Score | None = None
    reason: str = ""
    basis: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON; dollars as text, because a float is not exact."""
        return {
            "backend": self.backend,
            "chosen": self.chosen,
            "usd": None if self.usd is None else str(self.usd),
            "seconds": self.seconds,
            "error": self.error,
            "score": None if self.score is None else self.score._asdict(),
            "reason": self.reason,
            "basis": self.basis,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation:
    """What a router decides and why; `str` and `repr` are a table, notebooks show it as HTML.

    Attributes:
        batch: what was to be run, in words.
        chosen: the name of the backend that would run it; None where none can.
        rows: all candidates, the chosen one first, those that are left out last.
        weights: how much cost, speed and accuracy count.
        budget: what may be spent, in words.
    """

    batch: str
    chosen: str | None
    rows: tuple[Row, ...]
    weights: Weights
    budget: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "batch": self.batch,
            "chosen": self.chosen,
            "weights": {name: getattr(self.weights, name) for name in self.weights.__slots__},
            "budget": self.budget,
            "candidates": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        lines = [_HEADS, *map(_cells, self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS) - 1)]
        table = [
            "  ".join(
                [cell.rjust(width) if head in _NUMBERS else cell.ljust(width)
                 for head, cell, width in zip(_HEADS, line, widths, strict=False)] + [line[-1]]
            ).rstrip()
            for line in lines
        ]  # fmt: skip
        return "\n".join([self._heading(), *table])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from html import escape  # only in notebooks

        head = "".join(f"<th>{name}</th>" for name in _HEADS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>"
            for row in self.rows
        )
        return f"<p>{escape(self._heading())}</p><table><tr>{head}</tr>{body}</table>"

    def _heading(self) -> str:
        chosen = f"{self.chosen!r} runs it" if self.chosen is not None else "no backend can run it"
        weights = ", ".join(f"{name} {getattr(self.weights, name):.2g}" for name in self.weights.__slots__)
        return f"{self.batch}: {chosen}. Weights: {weights}. {self.budget}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "*" if row.chosen else "",
        row.backend,
        "" if row.usd is None else f"${row.usd:,.2f}",
        "" if row.seconds is None else duration(row.seconds),
        "" if row.error is None else f"{row.error:.1g}" if row.error else "exact",
        "" if row.score is None else f"{row.score.total:.3g}",
        row.reason,
    )


_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def duration(seconds: float) -> str:
    """Seconds in the unit that fits.

    Example:
        >>> duration(0.0021), duration(5400)
        ('2.1 ms', '1.5 h')
    """
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return "< 1 us"
