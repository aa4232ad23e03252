# SPDX-License-Identifier: Apache-2.0
"""A layer of `qstore.layers` as a Keras layer: its weights as trained variables, its memory as others.

The Keras layer holds the layer and hands it arrays; nothing of circuits is known here. Names, signatures and
descriptions are the layer's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from keras import ops
from numpy.typing import NDArray

from qstore.layers import Layer, Pass
from qstore.layers.agreement import FailureAgreement
from qstore.layers.circuit_function import Method
from qstore.layers.held_layer import HeldLayer, class_text
from qstore.layers.inputs import Input
from qstore.plugins import Backend, GradientResult
from qstore_tf.circuit_call import Arrays, Outputs
from qstore_tf.quantum_base import Array, QuantumBase, drawn_seed
from qstore_tf.serialization import read, written_config

__all__ = ["LayerTwin"]

KERAS_OPTIONS = frozenset({"name", "dtype", "trainable", "activity_regularizer", "autocast"})
KERAS_PREFIX = "keras_"


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
            cls.__doc__ = class_text(cls.core, cls.__doc__)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        own = inspect.signature(self.core).parameters
        super().__init__(**{name: options.pop(name) for name in KERAS_OPTIONS.difference(own) & set(options)})
        # Keras' seed decides, as for every other layer. Masks are drawn by one seed for all passes: a checkpoint keeps
        # where their generators stand, and not where Python's stands.
        self._held = HeldLayer(self.core, arguments, options, draw=drawn_seed, usage=self.usage)
        self._remembered: dict[str, Any] = {}

    @property
    def layer(self) -> Layer:
        """The layer, with the weights of the start."""
        return self._held.layer

    @property
    def output_dim(self) -> int:
        return self.layer.output_dim

    @property
    def n_features(self) -> int:
        """Numbers per sample that go in."""
        return self.layer.n_features

    @property
    def backend(self) -> Backend | str | None:
        return self._held.backend

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        self._held.backend = backend

    @property
    def gradient_method(self) -> Method:
        """How the circuits are differentiated; it may be replaced between steps."""
        return self._held.gradient_method

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        self._held.gradient_method = method

    @property
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass; of several circuits together, under the names of this layer."""
        return self._held.last_gradient

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        for name, array in self._held.memory.items():
            self._remembered[name] = self._variable(name, array, trained=False)

    def reset_parameters(self) -> None:
        """Draw fresh weights; what normalisation remembers starts again, too."""
        super().reset_parameters()
        for name, array in self._held.fresh_memory.items():
            self._remembered[name].assign(array)

    def to_layer(self) -> Layer:
        """The layer itself, with the present weights and what normalisation remembers; changes here change it."""
        if self.built:
            self.layer.set_parameters({name: _array(weight) for name, weight in self._trained.items()})
            self._held.remind([_array(each) for each in self._remembered.values()])
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
        described = [f"name={self.name!r}", self._held.described(), f"output_dim={self.output_dim}"]
        return f"<{type(self).__name__} {', '.join(described)}, n_parameters={self.n_parameters}, built={self.built}>"

    def _inputs(self) -> Sequence[Input]:
        return [Input("features", (self.layer.n_features,))]

    def _first_weights(self) -> Mapping[str, Array]:
        return self.layer.weights

    def _fresh_weights(self) -> Mapping[str, Array]:
        return self.layer.fresh_weights(np.random.default_rng(drawn_seed()))

    def _state(self) -> Sequence[Any]:
        return list(self._remembered.values())

    def _runner(self, *, training: bool) -> _LayerRunner:
        return _LayerRunner(self, training=training)


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
        self._held = twin._held  # as above
        self.n_weights, self.width = len(self._names), twin.output_dim
        self.n_updates = len(self._held.learned) if training else 0
        self.passes_overflow = twin.compute_dtype == "float16"

    @property
    def agreement(self) -> FailureAgreement | None:
        return self._twin.agreement

    def forward(self, arrays: Arrays, wanted: Sequence[bool], *, keeps_states: bool) -> tuple[Outputs, Pass]:
        given, state = arrays[: 1 + self.n_weights], arrays[1 + self.n_weights :]
        self._held.remind(state)
        found = self._held.forward(
            given, self._names, wanted, training=self._training, keeps_states=keeps_states
        )
        updates = self._held.learned if self.n_updates else []
        return (found.values, *updates), found

    def backward(
        self, kept: Pass, cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> list[NDArray[Any] | None]:
        return self._held.backward(kept, self._names, cotangent, wanted, self._twin.gradient_step)


def _array(variable: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(variable.value), dtype=np.float64)
