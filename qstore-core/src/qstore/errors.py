# SPDX-License-Identifier: Apache-2.0
"""How things fail: every exception that qstore raises on purpose.

QStoreError
├── CircuitError (ValueError)          the circuit, an angle or an observable cannot be built as asked
│   └── CircuitFormatError             a serialized circuit cannot be read
├── BindingError (ValueError)          the arrays given for the parameters do not fit the circuit
├── OptionError (ValueError)           an argument of run, a backend or a layer is outside its range
├── CapabilityError                    the backend cannot do what the batch asks
│   └── ResourceError (MemoryError)    it could, but not within this machine's memory
├── BackendUnavailable (LookupError)   no such backend here, or its distribution is missing or broken
├── PluginError                        a plugin breaks the contract it registered for
└── ExecutionError (RuntimeError)      a backend returned something that is not an answer to the batch

A message says what was asked (with its value), what holds, and what to do next.
"""

from __future__ import annotations

__all__ = [
    "BackendUnavailable",
    "BindingError",
    "CapabilityError",
    "CircuitError",
    "CircuitFormatError",
    "ExecutionError",
    "OptionError",
    "PluginError",
    "QStoreError",
    "ResourceError",
    "nearest_names",
]


class QStoreError(Exception):
    """Root of every exception that qstore raises on purpose."""


class CircuitError(QStoreError, ValueError):
    """A circuit, an angle or an observable cannot be built as asked."""


class CircuitFormatError(CircuitError):
    """A serialized circuit is damaged, too large, or of a version this release does not read."""


class BindingError(QStoreError, ValueError):
    """The arrays given for the parameters do not fit the circuit."""


class OptionError(QStoreError, ValueError):
    """An argument lies outside its range."""


class CapabilityError(QStoreError):
    """The backend cannot do what the batch asks for."""


class ResourceError(CapabilityError, MemoryError):
    """The work does not fit into this machine's memory; nothing was allocated."""


class BackendUnavailable(QStoreError, LookupError):
    """No backend of that name can be used here."""


class PluginError(QStoreError):
    """A plugin breaks the contract it registered for."""


class ExecutionError(QStoreError, RuntimeError):
    """A backend returned something that is not an answer to the batch."""


def nearest_names(name: str, known: list[str]) -> str:
    """Return " Did you mean ...?" for the known names closest to `name`, or an empty string.

    Example:
        >>> nearest_names("statevectr", ["statevector", "auto"])
        " Did you mean 'statevector'?"
    """
    from difflib import get_close_matches  # only needed on the way to an error

    close = get_close_matches(name, known, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
