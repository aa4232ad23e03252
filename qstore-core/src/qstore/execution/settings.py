# SPDX-License-Identifier: Apache-2.0
"""What `backend=None` means, and backends made once per name."""

from __future__ import annotations

import os
import threading

from qstore.errors import OptionError
from qstore.plugins import Backend, get_backend

__all__ = ["configure", "default_backend_name", "resolve_backend"]

FALLBACK_BACKEND = "statevector"
"""The embedded simulator; the router takes its place once it exists."""

_lock = threading.RLock()  # a backend's factory may ask for another backend
_default: str | None = None
_made: dict[str, Backend] = {}


def configure(*, default_backend: str | None = None) -> None:
    """Set process-wide defaults.

    Args:
        default_backend: the registered name that `backend=None` means from now on. Without it the environment
            variable QSTORE_BACKEND decides, and without that the embedded simulator.

    Raises:
        BackendUnavailable: no such backend.
    """
    global _default  # noqa: PLW0603  # a default of the process is the point
    if default_backend is not None:
        resolve_backend(default_backend)
        _default = default_backend


def default_backend_name() -> str:
    """The registered name that `backend=None` means now."""
    return _default or os.environ.get("QSTORE_BACKEND") or FALLBACK_BACKEND


def resolve_backend(backend: Backend | str | None) -> Backend:
    """The backend meant by an argument: an object as it is, a name made once per process, None the default.

    Raises:
        BackendUnavailable: no backend of that name.
        OptionError: neither a name nor a backend.
    """
    if backend is not None and not isinstance(backend, str):
        # A look at the one method is enough here; a full isinstance check against the Protocol costs microseconds.
        if not hasattr(backend, "run"):
            raise OptionError(f"backend must be a registered name or a Backend, got {backend!r}.")
        return backend
    name = backend or default_backend_name()
    found = _made.get(name)
    if found is None:
        with _lock:
            found = _made.setdefault(name, get_backend(name))
    return found
