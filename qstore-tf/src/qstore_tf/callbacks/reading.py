# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a Keras model did, read without disturbing whoever else reads it.

A layer counts its circuits in `layer.usage`, which `usage.take()` empties. A `Reader` remembers what it saw instead, so that
several callbacks of one training each see everything.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from qstore.errors import OptionError
from qstore.layers import BackendUse, Usage
from qstore.layers.reading import LayerReading, gradient_noise

__all__ = ["Memory", "Reader", "quantum_layers", "quantum_layers_of", "reading_of", "since"]


class Seen(NamedTuple):
    """Counts of a layer as somebody saw them last.

    Attributes:
        counts: the layer's own dict, by which it is known whether somebody has emptied the counts since: then there is another.
        usage: the counts.
    """

    counts: dict[str, BackendUse]
    usage: Usage


Memory = WeakKeyDictionary[Any, Seen]
"""What somebody saw of each layer."""


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


def since(layer: Any, memory: Memory) -> Usage:
    """What a layer did since it was last asked with this memory."""
    before, now = memory.get(layer), Seen(layer.usage.backends, layer.usage.copy())
    memory[layer] = now
    if before is None or before.counts is not now.counts:
        return now.usage
    return now.usage.since(before.usage)


def reading_of(name: str, layer: Any, usage: Usage) -> LayerReading:
    """A reading with the noise of the last gradient."""
    return LayerReading(name, usage, gradient_noise(layer.last_gradient, layer.named_weights))
