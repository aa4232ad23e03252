# SPDX-License-Identifier: Apache-2.0
"""`GradientConfig`: a gradient method and its numbers as one value that can be written down, compared and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qstore.errors import OptionError
from qstore.plugins import GradientMethod, NativeGradientMethod, get_gradient_method

__all__ = ["GradientConfig"]


@dataclass(frozen=True, kw_only=True)
class GradientConfig:
    """Which gradient method, with which numbers; goes wherever `gradient_method=` does.

    Attributes:
        method: a registered name: parameter_shift, finite_difference, spsa, adjoint, natural, adaptive, or a plugin's.
        epsilon: size of the moves of finite_difference and spsa, radians; None for the method's own.
        samples: number of random directions of spsa; None for the method's own.
        seed: of the random directions of spsa; None for the method's own.
        options: anything else the method takes, by name.

    Raises:
        OptionError: no such method, or it does not take one of the numbers that are given (adjoint takes none).

    Example:
        >>> GradientConfig(method="spsa", epsilon=0.1, samples=16).made
        Spsa(epsilon=0.1, samples=16, seed=0, decay=0.101)
    """

    method: str = "parameter_shift"
    epsilon: float | None = None
    samples: int | None = None
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.options, Mapping):
            raise OptionError(f"options is a dict from an option's name to its value, got {self.options!r}.")
        # A mistake shows where it is written down, not in the middle of training.
        _ = self.made

    @cached_property
    def made(self) -> GradientMethod | NativeGradientMethod:
        """The method; made once."""
        named = {"epsilon": self.epsilon, "samples": self.samples, "seed": self.seed}
        given = {name: value for name, value in named.items() if value is not None}
        return get_gradient_method(self.method, **given, **self.options)
