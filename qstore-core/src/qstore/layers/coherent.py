# SPDX-License-Identifier: Apache-2.0
"""Neighbouring stages as one coherent circuit: nothing is measured between them.

A circuit is built once for each kind of backend and mode: with its channels or dilated by ancillas where the backend has
no noise, with measured outcomes fed forward where it has feedback and that is wanted, with masks in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qstore.batch import Capabilities
from qstore.circuit import Parameter, QuantumCircuit, Template
from qstore.compiler import dilate
from qstore.errors import BindingError, OptionError
from qstore.layers.encodings import Encoding, checked_features
from qstore.layers.feature_extractor import BasisReading
from qstore.layers.stage import Array, Derived, Reading, Site, Stage, Values

__all__ = ["Built", "CoherentCircuit"]

FEATURES = "x"
_ROOM = 1e-300
"""A vector shorter than this cannot be normalised."""


@dataclass(frozen=True, slots=True)
class Built:
    """A circuit for one kind of backend and mode, and how its parameters are made.

    Attributes:
        template: the circuit.
        reading: what is measured, and what is made of it.
        derived: parameters that are computed.
        last: the prefix of the last stage's names.
    """

    template: Template
    reading: Reading
    derived: tuple[Derived, ...]
    last: str


class CoherentCircuit:
    """Stages that follow each other on the same qubits.

    Args:
        stages: the first one encodes, the others do not; each takes as many qubits as the one before leaves.
        n_features: numbers per sample; by default as many as the encoding has room for.
        feeds_forward: measure and feed outcomes forward on backends with feedback; by default on remote ones: a local
            simulator is faster with the principle of deferred measurement, and the statistics are the same.

    Raises:
        OptionError: they do not fit.
    """

    def __init__(
        self, stages: Sequence[Stage], n_features: int | None = None, *, feeds_forward: bool | None = None
    ) -> None:
        encoding = stages[0].encoding
        assert encoding is not None
        self.stages = tuple(stages)
        self.encoding: Encoding = encoding
        self.n_qubits = stages[0].n_qubits
        self.n_features = checked_features(encoding, self.n_qubits, n_features)
        self.prefixes = _prefixes(stages)
        self.weight_shapes = {
            prefix + name: tuple(shape)
            for prefix, stage in zip(self.prefixes, stages, strict=True)
            for name, shape in stage.weight_shapes.items()
        }
        self._feeds_forward = feeds_forward
        self._built: dict[tuple[bool, bool, bool], Built] = {}
        self.output_dim = self.built().reading.width

    def initial_weights(self, random: np.random.Generator) -> dict[str, Array]:
        """Fresh weights of all stages."""
        return {
            prefix + name: array
            for prefix, stage in zip(self.prefixes, self.stages, strict=True)
            for name, array in stage.initial_weights(random).items()
        }

    def built(self, capabilities: Capabilities | None = None, *, training: bool = False) -> Built:
        """The circuit for a backend of these capabilities; without, for one that can do everything.

        Raises:
            OptionError: a stage is given another number of qubits than it takes.
            CapabilityError: it has no noise, and dilating takes more qubits than it has.
        """
        noise = capabilities is None or capabilities.noise
        feedback = capabilities is not None and capabilities.feedback
        if feedback and self._feeds_forward is not True:
            assert capabilities is not None
            feedback = self._feeds_forward is None and not capabilities.local
        training = training and any(stage.dropout is not None for stage in self.stages)
        key = (noise, feedback, training)
        if key not in self._built:
            most = capabilities.max_qubits if capabilities is not None else None
            self._built[key] = self._build(noise=noise, feedback=feedback, training=training, max_qubits=most)
        return self._built[key]

    def masks(self, random: np.random.Generator, size: int) -> dict[str, Array]:
        """What the stages draw for `size` samples in training, by prefixed name."""
        return {
            prefix + name: array
            for prefix, stage in zip(self.prefixes, self.stages, strict=True)
            for name, array in stage.masks(random, size).items()
        }

    def checked(self, x: Array) -> Array:
        """Features as (B, n_features) float64.

        Raises:
            BindingError: another width, or a row that amplitude encoding cannot normalise.
        """
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise BindingError(
                f"The features have shape {x.shape}, this layer takes (batch, {self.n_features})."
            )
        if self.encoding.name == "amplitude" and not np.abs(x).max(axis=1, initial=0).min(initial=1) > _ROOM:
            row = int(np.abs(x).max(axis=1).argmin())
            raise BindingError(
                f"Row {row} is all zeros: amplitude encoding normalises a vector, and zero has no direction. Leave such "
                "samples out, or append a constant feature such as 1."
            )
        return x

    def bindings(self, built: Built, values: Values) -> dict[str, Array]:
        """What the circuit's parameters are bound to."""
        features = values.features
        if self.encoding.expand is not None:
            features = self.encoding.expand(features, self.n_qubits)
        arrays: dict[str, Array] = {FEATURES: features, **values.weights}
        arrays |= {each.parameter.name: each.value(values) for each in built.derived}
        return {parameter.name: arrays[parameter.name] for parameter in built.template.parameters}

    def pull_back(
        self, built: Built, values: Values, gradients: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        """From the gradients of what is bound to those of the features and of all weights."""
        features = np.zeros_like(values.features)
        weights = {name: np.zeros(shape) for name, shape in self.weight_shapes.items()}
        if FEATURES in gradients:
            back = self.encoding.pull_back
            found = gradients[FEATURES]
            features += found if back is None else back(values.features, found)
        for name, gradient in gradients.items():
            if name in weights:
                weights[name] += gradient
        for each in built.derived:
            if each.parameter.name not in gradients:
                continue
            of_features, of_weights = each.pull_back(values, gradients[each.parameter.name])
            if of_features is not None:
                features += of_features
            for name, gradient in of_weights.items():
                weights[name] += gradient
        return features, weights

    def _build(self, *, noise: bool, feedback: bool, training: bool, max_qubits: int | None) -> Built:
        circuit = QuantumCircuit(self.n_qubits)
        features = Parameter(FEATURES, (self.encoding.bound(self.n_qubits),))
        qubits = tuple(range(self.n_qubits))
        self.encoding.append(circuit, features, qubits)
        derived: list[Derived] = []
        for prefix, stage in zip(self.prefixes, self.stages, strict=True):
            if stage.n_qubits != len(qubits):
                raise OptionError(
                    f"A {stage.kind} on {stage.n_qubits} qubits cannot follow: the layers before it leave {len(qubits)}."
                )
            site = Site(circuit, qubits, prefix, self.n_features, features, training, feedback, derived)
            qubits = stage.build(site)
        reading = self.stages[-1].reading(qubits) or BasisReading(qubits, "Z")
        template = circuit.freeze()
        if template.is_noisy and not noise:
            template = dilate(template, **({} if max_qubits is None else {"max_qubits": max_qubits}))
        return Built(template, reading, tuple(derived), self.prefixes[-1])


def _prefixes(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Of the names of weights: none for one stage, else the stage's kind, numbered where it comes more than once."""
    if len(stages) == 1:
        return ("",)
    total, seen = Counter(stage.kind for stage in stages), Counter[str]()
    found = []
    for stage in stages:
        seen[stage.kind] += 1
        number = f"_{seen[stage.kind]}" if total[stage.kind] > 1 else ""
        found.append(f"{stage.kind}{number}_")
    return tuple(found)
