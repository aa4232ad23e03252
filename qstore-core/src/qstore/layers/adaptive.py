# SPDX-License-Identifier: Apache-2.0
"""`AdaptiveLayer`: a feature extractor of which the first `active_depth` layers act, and more can be switched on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from qstore.errors import OptionError
from qstore.layers.circuit_layer import CircuitLayer
from qstore.layers.layer import Layer, LayerGradient, Pass
from qstore.layers.measurements import basis_letters
from qstore.layers.quantum_layers import QuantumFeatureExtractor
from qstore.layers.stage import Array

__all__ = ["AdaptiveLayer"]


class AdaptiveLayer(Layer):
    """A feature extractor that starts shallow and grows.

    The weights have the shape of the full depth from the beginning, so that growing keeps an optimizer's state; those of
    layers that do not act have the gradient 0.

    Args:
        n_qubits, entanglement, measurement_bases, encoding, n_features, weights_seed, execution: as for
            `QuantumFeatureExtractor`.
        max_depth: the most layers.
        active_depth: how many act at the start.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> layer = AdaptiveLayer(3, max_depth=4)
        >>> layer.grow(); layer.active_depth
        2
    """

    def __init__(
        self,
        n_qubits: int,
        max_depth: int,
        active_depth: int = 1,
        entanglement: str = "full",
        measurement_bases: Iterable[str] = ("Z", "X", "Y"),
        encoding: str = "angle",
        *,
        n_features: int | None = None,
        weights_seed: int | None = None,
        **execution: Any,
    ) -> None:
        bases = basis_letters(measurement_bases)
        self._config = {"n_qubits": n_qubits, "max_depth": max_depth, "entanglement": entanglement,
                        "measurement_bases": bases, "encoding": encoding, "n_features": n_features,
                        "weights_seed": weights_seed, **execution}  # fmt: skip
        self._full = QuantumFeatureExtractor(n_qubits, max_depth, entanglement, bases, encoding, n_features=n_features,
                                             weights_seed=weights_seed, **execution)  # fmt: skip
        self._by_depth: dict[int, CircuitLayer] = {max_depth: self._full}
        self.max_depth = max_depth
        self.n_features, self.output_dim = self._full.n_features, self._full.output_dim
        self.weights = self._full.weights
        self._active = max_depth
        self.active_depth = active_depth

    @property
    def active_depth(self) -> int:
        """How many layers act; may be set."""
        return self._active

    @active_depth.setter
    def active_depth(self, depth: int) -> None:
        if (
            isinstance(depth, bool)
            or not isinstance(depth, (int, np.integer))
            or not 1 <= depth <= self.max_depth
        ):
            raise OptionError(f"active_depth must be an integer from 1 to {self.max_depth}, got {depth!r}.")
        before = self._by_depth[self._active]
        self._active = int(depth)
        if self._active not in self._by_depth:
            options = {name: value for name, value in self._config.items() if name != "max_depth"}
            self._by_depth[self._active] = QuantumFeatureExtractor(depth=self._active, **options)
        # However many act, they are one layer: run in one way, counted together.
        self._by_depth[self._active].follow(before)

    def grow(self, layers: int = 1) -> None:
        """Let more layers act, up to `max_depth`."""
        self.active_depth = min(self._active + layers, self.max_depth)

    def forward(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False,
        differentiable: bool = False, features: bool = True,
    ) -> Pass:  # fmt: skip
        part, own = self._part(weights)
        found = part.forward(x, own, training=training, differentiable=differentiable, features=features)
        return Pass(found.values, found.results, (part, found))

    async def forward_async(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False
    ) -> Pass:
        part, own = self._part(weights)
        found = await part.forward_async(x, own, training=training)
        return Pass(found.values, found.results, (part, found))

    def backward(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        part, inner = given.kept
        return self._widened(part.backward(inner, cotangent, step=step, features=features))

    async def backward_async(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        part, inner = given.kept
        return self._widened(await part.backward_async(inner, cotangent, step=step, features=features))

    def fresh_weights(self, random: np.random.Generator) -> dict[str, Array]:
        return self._full.fresh_weights(random)

    def circuit_layers(self) -> tuple[tuple[str, CircuitLayer], ...]:
        return (("", self._by_depth[self._active]),)

    def get_config(self) -> dict[str, Any]:
        given = {name: value for name, value in self._config.items() if value is not None}
        return given | {"active_depth": self._active}

    def _part(self, weights: Mapping[str, Array] | None) -> tuple[CircuitLayer, dict[str, Array]]:
        given = (self.weights if weights is None else weights)["weights"]
        return self._by_depth[self._active], {"weights": given[: self._active]}

    def _widened(self, gradient: LayerGradient) -> LayerGradient:
        full = np.zeros_like(self.weights["weights"])
        active = gradient.weights["weights"]
        full[: len(active)] = active
        return LayerGradient(gradient.features, {"weights": full})
