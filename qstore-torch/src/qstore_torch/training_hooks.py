# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and metrics in an ordinary torch training loop.

    with CheckpointHook("runs/digits", model, optimizer, scheduler=scheduler, every=100) as checkpoints:
        for step in range(checkpoints.resume(), steps):
            ...                                             # the step itself
            checkpoints.after_step(step, {"loss": loss.item()})

Stores are opened by name, so another distribution's may stand in for ours; `pip install qstore-storage` brings ours.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
from torch.optim import Optimizer

import torch
from qstore.errors import NotStored, OptionError, QStoreError
from qstore.execution.random_state import capture_random_state, restore_random_state
from qstore.layers.reading import Memory, quantum_columns, together
from qstore.plugins import open_store
from qstore_torch.layer_module import LayerModule
from qstore_torch.tensorboard import readings
from torch import nn

__all__ = ["CheckpointHook", "MetricsHook"]

log = logging.getLogger("qstore.torch.training_hooks")

_MASKS = "dropout of layer "
"""Before the name of a layer, for the generator of its masks."""


class _Hook:
    """Opens a store, and closes it unless somebody else opened it."""

    _settling: ClassVar[str]
    """The store's method that writes what is queued."""

    def __init__(self, store: Any, kind: str, place: str, options: Mapping[str, Any]) -> None:
        self._owned = isinstance(store, (str, os.PathLike))
        if not self._owned and options:
            raise OptionError(
                f"The options {sorted(options)} are for a store that the hook opens; this one is open."
            )
        self.store = open_store(kind, **{place: store}, **options) if self._owned else store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except QStoreError as exc:
            if error is None:
                raise
            error.add_note(f"And closing the store failed: {type(exc).__name__}: {exc}")

    def close(self) -> None:
        """Write what is queued; a store that the hook opened is closed.

        Raises:
            StorageError: something could not be written.
        """
        if self._owned:
            self.store.close()
        else:
            getattr(
                self.store, "wait", self.store.close if not hasattr(self.store, "flush") else self.store.flush
            )()


class CheckpointHook(_Hook):
    """Saves all that training needs to go on exactly, and goes on from it.

    Kept are the model, the optimizer, the scheduler, every random generator (torch, Python, numpy, masks of quantum dropout)
    and the run's counters, by which circuits with shots draw in a named run (`qs.run_context`) what they would have drawn.

    Args:
        directory: a folder, or a checkpoint store that is open already.
        model: the model.
        optimizer: its optimizer.
        scheduler: of the learning rate, or anything with `state_dict` and `load_state_dict`.
        every: save after every so many steps.
        generators: generators of the program's own, of numpy or of torch, by name; for instance one that shuffles the data.
        store: name of the kind of store.
        options: for the store, such as `keep=5` or `best="val_loss"`.

    Attributes:
        progress: plain data of the program's own that is saved and restored, too; after `resume` what was saved.

    Raises:
        OptionError: an argument outside its range.
        BackendUnavailable: no such store is installed.
    """

    _settling = "wait"

    def __init__(
        self,
        directory: Any,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        *,
        scheduler: Any = None,
        every: int = 1,
        generators: Mapping[str, np.random.Generator | torch.Generator] | None = None,
        store: str = "checkpoints",
        **options: Any,
    ) -> None:
        if type(every) is not int or every < 1:
            raise OptionError(f"every must be a number of steps from 1, got {every!r}.")
        for name, each in (generators or {}).items():
            if not isinstance(each, (np.random.Generator, torch.Generator)):
                raise OptionError(
                    f"generators[{name!r}] must be a numpy.random.Generator or a torch.Generator, got {each!r:.80}."
                )
        super().__init__(directory, store, "directory", options)
        self.model, self.optimizer, self.scheduler, self.every = model, optimizer, scheduler, every
        self.progress: Any = None
        self._generators = dict(generators or {})
        self._saved: int | None = None

    def resume(self) -> int:
        """Restore the newest whole checkpoint, if there is one.

        Returns:
            The first step that is still to be done: 0 without a checkpoint.

        Raises:
            OptionError: the checkpoint is of another kind of model, optimizer or run.
            CheckpointCorrupt: there are checkpoints, and all of them are damaged.
        """
        try:
            found = self.store.load()
        except NotStored:
            return 0
        rest = found.optimizer_state
        try:
            # What refuses comes first; the weights come last, when nothing but they can be in the way.
            parts = {"an optimizer": (self.optimizer, rest["optimizer"]), "a scheduler": (self.scheduler, rest["scheduler"])}  # fmt: skip
            for name, (part, saved) in parts.items():
                if (part is None) != (saved is None):
                    raise OptionError(
                        f"It was saved {'with' if part is None else 'without'} {name}; give {'one' if part is None else 'none'}."
                    )
            drawing, of_torch = self._split_generators()
            states = rest.get("torch_generators", {})
            if set(states) != set(of_torch):
                raise OptionError(
                    f"It has the torch generators {sorted(states)}, given are {sorted(of_torch)}."
                )
            restore_random_state(rest["random_state"], drawing)
            for name, generator in of_torch.items():
                generator.set_state(states[name])
            for part, saved in parts.values():
                if part is not None:
                    part.load_state_dict(saved)
            self.model.load_state_dict(found.model_state)
            self.progress = rest["progress"]
        except (KeyError, TypeError, ValueError, RuntimeError) as exc:
            raise OptionError(
                f"The checkpoint of step {found.step} does not fit this training; use another folder, or the program that saved "
                f"it. {exc}"
            ) from exc
        self._saved = found.step
        log.info("Going on after step %d.", found.step)
        return int(found.step) + 1

    def after_step(self, step: int, metrics: Mapping[str, Any] | None = None, *, last: bool = False) -> bool:
        """Save, if it is time: after every `every`-th step, counted from 0, and after the last one.

        Args:
            step: the step that is done.
            metrics: kept beside the checkpoint: numbers, also as tensors of one; those that are not finite are left out.
            last: save in any case.

        Returns:
            Whether it saved.

        Raises:
            StorageError: an earlier checkpoint could not be written.
        """
        if ((step + 1) % self.every and not last) or step == self._saved:
            return False
        self.save(step, metrics)
        return True

    def save(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """Save now.

        Raises:
            StorageError: an earlier checkpoint could not be written.
        """
        drawing, of_torch = self._split_generators()
        rest = {
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else _data(self.scheduler.state_dict()),
            "random_state": capture_random_state(drawing),
            "torch_generators": {name: generator.get_state() for name, generator in of_torch.items()},
            "progress": self.progress,
        }
        self.store.save(step, self.model.state_dict(), rest, _finite(metrics or {}))
        self._saved = step

    def _split_generators(self) -> tuple[dict[str, np.random.Generator], dict[str, torch.Generator]]:
        """Those of numpy, with the ones that draw masks of quantum dropout, and those of torch."""
        of_torch = {
            name: each for name, each in self._generators.items() if isinstance(each, torch.Generator)
        }
        drawing = {
            name: each for name, each in self._generators.items() if isinstance(each, np.random.Generator)
        }
        masks = {
            f"{_MASKS}{name}.{prefix}": circuit.generator
            for name, module in self.model.named_modules()
            if isinstance(module, LayerModule)
            for prefix, circuit in module.layer.circuit_layers()
        }
        return {**drawing, **masks}, of_torch


class MetricsHook(_Hook):
    """Logs a row per step: what the loop knows, the learning rate, the time, and what the quantum layers did.

    Args:
        path: a folder, or a metrics store that is open already.
        model: whose quantum layers are asked; None for none.
        optimizer: whose learning rate is logged; None for none.
        every: a row after every so many steps.
        store: name of the kind of store.
        options: for the store, such as `columns={"auc": float}`.

    Raises:
        OptionError: an argument outside its range.
        BackendUnavailable: no such store is installed.
    """

    _settling = "flush"

    def __init__(
        self,
        path: Any,
        model: nn.Module | None = None,
        optimizer: Optimizer | None = None,
        *,
        every: int = 1,
        store: str = "metrics",
        **options: Any,
    ) -> None:
        if type(every) is not int or every < 1:
            raise OptionError(f"every must be a number of steps from 1, got {every!r}.")
        super().__init__(path, store, "path", options)
        self.every = every
        self._optimizer = optimizer
        self._model = model if model is not None and _is_quantum(model) else None
        self._seen: Memory = WeakKeyDictionary()
        if self._model is not None:
            readings(self._model, self._seen)  # what was before is no part of the run
        self._began, self._last = time.perf_counter(), -1

    def after_step(self, step: int, metrics: Mapping[str, Any] | None = None, *, last: bool = False) -> bool:
        """Log a row, if it is time.

        Args:
            step: the step that is done.
            metrics: columns of the loop's own, such as `train_loss`, `train_accuracy`, `epoch`.
            last: log in any case.

        Returns:
            Whether it logged.

        Raises:
            SchemaError: a value does not fit the columns of the run.
        """
        if (step + 1) % self.every and not last:
            return False
        now = time.perf_counter()
        steps = max(1, step - self._last) if self._last >= 0 else min(step + 1, self.every)
        row: dict[str, Any] = {"step": step, "batch_time_s": (now - self._began) / steps}
        self._began, self._last = now, step
        if self._optimizer is not None:
            row["learning_rate"] = float(self._optimizer.param_groups[0]["lr"])
        if self._model is not None:
            found = readings(self._model, self._seen)
            row |= quantum_columns(together(found), [each.noise for each in found])
        self.store.log({**row, **(metrics or {})})
        return True


def _is_quantum(model: nn.Module) -> bool:
    from qstore_torch.quantum_module import QuantumModule

    return any(isinstance(module, QuantumModule) for module in model.modules())


def _finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors and arrays of one number as that; without numbers that JSON does not have."""
    numbers = {
        name: value.item()
        if isinstance(value, (torch.Tensor, np.ndarray)) and math.prod(value.shape) == 1
        else value
        for name, value in metrics.items()
    }
    return {
        name: value
        for name, value in numbers.items()
        if not (isinstance(value, (float, np.floating)) and not math.isfinite(value))
    }


def _data(state: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's state without its functions, which are in the program anyway."""
    return {name: value for name, value in state.items() if not callable(value)}
