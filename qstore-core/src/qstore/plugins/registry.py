# SPDX-License-Identifier: Apache-2.0
"""What the installed plugins offer, by name, and what cannot be used and why. Values only; `manager` fills them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from qstore.errors import PluginError
from qstore.plugins.specs import (
    BackendSpec,
    CacheSpec,
    CommandSpec,
    CompilerSpec,
    ConverterSpec,
    FrameworkSpec,
    GradientSpec,
    Spec,
    StoreSpec,
)

__all__ = ["BrokenPlugin", "Loaded", "Registered", "Registry"]

AnySpec = TypeVar("AnySpec", bound=Spec)


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin, or one thing a plugin registered, that cannot be used, and why.

    Attributes:
        plugin: the name of the entry point.
        distribution: name and version.
        reason: what happened.
        trouble: "broken", "missing dependency", "wrong API version", "name claimed twice" or "not installed".
        remedy: what to do about it.
    """

    plugin: str
    distribution: str
    reason: str
    trouble: str = "broken"
    remedy: str = ""

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} of {self.distribution}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Registered(Generic[AnySpec]):
    """A spec with the distribution it came from."""

    spec: AnySpec
    distribution: str


@dataclass(frozen=True, slots=True)
class Registry(Generic[AnySpec]):
    """The specs of one kind by name, aliases included.

    Attributes:
        entries: by name and alias.
        contested: names that several distributions claim, with those distributions; nobody gets such a name.
    """

    entries: Mapping[str, Registered[AnySpec]]
    contested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Registered[AnySpec]]:
        seen: set[int] = set()
        for name in sorted(self.entries):
            entry = self.entries[name]
            if id(entry) not in seen:
                seen.add(id(entry))
                yield entry

    def get(self, name: str) -> Registered[AnySpec] | None:
        """The spec of that name or alias.

        Raises:
            PluginError: several distributions claim the name.
        """
        if name in self.contested:
            raise PluginError(contest(name, self.contested[name]))
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
    compilers: Registry[CompilerSpec]
    frameworks: Registry[FrameworkSpec]
    commands: Registry[CommandSpec]
    caches: Registry[CacheSpec]
    stores: Registry[StoreSpec]
    broken: tuple[BrokenPlugin, ...]


def contest(name: str, claimants: tuple[str, ...]) -> str:
    """The sentences about a name that several distributions claim.

    Example:
        >>> contest("fast", ("alpha 1.0", "zeta 2.1"))
        "The name 'fast' is claimed by alpha 1.0 and zeta 2.1, so neither gets it. Uninstall one, or say in QSTORE_PLUGINS which plugins to load."
    """
    none = "neither" if len(claimants) == 2 else "none"
    return (
        f"The name {name!r} is claimed by {' and '.join(claimants)}, so {none} gets it. "
        "Uninstall one, or say in QSTORE_PLUGINS which plugins to load."
    )
