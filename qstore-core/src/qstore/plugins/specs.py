# SPDX-License-Identifier: Apache-2.0
"""What a plugin's hooks return: small values that name factories as strings, so that listing imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from qstore.batch import Capabilities

__all__ = [
    "BackendSpec",
    "CacheSpec",
    "CommandSpec",
    "CompilerSpec",
    "ConverterSpec",
    "FactorySpec",
    "FrameworkSpec",
    "GradientSpec",
    "Spec",
    "StoreSpec",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorySpec:
    """What most specs say: one thing with a name, and who makes it.

    Attributes:
        name: what users call it.
        summary: one line for lists.
        factory: "package.module:callable", called with the user's options; each kind of spec says what it returns.
        api_version: the plugin API this was written for.
    """

    name: str
    summary: str
    factory: str
    api_version: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec(FactorySpec):
    """A backend; `factory` is called with the options of `get_backend` and returns the backend.

    Attributes:
        name: what users call it; a dot separates a vendor from its device ("ionq.simulator").
        summary, factory, api_version: as in `FactorySpec`.
        capabilities: what the factory's defaults can do, as far as it is known before asking; None if it is not.
        aliases: other names.
    """

    capabilities: Capabilities | None = None
    aliases: tuple[str, ...] = ()


class GradientSpec(FactorySpec):
    """A gradient method; `factory` is called with the user's options and returns the method."""

    __slots__ = ()


class CompilerSpec(FactorySpec):
    """A compiler pass: `factory`, called with the user's options, returns a callable from Template to Template.

    Such a pass has a `name` and leaves what a circuit does unchanged, global phase aside, for every value of its
    parameters (`qstore.compiler.Pass`).
    """

    __slots__ = ()


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


class CommandSpec(FactorySpec):
    """A sub-command of `qstore`; `factory` takes an argparse parser, fills it, and returns `run(args) -> exit code`."""

    __slots__ = ()


class CacheSpec(FactorySpec):
    """Something a plugin keeps on disk to save time; shown and cleared by `qstore cache`.

    `factory` is called without arguments and returns the files there are now, as paths. Deleting any of them at any moment
    must do no harm but make the next use slower: no results, journals or anything else that was paid for.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec(FactorySpec):
    """A place that keeps what training makes.

    `factory` is called with the options of `open_store` and returns the store: a CheckpointStore, MetricsStore or
    StateStore.

    Attributes:
        name: what users call it, its kind before the dot: "checkpoints.zarr", "metrics.parquet", "states.embedded".
        summary, factory, api_version: as in `FactorySpec`.
        aliases: other names; the kind alone ("checkpoints") names its default.
    """

    aliases: tuple[str, ...] = ()


Spec = FactorySpec | ConverterSpec | FrameworkSpec
