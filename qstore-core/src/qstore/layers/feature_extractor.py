# SPDX-License-Identifier: Apache-2.0
"""The stage of `QuantumFeatureExtractor`: encoded data, a hardware-efficient ansatz, Paulis measured on every qubit.

Every second layer of the ansatz entangles in reverse order, so that two layers with small angles undo each other's
CNOTs: fresh weights make the circuit nearly the identity in blocks of two layers, and training does not start on a
barren plateau (Grant et al., Quantum 3, 214 (2019)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from qstore.batch import Expectations
from qstore.circuit import Parameter
from qstore.errors import OptionError
from qstore.layers.checks import check_n_qubits
from qstore.layers.dropout import QuantumDropout
from qstore.layers.encodings import encoding_named
from qstore.layers.hardware_efficient import entangling_pairs
from qstore.layers.measurements import basis_observables
from qstore.layers.stage import Array, Derived, Reading, Site, Stage, Values

if TYPE_CHECKING:
    from qstore.circuit import QuantumCircuit

__all__ = ["BasisReading", "FeatureExtractorStage"]


class FeatureExtractorStage(Stage):
    """See `qstore.layers.QuantumFeatureExtractor`, whose arguments these are."""

    kind = "feature_extractor"

    def __init__(
        self,
        n_qubits: int,
        depth: int,
        entanglement: str,
        measurement_bases: Iterable[str],
        encoding: str | None,
        dropout: QuantumDropout | None,
    ) -> None:
        if isinstance(depth, bool) or not isinstance(depth, (int, np.integer)) or depth < 1:
            raise OptionError(f"depth must be an integer of at least 1, got {depth!r}.")
        check_n_qubits(n_qubits)
        if dropout is not None and not isinstance(dropout, QuantumDropout):
            hint = f": QuantumDropout(qubit={dropout!r})" if isinstance(dropout, float) else ""
            raise OptionError(f"dropout must be a QuantumDropout or None, got {dropout!r}{hint}.")
        self.n_qubits, self.depth = n_qubits, int(depth)
        self.pairs = tuple(entangling_pairs(n_qubits, entanglement))
        self.bases = tuple(measurement_bases)
        basis_observables(n_qubits, self.bases)
        self.encoding = None if encoding is None else encoding_named(encoding)
        self.dropout = dropout if dropout is not None and dropout.is_active else None

    @property
    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {"weights": (self.depth, self.n_qubits, 2)}

    def build(self, site: Site) -> tuple[int, ...]:
        masked = self.dropout is not None and site.training
        shape = self.weight_shapes["weights"]
        weights = site.weight("weights", shape)
        gates = None
        if masked:
            weights = site.weight("masked weights", shape)
            gates = site.weight("kept gates", (self.depth, len(self.pairs)))
            site.derived.append(_MaskedWeights(weights, site.prefix))
            if self.pairs:
                site.derived.append(_KeptGates(gates, site.prefix))
        circuit, qubits = site.circuit, site.qubits
        for layer in range(self.depth):
            if layer and self.encoding is not None and self.encoding.every_layer:
                assert site.features is not None
                self.encoding.append(circuit, site.features, qubits)
            for index, q in enumerate(qubits):
                circuit.ry(q, weights[layer, index, 0]).rz(q, weights[layer, index, 1])
            numbers = range(len(self.pairs)) if layer % 2 == 0 else reversed(range(len(self.pairs)))
            for number in numbers:
                control, target = (qubits[i] for i in self.pairs[number])
                if gates is None:
                    circuit.cx(control, target)
                else:
                    _masked_cx(circuit, control, target, gates, (layer, number))
        return qubits

    def reading(self, qubits: tuple[int, ...]) -> Reading:
        return BasisReading(qubits, self.bases, self.dropout)

    def masks(self, random: np.random.Generator, size: int) -> dict[str, Array]:
        if self.dropout is None:
            return {}
        return self.dropout.draw(random, size, n_qubits=self.n_qubits, n_bases=len(self.bases), gates=self.pairs,
                                 depth=self.depth)  # fmt: skip


def _masked_cx(
    circuit: QuantumCircuit, control: int, target: int, gates: Parameter, at: tuple[int, int]
) -> None:
    """CX for 1 and nothing for 0."""
    circuit.h(target).cp(control, target, np.pi * gates[at]).h(target)


class BasisReading(Reading):
    """Paulis on every qubit, the first basis on all qubits first; dropped ones are 0 and the others scaled up."""

    def __init__(
        self, qubits: tuple[int, ...], bases: Iterable[str], dropout: QuantumDropout | None = None
    ) -> None:
        letters = tuple(bases)
        n = max(qubits) + 1
        every = basis_observables(n, letters)
        self.outputs = Expectations([every[basis * n + q] for basis in range(len(letters)) for q in qubits])
        self.width = len(self.outputs.observables)
        self._dropout = dropout

    def finish(self, values: Array, masks: Mapping[str, Array]) -> Array:
        return values * self._scale(masks) if self._dropout is not None and masks else values

    def pull_back(self, values: Array, cotangent: Array, masks: Mapping[str, Array]) -> Array:  # noqa: ARG002  # linear
        return cotangent * self._scale(masks) if self._dropout is not None and masks else cotangent

    def _scale(self, masks: Mapping[str, Array]) -> Array:
        assert self._dropout is not None
        kept = (1 - self._dropout.qubit) * (1 - self._dropout.basis)
        both = masks["bases"][:, :, None] * masks["qubits"][:, None, :]
        scale: Array = both.reshape(len(both), -1) / kept
        return scale


class _MaskedWeights(Derived):
    """The weights, 0 on the qubits that a sample drops."""

    def __init__(self, parameter: Parameter, prefix: str) -> None:
        self.parameter, self._weights, self._mask = parameter, f"{prefix}weights", f"{prefix}qubits"

    def value(self, values: Values) -> Array:
        masked: Array = values.weights[self._weights] * values.masks[self._mask][:, None, :, None]
        return masked

    def pull_back(self, values: Values, gradient: Array) -> tuple[None, Mapping[str, Array]]:
        return None, {self._weights: np.einsum("blqk,bq->lqk", gradient, values.masks[self._mask])}


class _KeptGates(Derived):
    """The mask of the gates itself."""

    is_constant = True

    def __init__(self, parameter: Parameter, prefix: str) -> None:
        self.parameter, self._mask = parameter, f"{prefix}gates"

    def value(self, values: Values) -> Array:
        return values.masks[self._mask]

    def pull_back(self, values: Values, gradient: Array) -> tuple[None, Mapping[str, Array]]:  # noqa: ARG002  # constants
        return None, {}
