# SPDX-License-Identifier: Apache-2.0
"""`QuantumMetrics` from what qstore itself counts: a result, or the layers of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from qstore.batch import BatchResult
from qstore.errors import OptionError
from qstore.layers.reading import gradient_noise, quantum_columns
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
            usage.add(layer.usage.take())
            last = getattr(layer, "last_gradient", None)
            if last is not None:
                weights = (
                    getattr(layer, "named_weights", None) or layer.weights
                )  # Keras' own `weights` is a list
                noises.append(gradient_noise(last, weights))
    if circuit is not None:
        known = {
            "n_qubits": circuit.n_qubits,
            "circuit_depth": circuit.depth(),
            "entangling_gates": circuit.count_two_qubit_gates(),
        } | known
    counted = quantum_columns(usage, noises) | {"shots": shots or None}
    return QuantumMetrics(**(counted | known))


def _rows(result: BatchResult) -> int:
    return (
        len(result.counts)
        if result.counts is not None
        else len(result.values)
        if result.values is not None
        else 0
    )


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
