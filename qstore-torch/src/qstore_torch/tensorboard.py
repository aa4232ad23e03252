# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a model did since one looked last, for TensorBoard or any other logger.

Per layer: circuits, seconds and dollars (forward passes and all circuits of gradients), how much of it each backend did,
and norm, variance and signal-to-noise of the last gradient of the weights.
"""

from __future__ import annotations

import math
from typing import Protocol

from qstore.errors import OptionError
from qstore.gradients import GradientNoise, GradientNoiseTracker
from qstore_torch.quantum_module import QuantumModule
from torch import nn

__all__ = ["log_quantum_metrics", "quantum_metrics"]


class ScalarWriter(Protocol):
    """What is used of a `torch.utils.tensorboard.SummaryWriter`."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Write one number."""


def quantum_metrics(model: nn.Module) -> dict[str, float]:
    """The numbers by tag, and counting starts again.

    Tags are "quantum/LAYER/" and "circuits", "seconds", "dollars", "backends/NAME" (circuits on it), "gradient_norm",
    "gradient_variance" and "gradient_snr"; what is unknown or infinite is left out.

    Raises:
        OptionError: the model has no quantum layer.

    Example:
        >>> import torch
        >>> from qstore_torch import QuantumFeatureExtractor
        >>> layer = QuantumFeatureExtractor(2, depth=1, shots=100)
        >>> layer(torch.rand(5, 2)).sum().backward()
        >>> metrics = quantum_metrics(layer)
        >>> metrics["quantum/QuantumFeatureExtractor/gradient_variance"] > 0
        True
    """
    layers = [(name, each) for name, each in model.named_modules() if isinstance(each, QuantumModule)]
    if not layers:
        raise OptionError("The model has no quantum layer, so there is nothing to log.")
    found: dict[str, float] = {}
    for name, layer in layers:
        start = f"quantum/{name or type(layer).__name__}/"
        usage = layer.usage.take()
        found[start + "circuits"] = float(usage.circuits)
        found[start + "seconds"] = usage.seconds
        found[start + "dollars"] = float(usage.billed_usd)
        for backend, use in usage.backends.items():
            found[f"{start}backends/{backend}"] = float(use.circuits)
        noise = gradient_noise(layer)
        if noise is not None:
            found |= {
                f"{start}gradient_norm": noise.norm,
                f"{start}gradient_variance": noise.variance,
                f"{start}gradient_snr": noise.signal_to_noise,
            }
    return {tag: number for tag, number in found.items() if math.isfinite(number)}


def log_quantum_metrics(writer: ScalarWriter, model: nn.Module, step: int) -> dict[str, float]:
    """Write `quantum_metrics(model)`; they are returned as well.

    Args:
        writer: a `torch.utils.tensorboard.SummaryWriter`, or anything with `add_scalar(tag, value, step)`.
        model: a model with quantum layers.
        step: the step to write at.

    Raises:
        OptionError: the model has no quantum layer.
    """
    metrics = quantum_metrics(model)
    for tag, number in metrics.items():
        writer.add_scalar(tag, number, step)
    return metrics


def gradient_noise(layer: QuantumModule) -> GradientNoise | None:
    """The noise of the last gradient, of the weights where it has any of them; None before the first."""
    last = layer.last_gradient
    if last is None:
        return None
    names = [name for name in last.gradients if name in layer.weights] or list(last.gradients)
    errors = last.standard_errors
    return GradientNoiseTracker(window=1).update(
        {name: last.gradients[name] for name in names},
        None if errors is None else {name: errors[name] for name in names},
    )
