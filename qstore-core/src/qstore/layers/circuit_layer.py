# SPDX-License-Identifier: Apache-2.0
"""A coherent circuit on a backend as a layer; what the named quantum layers and the parts of `Sequential` are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from qstore.batch import BatchResult, CircuitBatch
from qstore.errors import OptionError, nearest_names
from qstore.execution import execute, execute_async, resolve_backend
from qstore.gradients import (
    Forward,
    GradientConfig,
    check_gradient,
    differentiate,
    differentiate_async,
    forward,
)
from qstore.layers.checks import check_backend, check_method, check_run, check_seed
from qstore.layers.coherent import FEATURES, Built, CoherentCircuit
from qstore.layers.layer import Layer, LayerGradient, Pass
from qstore.layers.stage import Array, Stage, Values
from qstore.layers.usage import Observed, Usage
from qstore.plugins import Backend, GradientMethod, GradientResult, NativeGradientMethod

__all__ = ["CircuitLayer", "Execution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how circuits of a layer run.

    Attributes:
        backend: a registered name, a backend, or None for the default.
        shots: measurements per sample, or None for exact results.
        seed: with shots, repeats the same outcomes for the same features and weights.
        gradient_method: a registered name, a `GradientConfig` or a method; by default the backend's own, or parameter
            shift.

    Names are looked up when something runs: a saved layer is loaded where a plugin is missing, and given another one.

    Raises:
        OptionError: shots or seed out of range, or what is neither a name nor a backend, or a method.
    """

    backend: Backend | str | None = None
    shots: int | None = None
    seed: int | None = None
    gradient_method: str | GradientConfig | GradientMethod | NativeGradientMethod | None = None

    def __post_init__(self) -> None:
        check_run(self.shots, self.seed)
        check_backend(self.backend)
        check_method(self.gradient_method)

    @classmethod
    def of(cls, layer: str, given: Mapping[str, Any]) -> Execution:
        """The execution of a layer from keyword arguments.

        Raises:
            OptionError: the layer takes no such argument, or it is out of range.
        """
        known = [each.name for each in fields(cls)]
        for name in given:
            if name not in known:
                hint = nearest_names(name, known)
                raise OptionError(f"{layer} takes no {name!r}.{hint} Of how it runs it takes {known}.")
        return cls(**given)

    def get_config(self) -> dict[str, Any]:
        """What of it is no default; a backend and a method by name."""
        backend, method = self.backend, self.gradient_method
        if isinstance(method, GradientConfig):
            method = method.method
        given = {
            "backend": backend if backend is None or isinstance(backend, str) else backend.name,
            "shots": self.shots,
            "seed": self.seed,
            "gradient_method": method if isinstance(method, str) else None,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Kept:
    built: Built
    values: Values
    batch: CircuitBatch
    result: BatchResult
    masks: Mapping[str, Array]
    known: BatchResult | Forward


class CircuitLayer(Layer):
    """Stages as one circuit.

    Args:
        stages: the first one encodes features, the others continue with the state.
        n_features: numbers per sample.
        execution: where and how it runs.
        weights_seed: repeats the same fresh weights.
        feeds_forward: see `CoherentCircuit`.

    Attributes:
        last_gradient: everything about the last backward pass, standard errors included; None before the first.
        usage: what its circuits took so far.
        draws_freely: whether it has dropout, and no seed for it; one circuit has one generator for the dropout of all
            its stages, with all their seeds in it.

    Raises:
        OptionError: the stages do not fit together, or weights_seed is no seed.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        n_features: int | None = None,
        *,
        execution: Execution | None = None,
        weights_seed: int | None = None,
        feeds_forward: bool | None = None,
    ) -> None:
        check_seed("weights_seed", weights_seed)
        self.circuit = CoherentCircuit(stages, n_features, feeds_forward=feeds_forward)
        self.execution = execution or Execution()
        self.n_features, self.output_dim = self.circuit.n_features, self.circuit.output_dim
        self.weights = self.circuit.initial_weights(np.random.default_rng(weights_seed))
        self.last_gradient: GradientResult | None = None
        self.usage = Usage()
        self._observed: Observed | None = None
        dropouts = [stage.dropout for stage in stages if stage.dropout is not None]
        seeds = [dropout.seed for dropout in dropouts if dropout.seed is not None]
        self.draws_freely = bool(dropouts) and not seeds
        self._random = np.random.default_rng(seeds or None)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The pieces of the circuit."""
        return self.circuit.stages

    @property
    def generator(self) -> np.random.Generator:
        """Draws the masks of dropout; training that goes on from a checkpoint needs its state."""
        return self._random

    @property
    def backend(self) -> Backend:
        """Where the circuits run, as it is called now; its calls are counted in `usage`."""
        resolved = resolve_backend(self.execution.backend)
        if self._observed is None or self._observed.backend is not resolved:
            self._observed = Observed(resolved, self.usage)
        return cast("Backend", self._observed)

    def draw_by(self, seed: int) -> None:
        """Draw the masks of dropout by a seed from now on."""
        self._random = np.random.default_rng(seed)

    def follow(self, other: CircuitLayer) -> None:
        """Run as another layer runs, and count with it."""
        self.execution, self.usage, self._observed = other.execution, other.usage, None

    def __getstate__(self) -> dict[str, Any]:
        # Wrapped methods of a backend do not travel; they are made again.
        return {**self.__dict__, "_observed": None}

    def forward(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False,
        differentiable: bool = False, features: bool = True,
    ) -> Pass:  # fmt: skip
        kept = self._prepared(x, weights, training=training)
        backend, batch = self.backend, kept[2]
        if not differentiable:
            return self._passed(kept, execute(batch, backend))
        wrt = wanted_names(kept[0], features=features)
        passed = forward(batch, backend, self.execution.gradient_method, wrt)
        return self._passed(kept, passed.result, passed)

    async def forward_async(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False
    ) -> Pass:
        kept = self._prepared(x, weights, training=training)
        return self._passed(kept, await execute_async(kept[2], self.backend))

    def backward(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        kept: _Kept = given.kept
        method = self.execution.gradient_method
        wrt = wanted_names(kept.built, features=features)
        found = differentiate(
            kept.batch, self.backend, self._measured(kept, cotangent), method, wrt, step, known=kept.known
        )
        return self._pulled(kept, found)

    async def backward_async(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        kept: _Kept = given.kept
        method = self.execution.gradient_method
        wrt = wanted_names(kept.built, features=features)
        found = await differentiate_async(
            kept.batch, self.backend, self._measured(kept, cotangent), method, wrt, step, known=kept.known
        )
        return self._pulled(kept, found)

    def check_gradient(self, *, training: bool = False) -> None:
        batch = self.example(training=training)
        check_gradient(batch, self.backend, self.execution.gradient_method)

    def example(self, *, training: bool = False) -> CircuitBatch:
        """A batch of one row, as it would be sent: to look at, not to run."""
        before = self._random.bit_generator.state
        _, _, batch, _ = self._prepared(np.full((1, self.n_features), 0.5), None, training=training)
        self._random.bit_generator.state = before  # looking draws no masks
        return batch

    def fresh_weights(self, random: np.random.Generator) -> dict[str, Array]:
        return self.circuit.initial_weights(random)

    def circuit_layers(self) -> tuple[tuple[str, CircuitLayer], ...]:
        return (("", self),)

    def get_config(self) -> dict[str, Any]:
        return {"stages": [stage.kind for stage in self.stages], **self.execution.get_config()}

    def _prepared(
        self, x: ArrayLike, given: Mapping[str, Array] | None, *, training: bool
    ) -> tuple[Built, Values, CircuitBatch, Mapping[str, Array]]:
        features = self.circuit.checked(np.asarray(x, dtype=np.float64))
        weights = self.weights if given is None else given
        built = self.circuit.built(self.backend.capabilities, training=training)
        masks = self.circuit.masks(self._random, len(features)) if training else {}
        values = Values(features, weights, masks)
        batch = CircuitBatch.of(built.template, self.circuit.bindings(built, values), built.reading.outputs,
                                shots=self.execution.shots, seed=self.execution.seed)  # fmt: skip
        last = {
            name.removeprefix(built.last): mask for name, mask in masks.items() if name.startswith(built.last)
        }
        return built, values, batch, last

    def _passed(
        self,
        prepared: tuple[Built, Values, CircuitBatch, Mapping[str, Array]],
        result: BatchResult,
        known: Forward | None = None,
    ) -> Pass:
        built, values, batch, masks = prepared
        measured = cast("Array", result.values)
        return Pass(
            built.reading.finish(measured, masks),
            (result,),
            _Kept(built, values, batch, result, masks, known or result),
        )

    def _measured(self, kept: _Kept, cotangent: Array) -> Array:
        return kept.built.reading.pull_back(cast("Array", kept.result.values), cotangent, kept.masks)

    def _pulled(self, kept: _Kept, found: GradientResult) -> LayerGradient:
        self.last_gradient = found
        return LayerGradient(*self.circuit.pull_back(kept.built, kept.values, found.gradients))


def wanted_names(built: Built, *, features: bool) -> list[str]:
    """The parameters whose gradients are wanted: all but masks and, perhaps, the features."""
    constant = {each.parameter.name for each in built.derived if each.is_constant}
    if not features:
        constant.add(FEATURES)
    return [each.name for each in built.template.parameters if each.name not in constant]
