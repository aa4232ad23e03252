# SPDX-License-Identifier: Apache-2.0
"""A layer of `qstore.layers` as a torch module: its weights as parameters, its memory as buffers.

The module holds the layer and hands it arrays; nothing of circuits is known here. Names, signatures and descriptions
are the layer's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

import torch
from qstore.layers import Layer, Pass
from qstore.layers.agreement import agreed
from qstore.layers.circuit_function import Method
from qstore.layers.held_layer import HeldLayer, class_text
from qstore.layers.inputs import Input
from qstore.plugins import Backend, GradientResult
from qstore_torch.autograd import Arrays
from qstore_torch.quantum_module import QuantumModule
from torch import nn

__all__ = ["LayerModule"]

Array = NDArray[np.float64]


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
        cls.__doc__ = class_text(cls.core, cls.__doc__)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()
        # Torch's generator decides, as for every other layer.
        self._held = HeldLayer(
            self.core, arguments, options, draw=_drawn, usage=self.usage, draws_each_pass=True
        )
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(_tensor(array)) for name, array in self.layer.weights.items()}
        )
        self._remembered = tuple(self._held.memory)
        for name, array in self._held.memory.items():
            self.register_buffer(name, _tensor(array))

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
    def gradient_method(self) -> Method:
        """How the circuits are differentiated; it may be replaced between steps."""
        return self._held.gradient_method

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        self._held.gradient_method = method

    @property
    def backend(self) -> Backend | str | None:
        """Where the circuits run, as it was given; may be replaced."""
        return self._held.backend

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        self._held.backend = backend

    @property
    def last_gradient(self) -> GradientResult | None:
        """Everything about the last backward pass; of several circuits together, under the names of this module."""
        return self._held.last_gradient

    def reset_parameters(self) -> None:
        """Draw fresh weights by torch's generator; what normalisation remembers starts again, too."""
        fresh = self.layer.fresh_weights(np.random.default_rng(_drawn()))
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(torch.from_numpy(np.asarray(fresh[name])))
        self._remember(self._held.fresh_memory.values())

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
        counts = f"output_dim={self.output_dim}, n_parameters={self.n_parameters}"
        return f"{self._held.described()}, {counts}"

    def _inputs(self) -> Sequence[Input]:
        return [Input("features", (self.layer.n_features,))]

    def _value_dtype(self, real: torch.dtype) -> torch.dtype:
        return real

    def _runner(self, dtype: torch.dtype, device: torch.device) -> _LayerRunner:
        return _LayerRunner(self, dtype, device)

    def _remind(self) -> None:
        """Tell the layer what the buffers remember."""
        self._held.remind([_array(self.get_buffer(name)) for name in self._remembered])

    def _remember(self, learned: Iterable[Array]) -> None:
        """Take into the buffers what normalisation learned of a batch."""
        with torch.no_grad():
            for name, array in zip(self._remembered, learned, strict=False):
                self.get_buffer(name).copy_(torch.from_numpy(array))


class _LayerRunner:
    """A layer on arrays: features, then weights."""

    n_inputs = 1
    merges_weights = False

    def __init__(self, module: LayerModule, dtype: torch.dtype, device: torch.device) -> None:
        self._module, self.dtype, self.device = module, dtype, device
        self._training, self._names = module.training, tuple(module.weights)
        self.rows_are_independent = not (self._training and module._held.norms)  # the module's own runner

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Pass]:
        agreement = self._module.agreement if True in wanted else None
        found = agreed(agreement, self._run, arrays, wanted)
        return found.values, found

    def prepared(self, arrays: Arrays) -> Pass:
        return self._run(arrays, (True,) * len(arrays))

    def backward(
        self, kept: Pass, cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> list[NDArray[Any] | None]:
        module = self._module
        return agreed(
            module.agreement, module._held.backward, kept, self._names, cotangent, wanted, module.gradient_step  # as above
        )  # fmt: skip

    def _run(self, arrays: Arrays, wanted: tuple[bool, ...]) -> Pass:
        module = self._module
        module._remind()  # as above
        found = module._held.forward(arrays, self._names, wanted, training=self._training)
        if self._training:
            module._remember(module._held.learned)  # as above
        return found


def _drawn() -> int:
    """A seed by torch's generator; on the CPU also where another device is the default."""
    return int(torch.randint(2**62, (), device="cpu"))


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.get_default_dtype() if array.dtype.kind == "f" else None)


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().to("cpu", torch.float64).numpy()
    return array
