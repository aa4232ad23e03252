# SPDX-License-Identifier: Apache-2.0
"""A run as one HTML page that needs nothing else: no script, no network, no other file.

Everything that comes from the run is escaped, and a content security policy forbids the page to load or run anything, so that
a report may be opened whoever made the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from pathlib import Path

from qstore.cli.words import seconds
from qstore_storage.commands.charts import chart, small_curve
from qstore_storage.commands.panels import Line, Panel, Section, panels_of
from qstore_storage.commands.series import ColumnSummary, RunSummary
from qstore_storage.commands.style import STYLE
from qstore_storage.commands.words import amount, figure, moment, money

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_COLOURS = 4
_VALUES = 5
_FEW = 9
"""So many charts need no headings of their own."""


def page(summary: RunSummary, title: str = "") -> str:
    """The page as text.

    Args:
        summary: of the run.
        title: of the page; by default the name of the run's folder.
    """
    name = title or Path(summary.path).resolve().name or summary.path
    along = "step" if "step" in summary.columns else "row"
    body = [_head(name, summary), _tiles(summary), _problems(summary.problems)]
    sections = panels_of(summary)
    panels = tuple(panel for section in sections for panel in section.panels)
    if 0 < len(panels) <= _FEW:
        sections = (Section("Curves", panels),)
    for section in sections:
        cards = "".join(_card(panel, along) for panel in section.panels)
        body.append(f'<section><h2>{escape(section.title)}</h2><div class="cards">{cards}</div></section>')
    body += [_backends(summary), _columns(summary), _texts(summary)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n<footer>Written by <code>qstore report</code>. The band behind a line is the range of the rows around each point; "
        "point at a line for its numbers.</footer>\n</main>\n</body>\n</html>\n"
    )


def _head(name: str, summary: RunSummary) -> str:
    if not summary.rows:
        return f'<header><h1>{escape(name)}</h1><p class="soft">This run has no rows yet.</p></header>'
    when = f"{moment(summary.start)} to {moment(summary.end)} UTC"
    ranks = len(summary.ranks)
    return (
        f'<header><h1>{escape(name)}</h1><p class="soft">{escape(when)} · {summary.rows:,} rows of {ranks} '
        f"{'process' if ranks == 1 else 'processes'}</p></header>"
    )


def _tiles(summary: RunSummary) -> str:
    columns = summary.columns
    tiles: list[tuple[str, str]] = []
    if summary.rows:
        tiles.append((seconds(summary.end - summary.start), "first to last row"))
    if "step" in columns:
        tiles.append((figure(columns["step"].highest), f"steps{_epochs(columns.get('epoch'))}"))
    for name, words, best in (
        ("val_loss", "last validation loss", ""), ("train_loss", "last training loss", ""),
        ("val_accuracy", "last validation accuracy", "best"), ("train_accuracy", "last training accuracy", "best"),
    ):  # fmt: skip
        if name in columns and columns[name].count:
            column = columns[name]
            also = f", best {amount(column.highest, column.unit)}" if best and column.finite else ""
            tiles.append((amount(column.last, column.unit), words + also))
    for name, words in (("circuits", "circuits run"), ("shots", "shots measured")):
        if name in columns:
            tiles.append((_short(columns[name].total), words))
    for name, words in (("circuit_time_s", "on backends"), ("queue_time_s", "waiting in queues")):
        if summary.total(name) > 0:
            tiles.append((seconds(summary.total(name)), words))
    if "cost_usd" in columns:
        tiles.append((money(columns["cost_usd"].total), "cost"))
    made = "".join(
        f'<div class="tile"><b>{_text(value)}</b><span>{_text(words)}</span></div>' for value, words in tiles
    )
    return f'<div class="tiles">{made}</div>' if made else ""


def _epochs(column: ColumnSummary | None) -> str:
    if column is None or not column.finite:
        return ""
    counts_from_zero = column.lowest == 0
    return f" in {int(column.highest) + counts_from_zero:,} epochs"


def _short(total: float) -> str:
    if not math.isfinite(total) or abs(total) < 1e6:
        return figure(total)
    return next(f"{total / size:,.4g}{name}" for size, name in ((1e9, "G"), (1e6, "M")) if abs(total) >= size)


def _problems(problems: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    return (
        f'<div class="problems" role="note"><b>What is out of order</b><ul>{items}</ul></div>'
        if items
        else ""
    )


def _card(panel: Panel, along: str) -> str:
    keys = "".join(
        f'<li><i class="s{i % _COLOURS}"></i>{escape(line.name)} <b>{escape(amount(line.last, line.unit))}</b></li>'
        for i, line in enumerate(panel.lines)
    )
    return f'<div class="card"><h3>{escape(panel.title)}</h3><ul class="key">{keys}</ul>{chart(panel, along)}</div>'


def _backends(summary: RunSummary) -> str:
    if not summary.backends:
        return ""
    whole = sum(share.circuits for share in summary.backends)
    by = "circuits" if whole else "rows"
    amounts = [share.circuits if whole else share.rows for share in summary.backends]
    bar = "".join(
        f'<span class="s{i % _COLOURS}" style="flex:{each} 0 0"></span>'
        for i, each in enumerate(amounts)
        if each
    )
    rows = "".join(
        f'<tr><th><i class="mark s{i % _COLOURS}"></i>{escape(share.name)}</th>'
        + _cells(
            f"{100 * each / (sum(amounts) or 1):.1f} %", f"{share.rows:,}", f"{share.circuits:,}", f"{share.shots:,}",
            seconds(share.circuit_time_s), seconds(share.queue_time_s), money(share.cost_usd),
        )
        + "</tr>"
        for i, (share, each) in enumerate(zip(summary.backends, amounts, strict=True))
    )  # fmt: skip
    heads = "".join(f'<th class="n">{words}</th>' for words in
                    (f"share of {by}", "rows", "circuits", "shots", "time", "queue", "cost"))  # fmt: skip
    return (
        f'<section><h2>Backends</h2><div class="bar" role="img" aria-label="share of {by} by backend">{bar}</div>'
        f'<div class="wide"><table><thead><tr><th>backend</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _columns(summary: RunSummary) -> str:
    rows = []
    for column in summary.columns.values():
        curve = summary.curve(column.name)
        small = small_curve(Line(column.name, curve, column.last, column.unit)) if curve is not None else ""
        values = _cells(figure(column.count), *(
            amount(value, column.unit if column.unit in {"USD", "share"} else "")
            for value in (column.first, column.last, column.lowest, column.highest)
        ))  # fmt: skip
        unit = "" if column.unit in {"USD", "share"} else column.unit
        rows.append(
            f"<tr><th>{escape(column.name)}</th><td>{small}</td>{values}<td>{escape(unit)}</td>"
            f'<td class="what">{escape(column.what)}</td></tr>'
        )
    heads = "".join(f'<th class="n">{words}</th>' for words in ("rows", "first", "last", "lowest", "highest"))
    return (
        f'<section><h2>All columns</h2><div class="wide"><table><thead><tr><th>column</th><th>curve</th>{heads}<th>unit</th>'
        f"<th>what it is</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
        if rows
        else ""
    )


def _texts(summary: RunSummary) -> str:
    rows = []
    for name, counts in summary.texts.items():
        if name == "backend":
            continue
        shown = "; ".join(f"{value} ({count:,})" for value, count in list(counts.items())[:_VALUES])
        more = f"; {len(counts) - _VALUES:,} more" if len(counts) > _VALUES else ""
        rows.append(f'<tr><th>{escape(name)}</th><td class="what">{escape(shown + more)}</td></tr>')
    return (
        '<section><h2>Texts and truths</h2><div class="wide"><table><thead><tr><th>column</th><th>values (rows)</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
        if rows
        else ""
    )


def _text(words: str) -> str:
    """Escaped, and no line ends before a percent sign."""
    return escape(words).replace(" %", "&nbsp;%")


def _cells(*texts: str) -> str:
    return "".join(f'<td class="n">{escape(text)}</td>' for text in texts)
