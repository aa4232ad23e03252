# SPDX-License-Identifier: Apache-2.0
"""The hooks of the door: one entry-point group `qstore`, one pluggy project `qstore`.

A plugin distribution names a module in the group and defines any of these functions in it, marked with
`qstore.plugins.hookimpl`. The module must be cheap to import: specs name factories as strings.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

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

__all__ = ["ENTRY_POINT_GROUP", "PROJECT", "hookimpl"]

PROJECT = "qstore"
ENTRY_POINT_GROUP = "qstore"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def qstore_backends() -> Iterable[BackendSpec]:  # type: ignore[empty-body]  # a declaration
    """Backends this plugin offers."""


@hookspec
def qstore_compilers() -> Iterable[CompilerSpec]:  # type: ignore[empty-body]  # a declaration
    """Compiler passes this plugin offers."""


@hookspec
def qstore_gradient_methods() -> Iterable[GradientSpec]:  # type: ignore[empty-body]  # a declaration
    """Gradient methods this plugin offers."""


@hookspec
def qstore_converters() -> Iterable[ConverterSpec]:  # type: ignore[empty-body]  # a declaration
    """Circuit formats this plugin reads or writes."""


@hookspec
def qstore_frameworks() -> Iterable[FrameworkSpec]:  # type: ignore[empty-body]  # a declaration
    """Machine-learning frameworks this plugin has layers for."""


@hookspec
def qstore_stores() -> Iterable[StoreSpec]:  # type: ignore[empty-body]  # a declaration
    """Places for checkpoints, metrics and quantum states this plugin offers."""


@hookspec
def qstore_caches() -> Iterable[CacheSpec]:  # type: ignore[empty-body]  # a declaration
    """Caches this plugin keeps on disk."""


@hookspec
def qstore_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]  # a declaration
    """Sub-commands of `qstore` this plugin offers."""
