# SPDX-License-Identifier: Apache-2.0
"""Finding plugins, one at a time, so that a broken one is reported by name and breaks nothing else.

pluggy's own loader stops at the first entry point that raises; this one keeps the failure with its distribution and
goes on. `QSTORE_PLUGINS=a,b` in the environment limits loading to the entry points, or distributions, of those names,
and to the core's own. A name that two distributions claim is nobody's; the core's names are not for taking.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING

import pluggy

from qstore.batch import Capabilities
from qstore.plugins import hookspecs
from qstore.plugins.registry import AnySpec, BrokenPlugin, Loaded, Registered, Registry, contest
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
from qstore.plugins.versions import incompatibility

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["read_plugins"]

log = logging.getLogger(__name__)
CORE_PLUGIN = "qstore.plugins.builtin"
_VARIABLE = "QSTORE_PLUGINS"


@dataclass(slots=True)
class _Reader:
    """What is collected while plugins are read."""

    manager: pluggy.PluginManager
    distributions: dict[str, str] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    core: str = ""

    def load(self, point: EntryPoint) -> None:
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        try:
            plugin = point.load()
            self.manager.register(plugin, name=f"{distribution}:{point.name}")
        except Exception as exc:  # noqa: BLE001  # it is reported with its reason
            # A stranger's module may raise anything; it must not take the others down.
            reason = f"{type(exc).__name__} while loading {point.value!r}: {exc}"
            self.report(BrokenPlugin(point.name, distribution, reason, *_judged(exc, distribution)))
            return
        self.distributions[f"{distribution}:{point.name}"] = distribution
        if point.value == CORE_PLUGIN:
            self.core = distribution

    def report(self, broken: BrokenPlugin) -> None:
        self.broken.append(broken)
        log.warning("%s", broken)

    def collect(self, hook: str, kind: type[AnySpec]) -> Registry[AnySpec]:
        entries: dict[str, Registered[AnySpec]] = {}
        contested: dict[str, tuple[str, ...]] = {}
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            distribution = self.distributions[impl.plugin_name]
            name = impl.plugin_name.rpartition(":")[2]
            try:
                specs = list(impl.function())
            except Exception as exc:  # noqa: BLE001  # it is reported with its reason
                # As above: only this plugin's hook is lost.
                reason = f"{type(exc).__name__} in {hook}(): {exc}"
                self.report(BrokenPlugin(name, distribution, reason, *_judged(exc, distribution)))
                continue
            for spec in specs:
                reason, trouble = _unusable(spec, kind)
                if reason:
                    self.report(BrokenPlugin(name, distribution, reason, trouble, _REMEDIES[trouble]))
                    continue
                self._enter(entries, contested, Registered(spec, distribution), name)
        return Registry(entries, contested)

    def _enter(
        self,
        entries: dict[str, Registered[AnySpec]],
        contested: dict[str, tuple[str, ...]],
        entry: Registered[AnySpec],
        plugin: str,
    ) -> None:
        for name in dict.fromkeys((entry.spec.name, *getattr(entry.spec, "aliases", ()))):
            other = entries.get(name)
            if other is None and name not in contested:
                entries[name] = entry
                continue
            if other is not None and other.distribution == self.core:
                reason = f"{name!r} is a name of the core's own, which stays; the plugin must choose another"
            else:
                # Whichever won, somebody's work, or money, would go to the wrong one.
                first = (other.distribution,) if other is not None else contested[name]
                contested[name] = (*first, entry.distribution)
                entries.pop(name, None)
                reason = contest(name, contested[name])
            trouble = "name claimed twice"
            self.report(BrokenPlugin(plugin, entry.distribution, reason, trouble, _REMEDIES[trouble]))


def read_plugins(points: Iterable[EntryPoint] | None = None) -> Loaded:
    """Load every plugin afresh; by default those that the installed distributions declare."""
    from importlib.metadata import entry_points  # 25 ms, most of them for reading e-mail headers

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    reader = _Reader(manager)
    found = entry_points(group=hookspecs.ENTRY_POINT_GROUP) if points is None else points
    # Sorted, so that nothing depends on the path, the core first. Editable installs may list one twice.
    unique = {(point.value != CORE_PLUGIN, point.name, point.value): point for point in found}
    for point in _wanted([point for _, point in sorted(unique.items(), key=lambda pair: pair[0])], reader):
        reader.load(point)
    return Loaded(
        distributions=tuple(sorted(set(reader.distributions.values()))),
        backends=reader.collect("qstore_backends", BackendSpec),
        gradient_methods=reader.collect("qstore_gradient_methods", GradientSpec),
        converters=reader.collect("qstore_converters", ConverterSpec),
        compilers=reader.collect("qstore_compilers", CompilerSpec),
        frameworks=reader.collect("qstore_frameworks", FrameworkSpec),
        commands=reader.collect("qstore_commands", CommandSpec),
        caches=reader.collect("qstore_caches", CacheSpec),
        stores=reader.collect("qstore_stores", StoreSpec),
        broken=tuple(reader.broken),
    )


def _wanted(points: list[EntryPoint], reader: _Reader) -> list[EntryPoint]:
    """The entry points that the environment allows; names in it that are not installed are reported."""
    listed = os.environ.get(_VARIABLE)
    if listed is None:
        return points
    names = {part.strip() for part in listed.split(",")} - {""}
    known: set[str] = set()
    chosen = []
    for point in points:
        own = {point.name} | ({point.dist.name} if point.dist else set())
        known |= own
        if point.value == CORE_PLUGIN or own & names:
            chosen.append(point)
    for name in sorted(names - known):
        reason = f"{_VARIABLE} names {name!r}, and no such plugin is installed"
        remedy = f"install it, or take it out of {_VARIABLE}"
        reader.report(BrokenPlugin(name, "no distribution", reason, "not installed", remedy))
    return chosen


_REMEDIES = {
    "broken": "report it to the plugin's authors; until then uninstall it or leave it out of QSTORE_PLUGINS",
    "wrong API version": "install versions of the plugin and of qstore-core that go together",
    "name claimed twice": "uninstall one of the two, or say in QSTORE_PLUGINS which plugins to load",
}


def _judged(exc: Exception, distribution: str) -> tuple[str, str]:
    """The kind of trouble and its remedy."""
    if isinstance(exc, ImportError) and exc.name:
        package = exc.name.partition(".")[0]
        again = distribution.partition(" ")[0]
        return (
            "missing dependency",
            f"install {package!r}: pip install --upgrade {again} brings what it needs",
        )
    return "broken", _REMEDIES["broken"]


def _unusable(spec: object, kind: type[AnySpec]) -> tuple[str, str]:
    """Why a spec cannot be used and what kind of trouble that is; "" when it can."""
    if not isinstance(spec, kind):
        return f"it registered {spec!r:.80}, which is no {kind.__name__}", "broken"
    names = (spec.name, *getattr(spec, "aliases", ()))
    if not all(isinstance(name, str) and name for name in names):
        return (
            f"it registered a {kind.__name__} whose names {names!r:.80} are not all non-empty strings",
            "broken",
        )
    if isinstance(spec, BackendSpec) and not isinstance(spec.capabilities, (Capabilities, NoneType)):
        return f"{spec.name!r}: its capabilities are {spec.capabilities!r:.80}, not a Capabilities", "broken"
    mismatch = incompatibility(spec.api_version)
    return (f"{spec.name!r}: {mismatch}", "wrong API version") if mismatch else ("", "")
