# SPDX-License-Identifier: Apache-2.0
"""`QuantumMetrics` from what qstore itself counts: a result, or the layers of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from qstore.batch import BatchResult
from qstore.errors import OptionError
from qstore.gradients import GradientNoiseTracker
from qstore.layers.usage import Usage
from qstore_storage.metrics.rows import QuantumMetrics

__all__ = ["quantum_metrics_of"]


def quantum_metrics_of(source: Any, *more: Any, circuit: Any = None, **known: Any) -> QuantumMetrics:
    """Fill a `QuantumMetrics`.

    Args:
        source: a `BatchResult` (of `qs.run`); or something with quantum layers: a layer of `qstore.layers`, a torch module, a
            Keras model, or the layers themselves. What their circuits took is counted from the last time that somebody asked,
            here or with `layer.usage.take()`.
        more: further ones; counts, times and costs are added up.
        circuit: a circuit, for `n_qubits`, `circuit_depth` and `entangling_gates`.
        known: any other columns of `QuantumMetrics`, such as `measurement_bases=3` or `expressibility=0.02`.

    Raises:
        OptionError: a source has nothing to count, or there is no such column.

    Example:
        >>> import qstore as qs
        >>> bell = qs.QuantumCircuit(2).h(0).cx(0, 1)
        >>> found = quantum_metrics_of(qs.run(bell, shots=100, seed=1), circuit=bell, measurement_bases=1)
        >>> found.backend, found.circuits, found.shots, found.circuit_depth, found.entangling_gates
        ('statevector', 1, 100, 2, 1)
    """
    unknown = set(known) - {field.name for field in fields(QuantumMetrics)}
    if unknown:
        raise OptionError(
            f"QuantumMetrics has no {', '.join(sorted(unknown))}; user columns go to log() itself."
        )
    usage, shots, noises = Usage(), 0, []
    for each in (source, *more):
        if isinstance(each, BatchResult):
            rows = _rows(each)
            usage.record([each], rows, each.run_s)
            shots += (each.shots or 0) * rows
            known.setdefault("n_qubits", each.n_qubits)
            continue
        for layer in _layers(each):
            _add(usage, layer.usage.take())
            noise = _noise(layer)
            if noise is not None:
                noises.append(noise)
    if circuit is not None:
        known = {
            "n_qubits": circuit.n_qubits,
            "circuit_depth": circuit.depth(),
            "entangling_gates": circuit.count_two_qubit_gates(),
        } | known
    counted = {
        "backend": _backend(usage),
        "circuits": usage.circuits,
        "circuit_time_s": usage.seconds,
        "circuits_per_s": usage.circuits / usage.seconds if usage.seconds > 0 else None,
        "queue_time_s": sum(use.queued_s for use in usage.backends.values()),
        "cost_usd": float(usage.billed_usd),
        "shots": shots or None,
    }
    return QuantumMetrics(**(counted | _gradient(noises) | known))


def _rows(result: BatchResult) -> int:
    return (
        len(result.counts)
        if result.counts is not None
        else len(result.values)
        if result.values is not None
        else 0
    )


def _backend(usage: Usage) -> str | None:
    """The names of the backends that ran circuits."""
    return ", ".join(sorted(name for name, use in usage.backends.items() if use.calls)) or None


def _layers(source: Any) -> list[Any]:
    """The quantum layers in something; each has its `usage`."""
    if isinstance(getattr(source, "usage", None), Usage):
        return [source]
    found: Iterable[Any]
    if hasattr(source, "modules"):  # torch
        found = source.modules()
    elif hasattr(source, "_flatten_layers"):  # Keras, whose public `layers` do not go into sub-models
        found = source._flatten_layers()
    elif isinstance(source, (list, tuple)):
        found = (layer for each in source for layer in _layers(each))
    else:
        found = ()
    layers = [each for each in found if isinstance(getattr(each, "usage", None), Usage)]
    if not layers:
        raise OptionError(
            f"{type(source).__name__} has no quantum layers and is no BatchResult, so there is nothing to count."
        )
    return layers


def _add(total: Usage, part: Usage) -> None:
    for name, use in part.backends.items():
        mine = total.backends.get(name)
        if mine is None:
            total.backends[name] = use
            continue
        mine.calls += use.calls
        mine.circuits += use.circuits
        mine.seconds += use.seconds
        mine.queued_s += use.queued_s
        mine.billed_usd += use.billed_usd


def _noise(layer: Any) -> Any:
    """Noise of the last gradient of a layer's weights, where it keeps it; None before the first."""
    last = getattr(layer, "last_gradient", None)
    if last is None:
        return None
    weights = getattr(layer, "named_weights", None) or layer.weights  # Keras' own `weights` is a list
    names = [name for name in last.gradients if name in weights] or list(last.gradients)
    errors = last.standard_errors
    return GradientNoiseTracker(window=1).update(
        {name: last.gradients[name] for name in names},
        None if errors is None else {name: errors[name] for name in names},
    )


def _gradient(noises: list[Any]) -> dict[str, float | None]:
    """Norm, variance and signal-to-noise of the gradients of all layers together."""
    if not noises:
        return {}
    norm = math.hypot(*(noise.norm for noise in noises))
    variance = math.fsum(noise.variance for noise in noises)
    signal = math.fsum(max(noise.norm**2 - noise.variance, 0.0) for noise in noises)
    if variance == 0:
        return {"quantum_gradient_norm": norm, "gradient_variance": 0.0, "gradient_snr": math.inf}
    snr = math.sqrt(signal / variance)  # NaN where the variance is not known
    return {"quantum_gradient_norm": norm, "gradient_variance": variance, "gradient_snr": snr}
