# SPDX-License-Identifier: Apache-2.0
"""Importing a simulator's library, or saying how to install it; and what it raises, in qstore's words."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qstore.errors import BackendUnavailable, ExecutionError, QStoreError, ResourceError

__all__ = ["in_our_words", "library"]


def library(module: str, *, backend: str, extra: str) -> Any:
    """Import a library.

    Args:
        module: what to import.
        backend: who needs it.
        extra: the extra of qstore-sim that brings it.

    Raises:
        BackendUnavailable: it is not installed, or does not import.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        missing = exc.name is not None and module.partition(".")[0] == exc.name.partition(".")[0]
        what = "which is not installed" if missing else f"which does not import ({exc})"
        msg = f"Backend {backend!r} needs the module {module!r}, {what}. Install it: pip install 'qstore-sim[{extra}]'"
        raise BackendUnavailable(msg) from exc


@contextmanager
def in_our_words(backend: str) -> Iterator[None]:
    """Turn what a library raises into errors that name the backend.

    Raises:
        ResourceError: memory ran out.
        ExecutionError: anything else went wrong inside the library.

    Example:
        >>> with in_our_words("cirq"):
        ...     raise KeyError("q0")
        Traceback (most recent call last):
        ...
        qstore.errors.ExecutionError: 'cirq' failed inside its library: KeyError: 'q0'
    """
    try:
        yield
    except QStoreError:
        raise
    except MemoryError as exc:
        raise ResourceError(f"{backend!r} ran out of memory; use fewer qubits or a smaller batch.") from exc
    except Exception as exc:
        # A stranger's library may raise anything; the original stays attached as the cause.
        raise ExecutionError(f"{backend!r} failed inside its library: {type(exc).__name__}: {exc}") from exc
