# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a Keras model did, read without disturbing whoever else reads it.

A layer counts its circuits in `layer.usage`, which `usage.take()` empties. A `Reader` remembers what it saw instead, so that
several callbacks of one training each see everything.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from qstore.errors import OptionError
from qstore.layers import Usage
from qstore.layers.reading import LayerReading, Memory, gradient_noise, since

__all__ = ["Reader", "quantum_layers", "quantum_layers_of", "reading_of"]


class Reader:
    """Reads what the quantum layers of a model did since it read last.

    Args:
        model: a Keras model.

    Raises:
        OptionError: the model has no quantum layer.
    """

    def __init__(self, model: Any) -> None:
        self.layers = quantum_layers(model)
        self._seen: Memory = WeakKeyDictionary()
        self.read()

    def read(self) -> list[LayerReading]:
        """What happened since the last time, per layer."""
        return [reading_of(name, layer, since(layer, self._seen)) for name, layer in self.layers]


def quantum_layers(model: Any) -> list[tuple[str, Any]]:
    """The quantum layers of a model, or a layer itself, each with a name of its own.

    Raises:
        OptionError: there is none.
    """
    found: dict[str, Any] = {}
    for layer in quantum_layers_of(model):
        name, number = layer.name, 1
        while name in found:  # two models in one may use a name twice
            name, number = f"{layer.name}_{number}", number + 1
        found[name] = layer
    if not found:
        raise OptionError("The model has no quantum layer, so there is nothing to log.")
    return list(found.items())


def quantum_layers_of(model: Any) -> list[Any]:
    """The quantum layers of a model, or a layer itself; there may be none."""
    layers = model._flatten_layers()  # Keras' only walk through nested models
    return [layer for layer in layers if isinstance(getattr(layer, "usage", None), Usage)]


def reading_of(name: str, layer: Any, usage: Usage) -> LayerReading:
    """A reading with the noise of the last gradient."""
    return LayerReading(name, usage, gradient_noise(layer.last_gradient, layer.named_weights))
