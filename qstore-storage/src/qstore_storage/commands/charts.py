# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG text: axes with round numbers, lines with the range of their rows behind them.

Colours and letters come from the page's style sheet, so that charts follow its light and dark. What a user named is escaped.
"""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

import numpy as np

from qstore_storage.commands.panels import Line, Panel
from qstore_storage.commands.series import Floats
from qstore_storage.commands.words import amount, figure, money

__all__ = ["chart", "small_curve", "ticks"]

WIDTH, HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 10, 30
_DOTS = 60
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`.

    Example:
        >>> ticks(0.03, 2.31), ticks(0.0, 0.0)
        ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [-1.0, 0.0, 1.0])
    """
    if high <= low:
        pad = abs(low) or 1.0
        return [low - pad, low, low + pad]
    rough = (high - low) / count
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= rough * 0.9999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def chart(panel: Panel, x_name: str = "step") -> str:
    """A panel as `<svg>`.

    Args:
        panel: what to draw.
        x_name: what the lines are drawn along.
    """
    curves = [line.curve for line in panel.lines]
    y_ticks = ticks(min(curve.low.min() for curve in curves), max(curve.high.max() for curve in curves))
    x_low, x_high = (float(f(ends)) for f, ends in
                     ((min, [curve.x[0] for curve in curves]), (max, [curve.x[-1] for curve in curves])))  # fmt: skip
    x_high = x_high if x_high > x_low else x_low + 1
    slack = 0.01 * (x_high - x_low)  # points stand in the middle of their rows
    x_ticks = [each for each in ticks(x_low, x_high) if x_low - slack <= each <= x_high + slack]
    across = _Axis(x_low, x_high, _LEFT, WIDTH - _RIGHT)
    up = _Axis(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    names = ", ".join(line.name for line in panel.lines)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(panel.title)}: {escape(names)}">'
    ]
    for tick in y_ticks:
        y = float(up(np.asarray(tick)))
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{_label(tick, panel.unit)}</text>'
        )
    for tick in x_ticks:
        x = float(across(np.asarray(tick)))
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{_label(tick, "")}</text>'
        )
    parts.append(f'<text class="tick" x="4" y="{HEIGHT - 10}">{escape(x_name)}</text>')
    for index, line in enumerate(panel.lines):
        parts.append(_line(line, index, across, up, x_name))
    return "".join([*parts, "</svg>"])


def small_curve(line: Line, width: int = 120, height: int = 26) -> str:
    """A curve without axes, for a table."""
    curve = line.curve
    span_x, span_y = float(curve.x[-1] - curve.x[0]) or 1.0, float(curve.mean.max() - curve.mean.min())
    every = max(1, len(curve.x) // width)
    x = (curve.x[::every] - curve.x[0]) / span_x * (width - 4) + 2
    low = curve.mean.min()
    y = (
        height - 3 - (curve.mean[::every] - low) / span_y * (height - 6)
        if span_y > 1e-9 * float(np.abs(curve.mean).max())
        else np.full(len(x), height / 2)
    )
    return (
        f'<svg class="small" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path class="line s0" d="{_path(x, y)}"/></svg>'
    )


class _Axis(NamedTuple):
    """From numbers to places in the drawing: `low` stands at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: Floats) -> Floats:
        share: Floats = (values - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _line(line: Line, index: int, across: _Axis, up: _Axis, x_name: str) -> str:
    curve = line.curve
    x, y = across(curve.x), up(curve.mean)
    parts = [f'<g class="s{index}">']
    if np.any(curve.high > curve.low):
        there, back = _path(x, up(curve.high)), _path(x[::-1], up(curve.low)[::-1]).replace("M", "L", 1)
        parts.append(f'<path class="band" d="{there}{back}Z"/>')
    if len(x) == 1:
        parts.append(f'<circle class="dot" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3.5"/>')
    parts.append(f'<path class="line" d="{_path(x, y)}"/>')
    for i in range(0, len(x), max(1, math.ceil(len(x) / _DOTS))):
        said = f"{line.name} {amount(float(curve.mean[i]), line.unit)} at {x_name} {figure(round(float(curve.x[i]), 1))}"
        parts.append(
            f'<circle class="spot" cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="6"><title>{escape(said)}</title></circle>'
        )
    return "".join([*parts, "</g>"])


def _path(x: Floats, y: Floats) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _label(tick: float, unit: str) -> str:
    if unit == "USD":
        return money(tick).replace(".00", "") if tick == int(tick) else money(tick)
    if unit == "share":
        return f"{100 * tick:.4g}%"
    for size, name in _UNITS:
        if abs(tick) >= size * (10 if name == "k" else 1):
            return f"{tick / size:.4g}{name}"
    return f"{tick:.6g}"
