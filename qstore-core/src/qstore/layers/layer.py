# SPDX-License-Identifier: Apache-2.0
"""What every layer is: a differentiable function of features and weights on numpy arrays.

`forward` keeps in a `Pass` what `backward` needs, so that nothing runs twice; `call_sync`, `call_async` and `vjp` are for
those who use a layer by itself. Framework layers hold the weights and call `forward` and `backward` with theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qstore.batch import BatchResult
from qstore.batch.circuit_batch import is_finite
from qstore.errors import BindingError, OptionError, nearest_names
from qstore.layers.stage import Array

if TYPE_CHECKING:
    from qstore.layers.circuit_layer import CircuitLayer

__all__ = ["Layer", "LayerGradient", "Pass"]


@dataclass(frozen=True, slots=True)
class Pass:
    """A forward pass.

    Attributes:
        values: (B, output_dim).
        results: what the backends said, in order: facts of the run, standard errors, money.
        kept: what the layer's `backward` needs.
    """

    values: Array
    results: tuple[BatchResult, ...]
    kept: Any


class LayerGradient(NamedTuple):
    """The gradient of `sum(cotangent * values)`.

    Attributes:
        features: (B, n_features).
        weights: by name, shaped like the weights.

    Example:
        >>> LayerGradient(np.zeros((1, 2)), {}).weights
        {}
    """

    features: Array
    weights: dict[str, Array]


class Layer(ABC):
    """A differentiable function from (batch, n_features) to (batch, output_dim).

    Attributes:
        n_features: numbers per sample that go in.
        output_dim: numbers per sample that come out.
        weights: arrays by name, float64; replace them with `set_parameters`.
    """

    n_features: int
    output_dim: int
    weights: dict[str, Array]

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return sum(array.size for array in self.weights.values())

    def set_parameters(self, values: Mapping[str, ArrayLike]) -> None:
        """Replace weights by name.

        Raises:
            OptionError: no such weight, or another shape.
        """
        self.weights |= self.checked_weights(values)

    def checked_weights(self, values: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Weights as float64 arrays.

        Raises:
            OptionError: no such weight, or another shape.
        """
        return checked_weights(values, {name: array.shape for name, array in self.weights.items()})

    def fresh_weights(self, random: np.random.Generator) -> dict[str, Array]:  # noqa: ARG002  # for those that draw
        """Other weights to begin with; those of classical layers always start the same."""
        made: Callable[..., Layer] = type(self)
        return made(**self.get_config()).weights

    @abstractmethod
    def forward(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False,
        differentiable: bool = False, features: bool = True,
    ) -> Pass:  # fmt: skip
        """Values for features (B, n_features) and weights (the layer's own by default).

        Args:
            x: the features.
            weights: by name; all of them.
            training: whether dropout and normalisation do what they do in training.
            differentiable: whether `backward` will be called. Where the backend can, it keeps what that needs, so that
                no circuit runs twice; it takes memory until the pass is dropped.
            features: then, whether with their gradient.

        Raises:
            BindingError: the features do not fit or are not finite.
            CapabilityError: the backend cannot do it.
        """

    @abstractmethod
    async def forward_async(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False
    ) -> Pass:
        """The twin of `forward` for coroutines."""

    @abstractmethod
    def backward(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        """The gradient of `sum(cotangent * values)` of a pass.

        Args:
            given: what `forward` returned.
            cotangent: (B, output_dim).
            step: for gradient methods that change over time.
            features: whether their gradient is wanted; if not it is zeros, and no circuit is run for it.
        """

    @abstractmethod
    async def backward_async(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        """The twin of `backward` for coroutines."""

    def check_gradient(self, *, training: bool = False) -> None:
        """Refuse a gradient that the backend or the method cannot give, before a forward pass is paid for in vain.

        Raises:
            OptionError: no such method.
            CapabilityError: the method or the backend cannot do it.
        """
        for _, circuit in self.circuit_layers():
            circuit.check_gradient(training=training)

    def circuit_layers(self) -> tuple[tuple[str, CircuitLayer], ...]:
        """The circuits that run, each with what its weights' names begin with here; none for a classical layer."""
        return ()

    def call_sync(self, x: ArrayLike, *, training: bool = False) -> Array:
        """The values for features, (B, output_dim)."""
        return self.forward(as_features(x, self.n_features), training=training).values

    async def call_async(self, x: ArrayLike, *, training: bool = False) -> Array:
        """The twin of `call_sync` for coroutines."""
        return (await self.forward_async(as_features(x, self.n_features), training=training)).values

    def vjp(self, x: ArrayLike, cotangent: ArrayLike | None = None) -> tuple[Array, LayerGradient]:
        """Values, and the gradient of `sum(cotangent * values)`; the cotangent is ones by default.

        Raises:
            BindingError: the features or the cotangent do not fit.
        """
        given = self.forward(as_features(x, self.n_features), training=False, differentiable=True)
        ones = np.ones_like(given.values)
        weights = ones if cotangent is None else np.asarray(cotangent, dtype=np.float64)
        if weights.shape != ones.shape:
            raise BindingError(f"The cotangent has shape {weights.shape}, the values have {ones.shape}.")
        return given.values, self.backward(given, weights)

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again; the backend by its name."""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def checked_weights(
    values: Mapping[str, ArrayLike], known: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Weights by name as float64 arrays of the known shapes; copies.

    Raises:
        OptionError: no such weight, or another shape.
    """
    found = {}
    for name, value in values.items():
        if name not in known:
            hint = nearest_names(str(name), list(known))
            raise OptionError(f"There is no weight {name!r}.{hint} This layer has {list(known) or 'none'}.")
        array = np.array(value, dtype=np.float64)
        if array.shape != known[name]:
            raise OptionError(f"Weight {name!r} has shape {array.shape}, the layer needs {known[name]}.")
        found[name] = array
    return found


def as_features(x: ArrayLike, n_features: int) -> Array:
    """Features as (B, n_features) float64; one row may come without the batch axis.

    Raises:
        BindingError: another shape, no real numbers, or not finite.
    """
    try:
        given = np.asarray(x)
        if given.dtype.kind not in "fiub":
            raise BindingError(f"Features are real numbers, got dtype {given.dtype}.")
        array = given.astype(np.float64)
    except (TypeError, ValueError) as exc:
        raise BindingError(f"Features cannot be made an array of real numbers: {exc}") from exc
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != n_features:
        raise BindingError(f"The features have shape {given.shape}, this layer takes (batch, {n_features}).")
    if not is_finite(array):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise BindingError(f"{bad} features are NaN or infinite; check the data or the step before.")
    return array
