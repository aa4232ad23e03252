# SPDX-License-Identifier: Apache-2.0
"""IonQ for qstore: a native compiler, backends that never pay twice, and an emulator. Importing it imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_ionq.backend import IonQBackend
    from qstore_ionq.configuration import configure
    from qstore_ionq.native import IonQNativeCompiler, IonQOptimizer, compile_native
    from qstore_ionq.results import IncompleteJob
    from qstore_ionq.secret import Secret

__all__ = [
    "IncompleteJob",
    "IonQBackend",
    "IonQNativeCompiler",
    "IonQOptimizer",
    "Secret",
    "compile_native",
    "configure",
]

_HOMES = {
    "IncompleteJob": "qstore_ionq.results",
    "IonQBackend": "qstore_ionq.backend",
    "IonQNativeCompiler": "qstore_ionq.native",
    "IonQOptimizer": "qstore_ionq.native",
    "Secret": "qstore_ionq.secret",
    "compile_native": "qstore_ionq.native",
    "configure": "qstore_ionq.configuration",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
