# SPDX-License-Identifier: Apache-2.0
"""Finding plugins, one at a time, so that a broken one is reported by name and breaks nothing else.

pluggy's own loader stops at the first entry point that raises; this one keeps the failure with its distribution and
goes on. `QSTORE_PLUGINS=a,b` in the environment limits loading to the entry points of those names.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Generic, TypeVar

import pluggy

from qstore.batch import Capabilities
from qstore.plugins import hookspecs
from qstore.plugins.specs import BackendSpec, CommandSpec, ConverterSpec, FrameworkSpec, GradientSpec, Spec
from qstore.plugins.versions import incompatibility

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "BrokenPlugin",
    "Loaded",
    "Registered",
    "Registry",
    "loaded_plugins",
    "read_plugins",
    "reload_plugins",
]

log = logging.getLogger(__name__)
CORE_PLUGIN = "qstore.plugins.builtin"
AnySpec = TypeVar("AnySpec", bound=Spec)

HOOKS: Mapping[str, type[Spec]] = {
    "qstore_backends": BackendSpec,
    "qstore_gradient_methods": GradientSpec,
    "qstore_converters": ConverterSpec,
    "qstore_frameworks": FrameworkSpec,
    "qstore_commands": CommandSpec,
}


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin, or one thing a plugin registered, that cannot be used, and why."""

    plugin: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} of {self.distribution}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Registered(Generic[AnySpec]):
    """A spec with the distribution it came from."""

    spec: AnySpec
    distribution: str


@dataclass(frozen=True, slots=True)
class Registry(Generic[AnySpec]):
    """The specs of one kind by name, aliases included."""

    entries: Mapping[str, Registered[AnySpec]]

    def __iter__(self) -> Iterator[Registered[AnySpec]]:
        seen: set[int] = set()
        for name in sorted(self.entries):
            entry = self.entries[name]
            if id(entry) not in seen:
                seen.add(id(entry))
                yield entry

    def get(self, name: str) -> Registered[AnySpec] | None:
        """The spec of that name or alias."""
        return self.entries.get(name)

    @property
    def names(self) -> list[str]:
        """All names and aliases, sorted."""
        return sorted(self.entries)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything the installed plugins offer, and everything that is broken."""

    distributions: tuple[str, ...]
    backends: Registry[BackendSpec]
    gradient_methods: Registry[GradientSpec]
    converters: Registry[ConverterSpec]
    frameworks: Registry[FrameworkSpec]
    commands: Registry[CommandSpec]
    broken: tuple[BrokenPlugin, ...]


@dataclass(slots=True)
class _Reader:
    """What is collected while plugins are read."""

    manager: pluggy.PluginManager
    distributions: dict[str, str] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)

    def load(self, point: EntryPoint) -> None:
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        try:
            plugin = point.load()
            self.manager.register(plugin, name=f"{distribution}:{point.name}")
        except Exception as exc:  # noqa: BLE001  # it is reported with its reason
            # A stranger's module may raise anything; it must not take the others down.
            reason = f"{type(exc).__name__} while loading {point.value!r}: {exc}"
            self.report(BrokenPlugin(point.name, distribution, reason))
            return
        self.distributions[f"{distribution}:{point.name}"] = distribution

    def report(self, broken: BrokenPlugin) -> None:
        self.broken.append(broken)
        log.warning("%s", broken)

    def collect(self, hook: str, kind: type[AnySpec]) -> Registry[AnySpec]:
        entries: dict[str, Registered[AnySpec]] = {}
        refused: set[str] = set()
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            distribution = self.distributions[impl.plugin_name]
            name = impl.plugin_name.rpartition(":")[2]
            try:
                specs = list(impl.function())
            except Exception as exc:  # noqa: BLE001  # it is reported with its reason
                # As above: only this plugin's hook is lost.
                self.report(BrokenPlugin(name, distribution, f"{type(exc).__name__} in {hook}(): {exc}"))
                continue
            for spec in specs:
                reason = _unusable(spec, kind)
                if reason is not None:
                    self.report(BrokenPlugin(name, distribution, reason))
                    continue
                self._enter(entries, refused, Registered(spec, distribution), name)
        return Registry(entries)

    def _enter(
        self,
        entries: dict[str, Registered[AnySpec]],
        refused: set[str],
        entry: Registered[AnySpec],
        plugin: str,
    ) -> None:
        for name in dict.fromkeys((entry.spec.name, *getattr(entry.spec, "aliases", ()))):
            other = entries.get(name)
            if name in refused or (other is not None and (_is_paid(entry.spec) or _is_paid(other.spec))):
                # Money could go to the wrong one, so neither gets the name.
                first = other.distribution if other is not None else "another distribution"
                entries.pop(name, None)
                refused.add(name)
                reason = f"the paid backend name {name!r} is claimed by {first} too; refused for both, uninstall one"
                self.report(BrokenPlugin(plugin, entry.distribution, reason))
            elif other is not None:
                reason = f"{name!r} is taken by {other.distribution}, which is used; uninstall one of the two"
                self.report(BrokenPlugin(plugin, entry.distribution, reason))
            else:
                entries[name] = entry


def read_plugins(points: Iterable[EntryPoint] | None = None) -> Loaded:
    """Load every plugin afresh; by default those that the installed distributions declare."""
    from importlib.metadata import entry_points  # 25 ms, most of them for reading e-mail headers

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    reader = _Reader(manager)
    found = entry_points(group=hookspecs.ENTRY_POINT_GROUP) if points is None else points
    # Sorted, so that which of two namesakes wins does not depend on the path: the core's own names are not for taking,
    # then by name. Editable installs may list one twice.
    unique = {(point.value != CORE_PLUGIN, point.name, point.value): point for point in found}
    wanted = os.environ.get("QSTORE_PLUGINS")
    for (_, name, _), point in sorted(unique.items()):
        if wanted is None or name in {part.strip() for part in wanted.split(",")}:
            reader.load(point)
    return Loaded(
        tuple(sorted(set(reader.distributions.values()))),
        reader.collect("qstore_backends", BackendSpec),
        reader.collect("qstore_gradient_methods", GradientSpec),
        reader.collect("qstore_converters", ConverterSpec),
        reader.collect("qstore_frameworks", FrameworkSpec),
        reader.collect("qstore_commands", CommandSpec),
        tuple(reader.broken),
    )


_lock = threading.RLock()  # a plugin that looks at its siblings while it loads must not hang
_loaded: Loaded | None = None


def loaded_plugins() -> Loaded:
    """What is installed, read once per process."""
    global _loaded  # noqa: PLW0603  # one per process is the point
    with _lock:
        if _loaded is None:
            _loaded = read_plugins()
        return _loaded


def reload_plugins() -> Loaded:
    """Read the installed plugins again, for instance after an installation in a notebook."""
    global _loaded  # noqa: PLW0603  # one per process is the point
    with _lock:
        _loaded = None
    return loaded_plugins()


def _unusable(spec: object, kind: type[AnySpec]) -> str | None:
    if not isinstance(spec, kind):
        return f"it registered {spec!r:.80}, which is no {kind.__name__}"
    names = (spec.name, *spec.aliases) if isinstance(spec, BackendSpec) else (spec.name,)
    if not all(isinstance(name, str) and name for name in names):
        return f"it registered a {kind.__name__} whose names {names!r:.80} are not all non-empty strings"
    if isinstance(spec, BackendSpec) and not isinstance(spec.capabilities, (Capabilities, NoneType)):
        return f"{spec.name!r}: its capabilities are {spec.capabilities!r:.80}, not a Capabilities"
    mismatch = incompatibility(spec.api_version)
    return f"{spec.name!r}: {mismatch}" if mismatch else None


def _is_paid(spec: Spec) -> bool:
    # A backend that does not say what it can do may well be paid; one of another kind cannot be.
    return isinstance(spec, BackendSpec) and (spec.capabilities is None or spec.capabilities.paid)
