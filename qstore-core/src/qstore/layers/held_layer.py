# SPDX-License-Identifier: Apache-2.0
"""A layer inside a layer of a framework, which keeps its weights and its memory as tensors and hands it arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch.circuit_batch import is_finite
from qstore.errors import BindingError
from qstore.execution import default_backend_name
from qstore.execution.plan import plan
from qstore.layers.adaptive import AdaptiveLayer
from qstore.layers.circuit_function import Method
from qstore.layers.classical_layers import QuantumBatchNorm
from qstore.layers.layer import Layer, Pass
from qstore.layers.sequential import Sequential
from qstore.layers.stage import Array
from qstore.layers.usage import Usage
from qstore.plugins import Backend, GradientResult

__all__ = ["DEPTH", "MEMORY", "HeldLayer", "class_text"]

MEMORY, DEPTH = ("mean", "variance"), "acting_depth"
"""What a `QuantumBatchNorm` remembers, and an `AdaptiveLayer`."""
Kind = TypeVar("Kind", bound=Layer)


class HeldLayer:
    """A layer of `qstore.layers` that a framework's layer holds.

    Several threads may call it at once as long as none of them trains it: in training, what normalisation learned of a
    batch stays in the layer until the framework's own layer has taken it.

    Args:
        core: class of the layer.
        arguments, options: its arguments.
        draw: draws a seed for weights and masks by the framework's generator, where none is given.
        usage: where its circuits are counted.
        draws_each_pass: whether the masks of a dropout without a seed are drawn by a seed of their own in every pass in
            training, so that a framework that sets its generator back gets the same ones again; else by one for all.

    Attributes:
        layer: the layer; its own weights are those of the start.
        norms, growing: its parts that remember something, by what the names of their weights begin with.

    Raises:
        OptionError: an argument is out of range.
        CapabilityError: the backend, given as an object, cannot run it.

    Example:
        >>> from qstore.layers import AdaptiveLayer
        >>> HeldLayer(AdaptiveLayer, (2, 3), {}, draw=lambda: 1, usage=Usage()).memory
        {'acting_depth': array(1)}
    """

    def __init__(
        self,
        core: type[Layer],
        arguments: Sequence[Any],
        options: Mapping[str, Any],
        *,
        draw: Callable[[], int],
        usage: Usage,
        draws_each_pass: bool = False,
    ) -> None:
        given = dict(options)
        free = "weights_seed" in inspect.signature(core).parameters and given.get("weights_seed") is None
        if free:
            given["weights_seed"] = draw()
        self.layer = layer = core(*arguments, **given)
        if free and hasattr(layer, "weights_seed"):
            layer.weights_seed = None  # nobody asked for this one
        self.norms = _found(layer, QuantumBatchNorm)
        self.growing = _found(layer, AdaptiveLayer)
        self._checked: tuple[object, ...] | None = None
        self._draw, self._draws_each_pass = draw, draws_each_pass
        if not draws_each_pass:
            self._draw_masks()
        for _, circuit in layer.circuit_layers():
            circuit.usage = usage
        self._check_backend()

    @property
    def memory(self) -> dict[str, NDArray[Any]]:
        """What it remembers, by name: first what training changes."""
        found: dict[str, NDArray[Any]] = {
            prefix + name: getattr(norm, name) for prefix, norm in self.norms.items() for name in MEMORY
        }
        return found | {prefix + DEPTH: np.array(part.active_depth) for prefix, part in self.growing.items()}

    @property
    def fresh_memory(self) -> dict[str, Array]:
        """What normalisation remembers before the first batch."""
        return {
            prefix + name: np.full(np.shape(getattr(norm, name)), value)
            for prefix, norm in self.norms.items()
            for name, value in zip(MEMORY, (0.0, 1.0), strict=True)
        }

    @property
    def learned(self) -> list[Array]:
        """What normalisation remembers, in the order of `memory`."""
        return [getattr(norm, name) for norm in self.norms.values() for name in MEMORY]

    def remind(self, values: Iterable[ArrayLike]) -> None:
        """Tell the layer what it remembers, in the order of `memory`."""
        given = iter(values)
        for norm in self.norms.values():
            for name in MEMORY:
                setattr(norm, name, np.asarray(next(given), dtype=np.float64))
        for part in self.growing.values():
            part.active_depth = int(np.asarray(next(given)))

    @property
    def backend(self) -> Backend | str | None:
        """Where its circuits run, as it was given; may be replaced."""
        backends = [circuit.execution.backend for _, circuit in self.layer.circuit_layers()]
        return backends[0] if backends else None

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        for _, circuit in self.layer.circuit_layers():
            circuit.execution = replace(circuit.execution, backend=backend)
        self._check_backend()

    @property
    def gradient_method(self) -> Method:
        """How the circuits are differentiated; may be replaced between steps."""
        methods = [circuit.execution.gradient_method for _, circuit in self.layer.circuit_layers()]
        return methods[0] if methods else None

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        for _, circuit in self.layer.circuit_layers():
            circuit.execution = replace(circuit.execution, gradient_method=method)

    @property
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass; of several circuits together, under the names of the layer."""
        circuits = self.layer.circuit_layers()
        found = [(prefix, circuit.last_gradient) for prefix, circuit in circuits]
        known = [(prefix, gradient) for prefix, gradient in found if gradient is not None]
        if len(known) < len(found) or not known:
            return None
        return known[0][1] if len(known) == 1 else _joined(known)

    def described(self) -> str:
        """Its arguments, and the backend that it has."""
        config = {name: value for name, value in self.layer.get_config().items() if name != "weights_seed"}
        circuits = self.layer.circuit_layers()
        if circuits and "backend" not in config:
            config["backend"] = circuits[0][1].execution.get_config().get("backend", default_backend_name())
        return ", ".join(f"{name}={value!r}" for name, value in config.items())

    def forward(
        self, arrays: Sequence[NDArray[Any]], names: Sequence[str], wanted: Sequence[bool], *, training: bool,
        keeps_states: bool = True,
    ) -> Pass:  # fmt: skip
        """A pass of features and weights, in the order of the names; an impossible gradient is refused before it.

        Raises:
            BindingError: features that are not finite.
            CapabilityError: the backend cannot do it.
        """
        features, *weights = arrays
        if not is_finite(features):
            bad = int(np.count_nonzero(~np.isfinite(features)))
            raise BindingError(
                f"{bad} features are NaN or infinite; check the data or the layer in front of this one."
            )
        differentiable = True in wanted
        if differentiable:
            self._check_gradient(training=training)
        if training and self._draws_each_pass:
            self._draw_masks()
        return self.layer.forward(
            features, dict(zip(names, weights, strict=True)), training=training,
            differentiable=keeps_states and differentiable, features=wanted[0],
        )  # fmt: skip

    def backward(
        self, given: Pass, names: Sequence[str], cotangent: NDArray[Any], wanted: Sequence[bool], step: int
    ) -> list[NDArray[Any] | None]:
        """The gradient of features and weights, or None where it is not wanted."""
        found = self.layer.backward(given, cotangent, step=step, features=wanted[0])
        gradients = (found.features, *(found.weights[name] for name in names))
        return [each if use else None for each, use in zip(gradients, wanted, strict=True)]

    def _draw_masks(self) -> None:
        for _, circuit in self.layer.circuit_layers():
            if circuit.draws_freely:
                circuit.draw_by(self._draw())

    def _check_backend(self) -> None:
        for _, circuit in self.layer.circuit_layers():
            backend = circuit.execution.backend
            if backend is not None and not isinstance(backend, str):
                plan(circuit.example(), backend.capabilities, backend.name)

    def _check_gradient(self, *, training: bool) -> None:
        """Looked at once for each way to run."""
        ways = tuple(circuit.execution for _, circuit in self.layer.circuit_layers())
        if self._checked is None or self._checked[0] is not training or self._checked[1:] != ways:
            self.layer.check_gradient(training=training)
            self._checked = (training, *ways)


def class_text(core: type[Layer], own: str | None) -> str:
    """What a framework's class of that layer says of itself: the description of the layer, then its own example."""
    described = inspect.getdoc(core) or ""
    return described.partition("Example:")[0] + inspect.cleandoc(own or "")


def _found(layer: Layer, kind: type[Kind]) -> dict[str, Kind]:
    """The layers of one kind, by what their names begin with."""
    parts = [("", layer)]
    if isinstance(layer, Sequential):
        parts = list(zip(layer.prefixes, layer.parts, strict=True))
    return {prefix: part for prefix, part in parts if isinstance(part, kind)}


def _joined(found: Sequence[tuple[str, GradientResult]]) -> GradientResult:
    gradients = {prefix + name: array for prefix, each in found for name, array in each.gradients.items()}
    errors = None
    if any(each.standard_errors is not None for _, each in found):
        errors = {name: np.zeros_like(array) for name, array in gradients.items()}
        errors |= {
            prefix + name: array
            for prefix, each in found
            for name, array in (each.standard_errors or {}).items()
        }
    notes = tuple(dict.fromkeys(note for _, each in found for note in each.notes))
    return GradientResult(found[-1][1].result, gradients, errors, notes)
