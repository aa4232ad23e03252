# SPDX-License-Identifier: Apache-2.0
"""What a quantum layer did since one looked last, as numbers with the tags that every framework logs them under."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from qstore.gradients import GradientNoise, GradientNoiseTracker
from qstore.layers.usage import BackendUse, Usage
from qstore.plugins import GradientResult

__all__ = [
    "LayerReading",
    "Memory",
    "ScalarWriter",
    "gradient_noise",
    "quantum_columns",
    "since",
    "sums",
    "together",
    "write_scalars",
]


class LayerReading(NamedTuple):
    """What one layer did since one looked last.

    Attributes:
        name: of the layer.
        usage: what each backend did.
        noise: of the last gradient of the weights; None before the first.
    """

    name: str
    usage: Usage
    noise: GradientNoise | None

    @property
    def tagged(self) -> dict[str, float]:
        """The numbers by tag, without those that are unknown or infinite.

        Example:
            >>> LayerReading("readout", Usage(), None).tagged["quantum/readout/circuits"]
            0.0
        """
        start = f"quantum/{self.name}/"
        found = {start + name: number for name, number in sums(self.usage).items()}
        for backend, use in self.usage.backends.items():
            found[f"{start}backends/{backend}"] = float(use.circuits)
        if self.noise is not None:
            found |= {
                start + "gradient_norm": self.noise.norm,
                start + "gradient_variance": self.noise.variance,
                start + "gradient_snr": self.noise.signal_to_noise,
            }
        return {tag: number for tag, number in found.items() if math.isfinite(number)}


class Seen(NamedTuple):
    """Counts of a layer as somebody saw them last.

    Attributes:
        counts: the layer's own dict, by which it is known whether somebody has emptied the counts since: then there is another.
        usage: the counts.
    """

    counts: dict[str, BackendUse]
    usage: Usage


Memory = WeakKeyDictionary[Any, Seen]
"""What somebody saw of each layer: whoever has one of their own sees everything, whoever else looks."""


def since(layer: Any, memory: Memory) -> Usage:
    """What a layer, which counts in `layer.usage`, did since it was last asked with this memory."""
    before, now = memory.get(layer), Seen(layer.usage.backends, layer.usage.copy())
    memory[layer] = now
    if before is None or before.counts is not now.counts:
        return now.usage
    return now.usage.since(before.usage)


def sums(usage: Usage) -> dict[str, float]:
    """Circuits, seconds and dollars on all backends, by the ends of their tags."""
    return {"circuits": float(usage.circuits), "seconds": usage.seconds, "dollars": float(usage.billed_usd)}


def together(readings: Iterable[LayerReading]) -> Usage:
    """What all layers did."""
    total = Usage()
    for each in readings:
        total.add(each.usage)
    return total


def quantum_columns(usage: Usage, noises: Iterable[GradientNoise | None]) -> dict[str, Any]:
    """The standard columns of metrics for what layers did together; what is unknown is left out.

    Args:
        usage: of all of them.
        noises: of the last gradients of each; None where there was none.

    Returns:
        "backend" (names), "circuits", "circuit_time_s", "circuits_per_s", "queue_time_s", "cost_usd"; of the gradients
        "gradient_variance", "gradient_snr" and "quantum_gradient_norm".

    Example:
        >>> from qstore.layers import BackendUse
        >>> use = BackendUse(calls=2, circuits=10, seconds=0.5)
        >>> quantum_columns(Usage({"statevector": use}), [])["circuits_per_s"]
        20.0
    """
    row: dict[str, Any] = {
        "circuits": usage.circuits,
        "circuit_time_s": usage.seconds,
        "queue_time_s": usage.queued_s,
        "cost_usd": float(usage.billed_usd),
    }
    if names := sorted(name for name, use in usage.backends.items() if use.calls):
        row["backend"] = ", ".join(names)
    if usage.seconds > 0:
        row["circuits_per_s"] = usage.circuits / usage.seconds
    known = [each for each in noises if each is not None]
    if known:
        # Variances and squares of norms of separate weights add up.
        variance, square = (
            math.fsum(each.variance for each in known),
            math.fsum(each.norm**2 for each in known),
        )
        row |= {"quantum_gradient_norm": math.sqrt(square), "gradient_variance": variance}
        row["gradient_snr"] = math.inf if variance == 0 else math.sqrt(max(square - variance, 0.0) / variance)
    return row


class ScalarWriter(Protocol):
    """What is used of torch's `SummaryWriter`, or of anything else that takes numbers by tag and step."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Write one number."""


def write_scalars(writer: ScalarWriter, metrics: Mapping[str, float], step: int) -> None:
    """Write all numbers at one step."""
    for tag, number in metrics.items():
        writer.add_scalar(tag, number, step)


def gradient_noise(last: GradientResult | None, weights: Iterable[str]) -> GradientNoise | None:
    """The noise of the last gradient, of the weights where it has any of them; None before the first."""
    if last is None:
        return None
    trained = set(weights)
    names = [name for name in last.gradients if name in trained] or list(last.gradients)
    errors = last.standard_errors
    return GradientNoiseTracker(window=1).update(
        {name: last.gradients[name] for name in names},
        None if errors is None else {name: errors[name] for name in names},
    )
