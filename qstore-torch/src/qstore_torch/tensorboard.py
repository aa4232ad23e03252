# SPDX-License-Identifier: Apache-2.0
"""What the quantum layers of a model did since one looked last, for TensorBoard or any other logger.

Per layer: circuits, seconds and dollars (forward passes and all circuits of gradients), how much of it each backend did,
and norm, variance and signal-to-noise of the last gradient of the weights. Whoever looks remembers what was seen, so that
several loggers of one training each see everything; `usage.take()`, which empties the counts, is left to the program.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from qstore.errors import OptionError
from qstore.layers.reading import LayerReading, Memory, ScalarWriter, gradient_noise, since, write_scalars
from qstore_torch.quantum_module import QuantumModule
from torch import nn

__all__ = ["log_quantum_metrics", "quantum_metrics"]


_LOGGED: Memory = WeakKeyDictionary()


def quantum_metrics(model: nn.Module) -> dict[str, float]:
    """The numbers by tag, since this was asked last; whoever else looks at the counts is not disturbed.

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
    return {tag: number for each in readings(model, _LOGGED) for tag, number in each.tagged.items()}


def readings(model: nn.Module, memory: Memory) -> list[LayerReading]:
    """What each quantum layer did since it was last asked with this memory.

    Raises:
        OptionError: the model has no quantum layer.
    """
    layers = [(name, each) for name, each in model.named_modules() if isinstance(each, QuantumModule)]
    if not layers:
        raise OptionError("The model has no quantum layer, so there is nothing to log.")
    return [
        LayerReading(
            name or type(layer).__name__,
            since(layer, memory),
            gradient_noise(layer.last_gradient, layer.weights),
        )
        for name, layer in layers
    ]


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
    write_scalars(writer, metrics, step)
    return metrics
