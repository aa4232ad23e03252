# SPDX-License-Identifier: Apache-2.0
"""What all quantum layers for Keras share: shapes, dtypes, seeds, counting, and the way into the framework.

Input shapes are `(..., *shape)`; all leading axes together are the batch. Circuits are computed in double precision;
values have the layer's compute dtype, and weights keep theirs under a mixed policy.
"""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from qstore.errors import BindingError, CapabilityError, OptionError, QStoreError
from qstore.layers import Usage
from qstore.layers.agreement import FailureAgreement
from qstore.layers.inputs import Input, check_number, leading_axes
from qstore.layers.layer import checked_weights
from qstore.plugins import Backend, GradientResult
from qstore_tf.adapters import adapter
from qstore_tf.circuit_call import CircuitCall, Runner

__all__ = ["Array", "QuantumBase", "drawn_seed"]

Array = NDArray[np.float64]
Shape = tuple[int | None, ...]
NOT_DENSE = frozenset({"RaggedTensor", "SparseTensor", "JAXSparse", "BCOO"})


class QuantumBase(keras.layers.Layer):  # type: ignore[misc]  # Keras has no annotations
    """A layer whose values come from circuits.

    Args:
        options: of every Keras layer: `name`, `dtype`, `trainable`, `activity_regularizer`.

    Attributes:
        gradient_step: number of the training step, for methods that change over time; the training loop sets it.
        usage: what its circuits took so far; `usage.take()` starts again from nothing.
        agreement: how processes agree on failures, or None.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if "float" not in str(self.compute_dtype):
            raise OptionError(
                f"A quantum layer computes with real numbers, so dtype cannot be {self.compute_dtype!r}; take 'float32' or "
                "'float64'."
            )
        adapter().check(self.variable_dtype)
        self.supports_masking = True  # rows pass one by one, with their masks
        self.supports_jit = adapter().SUPPORTS_JIT
        self.gradient_step = 0
        self.usage = Usage()
        self.agreement: FailureAgreement | None = None
        self._trained: dict[str, Any] = {}

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """Size of the last axis of the output."""

    @property
    @abstractmethod
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass, standard errors included; None before the first."""

    @property
    @abstractmethod
    def backend(self) -> Backend | str | None:
        """Where its circuits run, as it was given; may be replaced, after loading for instance."""

    @abstractmethod
    def _inputs(self) -> Sequence[Input]:
        """What it is called with, in order."""

    @abstractmethod
    def _runner(self, *, training: bool) -> Runner:
        """What runs a batch."""

    @abstractmethod
    def _first_weights(self) -> Mapping[str, Array]:
        """The weights that it begins with."""

    @abstractmethod
    def _fresh_weights(self) -> Mapping[str, Array]:
        """Others to begin with."""

    def _state(self) -> Sequence[Any]:
        """Variables that are remembered; those that training changes first."""
        return ()

    @property
    def named_weights(self) -> dict[str, Any]:
        """The trained weights, Keras variables, by the names they have in the circuit; empty before the layer is built."""
        return dict(self._trained)

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return sum(array.size for array in self._first_weights().values())

    @property
    def value_dtype(self) -> str:
        """The dtype of the output."""
        return cast("str", self.compute_dtype)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights.

        Raises:
            BindingError: the inputs do not fit.
        """
        leading_axes(self._in_order(input_shape, of_shapes=True), self._inputs())
        for name, array in self._first_weights().items():
            self._trained[name] = self._variable(name, array)

    def call(self, inputs: Any = None, training: bool | None = None) -> Any:
        """Run the circuit for every sample.

        Args:
            inputs: (..., *shape); where the layer has several inputs, a list of them or a dict by name, with the same
                leading axes in all.
            training: whether dropout and batch norm are in training.

        Raises:
            BindingError: number, shape or type of the inputs do not fit, or they are not finite.
            CapabilityError: the backend cannot do it.
        """
        try:
            return adapter().untraced(self._evaluated, self._in_order(inputs), training=bool(training))
        except QStoreError as exc:
            # Keras would make another exception of it, without what this one knows.
            exc._keras_call_info_injected = True  # type: ignore[attr-defined]
            raise

    def compute_output_shape(self, input_shape: Any = None) -> Shape:
        """The shape of the output: (..., output_dim)."""
        lead = leading_axes(self._in_order(input_shape, of_shapes=True), self._inputs())
        return (*lead, self.output_dim)

    def compute_output_spec(self, *arguments: Any, **named: Any) -> Any:
        """Shape and dtype of the output of symbolic inputs."""
        spec = super().compute_output_spec(*arguments, **named)
        return keras.KerasTensor(spec.shape, dtype=self.value_dtype)

    def reset_parameters(self) -> None:
        """Draw fresh weights; `keras.utils.set_random_seed` repeats them."""
        self._assign(self._fresh_weights())

    def set_parameters(self, values: Mapping[str, ArrayLike]) -> None:
        """Replace weights by name.

        Raises:
            OptionError: no such weight, another shape, or the layer has none yet.
        """
        known = {name: array.shape for name, array in self._first_weights().items()}
        self._assign(checked_weights(values, known))

    def _trackable_children(self, save_type: str = "checkpoint", **named: Any) -> Any:
        # TensorFlow asks a layer for what belongs to it before it writes a SavedModel.
        if save_type == "savedmodel":
            raise CapabilityError(
                f"{self.name!r} runs circuits in Python, which a SavedModel cannot hold, so it cannot be exported. Save the "
                "model with model.save('NAME.keras') and load it with keras.saving.load_model."
            )
        return super()._trackable_children(save_type, **named)

    def _assign(self, values: Mapping[str, Array]) -> None:
        if not self.built:
            raise OptionError(
                f"{self.name!r} has no weights yet: call it, or layer.build((None, ...)), first."
            )
        for name, array in values.items():
            self._trained[name].assign(array)

    def _variable(self, name: str, array: NDArray[Any], *, trained: bool = True) -> Any:
        # Angles stay in the variable's dtype under a mixed policy; half precision knows them to a thousandth only.
        return self.add_weight(shape=array.shape, initializer=_Given(array), dtype=self.variable_dtype, name=name,
                               trainable=trained, autocast=False)  # fmt: skip

    def _evaluated(self, given: Sequence[Any], *, training: bool) -> Any:
        lead = leading_axes([tuple(tensor.shape) for tensor in given], self._inputs())
        flat = []
        for tensor, (name, shape) in zip(given, self._inputs(), strict=True):
            if type(tensor).__name__ in NOT_DENSE:
                raise BindingError(f"Input {name!r} is a {type(tensor).__name__}; make it dense first.")
            dtype = keras.backend.standardize_dtype(tensor.dtype)
            if dtype.startswith(("complex", "str")):
                raise BindingError(f"Input {name!r} must be a tensor of real numbers, got {dtype}.")
            real = tensor if "float" in dtype else ops.cast(tensor, self.compute_dtype)
            flat.append(real if len(lead) == 1 else ops.reshape(real, (_size(lead), *shape)))
        state = self._state()
        call = CircuitCall(self._runner(training=training))
        values, *new = adapter().apply(
            call,
            flat,
            [each.value for each in self._trained.values()],
            [each.value for each in state],
            self.value_dtype,
        )
        for variable, fresh in zip(state, new, strict=False):
            variable.assign(fresh)
        if len(lead) == 1:
            return values
        axes = ops.shape(given[0])[: len(lead)] if given else ()
        return ops.reshape(values, (*axes, self.output_dim))

    def _in_order(self, given: Any, *, of_shapes: bool = False) -> list[Any]:
        """The inputs, or their shapes, as a list."""
        names = [each.name for each in self._inputs()]
        if isinstance(given, Mapping):
            if set(given) != set(names):
                raise BindingError(f"This layer takes the inputs {names}, got {list(given)}.")
            return [given[name] for name in names]
        if given is None:
            found = []
        elif of_shapes:
            one = not given or given[0] is None or isinstance(given[0], int)
            found = [given] if one else list(given)
        else:
            found = list(given) if isinstance(given, (list, tuple)) else [given]
        check_number(len(found), self._inputs())
        return [tuple(each) for each in found] if of_shapes else found


class _Given:
    """An initialiser that knows the values."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __call__(self, shape: Any, dtype: Any = None) -> Any:  # noqa: ARG002  # Keras' contract
        return ops.convert_to_tensor(self._array, dtype)


def drawn_seed() -> int:
    """A seed by Python's generator, as Keras draws its own: `keras.utils.set_random_seed` repeats it."""
    return random.getrandbits(62)  # weights, not secrets


def _size(lead: Shape) -> int:
    """Of the flat batch; -1, so that the framework finds it, where that is not known."""
    return -1 if None in lead else math.prod(axis for axis in lead if axis is not None)
