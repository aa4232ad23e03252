# SPDX-License-Identifier: Apache-2.0
"""Names of a package whose modules are imported when they are asked for (PEP 562), so that `import qstore` stays light."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["loader"]


def loader(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A module-level `__getattr__`.

    Args:
        package: the package's own name.
        homes: the module that each name is in.

    Example:
        >>> loader("example", {"Fraction": "fractions"})("Fraction")
        <class 'fractions.Fraction'>
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(homes[name]), name)

    return load
