# SPDX-License-Identifier: Apache-2.0
"""Dropout of qubits, of measured bases and of entangling gates: masks that are bound like data, one row per sample.

No circuit is rebuilt: a dropped rotation has the angle 0, a dropped CNOT is H CP(0) H, the identity. What is measured
of dropped qubits and bases is set to 0 and all else divided by the probability of being kept, which leaves the mean over
the masks of every output as it is *at fixed circuit*; what dropped gates do to the other outputs is the point of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import OptionError
from qstore.layers.checks import check_seed

__all__ = ["Array", "QuantumDropout"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantumDropout:
    """Probabilities of being dropped, in training only; early notes of the project call it QuantumRegularization too.

    Attributes:
        qubit: that a qubit of a sample does nothing and is not read.
        basis: that a measured basis of a sample is not read.
        gate: that an entangling gate of a sample is left out.
        seed: repeats the same masks in the same order. None draws them afresh; in a layer of torch or Keras the
            framework's generator decides (`torch.manual_seed`, `keras.utils.set_random_seed`). Checkpointing that runs
            a forward pass twice, `torch.utils.checkpoint`, needs None: under a seed the second pass has other masks.

    Raises:
        OptionError: a probability outside [0, 1), or a seed that is no integer of at least 0.

    Example:
        >>> QuantumDropout(qubit=0.1, gate=0.2)
        QuantumDropout(qubit=0.1, basis=0.0, gate=0.2, seed=None)
    """

    qubit: float = 0.0
    basis: float = 0.0
    gate: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("qubit", "basis", "gate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise OptionError(f"The probability {name!r} must be from 0 to below 1, got {value!r}.")
        check_seed("seed", self.seed)
        if self.seed is not None:
            object.__setattr__(self, "seed", int(self.seed))  # numpy's integers have no JSON

    @property
    def is_active(self) -> bool:
        """Whether anything is ever dropped."""
        return max(self.qubit, self.basis, self.gate) > 0

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {"qubit": self.qubit, "basis": self.basis, "gate": self.gate, "seed": self.seed}

    def draw(
        self, random: np.random.Generator, size: int, *, n_qubits: int, n_bases: int, gates: tuple[tuple[int, int], ...],
        depth: int,
    ) -> dict[str, Array]:  # fmt: skip
        """Masks of ones and zeros for `size` samples.

        Returns:
            "qubits" (size, n_qubits), "bases" (size, n_bases), and "gates" (size, depth, len(gates)); a gate on a dropped
            qubit is dropped with it.
        """
        qubits = (random.random((size, n_qubits)) >= self.qubit).astype(np.float64)
        bases = (random.random((size, n_bases)) >= self.basis).astype(np.float64)
        kept = (random.random((size, depth, len(gates))) >= self.gate).astype(np.float64)
        for index, (a, b) in enumerate(gates):
            kept[:, :, index] *= (qubits[:, a] * qubits[:, b])[:, None]
        return {"qubits": qubits, "bases": bases, "gates": kept}
