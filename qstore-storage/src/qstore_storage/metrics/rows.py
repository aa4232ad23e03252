# SPDX-License-Identifier: Apache-2.0
"""What a row of a run may say: the columns that every run has, with their units.

Each field of the two classes is a column. All are optional: a row has what is known at its moment, the rest is null.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

__all__ = ["KEYS", "STANDARD", "Facts", "QuantumMetrics", "TrainingMetrics"]


class Facts(NamedTuple):
    """A standard column: its name, its kind ("float", "int", "bool" or "text"), its unit ("" for none), what it is."""

    name: str
    kind: str
    unit: str
    what: str


def _of(kind: str, unit: str, what: str) -> Any:
    return field(default=None, metadata={"kind": kind, "unit": unit, "what": what})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMetrics:
    """What any training has.

    Attributes:
        step: optimizer steps so far.
        epoch: passes over the training data so far.
        train_loss, val_loss: the loss on training and on validation data, in the loss's own unit.
        train_accuracy, val_accuracy: share of samples that are classified correctly, 0 to 1.
        learning_rate: of the optimizer.
        gradient_norm: Euclidean norm of the gradient of all weights.
        gradient_max, gradient_min: largest and smallest entry of that gradient.
        batch_size: samples per step.
        batch_time_s: wall-clock seconds of the step.
        samples_per_s: throughput, samples trained on per wall-clock second.

    Example:
        >>> TrainingMetrics(step=3, train_loss=0.25).train_loss
        0.25
    """

    step: int | None = _of("int", "", "optimizer steps so far")
    epoch: int | None = _of("int", "", "passes over the training data so far")
    train_loss: float | None = _of("float", "", "loss on training data")
    val_loss: float | None = _of("float", "", "loss on validation data")
    train_accuracy: float | None = _of("float", "share", "training samples classified correctly")
    val_accuracy: float | None = _of("float", "share", "validation samples classified correctly")
    learning_rate: float | None = _of("float", "", "learning rate of the optimizer")
    gradient_norm: float | None = _of("float", "", "norm of the gradient of all weights")
    gradient_max: float | None = _of("float", "", "largest entry of the gradient")
    gradient_min: float | None = _of("float", "", "smallest entry of the gradient")
    batch_size: int | None = _of("int", "samples", "samples per step")
    batch_time_s: float | None = _of("float", "s", "wall-clock time of the step")
    samples_per_s: float | None = _of("float", "1/s", "throughput, samples per wall-clock second")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumMetrics:
    """What the quantum part of a model adds; counts, times and costs are those since the row before.

    Attributes:
        backend: who ran the circuits.
        n_qubits: qubits of the circuit.
        quantum_gradient_norm: Euclidean norm of the gradient of the quantum weights.
        gradient_variance: variance of the estimate of the quantum gradient, summed over its entries; 0 if exact.
        gradient_snr: signal-to-noise of that estimate, sqrt(max(|g|^2 - variance, 0) / variance); infinite if exact.
        circuits: circuits run, those of gradients too.
        circuit_time_s: wall-clock seconds of the calls to backends.
        circuits_per_s: throughput, circuits per second of `circuit_time_s`.
        circuit_depth: layers of the circuit.
        entangling_gates: gates on two qubits in the circuit.
        measurement_bases: different measurement bases per circuit.
        shots: measurements, all circuits together.
        queue_time_s: seconds that backends say were waited for.
        cost_usd: US dollars billed, or estimated where no bill has come yet; exact sums are in the ledger (`qstore costs`).
        cache_hit_rate: share of circuits answered by a cache, 0 to 1.
        expressibility: Kullback-Leibler divergence of the fidelities of random states from those of Haar-random ones, in
            nats; 0 is as expressive as possible.
        entanglement_entropy: von Neumann entropy of a part of the qubits, in bits.

    Example:
        >>> QuantumMetrics(backend="ionq.simulator", shots=1000, cost_usd=0.0).shots
        1000
    """

    backend: str | None = _of("text", "", "who ran the circuits")
    n_qubits: int | None = _of("int", "qubits", "qubits of the circuit")
    quantum_gradient_norm: float | None = _of("float", "", "norm of the gradient of the quantum weights")
    gradient_variance: float | None = _of("float", "", "variance of the estimate of the quantum gradient")
    gradient_snr: float | None = _of("float", "", "signal-to-noise of that estimate")
    circuits: int | None = _of("int", "circuits", "circuits run, those of gradients too")
    circuit_time_s: float | None = _of("float", "s", "wall-clock time of the calls to backends")
    circuits_per_s: float | None = _of("float", "1/s", "circuits per second of circuit time")
    circuit_depth: int | None = _of("int", "layers", "layers of the circuit")
    entangling_gates: int | None = _of("int", "gates", "gates on two qubits in the circuit")
    measurement_bases: int | None = _of("int", "bases", "different measurement bases per circuit")
    shots: int | None = _of("int", "shots", "measurements, all circuits together")
    queue_time_s: float | None = _of("float", "s", "time that backends say was waited for")
    cost_usd: float | None = _of("float", "USD", "billed, or estimated where no bill has come yet")
    cache_hit_rate: float | None = _of("float", "share", "circuits answered by a cache")
    expressibility: float | None = _of("float", "nats", "divergence from Haar-random states; 0 is best")
    entanglement_entropy: float | None = _of("float", "bits", "entropy of a part of the qubits")


def _facts(source: type) -> tuple[Facts, ...]:
    return tuple(Facts(each.name, *each.metadata.values()) for each in fields(source))


KEYS = (
    Facts("rank", "int", "", "who logged the row, 0 where one process trains"),
    Facts("seq", "int", "", "number of the row among those of its rank, from 1 and without gaps"),
    Facts("timestamp", "float", "s", "when it was logged, seconds since 1970-01-01 UTC"),
)
"""Columns that the logger fills; `timestamp` may be given."""

STANDARD = (*_facts(TrainingMetrics), *_facts(QuantumMetrics))
"""Every column of both classes."""
