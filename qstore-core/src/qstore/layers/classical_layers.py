# SPDX-License-Identifier: Apache-2.0
"""What stands between coherent circuits: small classical steps on features, with their derivatives."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from qstore.errors import OptionError
from qstore.layers.checks import check_number
from qstore.layers.layer import Layer, LayerGradient, Pass
from qstore.layers.stage import Array

__all__ = ["DecodingLayer", "QuantumBatchNorm"]


class ClassicalLayer(Layer):
    """A layer that runs no circuit: both twins do the same."""

    @abstractmethod
    def _values(self, x: Array, weights: Mapping[str, Array], *, training: bool) -> tuple[Array, Any]:
        """The values, and what the backward pass needs."""

    def forward(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False,
        differentiable: bool = False, features: bool = True,  # noqa: ARG002  # no circuit runs twice here
    ) -> Pass:  # fmt: skip
        values, kept = self._values(x, self.weights if weights is None else weights, training=training)
        return Pass(values, (), kept)

    async def forward_async(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False
    ) -> Pass:
        return self.forward(x, weights, training=training)

    async def backward_async(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        return self.backward(given, cotangent, step=step, features=features)


class DecodingLayer(ClassicalLayer):
    """Features times a trained scale plus a trained offset, each by itself: from expectations in [-1, 1] to a range.

    Args:
        n_features: numbers per sample.
        low, high: the range that -1 and 1 become at the start.

    Shape:
        (batch, n_features) to (batch, n_features).

    Example:
        >>> DecodingLayer(2, low=0.0, high=10.0).call_sync([[-1.0, 0.5]]).tolist()
        [[0.0, 7.5]]
    """

    def __init__(self, n_features: int, low: float = -1.0, high: float = 1.0) -> None:
        _check_size(n_features)
        check_number("low", low)
        check_number("high", high)
        if not low < high:
            raise OptionError(f"low must be below high, got {low!r} and {high!r}.")
        self.n_features = self.output_dim = n_features
        self._range = (float(low), float(high))
        self.weights = {
            "scale": np.full(n_features, (high - low) / 2),
            "offset": np.full(n_features, (high + low) / 2),
        }

    def backward(
        self,
        given: Pass,
        cotangent: Array,
        *,
        step: int = 0,  # noqa: ARG002  # the contract
        features: bool = True,  # noqa: ARG002  # they cost nothing
    ) -> LayerGradient:
        x, scale = given.kept
        return LayerGradient(
            cotangent * scale, {"scale": (cotangent * x).sum(axis=0), "offset": cotangent.sum(axis=0)}
        )

    def get_config(self) -> dict[str, Any]:
        return {"n_features": self.n_features, "low": self._range[0], "high": self._range[1]}

    def _values(self, x: Array, weights: Mapping[str, Array], *, training: bool) -> tuple[Array, Any]:  # noqa: ARG002  # the contract
        return x * weights["scale"] + weights["offset"], (x, weights["scale"])


class QuantumBatchNorm(ClassicalLayer):
    """Features brought to mean 0 and spread `spread`, so that they are angles that do not wrap, then scale and offset.

    In training the batch's own mean and variance are used and remembered with `momentum`; otherwise the remembered ones
    (Ioffe & Szegedy, arXiv:1502.03167). The spread at the start is pi/4: two standard deviations are a quarter turn each
    way, within which RY tells values apart.

    Args:
        n_features: numbers per sample.
        spread: standard deviation of the outputs at the start, radians.
        momentum: share of the old in what is remembered.
        epsilon: added to variances.

    Attributes:
        mean, variance: what is remembered.

    Shape:
        (batch, n_features) to (batch, n_features).

    Example:
        >>> import numpy as np
        >>> norm = QuantumBatchNorm(1, spread=1.0)
        >>> float(norm.call_sync(np.array([[1.0], [3.0]]), training=True).std().round(3))
        1.0
    """

    def __init__(
        self, n_features: int, spread: float = math.pi / 4, *, momentum: float = 0.9, epsilon: float = 1e-5
    ) -> None:
        _check_size(n_features)
        for name, value in (("spread", spread), ("momentum", momentum), ("epsilon", epsilon)):
            check_number(name, value)
        if not (spread > 0 and 0 <= momentum < 1 and epsilon > 0):
            raise OptionError(
                f"spread and epsilon are positive and momentum is from 0 to below 1, got {spread!r}, {epsilon!r}, {momentum!r}."
            )
        self.n_features = self.output_dim = n_features
        self._spread, self._momentum, self._epsilon = float(spread), float(momentum), float(epsilon)
        self.mean, self.variance = np.zeros(n_features), np.ones(n_features)
        self.weights = {"scale": np.full(n_features, float(spread)), "offset": np.zeros(n_features)}

    def backward(
        self,
        given: Pass,
        cotangent: Array,
        *,
        step: int = 0,  # noqa: ARG002  # the contract
        features: bool = True,  # noqa: ARG002  # they cost nothing
    ) -> LayerGradient:
        normal, deviation, scale, training = given.kept
        inner = cotangent * scale
        if training:
            # The batch's mean and variance depend on every row.
            inner = inner - inner.mean(axis=0) - normal * (inner * normal).mean(axis=0)
        weights = {"scale": (cotangent * normal).sum(axis=0), "offset": cotangent.sum(axis=0)}
        return LayerGradient(inner / deviation, weights)

    def get_config(self) -> dict[str, Any]:
        return {"n_features": self.n_features, "spread": self._spread, "momentum": self._momentum,
                "epsilon": self._epsilon}  # fmt: skip

    def _values(self, x: Array, weights: Mapping[str, Array], *, training: bool) -> tuple[Array, Any]:
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            keep = self._momentum
            self.mean = keep * self.mean + (1 - keep) * mean
            self.variance = keep * self.variance + (1 - keep) * variance
        deviation = np.sqrt(variance + self._epsilon)
        normal = (x - mean) / deviation
        values: Array = normal * weights["scale"] + weights["offset"]
        return values, (normal, deviation, weights["scale"], training)


def _check_size(n_features: int) -> None:
    if isinstance(n_features, bool) or not isinstance(n_features, (int, np.integer)) or n_features < 1:
        raise OptionError(f"n_features must be an integer of at least 1, got {n_features!r}.")
