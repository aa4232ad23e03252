# SPDX-License-Identifier: Apache-2.0
"""Every layer of `qstore.layers` as a module of the same name; `QuantumDropout` is the same value there and here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from qstore import layers
from qstore.errors import OptionError
from qstore.layers import Layer, QuantumDropout
from qstore.layers.held_layer import DEPTH
from qstore.layers.summary import Summary
from qstore.plugins import Backend
from qstore_torch.layer_module import LayerModule

__all__ = [
    "AdaptiveLayer",
    "DecodingLayer",
    "EncodingLayer",
    "QuantumBatchNorm",
    "QuantumDropout",
    "QuantumFeatureExtractor",
    "QuantumNonlinearity",
    "QuantumPooling",
    "QuantumReadout",
    "Sequential",
]


class QuantumFeatureExtractor(LayerModule):
    """Example:
    >>> import torch
    >>> layer = QuantumFeatureExtractor(4, depth=2)
    >>> layer(torch.rand(32, 4)).shape
    torch.Size([32, 12])
    """  # noqa: D415  # the rest of it comes from the core

    core = layers.QuantumFeatureExtractor


class EncodingLayer(LayerModule):
    """Example:
    >>> import torch
    >>> EncodingLayer(2)(torch.tensor([0.0, torch.pi])).round().tolist()
    [1.0, -1.0]
    """  # noqa: D415  # as above

    core = layers.EncodingLayer


class QuantumNonlinearity(LayerModule):
    """Example:
    >>> import torch
    >>> damped = QuantumNonlinearity(1, "amplitude_damping", strength=0.25)
    >>> round(damped(torch.tensor([[torch.pi]])).item(), 3)
    -0.5
    """  # noqa: D415  # as above

    core = layers.QuantumNonlinearity


class QuantumPooling(LayerModule):
    """Example:
    >>> import torch
    >>> QuantumPooling(5, 2)(torch.rand(7, 5)).shape
    torch.Size([7, 3])
    """  # noqa: D415  # as above

    core = layers.QuantumPooling


class QuantumReadout(LayerModule):
    """Example:
    >>> import torch
    >>> probabilities = QuantumReadout(2, n_classes=3)(torch.rand(5, 2))
    >>> torch.allclose(probabilities.sum(dim=1), torch.ones(5))
    True
    """  # noqa: D415  # as above

    core = layers.QuantumReadout


class DecodingLayer(LayerModule):
    """Example:
    >>> import torch
    >>> DecodingLayer(2, low=0.0, high=10.0)(torch.tensor([-1.0, 0.5])).tolist()
    [0.0, 7.5]
    """  # noqa: D415  # as above

    core = layers.DecodingLayer


class QuantumBatchNorm(LayerModule):
    """Example:
    >>> import torch
    >>> norm = QuantumBatchNorm(1, spread=1.0)
    >>> norm(torch.tensor([[1.0], [3.0]])).std(correction=0).round(decimals=3).item(), norm.mean.shape
    (1.0, torch.Size([1]))
    """  # noqa: D415  # as above

    core = layers.QuantumBatchNorm


class AdaptiveLayer(LayerModule):
    """Example:
    >>> layer = AdaptiveLayer(3, max_depth=4)
    >>> layer.grow(); layer.active_depth
    2
    """  # noqa: D415  # as above

    core = layers.AdaptiveLayer

    @property
    def active_depth(self) -> int:
        """How many layers act; may be set, and is saved with the weights."""
        return int(self.get_buffer(DEPTH))

    @active_depth.setter
    def active_depth(self, depth: int) -> None:
        layer = cast("layers.AdaptiveLayer", self.layer)
        layer.active_depth = depth
        self.get_buffer(DEPTH).fill_(layer.active_depth)

    def grow(self, by: int = 1) -> None:
        """Let more layers act, up to `max_depth`."""
        self.active_depth = min(self.active_depth + by, cast("layers.AdaptiveLayer", self.layer).max_depth)


class Sequential(LayerModule):
    """Modules of this distribution and layers of `qstore.layers` are taken, with the weights that they have; the model has
    weights of its own from then on. Layers of torch stand around it, in a `torch.nn.Sequential`.

    Example:
        >>> import torch
        >>> model = Sequential([
        ...     QuantumFeatureExtractor(4, depth=1), QuantumPooling(4, 2), QuantumReadout(2, n_classes=2),
        ... ])
        >>> model(torch.rand(3, 4)).shape, len(model.layer.parts)
        (torch.Size([3, 2]), 1)
    """  # as above

    core = layers.Sequential

    def __init__(
        self, layers: Sequence[Layer | LayerModule], *, backend: Backend | str | None = None
    ) -> None:
        super().__init__([_as_layer(each) for each in layers], backend=backend)

    def summary(self, **options: Any) -> Summary:
        """See `qstore.layers.Sequential.summary`: per layer its size and what a step costs; print it."""
        return cast("layers.Sequential", self.layer).summary(**options)


def _as_layer(given: Layer | LayerModule) -> Layer:
    if isinstance(given, LayerModule):
        return given.to_layer()
    if not isinstance(given, Layer):
        msg = (
            f"Sequential joins quantum layers, got {type(given).__name__}. Put it and this Sequential into a "
            "torch.nn.Sequential, next to each other."
        )
        raise OptionError(msg)
    return given
