# SPDX-License-Identifier: Apache-2.0
"""From the name of a factory, and a user's options, to what it makes; whatever goes wrong is told as an error of ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from qstore.errors import BackendUnavailable, OptionError, PluginError, QStoreError

__all__ = ["called_with", "load_factory"]


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


def called_with(factory: Callable[..., Any], options: Mapping[str, Any], what: str) -> Any:
    """Call a plugin's factory with a user's options; options it does not take are an OptionError."""
    try:
        return factory(**options)
    except QStoreError:
        raise
    except TypeError as exc:
        raise OptionError(f"{what} does not take the options {dict.fromkeys(options, '...')}: {exc}") from exc
    except ImportError as exc:
        raise BackendUnavailable(
            f"{what} is installed but does not start: {exc}. Run 'qstore doctor --imports'."
        ) from exc
