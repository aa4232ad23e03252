# SPDX-License-Identifier: Apache-2.0
"""What a plugin's hooks return: small values that name factories as strings, so that listing imports nothing heavy."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qstore.batch import Capabilities
from qstore.errors import PluginError

__all__ = [
    "BackendSpec",
    "CacheSpec",
    "CommandSpec",
    "CompilerSpec",
    "ConverterSpec",
    "FrameworkSpec",
    "GradientSpec",
    "Spec",
    "StoreSpec",
    "load_factory",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec:
    """A backend.

    Attributes:
        name: what users call it; a dot separates a vendor from its device ("ionq.simulator").
        summary: one line for lists.
        factory: "package.module:callable"; called with the options of `get_backend`, returns the backend.
        api_version: the plugin API this was written for.
        capabilities: what the factory's defaults can do, as far as it is known before asking; None if it is not.
        aliases: other names.
    """

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]
    capabilities: Capabilities | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientSpec:
    """A gradient method; `factory` is called with the user's options and returns the method."""

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerSpec:
    """A compiler pass: `factory`, called with the user's options, returns a callable from Template to Template.

    Such a pass has a `name` and leaves what a circuit does unchanged, global phase aside, for every value of its
    parameters (`qstore.compiler.Pass`).
    """

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverterSpec:
    """A converter between `QuantumCircuit` and another format.

    Attributes:
        name: the format, as in `circuit.to(name)`.
        summary: one line for lists.
        matches: "module:callable", given any object says whether it is of this format; must import nothing heavy.
        to_qstore: "module:callable" from such an object to a QuantumCircuit; empty if there is none.
        from_qstore: "module:callable" from a circuit (and options) to such an object; empty if there is none.
        api_version: the plugin API this was written for.
    """

    name: str
    summary: str
    api_version: tuple[int, int]
    matches: str = ""
    to_qstore: str = ""
    from_qstore: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSpec:
    """A machine-learning framework's layers: names that `layers` lists as "module:class"."""

    name: str
    summary: str
    layers: tuple[str, ...]
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A sub-command of `qstore`; `factory` takes an argparse parser, fills it, and returns `run(args) -> exit code`."""

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSpec:
    """Something a plugin keeps on disk to save time; shown and cleared by `qstore cache`.

    `factory` is called without arguments and returns the files there are now, as paths. Deleting any of them at any moment
    must do no harm but make the next use slower: no results, journals or anything else that was paid for.
    """

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """A place that keeps what training makes.

    Attributes:
        name: what users call it, its kind before the dot: "checkpoints.zarr", "metrics.parquet", "states.embedded".
        summary: one line for lists.
        factory: "package.module:callable"; called with the options of `open_store`, returns the store
            (a CheckpointStore, MetricsStore or StateStore).
        api_version: the plugin API this was written for.
        aliases: other names; the kind alone ("checkpoints") names its default.
    """

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]
    aliases: tuple[str, ...] = ()


Spec = BackendSpec | GradientSpec | ConverterSpec | CompilerSpec | FrameworkSpec | CommandSpec | CacheSpec | StoreSpec


def load_factory(path: str) -> Callable[..., Any]:
    """Import "package.module:callable".

    Raises:
        PluginError: the string has another form, the module does not import, or has no such name.
    """
    module, separator, name = path.partition(":")
    if not (module and separator and name):
        raise PluginError(f"A factory is written 'package.module:callable', got {path!r}.")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except Exception as exc:
        # Anything may happen while a stranger's module is imported.
        raise PluginError(f"{path!r} cannot be imported: {type(exc).__name__}: {exc}") from exc
    return found
