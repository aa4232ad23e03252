# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a Keras model did, read without disturbing whoever else reads it.

A layer counts its circuits in `layer.usage`, which `usage.take()` empties. A `Reader` remembers what it saw instead, so that
several callbacks of one training each see everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from qstore.errors import OptionError
from qstore.gradients import GradientNoise, GradientNoiseTracker
from qstore.layers import BackendUse, Usage

__all__ = ["LayerReading", "Reader", "quantum_layers", "quantum_layers_of", "reading_of"]


class LayerReading(NamedTuple):
    """What one layer did since one looked last.

    Attributes:
        name: of the layer.
        backends: by their names, what each did.
        noise: of the last gradient of the weights; None before the first.
    """

    name: str
    backends: Mapping[str, BackendUse]
    noise: GradientNoise | None

    @property
    def circuits(self) -> int:
        """Circuits on all backends, those of gradients too."""
        return sum(use.circuits for use in self.backends.values())

    @property
    def seconds(self) -> float:
        """Wall-clock seconds on all backends."""
        return sum(use.seconds for use in self.backends.values())

    @property
    def queued_s(self) -> float:
        """Seconds of waiting, of these."""
        return sum(use.queued_s for use in self.backends.values())

    @property
    def usd(self) -> Decimal:
        """Dollars on all backends."""
        return sum((use.billed_usd for use in self.backends.values()), Decimal(0))


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
    return LayerReading(name, backends, _noise(layer))


def _noise(layer: Any) -> GradientNoise | None:
    """The noise of the last gradient, of the weights where it has any of them; None before the first."""
    last = layer.last_gradient
    if last is None:
        return None
    known = {name for name in last.gradients if name in layer.named_weights}
    names = known or set(last.gradients)
    errors = last.standard_errors
    return GradientNoiseTracker(window=1).update(
        {name: array for name, array in last.gradients.items() if name in names},
        None if errors is None else {name: array for name, array in errors.items() if name in names},
    )


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
