# SPDX-License-Identifier: Apache-2.0
"""The natural gradient: parameter-shift gradients, preconditioned by the geometry of the states.

    gradient of shared parameters:  (F + ridge * 1)**-1 g,   g by parameter shift
    inputs (per-sample bindings):   g as it is

F is the Fubini-Study metric, averaged over the rows of the batch, without the entries between different layers of the
circuit. Within a layer of gates exp(-i t_j K_j) that commute, acting on the state of the circuit before the layer,
    F_ij = <K_i K_j> - <K_i><K_j>,
so one more circuit per layer and row, cut off before the layer and measured by expectations, gives it on any backend
(none for a layer that begins the circuit: its state is known). A parameter that enters several gates gets the sum over all pairs within their layers, with the coefficients of its angles.
With shots an estimate of F may have negative eigenvalues; they are set to zero. The ridge bounds what directions that
hardly move the state can do: no eigenvalue of the preconditioner exceeds 1 / ridge.

The standard error is that of the solution to first order: by the gradient's own shots and by those of the metric.

Source: Stokes, Izaac, Killoran, Carleo, "Quantum natural gradient", Quantum 4, 269 (2020), eqs. 12 and 13.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore.batch import BatchResult, CircuitBatch, Expectations
from qstore.batch.streams import derived_keys
from qstore.circuit import Template
from qstore.errors import CapabilityError
from qstore.gradients.copies import per_row
from qstore.gradients.generators import GeneratorLayer, generator_layers
from qstore.gradients.linear import linear_cotangent, linear_outputs
from qstore.gradients.options import number
from qstore.gradients.parameter_shift import ParameterShift, shift_noise
from qstore.gradients.sampled import combination_variance
from qstore.gradients.slots import slot_template
from qstore.plugins import GradientResult

__all__ = ["Natural", "reason_against_metric"]

Array = NDArray[np.float64]
RIDGE = 0.01
FIRST_KEY = 1 << 41
"""Far from the numbers that the shifts give to their circuits."""
AMPLITUDES_ARE_PLAIN = "parameters of initialize keep their plain gradient: the metric is one of angles"


class _Layer(NamedTuple):
    """What one layer's circuit measured: <K_i>, (B', m), and its covariances, (B', m, m); B' is B or 1."""

    means: Array
    covariances: Array


class Natural:
    """Natural gradient of the shared parameters, by the block-diagonal Fubini-Study metric.

    Args:
        ridge: added to the diagonal of the metric, whose entries for Pauli rotations lie between 0 and 1/4.

    Raises:
        OptionError: the ridge is not positive and finite.
    """

    def __init__(self, ridge: float = RIDGE) -> None:
        self._ridge = number("ridge", ridge)
        self._shift = ParameterShift()

    def check(self, batch: CircuitBatch) -> None:
        """Refuse outputs without a shift rule and circuits without a pure state.

        Raises:
            CapabilityError: it is such a batch.
        """
        self._shift.check(batch)
        reason = reason_against_metric(batch)
        if reason is not None:
            raise CapabilityError(f"No natural gradient: {reason}. Use gradient_method='parameter_shift'.")

    def expand(self, batch: CircuitBatch, *, wrt: Collection[str], step: int = 0) -> tuple[CircuitBatch, ...]:
        """The batches of parameter shift, then one batch per layer.

        Raises:
            CapabilityError: the output has no shift rule, or the circuit no pure state.
        """
        self.check(batch)
        return (*self._shift.expand(batch, wrt=wrt, step=step), *self._metric_batches(batch, wrt))

    def combine(
        self, batch: CircuitBatch, results: Sequence[BatchResult], cotangent: NDArray[Any], *, wrt: Collection[str],
        step: int = 0,
    ) -> GradientResult:  # fmt: skip
        """The values, the preconditioned gradients of shared parameters and the plain ones of inputs."""
        names = _preconditioned(batch, wrt)
        circuit, layers = generator_layers(batch.circuit, frozenset(names))
        split = len(results) - sum(len(layer.before) > 0 for layer in layers)
        plain = self._shift.combine(batch, results[:split], cotangent, wrt=wrt, step=step)
        notes = plain.notes if _mentioned(batch, wrt) == set(names) else (*plain.notes, AMPLITUDES_ARE_PLAIN)
        if not names:
            return GradientResult(plain.result, plain.gradients, plain.standard_errors, notes)
        outcomes = _with_known(layers, results[split:])
        measured = [_measured(layer, result) for layer, result in zip(layers, outcomes, strict=True)]
        jacobian = _jacobian(circuit, batch, names)
        metric = _metric(layers, measured, jacobian)
        damped = _positive(metric) + self._ridge * np.eye(len(metric))
        inverse: Array = np.linalg.inv(damped).astype(np.float64, copy=False)
        flat = np.concatenate([plain.gradients[name].ravel() for name in names])
        solution = inverse @ flat
        errors = None
        if plain.standard_errors is not None:
            weights = linear_cotangent(batch, results[0], cotangent)
            variance = _gradient_variance(batch, results[:split], weights, wrt, names, inverse)
            variance += _metric_variance(layers, measured, outcomes, jacobian, inverse, solution)
            errors = dict(plain.standard_errors) | _parted(batch, names, np.sqrt(variance))
        return GradientResult(
            plain.result, dict(plain.gradients) | _parted(batch, names, solution), errors, notes
        )

    def metric(self, batch: CircuitBatch, results: Sequence[BatchResult], *, wrt: Collection[str]) -> Array:
        """The metric itself, without ridge, from the results of `expand`'s batches: (P, P) over the shared entries.

        The entries are those of the shared parameters of `wrt` in the order of their names, each row by row.
        """
        names = _preconditioned(batch, wrt)
        circuit, layers = generator_layers(batch.circuit, frozenset(names))
        split = len(results) - sum(len(layer.before) > 0 for layer in layers)
        outcomes = _with_known(layers, results[split:])
        measured = [_measured(layer, result) for layer, result in zip(layers, outcomes, strict=True)]
        return _metric(layers, measured, _jacobian(circuit, batch, names))

    def _metric_batches(self, batch: CircuitBatch, wrt: Collection[str]) -> list[CircuitBatch]:
        _, layers = generator_layers(batch.circuit, frozenset(_preconditioned(batch, wrt)))
        made = []
        for index, layer in enumerate(layers):
            if not len(layer.before):
                continue
            bindings = {p.name: batch.bindings[p.name] for p in layer.before.parameters}
            # A layer that no input precedes stands on one state for all rows: one circuit is enough.
            rows = batch.size if batch.per_sample & bindings.keys() else 1
            keys = (
                {}
                if batch.shots is None
                else {"_keys": derived_keys(batch.stream_keys[:rows], FIRST_KEY + index)}
            )
            outputs = Expectations([*layer.generators, *layer.products])
            made.append(batch.replace(circuit=layer.before, bindings=bindings, outputs=outputs, **keys))
        return made

    def __repr__(self) -> str:
        return f"Natural(ridge={self._ridge})"


def reason_against_metric(batch: CircuitBatch) -> str | None:
    """Why there is no Fubini-Study metric for a batch; None when there is one."""
    if batch.circuit.is_noisy or batch.circuit.has_feedback:
        return "the metric is one of pure states, and the circuit has noise, reset or measurements"
    return None


def _mentioned(batch: CircuitBatch, wrt: Collection[str]) -> set[str]:
    return {name for name in wrt if name not in batch.per_sample}


def _preconditioned(batch: CircuitBatch, wrt: Collection[str]) -> list[str]:
    """The shared parameters that enter angles only, by name."""
    prepared = {
        parameter.name
        for op in batch.circuit.operations
        if op.amplitudes is not None
        for parameter in op.amplitudes.parameters
    }
    return sorted(_mentioned(batch, wrt) - prepared)


def _jacobian(circuit: Template, batch: CircuitBatch, names: Sequence[str]) -> Array:
    """Derivatives of a circuit's angles by the entries of the named parameters, (n_slots, P)."""
    slots = slot_template(circuit)
    identity = np.eye(len(slots.rules))
    return np.concatenate(
        [slots.to_rows(name, per_row(batch, name).shape[1], identity) for name in names], axis=1
    )


def _with_known(layers: Sequence[GeneratorLayer], results: Sequence[BatchResult]) -> list[BatchResult]:
    """A result for every layer: those that were run, and the known ones of layers that begin the circuit."""
    remaining = iter(results)
    return [next(remaining) if len(layer.before) else _in_the_ground_state(layer) for layer in layers]


def _in_the_ground_state(layer: GeneratorLayer) -> BatchResult:
    """In |0...0> a Pauli string without X and Y is 1, every other one 0."""
    asked = (*layer.generators, *layer.products)
    values = [[sum(term.coefficient for term in each.terms if not term.x_mask) for each in asked]]
    return BatchResult(values=np.array(values, dtype=float), n_qubits=layer.before.n_qubits, backend="")


def _measured(layer: GeneratorLayer, result: BatchResult) -> _Layer:
    assert result.values is not None
    m = len(layer.generators)
    means, products = result.values[:, :m], result.values[:, m:]
    upper = np.triu_indices(m)
    covariances = np.empty((len(means), m, m))
    covariances[:, upper[0], upper[1]] = products
    covariances[:, upper[1], upper[0]] = products
    return _Layer(means, covariances - means[:, :, None] * means[:, None, :])


def _metric(layers: Sequence[GeneratorLayer], measured: Sequence[_Layer], jacobian: Array) -> Array:
    metric = np.zeros((jacobian.shape[1],) * 2)
    for layer, found in zip(layers, measured, strict=True):
        part = jacobian[list(layer.slots)]
        metric += part.T @ found.covariances.mean(axis=0) @ part
    return metric


def _positive(metric: Array) -> Array:
    """The nearest matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(metric)
    nearest: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return nearest


def _gradient_variance(
    batch: CircuitBatch, results: Sequence[BatchResult], weights: Array, wrt: Collection[str], names: Sequence[str],
    inverse: Array,
) -> Array:  # fmt: skip
    """Variance of `inverse @ g` by the shots of the gradient's circuits, (P,)."""
    slots = slot_template(batch.circuit)
    noise = shift_noise(batch, results, weights, wrt) if slots.trainable(wrt) else None
    if noise is None:
        return np.zeros(len(inverse))
    factors = inverse @ _jacobian(batch.circuit, batch, names).T
    variance: Array = factors**2 @ noise.slots.sum(axis=0)
    if noise.plain is not None:
        sensitive = np.einsum("pn,bnk->pbk", factors, noise.plain)
        spread = combination_variance(results[0], linear_outputs(batch.outputs), sensitive)
        assert spread is not None
        variance += spread.sum(axis=1)
    return variance


def _metric_variance(
    layers: Sequence[GeneratorLayer], measured: Sequence[_Layer], results: Sequence[BatchResult], jacobian: Array,
    inverse: Array, solution: Array,
) -> Array:  # fmt: skip
    """Variance of the solution v by the shots of the metric, (P,): dv = -inverse dF v, in all entries of all layers."""
    variance = np.zeros(len(solution))
    for layer, found, result in zip(layers, measured, results, strict=True):
        part = jacobian[list(layer.slots)]
        left, right = inverse @ part.T, part @ solution
        m = len(right)
        upper = np.triu_indices(m)
        pairs = left[:, upper[0]] * right[upper[1]] + left[:, upper[1]] * right[upper[0]]
        pairs[:, upper[0] == upper[1]] /= 2
        rows = len(found.means)
        # d(<K_i K_j> - <K_i><K_j>), each row a share 1 / rows of the mean metric.
        along = found.means @ right
        linear = -(left[:, None, :] * along[:, None] + (found.means @ left.T).T[:, :, None] * right)
        weights = np.concatenate(
            [linear, np.broadcast_to(pairs[:, None, :], (len(pairs), rows, pairs.shape[1]))], axis=2
        )
        spread = combination_variance(
            result, Expectations([*layer.generators, *layer.products]), weights / rows
        )
        if spread is not None:
            variance += spread.sum(axis=1)
    return variance


def _parted(batch: CircuitBatch, names: Sequence[str], flat: Array) -> dict[str, Array]:
    parted, position = {}, 0
    for name in names:
        shape = batch.bindings[name].shape
        size = batch.bindings[name].size
        parted[name] = flat[position : position + size].reshape(shape)
        position += size
    return parted
