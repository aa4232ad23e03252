# SPDX-License-Identifier: Apache-2.0
"""A stage: a piece of a coherent circuit, from the qubits that it is given to those that it leaves.

Neighbouring stages make one circuit (`qstore.layers.coherent`). What a stage binds is a weight, the encoded features, or
something *derived* of both: products of weights with features or masks are no affine angles, so they are computed
outside the circuit, with their own derivative.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from qstore.batch import Output
from qstore.circuit import Parameter, QuantumCircuit
from qstore.layers.dropout import Array, QuantumDropout
from qstore.layers.encodings import Encoding

__all__ = ["Array", "Derived", "Reading", "Site", "Stage", "Values"]

INITIAL_SPREAD = 0.1
"""Standard deviation of fresh weights, radians: near the identity, where gradients do not vanish with the number of
qubits (Grant et al., Quantum 3, 214 (2019); Zhang et al., arXiv:2203.09376)."""


@dataclass(frozen=True, slots=True)
class Values:
    """What derived parameters are made of: features (B, n_features), weights by name, masks (B, ...) by name."""

    features: Array
    weights: Mapping[str, Array]
    masks: Mapping[str, Array]


class Derived(ABC):
    """A parameter that is computed of features, weights and masks.

    Attributes:
        parameter: what the circuit reads.
        is_constant: whether neither features nor weights enter, so that nobody needs its gradient.
    """

    parameter: Parameter
    is_constant: bool = False

    @abstractmethod
    def value(self, values: Values) -> Array:
        """(B, *shape)."""

    @abstractmethod
    def pull_back(self, values: Values, gradient: Array) -> tuple[Array | None, Mapping[str, Array]]:
        """From the gradient of the value (B, *shape): that of the features, or None, and those of weights by name."""


class Reading(ABC):
    """What is measured at the end, and what is made of it.

    Attributes:
        outputs: asked of the circuit.
        width: numbers per sample that come out.
    """

    outputs: Output
    width: int

    def finish(self, values: Array, masks: Mapping[str, Array]) -> Array:  # noqa: ARG002  # for those that use it
        """From what was measured, (B, ...), to what the layer returns, (B, width)."""
        return values

    def pull_back(self, values: Array, cotangent: Array, masks: Mapping[str, Array]) -> Array:  # noqa: ARG002  # as above
        """From the cotangent of what the layer returns to that of what was measured."""
        return cotangent


@dataclass(slots=True)
class Site:
    """Where a stage is built.

    Attributes:
        circuit: what is built on.
        qubits: those the stage is given.
        prefix: of its parameters' names.
        n_features: of the segment's data.
        features: the parameter that carries the encoded data; None before anything was encoded.
        training: whether it is built for training (masks are parameters then).
        feeds_forward: whether measured outcomes control gates, rather than the qubits themselves.
        derived: derived parameters so far.
    """

    circuit: QuantumCircuit
    qubits: tuple[int, ...]
    prefix: str
    n_features: int
    features: Parameter | None = None
    training: bool = False
    feeds_forward: bool = False
    derived: list[Derived] = field(default_factory=list)

    def weight(self, name: str, shape: Sequence[int]) -> Parameter:
        """The parameter of a weight of this stage."""
        return Parameter(self.prefix + name, tuple(shape))


class Stage(ABC):
    """A piece of a circuit.

    Attributes:
        kind: its name in summaries and in names of weights.
        n_qubits: how many qubits it is given.
        encoding: how it takes numbers in; None where it takes the state of the stage before it.
        dropout: what is dropped in training; None for nothing.
    """

    kind: str = "stage"
    n_qubits: int
    encoding: Encoding | None = None
    dropout: QuantumDropout | None = None

    @property
    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the weights by name."""
        return {}

    @abstractmethod
    def build(self, site: Site) -> tuple[int, ...]:
        """Append its gates; returns the qubits that go on."""

    def initial_weights(self, random: np.random.Generator) -> dict[str, Array]:
        """Fresh weights: normal with standard deviation 0.1 radians."""
        return {name: random.normal(0.0, INITIAL_SPREAD, shape) for name, shape in self.weight_shapes.items()}

    def reading(self, qubits: tuple[int, ...]) -> Reading | None:  # noqa: ARG002  # for those that read
        """What is measured when it is the last stage; None for Z on every qubit that is left."""
        return None

    def masks(self, random: np.random.Generator, size: int) -> dict[str, Array]:  # noqa: ARG002  # for those that draw
        """What is drawn for `size` samples in training."""
        return {}
