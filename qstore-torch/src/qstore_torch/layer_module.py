# SPDX-License-Identifier: Apache-2.0
"""A layer of `qstore.layers` as a torch module: its weights as parameters, its memory as buffers.

The module holds the layer and hands it arrays; nothing of circuits is known here. Names, signatures and descriptions
are the layer's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

import torch
from qstore.errors import BindingError
from qstore.execution import default_backend_name
from qstore.execution.plan import plan
from qstore.gradients import GradientConfig
from qstore.layers import AdaptiveLayer, CircuitLayer, Layer, Pass, QuantumBatchNorm, Sequential
from qstore.plugins import GradientMethod, GradientResult, NativeGradientMethod
from qstore_torch.autograd import Arrays
from qstore_torch.distributed import agreed
from qstore_torch.quantum_module import Input, QuantumModule
from torch import nn

__all__ = ["LayerModule"]

Method = str | GradientConfig | GradientMethod | NativeGradientMethod | None
MEMORY, DEPTH = ("mean", "variance"), "acting_depth"
"""Buffers of a `QuantumBatchNorm`, and of an `AdaptiveLayer`."""
Kind = TypeVar("Kind", bound=Layer)


class LayerModule(QuantumModule):
    """A layer of `qstore.layers` as a module.

    Subclasses name the layer in `core`; they take its arguments, and their description is made of its and of their own
    example.

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
        cls.__signature__ = inspect.signature(cls.core)  # type: ignore[attr-defined]  # read by help() and editors
        described = inspect.getdoc(cls.core) or ""
        cls.__doc__ = described.partition("Example:")[0] + inspect.cleandoc(cls.__doc__ or "")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()
        free = (
            "weights_seed" in inspect.signature(self.core).parameters and options.get("weights_seed") is None
        )
        if free:
            options["weights_seed"] = _drawn()  # torch's generator decides, as for every other layer
        self.layer = layer = self.core(*arguments, **options)
        if free and hasattr(layer, "weights_seed"):
            layer.weights_seed = None  # nobody asked for this one
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(_tensor(array)) for name, array in layer.weights.items()}
        )
        self._norms = _found(layer, QuantumBatchNorm)
        for prefix, norm in self._norms.items():
            for name in MEMORY:
                self.register_buffer(prefix + name, _tensor(getattr(norm, name)))
        self._growing = _found(layer, AdaptiveLayer)
        for prefix, part in self._growing.items():
            self.register_buffer(prefix + DEPTH, torch.tensor(part.active_depth))
        for _, circuit in layer.circuit_layers():
            circuit.usage = self.usage
            backend = circuit.execution.backend
            if backend is not None and not isinstance(backend, str):
                plan(circuit.example(), backend.capabilities, backend.name)
        self._checked: tuple[object, ...] | None = None

    @property
    def output_dim(self) -> int:
        return self.layer.output_dim

    @property
    def n_features(self) -> int:
        """Numbers per sample that go in."""
        return self.layer.n_features

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
        """Everything about the last backward pass; of several circuits together, under the names of this module."""
        circuits = self.layer.circuit_layers()
        found = [(prefix, circuit.last_gradient) for prefix, circuit in circuits]
        known = [(prefix, gradient) for prefix, gradient in found if gradient is not None]
        if len(known) < len(found) or not known:
            return None
        return known[0][1] if len(known) == 1 else _joined(known)

    def reset_parameters(self) -> None:
        """Draw fresh weights by torch's generator; what normalisation remembers starts again, too."""
        fresh = _fresh(self.layer, np.random.default_rng(_drawn()))
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(torch.from_numpy(np.asarray(fresh[name])))
            for prefix in self._norms:
                self.get_buffer(prefix + "mean").zero_()
                self.get_buffer(prefix + "variance").fill_(1.0)

    def set_parameters(self, values: Mapping[str, ArrayLike]) -> None:
        """Replace weights by name.

        Raises:
            OptionError: no such weight, or another shape.
        """
        with torch.no_grad():
            for name, array in self.layer.checked_weights(values).items():
                self.weights[name].copy_(torch.from_numpy(array))

    def to_layer(self) -> Layer:
        """The layer itself, with the present weights and what normalisation remembers; changes here change it."""
        self.layer.set_parameters({name: _array(weight) for name, weight in self.weights.items()})
        self._remind()
        return self.layer

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        config = {name: value for name, value in self.layer.get_config().items() if name != "weights_seed"}
        circuits = self.layer.circuit_layers()
        if circuits and "backend" not in config:
            config["backend"] = circuits[0][1].execution.get_config().get("backend", default_backend_name())
        shown = [f"{name}={value!r}" for name, value in config.items()]
        return ", ".join([*shown, f"output_dim={self.output_dim}", f"n_parameters={self.n_parameters}"])

    def _inputs(self) -> Sequence[Input]:
        return [Input("features", (self.layer.n_features,))]

    def _value_dtype(self, real: torch.dtype) -> torch.dtype:
        return real

    def _runner(self, dtype: torch.dtype, device: torch.device) -> _LayerRunner:
        return _LayerRunner(self, dtype, device)

    def _check_gradient(self) -> None:
        """Refuse an impossible gradient before a circuit runs; looked at once for each way to run."""
        ways = tuple(circuit.execution for _, circuit in self.layer.circuit_layers())
        if self._checked is None or self._checked[0] is not self.training or self._checked[1:] != ways:
            self.layer.check_gradient(training=self.training)
            self._checked = (self.training, *ways)

    def _remind(self) -> None:
        """Tell the layer what the buffers remember."""
        for prefix, norm in self._norms.items():
            for name in MEMORY:
                setattr(norm, name, _array(self.get_buffer(prefix + name)))
        for prefix, part in self._growing.items():
            part.active_depth = int(self.get_buffer(prefix + DEPTH))

    def _remember(self) -> None:
        """Take into the buffers what the layer learned of a batch."""
        with torch.no_grad():
            for prefix, norm in self._norms.items():
                for name in MEMORY:
                    self.get_buffer(prefix + name).copy_(torch.from_numpy(getattr(norm, name)))


class _LayerRunner:
    """A layer on arrays: features, then weights."""

    n_inputs = 1
    merges_weights = False

    def __init__(self, module: LayerModule, dtype: torch.dtype, device: torch.device) -> None:
        self._module, self.dtype, self.device = module, dtype, device
        self._training, self._names = module.training, tuple(module.weights)
        self.rows_are_independent = not (self._training and module._norms)  # the module's own runner

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Pass]:
        agreement = self._module.agreement if True in wanted else None
        found = agreed(agreement, self._run, arrays, wanted)
        return found.values, found

    def prepared(self, arrays: Arrays) -> Pass:
        return self._run(arrays, (True,) * len(arrays))

    def backward(
        self, kept: Pass, cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> list[NDArray[Any] | None]:
        found = agreed(self._module.agreement, self._differentiate, kept, cotangent, wanted[0])
        gradients = (found.features, *(found.weights[name] for name in self._names))
        return [each if use else None for each, use in zip(gradients, wanted, strict=True)]

    def _run(self, arrays: Arrays, wanted: tuple[bool, ...]) -> Pass:
        module, features = self._module, arrays[0]
        if not np.isfinite(features).all():
            bad = int(np.count_nonzero(~np.isfinite(features)))
            raise BindingError(
                f"{bad} features are NaN or infinite; check the data or the layer in front of this one."
            )
        differentiable = True in wanted
        if differentiable:
            module._check_gradient()  # as above
        module._remind()  # as above
        weights = dict(zip(self._names, arrays[1:], strict=True))
        found = module.layer.forward(
            features, weights, training=self._training, differentiable=differentiable, features=wanted[0]
        )
        if self._training:
            module._remember()  # as above
        return found

    def _differentiate(self, kept: Pass, cotangent: NDArray[Any], features: bool) -> Any:
        module = self._module
        return module.layer.backward(kept, cotangent, step=module.gradient_step, features=features)


def _drawn() -> int:
    """A seed by torch's generator; on the CPU also where another device is the default."""
    return int(torch.randint(2**62, (), device="cpu"))


def _tensor(array: NDArray[np.float64]) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.get_default_dtype())


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().to("cpu", torch.float64).numpy()
    return array


def _found(layer: Layer, kind: type[Kind]) -> dict[str, Kind]:
    """The layers of one kind, by what their names begin with."""
    parts = [("", layer)]
    if isinstance(layer, Sequential):
        parts = list(zip(layer.prefixes, layer.parts, strict=True))
    return {prefix: part for prefix, part in parts if isinstance(part, kind)}


def _fresh(layer: Layer, random: np.random.Generator) -> dict[str, NDArray[np.float64]]:
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
