# SPDX-License-Identifier: Apache-2.0
"""A column of `bench.layers` that runs in another interpreter, where its clock runs, too."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.process import PeerProcess
from bench.workload import Case

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


class InItsOwnEnvironment:
    """A peer's training step, in a process that lives as long as this object.

    Args:
        name: of the peer.
        python: its interpreter.
        case: what it builds.
        arrays: inputs, weights and the factors of the loss.
        seconds: how long a turn repeats the step.
    """

    def __init__(self, name: str, python: str, case: Case, arrays: Arrays, seconds: float) -> None:
        self._process, self._seconds = PeerProcess(name, python), seconds
        x, w, g = arrays
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder, "given.npz"), Path(folder, "found.npz")
            np.savez(given, x=x, w=w, g=g)
            self._process.ask("build", case=case.label, inputs=str(given), results=str(found))
            with np.load(found) as answer:
                self._found = answer["values"], answer["grad_x"], answer["grad_w"].reshape(w.shape)

    def __call__(self) -> Arrays:
        """What the first step found: values, gradients of inputs and of weights."""
        return self._found

    def turn(self) -> list[float]:
        """Seconds of the steps of one turn."""
        times: list[float] = self._process.ask("time", what="step", seconds=self._seconds)["seconds"]
        return times
