# SPDX-License-Identifier: Apache-2.0
"""Arguments of layers as plain JSON, for `get_config`, and back: circuits, outputs, dropout, gradient methods, layers.

A backend is written as its name. An object that was given as backend is not saved with its options: set `layer.backend`
after loading.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import qstore as qs
from qstore import layers
from qstore.batch import Expectations, Output, Probabilities, StateVector, Variance
from qstore.circuit import Observable
from qstore.errors import OptionError
from qstore.gradients import GradientConfig
from qstore.layers import Layer, QuantumDropout

__all__ = ["read", "read_outputs", "written", "written_backend", "written_method", "written_outputs"]

_log = logging.getLogger("qstore.tf")
KIND = "qstore"
"""The key under which a written value says what it is."""
Written = dict[str, Any]


def written(value: Any) -> Any:
    """A value of a layer's configuration as JSON.

    Example:
        >>> read(written(QuantumDropout(qubit=0.1)))
        QuantumDropout(qubit=0.1, basis=0.0, gate=0.0, seed=None)
    """
    if isinstance(value, QuantumDropout):
        return {KIND: "QuantumDropout", **value.get_config()}
    if isinstance(value, Layer):
        return {KIND: type(value).__name__, **written_config(value)}
    if isinstance(value, GradientConfig):
        return written_method(value)
    if isinstance(value, (list, tuple)):
        return [written(each) for each in value]
    return value


def written_config(layer: Layer) -> Written:
    """The configuration of a layer of `qstore.layers`, with the gradient method in full."""
    config = {name: written(value) for name, value in layer.get_config().items()}
    execution = getattr(layer, "execution", None)
    if execution is not None:
        config |= _without_none(
            backend=written_backend(execution.backend),
            gradient_method=written_method(execution.gradient_method),
        )
    return config


def read(value: Any) -> Any:
    """The value of what `written` returned.

    Raises:
        OptionError: it is of a kind that this release does not know.
    """
    if isinstance(value, Mapping):
        rest = {name: read(each) for name, each in value.items() if name != KIND}
        if KIND not in value:
            return rest
        made = KINDS.get(value[KIND])
        if made is None:
            raise OptionError(
                f"The configuration has a {value[KIND]!r}; this release of qstore reads {sorted(KINDS)}."
            )
        return made(**rest)
    if isinstance(value, (list, tuple)):
        return [read(each) for each in value]
    return value


def written_backend(backend: Any) -> str | None:
    """A backend by its name."""
    if backend is None or isinstance(backend, str):
        return backend
    _log.warning(
        "The backend %r was given as an object; only its name is saved. Set layer.backend after loading.",
        backend.name,
    )
    name: str = backend.name
    return name


def written_method(method: Any) -> Any:
    """A gradient method: a name as it is, a `GradientConfig` in full.

    Raises:
        OptionError: a method of one's own, which has no name.
    """
    if method is None or isinstance(method, str):
        return method
    if isinstance(method, GradientConfig):
        given = {each.name: getattr(method, each.name) for each in fields(method)}
        return {KIND: "GradientConfig", **_without_none(**given)} | {"options": dict(method.options)}
    raise OptionError(
        f"A layer with the gradient method {method!r} cannot be saved: give its registered name or a GradientConfig."
    )


def written_outputs(outputs: Output | None) -> Any:
    """What a layer returns, as JSON."""
    if outputs is None:
        return None
    found: Written = {KIND: type(outputs).__name__}
    if isinstance(outputs, (Expectations, Variance)):
        found["observables"] = [[list(term) for term in each.terms] for each in outputs.observables]
    elif isinstance(outputs, Probabilities):
        found["qubits"] = None if outputs.qubits is None else list(outputs.qubits)
    return found


def read_outputs(value: Any) -> Output | None:
    """The outputs of what `written_outputs` returned."""
    if not isinstance(value, Mapping) or "observables" not in value:
        found: Output | None = read(value)
        return found
    observables = [_observable(terms) for terms in value["observables"]]
    made: Output = read({KIND: value[KIND], "observables": observables})
    return made


def _observable(terms: Any) -> Observable:
    total = 0.0 * qs.I()
    for x_mask, z_mask, coefficient in terms:
        total = total + Observable((qs.circuit.PauliTerm(int(x_mask), int(z_mask), float(coefficient)),))
    return total


def _without_none(**given: Any) -> Written:
    return {name: value for name, value in given.items() if value is not None}


LAYERS = ("AdaptiveLayer", "DecodingLayer", "EncodingLayer", "QuantumBatchNorm", "QuantumFeatureExtractor",
          "QuantumNonlinearity", "QuantumPooling", "QuantumReadout", "Sequential")  # fmt: skip
KINDS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(layers, name) for name in LAYERS},
    **{made.__name__: made for made in (Expectations, Variance, Probabilities, StateVector)},
    **{made.__name__: made for made in (GradientConfig, QuantumDropout)},
}
"""What is read, by its name."""
