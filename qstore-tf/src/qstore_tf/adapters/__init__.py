# SPDX-License-Identifier: Apache-2.0
"""How a call of a layer becomes a differentiable operation of the framework under Keras: one module for each framework.

Only the module of the framework that Keras was started with is ever imported. Each has

* `apply(call, inputs, weights, state)`: values (B, width) and new state, as tensors; gradients flow to inputs and weights;
* `SUPPORTS_JIT`: whether a program with the layer in it can be compiled;
* `untraced(function, ...)`: calls a function where no compiler looks into it;
* `check(dtype)`: refuses a dtype that the framework cannot compute with now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import keras

from qstore.errors import OptionError

if TYPE_CHECKING:
    from qstore_tf.circuit_call import CircuitCall

__all__ = ["Adapter", "adapter"]

FRAMEWORKS = ("tensorflow", "torch", "jax")


class Adapter(Protocol):
    """What each module has."""

    SUPPORTS_JIT: bool

    def apply(
        self,
        call: CircuitCall,
        inputs: Sequence[Any],
        weights: Sequence[Any],
        state: Sequence[Any],
        dtype: str,
    ) -> list[Any]:
        """Values of that dtype (B, width), and new state."""

    def untraced(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function where no compiler looks into it."""

    def check(self, dtype: str) -> None:
        """Refuse a dtype that the framework cannot compute with now."""


@cache
def adapter() -> Adapter:
    """The module for the framework under Keras.

    Raises:
        OptionError: Keras runs on something that cannot train.
    """
    name = keras.backend.backend()
    if name not in FRAMEWORKS:
        raise OptionError(
            f"Quantum layers run under Keras on {', '.join(FRAMEWORKS)}; KERAS_BACKEND is {name!r}. Set it before Keras is "
            "imported."
        )
    return cast("Adapter", import_module(f"qstore_tf.adapters.{name}"))
