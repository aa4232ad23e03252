# SPDX-License-Identifier: Apache-2.0
"""The door: what others implement, how they register it, and how it is found."""

from qstore.plugins.backends import get_backend, get_gradient_method
from qstore.plugins.contracts import (
    Backend,
    DifferentiableBackend,
    GradientMethod,
    Gradients,
    NativeGradientMethod,
    RunsMany,
    SyncBackend,
    SyncDifferentiableBackend,
    expands,
    is_differentiable,
    is_native,
    is_sync,
    is_sync_differentiable,
    runs_many,
)
from qstore.plugins.hookspecs import hookimpl
from qstore.plugins.manager import BrokenPlugin, Loaded, loaded_plugins, read_plugins, reload_plugins
from qstore.plugins.specs import (
    BackendSpec,
    CommandSpec,
    ConverterSpec,
    FrameworkSpec,
    GradientSpec,
    load_factory,
)
from qstore.plugins.versions import API_VERSION

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendSpec",
    "BrokenPlugin",
    "CommandSpec",
    "ConverterSpec",
    "DifferentiableBackend",
    "FrameworkSpec",
    "GradientMethod",
    "GradientSpec",
    "Gradients",
    "Loaded",
    "NativeGradientMethod",
    "RunsMany",
    "SyncBackend",
    "SyncDifferentiableBackend",
    "expands",
    "get_backend",
    "get_gradient_method",
    "hookimpl",
    "is_differentiable",
    "is_native",
    "is_sync",
    "is_sync_differentiable",
    "load_factory",
    "loaded_plugins",
    "read_plugins",
    "reload_plugins",
    "runs_many",
]
