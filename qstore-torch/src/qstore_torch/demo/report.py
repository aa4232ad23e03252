# SPDX-License-Identifier: Apache-2.0
"""What a run leaves behind: summary.json, history.csv, training.png, confusion.png."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from qstore_torch.demo.training import Outcome, Settings

__all__ = ["new_folder", "summary", "write"]

COLOURS = {"hybrid": "#3b5bdb", "classical": "#868e96"}


def new_folder(out: Path) -> Path:
    """Make `out`/<time>, with a number behind it if that exists."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = out / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{out / stamp} exists a hundred times; give another folder with --out.")


def summary(
    runs: Mapping[str, Mapping[int, Outcome]], parameters: Mapping[str, tuple[int, int]],
    settings: Mapping[str, Settings], facts: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The numbers of a run; `runs` is by model name and seed."""
    result: dict[str, Any] = {**facts, "versions": _versions(), "python": platform.python_version()}
    for name, by_seed in runs.items():
        outcomes = list(by_seed.values())
        quantum, classical = parameters[name]
        result[name] = {
            "test_accuracy": float(np.mean([outcome.test_accuracy for outcome in outcomes])),
            "test_accuracy_by_seed": {str(seed): outcome.test_accuracy for seed, outcome in by_seed.items()},
            "seconds": float(np.mean([outcome.seconds for outcome in outcomes])),
            "seconds_by_seed": {str(seed): outcome.seconds for seed, outcome in by_seed.items()},
            "samples_per_second": float(np.mean([outcome.samples_per_second for outcome in outcomes])),
            "parameters": {"quantum": quantum, "classical": classical},
            "settings": asdict(settings[name]),
        }
    # The four figures that everybody looks for, of the hybrid model, at the top.
    for key in ("test_accuracy", "seconds", "parameters", "samples_per_second"):
        result[key] = result["hybrid"][key]
    return result


def write(
    folder: Path,
    runs: Mapping[str, Mapping[int, Outcome]],
    numbers: Mapping[str, Any],
    classes: tuple[str, ...],
) -> None:
    """Write all files of a run."""
    (folder / "summary.json").write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "seed", "epoch", "loss", "accuracy", "samples_per_second"])
        for name, by_seed in runs.items():
            for seed, outcome in by_seed.items():
                for number, epoch in enumerate(outcome.history, start=1):
                    row = (f"{epoch.loss:.6g}", f"{epoch.accuracy:.6g}", f"{epoch.samples_per_second:.6g}")
                    writer.writerow([name, seed, number, *row])
    _draw_training(folder / "training.png", runs, numbers)
    _draw_confusion(folder / "confusion.png", runs["hybrid"], numbers, classes)


def _draw_training(path: Path, runs: Mapping[str, Mapping[int, Outcome]], numbers: Mapping[str, Any]) -> None:
    figure, (left, right) = _figure(1, 2, (10, 4))
    for name, by_seed in runs.items():
        quantum, classical = (numbers[name]["parameters"][kind] for kind in ("quantum", "classical"))
        label = (
            f"{name}: {quantum} quantum + {classical} classical"
            if quantum
            else f"{name}: {classical} parameters"
        )
        for index, outcome in enumerate(by_seed.values()):
            epochs = range(1, len(outcome.history) + 1)
            style = {"color": COLOURS[name], "alpha": 0.8, "lw": 1.3, "label": label if index == 0 else None}
            left.plot(epochs, [epoch.loss for epoch in outcome.history], **style)
            right.plot(epochs, [100 * epoch.accuracy for epoch in outcome.history], **style)
        mean = 100 * numbers[name]["test_accuracy"]
        right.axhline(
            mean, color=COLOURS[name], ls=":", lw=1.3, label=f"{name}: {mean:.1f} % on the test images"
        )
    left.set(xlabel="epoch", ylabel="cross-entropy (training)", yscale="log", title="Loss")
    right.set(
        xlabel="epoch", ylabel="accuracy in %", title="Accuracy", ylim=(max(0, right.get_ylim()[0]), 101)
    )
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=150)


def _draw_confusion(
    path: Path, by_seed: Mapping[int, Outcome], numbers: Mapping[str, Any], classes: tuple[str, ...]
) -> None:
    total = np.sum([outcome.confusion for outcome in by_seed.values()], axis=0)
    shares = 100 * total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(1, 1, (6.4, 5.8))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=0 if max(map(len, classes)) == 1 else 45)
    axes.set_yticks(ticks, classes)
    for row in ticks:
        for column in ticks:
            if total[row, column]:
                axes.text(column, row, str(total[row, column]), ha="center", va="center", fontsize=8,
                          color="white" if shares[row, column] > 50 else "black")  # fmt: skip
    accuracy = 100 * numbers["hybrid"]["test_accuracy"]
    seeds = f"{len(by_seed)} seed{'s' if len(by_seed) > 1 else ''}"
    axes.set(
        xlabel="predicted",
        ylabel="true",
        title=f"Hybrid model, test images of {seeds}: {accuracy:.1f} % right",
    )
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.85)
    figure.savefig(path, dpi=150)


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # no pyplot: it would look for a display

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def _versions() -> dict[str, str]:
    names = ("qstore-core", "qstore-sim", "qstore-torch", "torch", "numpy", "numba", "scikit-learn")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # another backend's distribution may stand in for the simulator
    return found
