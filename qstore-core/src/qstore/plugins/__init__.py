# SPDX-License-Identifier: Apache-2.0
"""The door: what others implement, how they register it, and how it is found."""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader
from qstore.plugins.backends import get_backend, get_compiler, get_gradient_method
from qstore.plugins.contracts import (
    Backend,
    ChecksBatches,
    ChoosesBackend,
    DifferentiableBackend,
    GradientMethod,
    GradientResult,
    Gradients,
    NativeGradientMethod,
    Pullback,
    RunsMany,
    SyncBackend,
    SyncDifferentiableBackend,
    SyncPullbackBackend,
    SyncRunsMany,
    checks_batches,
    chooses,
    expands,
    is_differentiable,
    is_native,
    is_sync,
    is_sync_differentiable,
    pulls_back_sync,
    runs_many,
    runs_many_sync,
)
from qstore.plugins.factories import load_factory
from qstore.plugins.installed import loaded_plugins, reload_plugins

if TYPE_CHECKING:
    from qstore.plugins.hookspecs import hookimpl
    from qstore.plugins.manager import read_plugins
    from qstore.plugins.registry import BrokenPlugin, Loaded
    from qstore.plugins.specs import (
        BackendSpec,
        CacheSpec,
        CommandSpec,
        CompilerSpec,
        ConverterSpec,
        FrameworkSpec,
        GradientSpec,
        StoreSpec,
    )
    from qstore.plugins.stores import CheckpointStore, MetricsStore, StateStore, open_store
    from qstore.plugins.versions import API_VERSION

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendSpec",
    "BrokenPlugin",
    "CacheSpec",
    "CheckpointStore",
    "ChecksBatches",
    "ChoosesBackend",
    "CommandSpec",
    "CompilerSpec",
    "ConverterSpec",
    "DifferentiableBackend",
    "FrameworkSpec",
    "GradientMethod",
    "GradientResult",
    "GradientSpec",
    "Gradients",
    "Loaded",
    "MetricsStore",
    "NativeGradientMethod",
    "Pullback",
    "RunsMany",
    "StateStore",
    "StoreSpec",
    "SyncBackend",
    "SyncDifferentiableBackend",
    "SyncPullbackBackend",
    "SyncRunsMany",
    "checks_batches",
    "chooses",
    "expands",
    "get_backend",
    "get_compiler",
    "get_gradient_method",
    "hookimpl",
    "is_differentiable",
    "is_native",
    "is_sync",
    "is_sync_differentiable",
    "load_factory",
    "loaded_plugins",
    "open_store",
    "pulls_back_sync",
    "read_plugins",
    "reload_plugins",
    "runs_many",
    "runs_many_sync",
]

_LAZY = {
    "API_VERSION": "qstore.plugins.versions",
    "BackendSpec": "qstore.plugins.specs",
    "BrokenPlugin": "qstore.plugins.registry",
    "CacheSpec": "qstore.plugins.specs",
    "CheckpointStore": "qstore.plugins.stores",
    "CommandSpec": "qstore.plugins.specs",
    "CompilerSpec": "qstore.plugins.specs",
    "ConverterSpec": "qstore.plugins.specs",
    "FrameworkSpec": "qstore.plugins.specs",
    "GradientSpec": "qstore.plugins.specs",
    "Loaded": "qstore.plugins.registry",
    "MetricsStore": "qstore.plugins.stores",
    "StateStore": "qstore.plugins.stores",
    "StoreSpec": "qstore.plugins.specs",
    "hookimpl": "qstore.plugins.hookspecs",
    "open_store": "qstore.plugins.stores",
    "read_plugins": "qstore.plugins.manager",
}
"""What plugins and commands need; who runs circuits does not."""
__getattr__ = _loader(__name__, _LAZY)
