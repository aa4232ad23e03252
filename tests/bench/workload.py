# SPDX-License-Identifier: Apache-2.0
"""The work that is measured: one training step of a quantum layer, `train(qubits, depth, batch, entanglement)`.

RY(x_q) on every qubit, then `depth` times [RY(w), RZ(w) on every qubit, CNOTs]; outputs <Z_q> on all qubits, loss
sum(outputs * g), gradients with respect to x (per sample) and w (shared). RY(t) = exp(-i t Y/2), radians.
Needs numpy alone, because it is also imported in the peers' own environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Step = Callable[[], tuple[Any, Any, Any]]
Forward = Callable[[], Any]


class Case(NamedTuple):
    """One row of the table."""

    qubits: int
    depth: int
    batch: int
    entanglement: str

    @property
    def label(self) -> str:
        """The case as it is written in the table and on the command line."""
        return f"{self.qubits},{self.depth},{self.batch},{self.entanglement}"

    @classmethod
    def parse(cls, label: str) -> Case:
        """The case written as `qubits,depth,batch,entanglement`."""
        qubits, depth, batch, entanglement = label.split(",")
        if entanglement not in ENTANGLERS:
            msg = f"Unknown entanglement {entanglement!r} in case {label!r}; known: {sorted(ENTANGLERS)}."
            raise ValueError(msg)
        return cls(int(qubits), int(depth), int(batch), entanglement)

    def pairs(self) -> list[tuple[int, int]]:
        """Control and target of each CNOT of a layer, in order."""
        return list(ENTANGLERS[self.entanglement](self.qubits))

    def inputs(self, seed: int) -> dict[str, Array]:
        """Data x (batch, n), weights w (depth, n, 2) and upstream gradient g (batch, n)."""
        random = np.random.default_rng(seed)
        return {
            "x": random.uniform(-np.pi, np.pi, (self.batch, self.qubits)),
            "w": random.uniform(-np.pi, np.pi, (self.depth, self.qubits, 2)),
            "g": random.standard_normal((self.batch, self.qubits)),
        }


def _full(n: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(n) for b in range(a + 1, n))


def _linear(n: int) -> Iterator[tuple[int, int]]:
    return ((a, a + 1) for a in range(n - 1))


ENTANGLERS: dict[str, Callable[[int], Iterator[tuple[int, int]]]] = {"full": _full, "linear": _linear}

CASES = tuple(
    Case.parse(label)
    for label in (
        "4,3,32,linear",
        "8,4,32,full",
        "8,4,256,full",
        "10,3,64,linear",
        "12,4,32,linear",
        "16,3,8,linear",
    )
)
QUICK_CASES = CASES[:2]


class Workload(NamedTuple):
    """What a peer's `build` returns: two callables without arguments.

    `step` returns (values (batch, n), gradient of x, gradient of w) and `forward` the values alone, each as anything
    that `numpy.asarray` takes; both return only when the numbers are really there.
    """

    step: Step
    forward: Forward
