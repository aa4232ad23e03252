# SPDX-License-Identifier: Apache-2.0
"""IonQ for qstore: a native compiler, backends that never pay twice, and an emulator. Importing it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

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

_LAZY = {
    "IncompleteJob": "qstore_ionq.results",
    "IonQBackend": "qstore_ionq.backend",
    "IonQNativeCompiler": "qstore_ionq.native",
    "IonQOptimizer": "qstore_ionq.native",
    "Secret": "qstore_ionq.secret",
    "compile_native": "qstore_ionq.native",
    "configure": "qstore_ionq.configuration",
}
__getattr__ = _loader(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
