# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a Keras model did, read without disturbing whoever else reads it.

A layer counts its circuits in `layer.usage`, which `usage.take()` empties. A `Reader` remembers what it saw instead, so that
several callbacks of one training each see everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qstore.errors import OptionError
from qstore.layers import BackendUse, Usage
from qstore.layers.reading import LayerReading, gradient_noise

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
        self._seen = {name: _copy(layer.usage) for name, layer in self.layers}

    def read(self) -> list[LayerReading]:
        """What happened since the last time, per layer."""
        found = []
        for name, layer in self.layers:
            now = _copy(layer.usage)
            backends = {backend: _since(self._seen[name].get(backend), use) for backend, use in now.items()}
            self._seen[name] = now
            used = {backend: use for backend, use in backends.items() if use.calls}
            found.append(reading_of(name, layer, used))
        return found


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


def reading_of(name: str, layer: Any, backends: Mapping[str, BackendUse]) -> LayerReading:
    """A reading with the noise of the last gradient."""
    return LayerReading(name, backends, gradient_noise(layer.last_gradient, layer.named_weights))


def _copy(usage: Usage) -> dict[str, BackendUse]:
    """The counts as they are now; a thread may be adding to them."""
    return {name: replace(use) for name, use in list(usage.backends.items())}


def _since(before: BackendUse | None, now: BackendUse) -> BackendUse:
    """What was added; all of it where somebody else has emptied the counts in between."""
    if before is None or now.calls < before.calls or now.circuits < before.circuits:
        return now
    return BackendUse(
        calls=now.calls - before.calls,
        circuits=now.circuits - before.circuits,
        seconds=now.seconds - before.seconds,
        queued_s=now.queued_s - before.queued_s,
        billed_usd=now.billed_usd - before.billed_usd,
    )
