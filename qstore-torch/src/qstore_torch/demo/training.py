# SPDX-License-Identifier: Apache-2.0
"""Training by Adam with a one-cycle learning rate; the same code for both models."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import torch
from qstore.errors import OptionError
from qstore_torch.demo.data import ImageData
from qstore_torch.training_hooks import CheckpointHook, MetricsHook
from torch import nn

__all__ = ["Epoch", "Keeping", "Outcome", "Settings", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the training part.
        batch_size: samples per step.
        learning_rate: the highest of the cycle.
    """

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """Means over one pass: loss, accuracy from 0 to 1, speed while training."""

    loss: float
    accuracy: float
    samples_per_second: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trained model.

    Attributes:
        history: one entry per epoch, on the training part.
        seconds: wall-clock time of all epochs, those before an interruption included.
        test_accuracy: from 0 to 1, taken once, after training.
        confusion: (classes, classes) numbers of test images, rows are the true classes.
    """

    history: list[Epoch] = field(repr=False)
    seconds: float
    test_accuracy: float
    confusion: NDArray[np.int64] = field(repr=False)

    @property
    def samples_per_second(self) -> float:
        """Mean speed of training."""
        return float(np.mean([epoch.samples_per_second for epoch in self.history]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What to keep of one training.

    Attributes:
        checkpoints: a folder of its own; None for none.
        metrics: likewise.
        every: epochs from one checkpoint to the next.
    """

    checkpoints: Path | None = None
    metrics: Path | None = None
    every: int = 5

    def opened(
        self, stack: ExitStack, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any
    ) -> tuple[CheckpointHook | None, MetricsHook | None]:
        """The hooks, which the stack closes."""
        checkpoints = metrics = None
        if self.checkpoints is not None:
            made = CheckpointHook(self.checkpoints, model, optimizer, scheduler=schedule, every=self.every)
            checkpoints = stack.enter_context(made)
        if self.metrics is not None:
            metrics = stack.enter_context(MetricsHook(self.metrics, model, optimizer))
        return checkpoints, metrics


def train(
    make: Callable[[], nn.Module],
    data: ImageData,
    seed: int,
    settings: Settings,
    report: Callable[[Epoch], None],
    keeping: Keeping | None = None,
) -> Outcome:
    """Make a model with this seed, train it on the training part, and look at the test part once.

    Args:
        make: called after torch's generator is seeded.
        data: the images.
        seed: decides initial weights and the order of samples.
        settings: how to train.
        report: called after every epoch, also for those of a training that goes on.
        keeping: where checkpoints and metrics go; training goes on from the newest checkpoint there.

    Raises:
        OptionError: the checkpoints are those of a training with other settings.
    """
    torch.manual_seed(seed)
    model = make()
    x, y = torch.from_numpy(data.train_x), torch.from_numpy(data.train_y)
    steps = -(-len(x) // settings.batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, epochs=settings.epochs, steps_per_epoch=steps
    )
    with ExitStack() as stack:
        checkpoints, metrics = (keeping or Keeping()).opened(stack, model, optimizer, schedule)
        history = _resumed(checkpoints, settings)
        for epoch in history:
            report(epoch)
        for number in range(len(history), settings.epochs):
            began, loss_sum, hits = time.perf_counter(), 0.0, 0
            order = torch.randperm(len(x))
            for first in range(0, len(x), settings.batch_size):
                rows = order[first : first + settings.batch_size]
                optimizer.zero_grad()
                scores = model(x[rows])
                loss = nn.functional.cross_entropy(scores, y[rows])
                loss.backward()  # type: ignore[no-untyped-call]  # torch's own
                optimizer.step()
                schedule.step()
                loss_sum += loss.item() * len(rows)
                hits += int((scores.argmax(dim=1) == y[rows]).sum())
            took = time.perf_counter() - began
            history.append(Epoch(loss_sum / len(x), hits / len(x), len(x) / took))
            report(history[-1])
            last = number + 1 == settings.epochs
            known = {"train_loss": history[-1].loss, "train_accuracy": history[-1].accuracy}
            if metrics is not None:
                facts = {"epoch": number + 1, "samples_per_s": history[-1].samples_per_second}
                metrics.after_step((number + 1) * steps - 1, {**facts, **known}, last=True)
            if checkpoints is not None:
                checkpoints.progress = {
                    "settings": asdict(settings),
                    "history": [asdict(each) for each in history],
                }
                checkpoints.after_step(number, known, last=last)
    seconds = sum(len(x) / epoch.samples_per_second for epoch in history)
    confusion = _confusion(model, data)
    return Outcome(history, seconds, float(np.trace(confusion) / confusion.sum()), confusion)


def _resumed(checkpoints: CheckpointHook | None, settings: Settings) -> list[Epoch]:
    """The epochs that are done; without checkpoints, or before the first, none."""
    if checkpoints is None or not checkpoints.resume():
        return []
    before = checkpoints.progress["settings"]
    if before != asdict(settings):
        raise OptionError(
            f"The checkpoints are those of a training with {before}, this one has {asdict(settings)}; give another folder."
        )
    return [Epoch(**each) for each in checkpoints.progress["history"]]


def _confusion(model: nn.Module, data: ImageData) -> NDArray[np.int64]:
    with torch.no_grad():
        parts = np.array_split(data.test_x, max(1, len(data.test_x) // 1024))
        guesses = np.concatenate([model(torch.from_numpy(part)).argmax(dim=1).numpy() for part in parts])
    size = len(data.classes)
    return np.bincount(data.test_y * size + guesses, minlength=size * size).reshape(size, size)
