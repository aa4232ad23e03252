# SPDX-License-Identifier: Apache-2.0
"""A layer of `qstore.layers` as a Keras layer: its weights as trained variables, its memory as others.

The Keras layer holds the layer and hands it arrays; nothing of circuits is known here. Names, signatures and
descriptions are the layer's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from keras import ops
from numpy.typing import NDArray

from qstore.errors import BindingError
from qstore.execution import default_backend_name
from qstore.execution.plan import plan
from qstore.gradients import GradientConfig
from qstore.layers import AdaptiveLayer, CircuitLayer, Layer, Pass, QuantumBatchNorm, Sequential
from qstore.plugins import Backend, GradientMethod, GradientResult, NativeGradientMethod
from qstore_tf.circuit_call import Agreement, Arrays, Outputs
from qstore_tf.quantum_base import Array, Input, QuantumBase, drawn_seed
from qstore_tf.serialization import read, written_config

__all__ = ["LayerTwin"]

Method = str | GradientConfig | GradientMethod | NativeGradientMethod | None
MEMORY, DEPTH = ("mean", "variance"), "acting_depth"
"""What a `QuantumBatchNorm` remembers, and an `AdaptiveLayer`."""
KERAS_OPTIONS = frozenset({"name", "dtype", "trainable", "activity_regularizer", "autocast"})
KERAS_PREFIX = "keras_"
Kind = TypeVar("Kind", bound=Layer)


class LayerTwin(QuantumBase):
    """A layer of `qstore.layers` as a Keras layer.

    Subclasses name the layer in `core`; they take its arguments and those of every Keras layer (`name`, `dtype`,
    `trainable`, `activity_regularizer`), and their description is made of its and of their own example.

    Attributes:
        layer: the layer. Its own weights are those of the start; `to_layer()` gives one with the present weights.
        gradient_step: number of the training step, for gradient methods that change over time.
        usage: what its circuits took so far; `usage.take()` starts again from nothing.

    Shape:
        (..., n_features) to (..., output_dim); all leading axes together are the batch.
    """

    core: ClassVar[type[Layer]]

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "core" in vars(cls):
            own = inspect.signature(cls.core)
            more = inspect.Parameter("keras_options", inspect.Parameter.VAR_KEYWORD, annotation=Any)
            has = any(each.kind is more.kind for each in own.parameters.values())
            whole = own if has else own.replace(parameters=[*own.parameters.values(), more])
            cls.__signature__ = _OfClass(whole)  # read by help() and editors
            described = inspect.getdoc(cls.core) or ""
            cls.__doc__ = described.partition("Example:")[0] + inspect.cleandoc(cls.__doc__ or "")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        own = inspect.signature(self.core).parameters
        super().__init__(**{name: options.pop(name) for name in KERAS_OPTIONS.difference(own) & set(options)})
        free = "weights_seed" in own and options.get("weights_seed") is None
        if free:
            options["weights_seed"] = drawn_seed()  # Keras' seed decides, as for every other layer
        self.layer = layer = self.core(*arguments, **options)
        if free and hasattr(layer, "weights_seed"):
            layer.weights_seed = None  # nobody asked for this one
        self._norms = _found(layer, QuantumBatchNorm)
        self._growing = _found(layer, AdaptiveLayer)
        self._remembered: dict[str, Any] = {}
        for _, circuit in layer.circuit_layers():
            circuit.usage = self.usage
        self._check_backend()
        self._checked: tuple[object, ...] | None = None

    @property
    def output_dim(self) -> int:
        return self.layer.output_dim

    @property
    def n_features(self) -> int:
        """Numbers per sample that go in."""
        return self.layer.n_features

    @property
    def backend(self) -> Backend | str | None:
        backends = [circuit.execution.backend for _, circuit in self.layer.circuit_layers()]
        return backends[0] if backends else None

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        for _, circuit in self.layer.circuit_layers():
            circuit.execution = replace(circuit.execution, backend=backend)
        self._check_backend()

    @property
    def gradient_method(self) -> Method:
        """How the circuits are differentiated; it may be replaced between steps."""
        methods = [circuit.execution.gradient_method for _, circuit in self.layer.circuit_layers()]
        return methods[0] if methods else None

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        for _, circuit in self.layer.circuit_layers():
            circuit.execution = replace(circuit.execution, gradient_method=method)

    @property
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass; of several circuits together, under the names of this layer."""
        circuits = self.layer.circuit_layers()
        found = [(prefix, circuit.last_gradient) for prefix, circuit in circuits]
        known = [(prefix, gradient) for prefix, gradient in found if gradient is not None]
        if len(known) < len(found) or not known:
            return None
        return known[0][1] if len(known) == 1 else _joined(known)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        for prefix, norm in self._norms.items():
            for name in MEMORY:
                self._remembered[prefix + name] = self._variable(
                    prefix + name, getattr(norm, name), trained=False
                )
        for prefix, part in self._growing.items():
            depth = np.array(float(part.active_depth))
            self._remembered[prefix + DEPTH] = self._variable(prefix + DEPTH, depth, trained=False)

    def reset_parameters(self) -> None:
        """Draw fresh weights; what normalisation remembers starts again, too."""
        super().reset_parameters()
        for prefix in self._norms:
            for name, value in zip(MEMORY, (0.0, 1.0), strict=True):
                variable = self._remembered[prefix + name]
                variable.assign(np.full(variable.shape, value))

    def to_layer(self) -> Layer:
        """The layer itself, with the present weights and what normalisation remembers; changes here change it."""
        if self.built:
            self.layer.set_parameters({name: _array(weight) for name, weight in self._trained.items()})
            self._remind([_array(each) for each in self._remembered.values()])
        return self.layer

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, as JSON."""
        of_keras: dict[str, Any] = super().get_config()
        own = written_config(self.layer)
        # The `trainable` of a pooling layer is another one than that of Keras.
        both = {KERAS_PREFIX + name: of_keras[name] for name in set(of_keras) & set(own)}
        return of_keras | own | both

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerTwin:
        """The layer of a configuration."""
        own = {name: value for name, value in config.items() if not name.startswith(KERAS_PREFIX)}
        made = cls(**{name: value if name in KERAS_OPTIONS else read(value) for name, value in own.items()})
        for name in set(config) - set(own):
            setattr(made, name.removeprefix(KERAS_PREFIX), config[name])
        return made

    def __repr__(self) -> str:
        config = {name: value for name, value in self.layer.get_config().items() if name != "weights_seed"}
        circuits = self.layer.circuit_layers()
        if circuits and "backend" not in config:
            config["backend"] = circuits[0][1].execution.get_config().get("backend", default_backend_name())
        shown = [f"name={self.name!r}", *(f"{name}={value!r}" for name, value in config.items())]
        counts = f"output_dim={self.output_dim}, n_parameters={self.n_parameters}"
        return f"<{type(self).__name__} {', '.join(shown)}, {counts}, built={self.built}>"

    def _inputs(self) -> Sequence[Input]:
        return [Input("features", (self.layer.n_features,))]

    def _first_weights(self) -> Mapping[str, Array]:
        return self.layer.weights

    def _fresh_weights(self) -> Mapping[str, Array]:
        return _fresh(self.layer, np.random.default_rng(drawn_seed()))

    def _state(self) -> Sequence[Any]:
        return list(self._remembered.values())

    def _runner(self, *, training: bool) -> _LayerRunner:
        return _LayerRunner(self, training=training)

    def _check_backend(self) -> None:
        for _, circuit in self.layer.circuit_layers():
            backend = circuit.execution.backend
            if backend is not None and not isinstance(backend, str):
                plan(circuit.example(), backend.capabilities, backend.name)

    def _check_gradient(self, *, training: bool) -> None:
        """Refuse an impossible gradient before a circuit runs; looked at once for each way to run."""
        ways = tuple(circuit.execution for _, circuit in self.layer.circuit_layers())
        if self._checked is None or self._checked[0] is not training or self._checked[1:] != ways:
            self.layer.check_gradient(training=training)
            self._checked = (training, *ways)

    def _remind(self, state: Arrays) -> None:
        """Tell the layer what the variables remember."""
        given = iter(state)
        for norm in self._norms.values():
            for name in MEMORY:
                setattr(norm, name, np.asarray(next(given), dtype=np.float64))
        for part in self._growing.values():
            part.active_depth = int(next(given))


class _OfClass:
    """A value that a class has and its instances have not: those have the signature of their call."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is not None:
            raise AttributeError("__signature__")
        return self._value


class _LayerRunner:
    """A layer on arrays: features, weights, state."""

    n_inputs = 1
    is_complex = False

    def __init__(self, twin: LayerTwin, *, training: bool) -> None:
        self._twin, self._training = twin, training
        self._names = tuple(twin._trained)  # the layer's own runner
        self.n_weights, self.width = len(self._names), twin.output_dim
        self.n_updates = len(MEMORY) * len(twin._norms) if training else 0  # as above
        self.passes_overflow = twin.compute_dtype == "float16"

    @property
    def agreement(self) -> Agreement | None:
        return self._twin.agreement

    def forward(self, arrays: Arrays, wanted: Sequence[bool], *, keeps_states: bool) -> tuple[Outputs, Pass]:
        twin, features = self._twin, arrays[0]
        if not np.isfinite(features).all():
            bad = int(np.count_nonzero(~np.isfinite(features)))
            raise BindingError(
                f"{bad} features are NaN or infinite; check the data or the layer in front of this one."
            )
        if True in wanted:
            twin._check_gradient(training=self._training)  # as above
        weights, state = arrays[1 : 1 + self.n_weights], arrays[1 + self.n_weights :]
        twin._remind(state)  # as above
        found = twin.layer.forward(
            features, dict(zip(self._names, weights, strict=True)), training=self._training,
            differentiable=keeps_states and True in wanted, features=wanted[0],
        )  # fmt: skip
        updates = []
        if self.n_updates:
            updates = [getattr(norm, name) for norm in twin._norms.values() for name in MEMORY]  # as above
        return (found.values, *updates), found

    def backward(
        self, kept: Pass, cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> list[NDArray[Any] | None]:
        twin = self._twin
        found = twin.layer.backward(kept, cotangent, step=twin.gradient_step, features=wanted[0])
        gradients = (found.features, *(found.weights[name] for name in self._names))
        return [each if use else None for each, use in zip(gradients, wanted, strict=True)]


def _array(variable: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(variable.value), dtype=np.float64)


def _found(layer: Layer, kind: type[Kind]) -> dict[str, Kind]:
    """The layers of one kind, by what their names begin with."""
    parts = [("", layer)]
    if isinstance(layer, Sequential):
        parts = list(zip(layer.prefixes, layer.parts, strict=True))
    return {prefix: part for prefix, part in parts if isinstance(part, kind)}


def _fresh(layer: Layer, random: np.random.Generator) -> dict[str, Array]:
    """Fresh weights of the whole layer; those of classical layers always start the same."""
    if isinstance(layer, CircuitLayer):
        return layer.circuit.initial_weights(random)
    if isinstance(layer, AdaptiveLayer):
        return layer.initial_weights(random)
    if isinstance(layer, Sequential):
        parts = zip(layer.prefixes, layer.parts, strict=True)
        return {
            prefix + name: array for prefix, part in parts for name, array in _fresh(part, random).items()
        }
    made: Callable[..., Layer] = type(layer)
    return made(**layer.get_config()).weights


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
