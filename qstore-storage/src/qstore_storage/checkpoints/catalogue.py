# SPDX-License-Identifier: Apache-2.0
"""What a place has, and letting go of what need not be kept."""

from __future__ import annotations

import logging

from qstore.errors import CheckpointCorrupt, NotStored, StorageError
from qstore_storage.checkpoints.places import Place, storing
from qstore_storage.checkpoints.reading import check, read_manifest
from qstore_storage.checkpoints.records import CheckpointInfo, Verification
from qstore_storage.checkpoints.retention import Retention

__all__ = ["Catalogue", "is_whole"]

log = logging.getLogger("qstore.storage.checkpoints")


def is_whole(place: Place, step: int) -> bool:
    """Whether every byte of a checkpoint is there.

    Raises:
        StorageError: it cannot be read at the moment.
    """
    try:
        check(place, step, read_manifest(place, step))
    except (CheckpointCorrupt, NotStored):
        return False
    return True


class Catalogue:
    """The checkpoints of a place by their manifests, which are read once.

    Args:
        place: where they lie; others may write there, too.
        retention: which to keep.
    """

    def __init__(self, place: Place, retention: Retention) -> None:
        self._place, self._retention = place, retention
        self._known: dict[int, CheckpointInfo] = {}
        self._swept = False

    def add(self, info: CheckpointInfo) -> None:
        """One was just stored."""
        self._known[info.step] = info

    def forget(self, step: int) -> None:
        """One is not what it was: it is looked at again."""
        self._known.pop(step, None)

    def has(self, step: int) -> bool:
        """Whether one is known that is still there."""
        return step in self._known and step in self.steps()

    def steps(self) -> list[int]:
        """Steps of everything that has the form of a checkpoint, in order.

        Raises:
            StorageError: the place cannot be read.
        """
        with storing(f"{self._place} cannot be read"):
            return self._place.steps()

    def stored(self) -> dict[int, CheckpointInfo]:
        """Those with a readable manifest, by step.

        Raises:
            StorageError: the place cannot be read.
        """
        known = {}
        for step in self.steps():
            info = self._known.get(step)
            if info is None:
                try:
                    info = CheckpointInfo.of(read_manifest(self._place, step))
                except (CheckpointCorrupt, NotStored) as exc:
                    log.warning("Not listed: %s", exc)
                    continue
            known[step] = info
        self._known = known
        return dict(known)

    def best(self) -> CheckpointInfo | None:
        """The best by the number that the rule compares."""
        stored = self.stored()
        ranked = self._retention.ranked({step: info.metadata for step, info in stored.items()})
        return stored[ranked[0]] if ranked else None

    def verify(self, step: int | None) -> list[Verification]:
        """Read every byte of one, or of all.

        Raises:
            NotStored: there is no such one.
        """
        found = []
        for number in self.steps() if step is None else [step]:
            try:
                check(self._place, number, read_manifest(self._place, number))
                found.append(Verification(number))
            except NotStored:
                if step is not None:
                    raise
            except StorageError as exc:
                found.append(Verification(number, str(exc)))
        return found

    def remove(self, step: int) -> None:
        """Remove one, whole or not.

        Raises:
            NotStored: there is none.
            StorageError: it cannot be removed.
        """
        with storing(f"The checkpoint of step {step} cannot be removed from {self._place}"):
            if step not in self._place.steps():
                raise NotStored(f"There is no checkpoint of step {step} in {self._place}.")
            self._place.remove(step)
        self._known.pop(step, None)

    def prune(self, new: int) -> None:
        """Let go of what the rule does not keep; trouble with that is logged, as the new one is stored all the same.

        Args:
            new: the step that was just stored; it stays until another one is, whatever lies above it.
        """
        try:
            stored = {step: info.metadata for step, info in self.stored().items()}
            for step in self._retention.removable(stored):
                if step == new:
                    log.warning(
                        "Step %d is below the %d steps that %s keeps, so it goes with the next save: to train again from an "
                        "earlier step, delete the later ones or take another folder.",
                        new, self._retention.keep, self._place,
                    )  # fmt: skip
                    continue
                self._place.remove(step)
                self._known.pop(step, None)
        except (OSError, StorageError) as exc:
            log.warning("Old checkpoints in %s could not be removed: %s", self._place, exc)

    def sweep(self) -> None:
        """Once, remove what processes that died have left."""
        if self._swept:
            return
        self._swept = True
        try:
            self._place.sweep(min(self._place.steps(), default=0))
        except OSError as exc:
            log.warning("What dead processes left in %s could not be removed: %s", self._place, exc)
