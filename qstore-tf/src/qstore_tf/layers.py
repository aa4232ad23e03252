# SPDX-License-Identifier: Apache-2.0
"""Every layer of `qstore.layers` as a Keras layer of the same name; `QuantumDropout` is the same value there and here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import keras

from qstore import layers
from qstore.errors import OptionError
from qstore.layers import Layer, QuantumDropout
from qstore.layers.held_layer import DEPTH
from qstore.layers.summary import Summary
from qstore.plugins import Backend
from qstore_tf.layer_twin import LayerTwin

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

registered = keras.saving.register_keras_serializable(package="qstore")


@registered
class QuantumFeatureExtractor(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> layer = QuantumFeatureExtractor(4, depth=2)
    >>> tuple(layer(np.zeros((32, 4))).shape)
    (32, 12)
    """  # noqa: D415  # the rest of it comes from the core

    core = layers.QuantumFeatureExtractor


@registered
class EncodingLayer(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> np.asarray(EncodingLayer(2)(np.array([[0.0, np.pi]]))).round(6).tolist()
    [[1.0, -1.0]]
    """  # noqa: D415  # as above

    core = layers.EncodingLayer


@registered
class QuantumNonlinearity(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> damped = QuantumNonlinearity(1, "amplitude_damping", strength=0.25)
    >>> round(float(damped(np.array([[np.pi]]))[0, 0]), 3)
    -0.5
    """  # noqa: D415  # as above

    core = layers.QuantumNonlinearity


@registered
class QuantumPooling(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> tuple(QuantumPooling(5, 2)(np.zeros((7, 5))).shape)
    (7, 3)
    """  # noqa: D415  # as above

    core = layers.QuantumPooling


@registered
class QuantumReadout(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> probabilities = QuantumReadout(2, n_classes=3)(np.array([[0.3, 0.4]]))
    >>> round(float(np.asarray(probabilities).sum()), 5)
    1.0
    """  # noqa: D415  # as above

    core = layers.QuantumReadout


@registered
class DecodingLayer(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> np.asarray(DecodingLayer(2, low=0.0, high=10.0)(np.array([[-1.0, 0.5]]))).tolist()
    [[0.0, 7.5]]
    """  # noqa: D415  # as above

    core = layers.DecodingLayer


@registered
class QuantumBatchNorm(LayerTwin):
    """Example:
    >>> import numpy as np
    >>> norm = QuantumBatchNorm(1, spread=1.0)
    >>> round(float(np.asarray(norm(np.array([[1.0], [3.0]]), training=True)).std()), 3)
    1.0
    """  # noqa: D415  # as above

    core = layers.QuantumBatchNorm


@registered
class AdaptiveLayer(LayerTwin):
    """Example:
    >>> layer = AdaptiveLayer(3, max_depth=4)
    >>> layer.grow(); layer.active_depth
    2
    """  # noqa: D415  # as above

    core = layers.AdaptiveLayer

    @property
    def active_depth(self) -> int:
        """How many layers act; may be set, and is saved with the weights."""
        layer = cast("layers.AdaptiveLayer", self.layer)
        return int(self._remembered[DEPTH]) if self.built else layer.active_depth

    @active_depth.setter
    def active_depth(self, depth: int) -> None:
        layer = cast("layers.AdaptiveLayer", self.layer)
        layer.active_depth = depth
        if self.built:
            self._remembered[DEPTH].assign(layer.active_depth)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "active_depth": self.active_depth}

    def grow(self, by: int = 1) -> None:
        """Let more layers act, up to `max_depth`."""
        self.active_depth = min(self.active_depth + by, cast("layers.AdaptiveLayer", self.layer).max_depth)


@registered
class Sequential(LayerTwin):
    """Layers of this distribution and of `qstore.layers` are taken, with the weights that they have; the model has
    weights of its own from then on. Layers of Keras stand around it, in a `keras.Sequential`.

    Example:
        >>> import numpy as np
        >>> model = Sequential([
        ...     QuantumFeatureExtractor(4, depth=1), QuantumPooling(4, 2), QuantumReadout(2, n_classes=2),
        ... ])
        >>> tuple(model(np.zeros((3, 4))).shape), len(model.layer.parts)
        ((3, 2), 1)
    """  # as above

    core = layers.Sequential

    def __init__(
        self,
        layers: Sequence[Layer | LayerTwin],
        *,
        backend: Backend | str | None = None,
        **keras_options: Any,
    ) -> None:
        super().__init__([_as_layer(each) for each in layers], backend=backend, **keras_options)

    def summary(self, **options: Any) -> Summary:
        """See `qstore.layers.Sequential.summary`: per layer its size and what a step costs; print it."""
        return cast("layers.Sequential", self.layer).summary(**options)


def _as_layer(given: Layer | LayerTwin) -> Layer:
    if isinstance(given, LayerTwin):
        return given.to_layer()
    if not isinstance(given, Layer):
        msg = (
            f"Sequential joins quantum layers, got {type(given).__name__}. Put it and this Sequential into a "
            "keras.Sequential, next to each other."
        )
        raise OptionError(msg)
    return given
