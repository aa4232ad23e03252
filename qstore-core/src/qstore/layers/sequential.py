# SPDX-License-Identifier: Apache-2.0
"""`Sequential`: layers one after another, neighbouring quantum layers as one coherent circuit.

A new circuit begins where a layer encodes: at the start, behind a classical step, and where a quantum layer has an
encoding of its own; there features pass as numbers. Everywhere else the state passes, and nothing is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qstore.errors import OptionError
from qstore.layers.checks import check_backend
from qstore.layers.circuit_layer import CircuitLayer
from qstore.layers.layer import Layer, LayerGradient, Pass
from qstore.layers.quantum_layers import QuantumStageLayer
from qstore.layers.stage import Array
from qstore.layers.summary import Summary, summarized
from qstore.plugins import Backend

__all__ = ["Sequential"]


class Sequential(Layer):
    """Layers one after another.

    Args:
        layers: quantum and classical layers.
        backend: for all quantum layers that name none themselves.

    Attributes:
        layers: as given.
        parts: what runs: coherent circuits and classical layers.
        weights: of all parts, by name; where there are several parts each name begins with the part's number.

    Raises:
        OptionError: no layers, or widths or numbers of qubits that do not fit; or a backend that is none.

    Example:
        >>> from qstore.layers import QuantumFeatureExtractor, QuantumPooling, QuantumReadout
        >>> model = Sequential([
        ...     QuantumFeatureExtractor(4, depth=1, weights_seed=1),
        ...     QuantumPooling(4, 2, weights_seed=2),
        ...     QuantumReadout(2, n_classes=2, weights_seed=3),
        ... ])
        >>> model.call_sync([[0.1, 0.2, 0.3, 0.4]]).shape, len(model.parts)
        ((1, 2), 1)
    """

    def __init__(self, layers: Sequence[Layer], *, backend: Backend | str | None = None) -> None:
        self.layers = tuple(layers)
        if not self.layers or not all(isinstance(layer, Layer) for layer in self.layers):
            raise OptionError(f"Sequential needs layers of qstore.layers, got {layers!r}.")
        check_backend(backend)
        self._backend = backend
        self.parts = _parts(self.layers, backend)
        for first, second in zip(self.parts, self.parts[1:], strict=False):
            if first.output_dim != second.n_features:
                raise OptionError(
                    f"{_named(first)} gives {first.output_dim} numbers, {_named(second)} takes {second.n_features}: set "
                    f"n_qubits or n_features of the second to fit."
                )
        self.n_features, self.output_dim = self.parts[0].n_features, self.parts[-1].output_dim
        self._prefixes = ["" if len(self.parts) == 1 else f"part{i}_" for i in range(len(self.parts))]
        self.weights = {
            prefix + name: array
            for prefix, part in zip(self._prefixes, self.parts, strict=True)
            for name, array in part.weights.items()
        }

    def forward(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False,
        differentiable: bool = False, features: bool = True,
    ) -> Pass:  # fmt: skip
        passes: list[Pass] = []
        for part, own in zip(self.parts, self._own(weights), strict=True):
            wanted = features or len(passes) > 0
            passes.append(
                part.forward(x, own, training=training, differentiable=differentiable, features=wanted)
            )
            x = passes[-1].values
        return self._joined(passes)

    async def forward_async(
        self, x: Array, weights: Mapping[str, Array] | None = None, *, training: bool = False
    ) -> Pass:
        passes = []
        for part, own in zip(self.parts, self._own(weights), strict=True):
            passes.append(await part.forward_async(x, own, training=training))
            x = passes[-1].values
        return self._joined(passes)

    def backward(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        found: dict[str, Array] = {}
        for part, prefix, each in self._backwards(given):
            wanted = features or part is not self.parts[0]
            cotangent, weights = part.backward(each, cotangent, step=step, features=wanted)
            found |= {prefix + name: gradient for name, gradient in weights.items()}
        return LayerGradient(cotangent, found)

    async def backward_async(
        self, given: Pass, cotangent: Array, *, step: int = 0, features: bool = True
    ) -> LayerGradient:
        found: dict[str, Array] = {}
        for part, prefix, each in self._backwards(given):
            wanted = features or part is not self.parts[0]
            cotangent, weights = await part.backward_async(each, cotangent, step=step, features=wanted)
            found |= {prefix + name: gradient for name, gradient in weights.items()}
        return LayerGradient(cotangent, found)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Of the names of the weights of each part."""
        return tuple(self._prefixes)

    def fresh_weights(self, random: np.random.Generator) -> dict[str, Array]:
        return {
            prefix + name: array
            for prefix, part in zip(self._prefixes, self.parts, strict=True)
            for name, array in part.fresh_weights(random).items()
        }

    def circuit_layers(self) -> tuple[tuple[str, CircuitLayer], ...]:
        return tuple(
            (prefix + inner, circuit)
            for prefix, part in zip(self._prefixes, self.parts, strict=True)
            for inner, circuit in part.circuit_layers()
        )

    def summary(
        self, *, backend: Backend | str | None = None, batch_size: int = 32, samples: int = 1000
    ) -> Summary:
        """Per layer: parameters, qubits, depth, two-qubit gates, circuits per step, dollars per epoch; print it.

        Args:
            backend: whose prices and gradients are meant; by default the one the model runs on.
            batch_size: samples per training step.
            samples: per epoch.

        Raises:
            OptionError: `batch_size` or `samples` is no integer from 1 up.

        Example:
            >>> from qstore.layers import QuantumReadout
            >>> Sequential([QuantumReadout(2, n_classes=2)]).summary().parameters
            4
        """
        return summarized(self, self._backend if backend is None else backend, batch_size, samples)

    def get_config(self) -> dict[str, Any]:
        backend = (
            self._backend if self._backend is None or isinstance(self._backend, str) else self._backend.name
        )
        config: dict[str, Any] = {"layers": list(self.layers)}
        return config | ({} if backend is None else {"backend": backend})

    def _own(self, weights: Mapping[str, Array] | None) -> list[dict[str, Array]]:
        """The weights of each part, under the part's own names."""
        given = self.weights if weights is None else weights
        return [
            {name: given[prefix + name] for name in part.weights}
            for prefix, part in zip(self._prefixes, self.parts, strict=True)
        ]

    def _joined(self, passes: list[Pass]) -> Pass:
        results = tuple(result for each in passes for result in each.results)
        return Pass(passes[-1].values, results, tuple(passes))

    def _backwards(self, given: Pass) -> list[tuple[Layer, str, Pass]]:
        return list(zip(reversed(self.parts), reversed(self._prefixes), reversed(given.kept), strict=True))


def _parts(layers: Sequence[Layer], backend: Backend | str | None) -> list[Layer]:
    """Classical layers as they are, neighbouring quantum layers joined."""
    groups: list[list[Layer]] = []
    for layer in layers:
        continues = isinstance(layer, QuantumStageLayer) and layer.takes_state
        if continues and groups and isinstance(groups[-1][-1], QuantumStageLayer):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return [_joined(group, backend) for group in groups]


def _joined(group: list[Layer], backend: Backend | str | None) -> Layer:
    quantum = [layer for layer in group if isinstance(layer, QuantumStageLayer)]
    if not quantum:
        return group[0]
    first = quantum[0]
    executions = [layer.execution for layer in quantum]
    chosen = next((each for each in executions if each != executions[0].__class__()), executions[0])
    for each in executions:
        if each not in (chosen, chosen.__class__()):
            raise OptionError(
                "Neighbouring quantum layers are one circuit, so they run in one way: give backend, shots, seed and "
                f"gradient_method to one of them or the same to all, not {chosen} and {each}."
            )
    if chosen.backend is None:
        chosen = replace(chosen, backend=backend)
    feeds_forward = next((layer.feeds_forward for layer in quantum if layer.feeds_forward is not None), None)
    made = CircuitLayer(
        [layer.stage for layer in quantum],
        first.wanted_features,
        execution=chosen,
        feeds_forward=feeds_forward,
    )
    # The layers' own fresh weights, so that a model of seeded layers repeats.
    for prefix, layer in zip(made.circuit.prefixes, quantum, strict=True):
        made.set_parameters({prefix + name: array for name, array in layer.weights.items()})
    return made


def _named(part: Layer) -> str:
    if isinstance(part, CircuitLayer):
        return "the circuit of " + ", ".join(stage.kind for stage in part.stages)
    return type(part).__name__
