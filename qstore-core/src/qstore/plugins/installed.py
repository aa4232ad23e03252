# SPDX-License-Identifier: Apache-2.0
"""The plugins of this process: read when they are first asked for, and kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qstore.plugins.registry import Loaded

__all__ = ["loaded_plugins", "reload_plugins"]

_lock = threading.RLock()  # a plugin that looks at its siblings while it loads must not hang
_loaded: Loaded | None = None


def loaded_plugins() -> Loaded:
    """What is installed, read once per process."""
    global _loaded  # noqa: PLW0603  # one per process is the point
    with _lock:
        if _loaded is None:
            # Here, because `import qstore` alone needs neither pluggy nor any spec.
            from qstore.plugins.manager import read_plugins

            _loaded = read_plugins()
        return _loaded


def reload_plugins() -> Loaded:
    """Read the installed plugins again, for instance after an installation in a notebook."""
    global _loaded  # noqa: PLW0603  # one per process is the point
    with _lock:
        _loaded = None
    return loaded_plugins()
