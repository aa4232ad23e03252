# SPDX-License-Identifier: Apache-2.0
"""All generators of random numbers that training draws from, as a state that a checkpoint can keep.

Python's `random`, numpy's global generator and the given `numpy.random.Generator`s, torch's where torch is in use, and
the run's count of repeated batches, which decides the seeds of circuits with shots (`qstore.batch.runs`). Values are
plain numbers, strings and arrays. What belongs to a model is in the model's own state: Keras keeps its seeds there.

Torch is looked up among the imported modules, never imported.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from qstore.batch.runs import current_run
from qstore.errors import OptionError

__all__ = ["capture_random_state", "restore_random_state"]

_VERSION = 1
Generators = Mapping[str, np.random.Generator]


def capture_random_state(generators: Generators | None = None) -> dict[str, Any]:
    """The present state of every generator; nothing is drawn.

    Args:
        generators: the program's own numpy generators, by a name of its choice.

    Example:
        >>> data = np.random.default_rng(7)
        >>> kept = capture_random_state({"data": data})
        >>> first = data.random()
        >>> restore_random_state(kept, {"data": data})
        >>> data.random() == first
        True
    """
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002  # it may be in use
    state: dict[str, Any] = {
        "version": _VERSION,
        "python": {"version": version, "words": np.array(words, dtype=np.uint32), "gauss": gauss},
        "numpy": {"name": str(name), "keys": np.array(keys), "position": int(position),
                  "has_gauss": int(has_gauss), "cached": float(cached)},
        "generators": {key: _plain(each.bit_generator.state) for key, each in (generators or {}).items()},
    }  # fmt: skip
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = {"cpu": torch.get_rng_state().numpy().copy()}
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            state["torch"]["cuda"] = [each.numpy().copy() for each in torch.cuda.get_rng_state_all()]
    run = current_run()
    if run.named:
        state["run"] = run.get_state()
    return state


def restore_random_state(state: Mapping[str, Any], generators: Generators | None = None) -> None:
    """Put every generator back to where `capture_random_state` saw it.

    Args:
        state: what that returned, or what a checkpoint gave back of it.
        generators: the generators, under the same names.

    Raises:
        OptionError: the state is no such state, generators are missing or of another kind, or it is that of another run.
    """
    own = dict(generators or {})
    try:
        if state["version"] != _VERSION:
            raise OptionError(
                f"This random state has version {state['version']!r}; this release reads {_VERSION}."
            )
        saved = state["generators"]
        if set(saved) != set(own):
            raise OptionError(f"The state has the generators {sorted(saved)}, given are {sorted(own)}.")
        if "run" in state:
            current_run().set_state(state["run"])  # first: it is the one that refuses
        for key, each in own.items():
            each.bit_generator.state = saved[key]
        python, legacy = state["python"], state["numpy"]
        words = tuple(int(word) for word in python["words"])
        random.setstate((python["version"], words, python["gauss"]))
        np.random.set_state(  # noqa: NPY002  # as above
            (legacy["name"], legacy["keys"], legacy["position"], legacy["has_gauss"], legacy["cached"])
        )
        _restore_torch(state.get("torch"))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        if isinstance(exc, OptionError):
            raise
        raise OptionError(
            f"That is not a state of generators, as capture_random_state gives it: {exc!r}."
        ) from exc


def _restore_torch(state: Mapping[str, Any] | None) -> None:
    torch = sys.modules.get("torch")
    if state is None or torch is None:
        return
    torch.set_rng_state(torch.from_numpy(np.array(state["cpu"], dtype=np.uint8)))
    devices = state.get("cuda", [])
    if devices and torch.cuda.is_available() and torch.cuda.device_count() == len(devices):
        torch.cuda.set_rng_state_all([torch.from_numpy(np.array(each, dtype=np.uint8)) for each in devices])


def _plain(value: Any) -> Any:
    """A bit generator's state with its arrays copied, as numpy hands out some of its own."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return np.array(value) if isinstance(value, np.ndarray) else value
