# SPDX-License-Identifier: Apache-2.0
"""The stage of `QuantumReadout`: trained rotations, then one number per class.

computational: the probabilities of the first `n_classes` outcomes of as few qubits as have that many, divided by their
sum: by Born's rule the probability of a class given that the outcome is a class. expectation: one Pauli expectation
per class, Z on every qubit first, then X, then Y: numbers in [-1, 1] that a loss takes as scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qstore.batch import Expectations, Probabilities
from qstore.errors import OptionError, nearest_names
from qstore.layers.checks import check_n_qubits
from qstore.layers.encodings import encoding_named
from qstore.layers.measurements import basis_observables
from qstore.layers.stage import Array, Reading, Site, Stage

__all__ = ["ReadoutStage"]

TYPES = ("computational", "expectation")
FLOOR = 1e-12
"""Added to the probability of every class before they are divided by their sum: no logarithm meets a zero, and where no
class has any probability all are equally likely."""


class ReadoutStage(Stage):
    """See `qstore.layers.QuantumReadout`, whose arguments these are."""

    kind = "readout"

    def __init__(self, n_qubits: int, n_classes: int, readout_type: str, encoding: str | None) -> None:
        if readout_type not in TYPES:
            hint = nearest_names(str(readout_type), list(TYPES))
            raise OptionError(f"readout_type must be one of {list(TYPES)}, got {readout_type!r}.{hint}")
        check_n_qubits(n_qubits)
        most = 1 << n_qubits if readout_type == "computational" else 3 * n_qubits
        if (
            isinstance(n_classes, bool)
            or not isinstance(n_classes, (int, np.integer))
            or not 2 <= n_classes <= most
        ):
            raise OptionError(
                f"{readout_type!r} readout of {n_qubits} qubits tells 2 to {most} classes, got n_classes={n_classes!r}."
            )
        self.n_qubits, self.n_classes, self.type = n_qubits, int(n_classes), readout_type
        self.encoding = None if encoding is None else encoding_named(encoding)

    @property
    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {"rotations": (self.n_qubits, 2)}

    def build(self, site: Site) -> tuple[int, ...]:
        weights = site.weight("rotations", (self.n_qubits, 2))
        for index, q in enumerate(site.qubits):
            # RZ first: right before a measurement of Z it would change nothing.
            site.circuit.rz(q, weights[index, 0]).ry(q, weights[index, 1])
        return site.qubits

    def reading(self, qubits: tuple[int, ...]) -> Reading:
        if self.type == "computational":
            return _ClassProbabilities(qubits, self.n_classes)
        return _ClassExpectations(qubits, self.n_classes)


class _ClassProbabilities(Reading):
    def __init__(self, qubits: tuple[int, ...], n_classes: int) -> None:
        self.outputs = Probabilities(qubits[: (n_classes - 1).bit_length()])
        self.width = n_classes

    def finish(self, values: Array, masks: Mapping[str, Array]) -> Array:  # noqa: ARG002  # nothing is dropped here
        classes = values[:, : self.width] + FLOOR
        shares: Array = classes / classes.sum(axis=1, keepdims=True)
        return shares

    def pull_back(self, values: Array, cotangent: Array, masks: Mapping[str, Array]) -> Array:  # noqa: ARG002  # as above
        """With p = q / sum(q): dp_c / dq_k = (delta_ck - p_c) / sum(q)."""
        classes = values[:, : self.width] + FLOOR
        total = classes.sum(axis=1, keepdims=True)
        mean = (cotangent * classes).sum(axis=1, keepdims=True) / total
        back = np.zeros_like(values)
        back[:, : self.width] = (cotangent - mean) / total
        return back


class _ClassExpectations(Reading):
    def __init__(self, qubits: tuple[int, ...], n_classes: int) -> None:
        n = max(qubits) + 1
        every = basis_observables(n, "ZXY")
        chosen = [every[basis * n + q] for basis in range(3) for q in qubits]
        self.outputs = Expectations(chosen[:n_classes])
        self.width = n_classes
