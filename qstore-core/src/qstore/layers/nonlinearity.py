# SPDX-License-Identifier: Apache-2.0
"""The stage of `QuantumNonlinearity`: a damping channel of trainable strength, or the data once more.

A channel is an affine map of the state: after amplitude damping of strength g, <Z> has become g + (1 - g) <Z>. What is
not linear in a quantum model is the encoding and what follows a measurement. `parametric` uses the first: it uploads the
features again, each times a trainable number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from qstore.circuit import Parameter
from qstore.errors import OptionError, nearest_names
from qstore.layers.encodings import encoding_named
from qstore.layers.stage import Array, Derived, Site, Stage, Values

__all__ = ["NonlinearityStage"]

CHANNELS = ("amplitude_damping", "phase_damping")
KINDS = (*CHANNELS, "parametric")


class NonlinearityStage(Stage):
    """See `qstore.layers.QuantumNonlinearity`, whose arguments these are."""

    kind = "nonlinearity"

    def __init__(self, n_qubits: int, nonlinearity_type: str, strength: float, encoding: str | None) -> None:
        if nonlinearity_type not in KINDS:
            hint = nearest_names(str(nonlinearity_type), list(KINDS))
            raise OptionError(
                f"nonlinearity_type must be one of {list(KINDS)}, got {nonlinearity_type!r}.{hint}"
            )
        is_channel = nonlinearity_type in CHANNELS
        if (
            not isinstance(strength, (int, float))
            or not math.isfinite(strength)
            or not (0 <= strength <= 1 or not is_channel)
        ):
            limits = "a probability from 0 to 1" if is_channel else "a finite number"
            raise OptionError(f"strength must be {limits}, got {strength!r}.")
        self.n_qubits, self.type, self.strength = n_qubits, nonlinearity_type, float(strength)
        self.encoding = None if encoding is None else encoding_named(encoding)

    @property
    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {"strength": (self.n_qubits,)}

    def initial_weights(self, random: np.random.Generator) -> dict[str, Array]:  # noqa: ARG002  # nothing is drawn
        """A damping strength g is the angle t with sin(t/2)**2 = g; a scale is what was given."""
        value = self.strength if self.type == "parametric" else 2 * math.asin(math.sqrt(self.strength))
        return {"strength": np.full(self.n_qubits, value)}

    def build(self, site: Site) -> tuple[int, ...]:
        if self.type != "parametric":
            strength = site.weight("strength", (self.n_qubits,))
            channel = getattr(site.circuit, self.type)
            for index, q in enumerate(site.qubits):
                channel(q, angle=strength[index])
            return site.qubits
        if site.n_features != self.n_qubits:
            raise OptionError(
                f"A parametric nonlinearity uploads one feature per qubit again: there are {site.n_features} features and "
                f"{self.n_qubits} qubits. Use 'angle' or 'reupload' encoding in front of it, or put it before the pooling."
            )
        scaled = site.weight("scaled features", (self.n_qubits,))
        site.derived.append(_Scaled(scaled, f"{site.prefix}strength"))
        for index, q in enumerate(site.qubits):
            site.circuit.ry(q, scaled[index])
        return site.qubits


class _Scaled(Derived):
    """Each feature times its weight."""

    def __init__(self, parameter: Parameter, weight: str) -> None:
        self.parameter, self._weight = parameter, weight

    def value(self, values: Values) -> Array:
        product: Array = values.features * values.weights[self._weight]
        return product

    def pull_back(self, values: Values, gradient: Array) -> tuple[Array, Mapping[str, Array]]:
        scale = values.weights[self._weight]
        return gradient * scale, {self._weight: (gradient * values.features).sum(axis=0)}
