# SPDX-License-Identifier: Apache-2.0
"""Which columns stand together in one chart, and which charts in one section; user columns get a chart each."""

from __future__ import annotations

from typing import NamedTuple

from qstore_storage.commands.series import Curve, RunSummary

__all__ = ["Line", "Panel", "Section", "panels_of"]


class Line(NamedTuple):
    """A curve in a chart: its column, its curve, the last value, the unit."""

    name: str
    curve: Curve
    last: float
    unit: str


class Panel(NamedTuple):
    """A chart: lines of one unit."""

    title: str
    unit: str
    lines: tuple[Line, ...]


class Section(NamedTuple):
    """Charts on one subject."""

    title: str
    panels: tuple[Panel, ...]


_SECTIONS: tuple[tuple[str, tuple[tuple[str, tuple[str, ...], bool], ...]], ...] = (
    ("Training", (
        ("Loss", ("train_loss", "val_loss", "loss"), False),
        ("Accuracy", ("train_accuracy", "val_accuracy", "accuracy"), False),
        ("Learning rate", ("learning_rate",), False),
        ("Samples per second", ("samples_per_s",), False),
        ("Time of a step", ("batch_time_s",), False),
    )),
    ("Gradients", (
        ("Gradient norm", ("gradient_norm", "quantum_gradient_norm"), False),
        ("Gradient range", ("gradient_max", "gradient_min"), False),
        ("Signal-to-noise of the quantum gradient", ("gradient_snr",), False),
        ("Variance of the quantum gradient", ("gradient_variance",), False),
    )),
    ("Circuits and cost", (
        ("Time on backends", ("circuit_time_s", "queue_time_s"), False),
        ("Circuits per second", ("circuits_per_s",), False),
        ("Circuits, in total", ("circuits",), True),
        ("Shots, in total", ("shots",), True),
        ("Cache hits", ("cache_hit_rate",), False),
        ("Circuit depth", ("circuit_depth",), False),
        ("Entangling gates", ("entangling_gates",), False),
        ("Measurement bases", ("measurement_bases",), False),
        ("Expressibility", ("expressibility",), False),
        ("Entanglement entropy", ("entanglement_entropy",), False),
        ("Cost, in total", ("cost_usd",), True),
    )),
)  # fmt: skip
"""Section, its charts: title, columns, whether they are added up along the steps."""
_NOT_DRAWN = {"step", "epoch", "batch_size", "n_qubits"}


def panels_of(summary: RunSummary) -> tuple[Section, ...]:
    """The sections of a run; what has no values, or the same all along, is left out."""
    sections, drawn = [], set(_NOT_DRAWN)
    for title, charts in _SECTIONS:
        panels = []
        for name, columns, cumulative in charts:
            drawn.update(columns)
            lines = tuple(
                line for column in columns if (line := _line(summary, column, cumulative=cumulative))
            )
            if lines and not _is_dull(lines):
                panels.append(Panel(name, lines[0].unit, lines))
        if panels:
            sections.append(Section(title, tuple(panels)))
    own = [
        Panel(name, summary.columns[name].unit, (line,))
        for name in summary.columns
        if name not in drawn and (line := _line(summary, name)) is not None and not _is_dull((line,))
    ]
    if own:
        sections.append(Section("Your columns", tuple(own)))
    return tuple(sections)


def _line(summary: RunSummary, name: str, *, cumulative: bool = False) -> Line | None:
    if name not in summary.columns:
        return None
    curve = summary.curve(name, cumulative=cumulative)
    if curve is None:
        return None
    column = summary.columns[name]
    return Line(name, curve, column.total if cumulative else column.last, column.unit)


def _is_dull(lines: tuple[Line, ...]) -> bool:
    """What never changes needs no picture: the table of all columns says it."""
    return all(line.curve.high.max() == line.curve.low.min() for line in lines)
