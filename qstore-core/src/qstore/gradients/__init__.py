# SPDX-License-Identifier: Apache-2.0
"""Gradients: methods that say which circuits to run and how to combine them, and the calls that use them."""

from qstore.gradients.value_and_vjp import (
    differentiate,
    differentiate_async,
    value_and_vjp,
    value_and_vjp_async,
)

__all__ = ["differentiate", "differentiate_async", "value_and_vjp", "value_and_vjp_async"]
