# SPDX-License-Identifier: Apache-2.0
"""Gradients: methods that say which circuits to run and how to combine them, and the calls that use them."""

from typing import TYPE_CHECKING

from qstore.gradients.differentiation import (
    Forward,
    check_gradient,
    differentiate,
    differentiate_async,
    forward,
)
from qstore.gradients.value_and_vjp import value_and_vjp, value_and_vjp_async, vjp, vjp_async
from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore.gradients.config import GradientConfig
    from qstore.gradients.noise_tracker import GradientNoise, GradientNoiseTracker

__all__ = [
    "Forward",
    "GradientConfig",
    "GradientNoise",
    "GradientNoiseTracker",
    "check_gradient",
    "differentiate",
    "differentiate_async",
    "forward",
    "value_and_vjp",
    "value_and_vjp_async",
    "vjp",
    "vjp_async",
]

_LAZY = {
    "GradientConfig": "qstore.gradients.config",
    "GradientNoise": "qstore.gradients.noise_tracker",
    "GradientNoiseTracker": "qstore.gradients.noise_tracker",
}
"""What `import qstore` does without."""
__getattr__ = _loader(__name__, _LAZY)
