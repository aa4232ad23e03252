# SPDX-License-Identifier: Apache-2.0
"""The curves of a run as a picture (extra `plots`: matplotlib)."""

from __future__ import annotations

import math
from pathlib import Path

from qstore.errors import OptionError, StorageError
from qstore_storage.commands.panels import panels_of
from qstore_storage.commands.series import RunSummary

__all__ = ["plot"]

FORMATS = (".png", ".svg", ".pdf")
_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")
_WIDE = 3


def plot(summary: RunSummary, target: str) -> None:
    """Draw every column of numbers.

    Args:
        summary: of the run.
        target: a .png, .svg or .pdf file; replaced if it is there.

    Raises:
        OptionError: another kind of file, or matplotlib is not installed.
        StorageError: the run has nothing to draw, or the file cannot be written.
    """
    path = Path(target)
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"--plot takes a {', '.join(FORMATS)} file, got {target!r:.80}.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise OptionError(f"--plot needs matplotlib ({exc}): pip install 'qstore-storage[plots]'") from exc
    panels = [panel for section in panels_of(summary) for panel in section.panels]
    if not panels:
        raise StorageError(f"{summary.path} has no numbers to draw yet.")
    wide = min(_WIDE, len(panels))
    high = math.ceil(len(panels) / wide)
    # Neither pyplot nor a display: a figure of our own leaves the user's settings and windows alone.
    figure = Figure(figsize=(4.6 * wide, 3.0 * high), layout="constrained")
    FigureCanvasAgg(figure)
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(high, wide, index + 1)
        for colour, line in zip(_COLOURS, panel.lines, strict=False):
            alone = "o" if len(line.curve.x) == 1 else None  # a line of one point is not seen
            axes.plot(line.curve.x, line.curve.mean, color=colour, label=line.name, marker=alone)
            axes.fill_between(
                line.curve.x, line.curve.low, line.curve.high, color=colour, alpha=0.15, linewidth=0
            )
        axes.set_title(
            panel.title + (f" ({panel.unit})" if panel.unit else ""),
            fontsize=10,
            loc="left",
            parse_math=False,
        )
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel.lines) > 1:
            axes.legend(fontsize=8, frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except OSError as exc:
        raise StorageError(f"--plot {target}: {exc}") from exc
