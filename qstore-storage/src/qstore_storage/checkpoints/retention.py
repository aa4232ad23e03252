# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints are kept: the newest ones, every so many steps, and the best by a number in their metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qstore.errors import OptionError, nearest_names

__all__ = ["Retention"]

Metadata = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The rule.

    Attributes:
        keep: so many of the highest steps; None keeps all.
        keep_every: also every step that this divides.
        best: a number in the metadata; the `keep_best` best are kept, too.
        mode: "min" where less of it is better, "max" where more is.
        keep_best: how many.

    Raises:
        OptionError: a value outside its range.

    Example:
        >>> rule = Retention(keep=2, keep_every=100, best="loss")
        >>> losses = {100: 0.9, 150: 0.2, 180: 0.5, 190: 0.4, 200: 0.3, 210: 0.6}
        >>> rule.removable({step: {"loss": loss} for step, loss in losses.items()})
        [180, 190]
    """

    keep: int | None = 3
    keep_every: int | None = None
    best: str | None = None
    mode: str = "min"
    keep_best: int = 1

    def __post_init__(self) -> None:
        for name in ("keep", "keep_every", "keep_best"):
            value = getattr(self, name)
            optional = name != "keep_best"
            if not (optional and value is None) and (type(value) is not int or value < 1):
                raise OptionError(
                    f"{name} must be a whole number from 1{', or None' if optional else ''}, got {value!r}."
                )
        if self.mode not in {"min", "max"}:
            raise OptionError(f"mode must be 'min' or 'max', got {self.mode!r}.")
        if self.best is not None and not isinstance(self.best, str):
            raise OptionError(f"best must be the name of a number in the metadata, got {self.best!r:.80}.")

    def ranked(self, stored: Mapping[int, Metadata]) -> list[int]:
        """Steps that have the number `best`, the best first; of equal ones the newer first."""
        sign = 1 if self.mode == "min" else -1
        scored = []
        for step, metadata in stored.items():
            value = _numbers(metadata).get(self.best) if self.best is not None else None
            if value is not None:
                scored.append((sign * value, -step))
        return [-step for _, step in sorted(scored)]

    def lacking(self, metadata: Metadata) -> str:
        """Why a checkpoint can never be the best, "" where it can: a misspelt name would let go of the best in silence.

        Example:
            >>> Retention(best="val_los").lacking({"val_loss": 0.5})
            "its metadata has no number 'val_los'. Did you mean 'val_loss'? It has the numbers ['val_loss']."
        """
        numbers = sorted(_numbers(metadata))
        if self.best is None or self.best in numbers:
            return ""
        return f"its metadata has no number {self.best!r}.{nearest_names(self.best, numbers)} It has the numbers {numbers}."

    def removable(self, stored: Mapping[int, Metadata]) -> list[int]:
        """Steps that the rule lets go of, in order."""
        if self.keep is None:
            return []
        kept = set(sorted(stored)[-self.keep :]) | set(self.ranked(stored)[: self.keep_best])
        every = self.keep_every
        if every is not None:
            kept |= {step for step in stored if step % every == 0}
        return sorted(set(stored) - kept)


def _numbers(metadata: Metadata) -> dict[str, float]:
    """What of it can be compared."""
    return {
        name: value
        for name, value in metadata.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
