# SPDX-License-Identifier: Apache-2.0
"""The whole state of a Keras training as plain data, and back: arrays by place and name, nothing of a framework.

So a training that was saved under one framework goes on under another.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from qstore.errors import OptionError, StorageError
from qstore.execution.random_state import capture_random_state, restore_random_state
from qstore_tf.callbacks.reading import quantum_layers_of

__all__ = ["TrainingState", "finite", "restore_training_state", "training_state"]


class TrainingState(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        model: "variables" of the model with what layers remember and Keras' seed generators, "quantum": per quantum layer
            its training step and where its generators of masks stand; under PyTorch also "torch", its generators: layers
            without a seed, such as an ordinary Dropout, draw from them.
        optimizer: "variables" of the optimizer.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]


def training_state(model: Any) -> TrainingState:
    """The state of a model and its optimizer; for training loops of your own, callbacks do it by themselves.

    Args:
        model: a built Keras model that was compiled, or one whose `optimizer` you set.

    Raises:
        OptionError: the model is not built yet, or has no optimizer.
    """
    variables, slots = _variables(model)
    quantum = [_remembered(layer) for layer in quantum_layers_of(model)]
    found = {"variables": _arrays(variables), "quantum": quantum}
    if keras.backend.backend() == "torch":
        found["torch"] = capture_random_state()["torch"]
    return TrainingState(found, {"variables": _arrays(slots)})


def restore_training_state(model: Any, state: TrainingState) -> None:
    """Continue where a training was saved.

    Args:
        model: the same model, made by the same code; under any framework.
        state: of `training_state`.

    Raises:
        OptionError: the model is not built yet, or has no optimizer.
        StorageError: the state is one of another model; nothing was changed.
    """
    variables, slots = _variables(model)
    layers = quantum_layers_of(model)
    pairs = _matched(variables, state.model, "model") + _matched(slots, state.optimizer, "optimizer")
    quantum = state.model.get("quantum", [])
    if len(quantum) != len(layers):
        raise StorageError(f"The checkpoint has {len(quantum)} quantum layers, the model has {len(layers)}.")
    for variable, array in pairs:
        variable.assign(array)
    for layer, kept in zip(layers, quantum, strict=True):
        layer.gradient_step = kept["gradient_step"]
        for circuit, generator in zip(_circuits(layer), kept["generators"], strict=True):
            circuit.generator.bit_generator.state = copy.deepcopy(generator)
    if keras.backend.backend() == "torch" and "torch" in state.model:  # not where another framework saved it
        restore_random_state({**capture_random_state(), "torch": state.model["torch"]})


def finite(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """What Keras reports, as numbers that JSON can hold."""
    numbers = {name: float(value) for name, value in (logs or {}).items()}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    """Of the model and of its optimizer, which is built here if it is not."""
    if not all(layer.built for layer in model._flatten_layers()):  # Keras' only walk through nested models
        raise OptionError(
            "The model has no weights yet, so there is nothing to save or restore. Begin it with keras.Input, or call it once "
            "on a batch before fit."
        )
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise OptionError(
            "The model has no optimizer; compile it, or set model.optimizer in a training loop of your own."
        )
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return list(model.variables), list(optimizer.variables)


def _arrays(variables: Sequence[Any]) -> dict[str, Any]:
    """Arrays by place and path; a path alone need not be unique."""
    return {
        f"{place}:{variable.path}": keras.ops.convert_to_numpy(variable)
        for place, variable in enumerate(variables)
    }


def _matched(variables: Sequence[Any], state: Mapping[str, Any], what: str) -> list[tuple[Any, Any]]:
    """Variables with their arrays. Paths differ where Keras numbered layers differently; the last word of a name does not."""
    arrays = state["variables"]
    if len(arrays) != len(variables):
        raise StorageError(
            f"The checkpoint has {len(arrays)} variables of the {what}, there are {len(variables)} now."
        )
    pairs = []
    for variable, (key, array) in zip(variables, arrays.items(), strict=True):
        path = key.partition(":")[2]
        if tuple(array.shape) != tuple(variable.shape) or _last_word(path) != _last_word(variable.path):
            raise StorageError(
                f"The checkpoint has {path!r} with shape {tuple(array.shape)} where the {what} has {variable.path!r} with "
                f"{tuple(variable.shape)}. Build the model as it was saved."
            )
        pairs.append((variable, array))
    return pairs


def _last_word(path: str) -> str:
    """Such as "kernel", or of "adam/sequential_3_dense_kernel_momentum" "momentum"."""
    return path.rpartition("/")[2].rpartition("_")[2]


def _remembered(layer: Any) -> dict[str, Any]:
    generators = [copy.deepcopy(circuit.generator.bit_generator.state) for circuit in _circuits(layer)]
    return {"gradient_step": layer.gradient_step, "generators": generators}


def _circuits(layer: Any) -> list[Any]:
    """The circuits of a layer that draw masks."""
    core = getattr(layer, "layer", None)
    return [] if core is None else [circuit for _, circuit in core.circuit_layers()]
