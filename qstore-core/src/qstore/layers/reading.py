# SPDX-License-Identifier: Apache-2.0
"""What a quantum layer did since one looked last, as numbers with the tags that every framework logs them under."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from qstore.gradients import GradientNoise, GradientNoiseTracker
from qstore.layers.usage import BackendUse
from qstore.plugins import GradientResult

__all__ = ["LayerReading", "ScalarWriter", "gradient_noise", "write_scalars"]


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

    @property
    def tagged(self) -> dict[str, float]:
        """The numbers by tag, without those that are unknown or infinite.

        Example:
            >>> LayerReading("readout", {}, None).tagged["quantum/readout/circuits"]
            0.0
        """
        start = f"quantum/{self.name}/"
        found = {
            start + "circuits": float(self.circuits),
            start + "seconds": self.seconds,
            start + "dollars": float(self.usd),
        }
        for backend, use in self.backends.items():
            found[f"{start}backends/{backend}"] = float(use.circuits)
        if self.noise is not None:
            found |= {
                start + "gradient_norm": self.noise.norm,
                start + "gradient_variance": self.noise.variance,
                start + "gradient_snr": self.noise.signal_to_noise,
            }
        return {tag: number for tag, number in found.items() if math.isfinite(number)}


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
