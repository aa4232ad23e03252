# SPDX-License-Identifier: Apache-2.0
"""`SimulatorConfig`: which simulator to use, as data, and why."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from qstore.errors import BackendUnavailable, OptionError
from qstore.plugins import Backend, get_backend, is_sync, load_factory, loaded_plugins
from qstore_sim.backends.options import chosen, count
from qstore_sim.backends.pieces import InPieces

__all__ = ["Choice", "SimulatorConfig"]

_PRECISIONS = ("double", "single")
_GPU = "lightning.gpu"
_EMBEDDED = "statevector"
_MODULES: Mapping[str, str] = {
    "aer": "qiskit_aer",
    "braket.local": "braket.default_simulator",
    "cirq": "cirq",
    "dask": "distributed",
    _GPU: "pennylane_lightning.lightning_gpu",
    "lightning.qubit": "pennylane_lightning.lightning_qubit",
    "pennylane.default": "pennylane",
    "qsim": "qsimcirq",
}
"""The module without which a backend cannot be made."""


class Choice(NamedTuple):
    """A backend's name and the sentences that led to it."""

    backend: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Which simulator to use.

    With backend="auto": the GPU, if it is preferred, there, and the circuit is large enough; else the embedded simulator,
    which is always installed and the fastest here on the processor (`docs/benchmarks.md`).

    Args:
        backend: a registered name, or "auto".
        prefer_gpu: whether "auto" may choose `lightning.gpu`.
        precision: "double" or "single" for the state.
        batch_size: most rows at a time, to bound memory; None for all.
        gpu_threshold: qubits from which the GPU is worth its start; measure it on yours, the default is not measured.
        options: further options of the backend.

    Raises:
        OptionError: a value out of its range.

    Example:
        >>> config = SimulatorConfig(precision="single", batch_size=256)
        >>> config.choose(n_qubits=10).backend
        'statevector'
        >>> config.make().name
        'statevector'
    """

    backend: str = "auto"
    prefer_gpu: bool = False
    precision: str = "double"
    batch_size: int | None = None
    gpu_threshold: int = 20
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.backend, str) or not self.backend:
            raise OptionError(f"backend is a registered name or 'auto', got {self.backend!r}.")
        if not isinstance(self.prefer_gpu, bool):
            raise OptionError(f"prefer_gpu is True or False, got {self.prefer_gpu!r}.")
        chosen("precision", self.precision, _PRECISIONS)
        count("gpu_threshold", self.gpu_threshold)
        if self.batch_size is not None:
            count("batch_size", self.batch_size)

    def choose(self, n_qubits: int | None = None) -> Choice:
        """The backend for circuits of that many qubits (of any size without), and why. Imports no library but the GPU's."""
        if self.backend != "auto":
            return Choice(self.backend, (f"{self.backend!r} was asked for.",))
        reasons = []
        if self.prefer_gpu:
            refusal = self._against_gpu(n_qubits)
            if refusal is None:
                return Choice(_GPU, ("A GPU is preferred, and there is one.",))
            reasons.append(refusal)
        reasons.append(f"{_EMBEDDED!r} is always installed, runs whole batches and has gradients of its own.")
        others = [name for name in installed() if name != _GPU]
        if others:
            reasons.append(f"Installed as well: {', '.join(others)}.")
        return Choice(_EMBEDDED, tuple(reasons))

    def make(self, n_qubits: int | None = None) -> Backend:
        """The backend for circuits of that many qubits.

        Raises:
            BackendUnavailable: the backend that was named is not installed; says what to install.
            OptionError: the backend does not take the precision or the options.
        """
        name = self.choose(n_qubits).backend
        options = dict(self.options)
        if self.precision != "double" or _takes(name, "precision"):
            options.setdefault("precision", self._precision_for(name))
        backend = get_backend(name, **options)
        if self.batch_size is None:
            return backend
        if not is_sync(backend):
            raise OptionError(f"batch_size is for local simulators; {name!r} cuts batches by itself.")
        return InPieces(backend, self.batch_size)

    to_backend = make

    def _precision_for(self, name: str) -> str:
        if name == "qsim" and self.precision == "double":
            raise OptionError(
                "qsim computes in single precision only: say precision='single' if that will do."
            )
        if not _takes(name, "precision"):
            raise OptionError(f"{name!r} has no choice of precision; leave precision out.")
        return self.precision

    def _against_gpu(self, n_qubits: int | None) -> str | None:
        if n_qubits is not None and n_qubits < self.gpu_threshold:
            return f"A GPU is worth its start from {self.gpu_threshold} qubits (gpu_threshold), these are {n_qubits}."
        try:
            get_backend(_GPU)
        except BackendUnavailable as exc:
            return f"No GPU: {exc}"
        return None

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in ("backend", "prefer_gpu", "precision", "batch_size", "gpu_threshold")
        )
        choice = self.choose()
        return f"SimulatorConfig({values})  # {choice.backend!r}: {' '.join(choice.reasons)}"


def installed() -> tuple[str, ...]:
    """The backends of this package whose libraries are installed, the embedded one left out; imports none of them.

    Example:
        >>> "statevector" in installed()
        False
    """
    return tuple(name for name, module in sorted(_MODULES.items()) if _is_there(module))


def _is_there(module: str) -> bool:
    parent, _, last = module.rpartition(".")
    try:
        found = importlib.util.find_spec(parent or last)
        if found is None or not parent:
            return found is not None
        # Looking for a submodule itself would import its parent.
        places = found.submodule_search_locations or ()
        return any(importlib.machinery.PathFinder.find_spec(module, [place]) is not None for place in places)
    except (ImportError, ValueError):
        return False


def _takes(name: str, option: str) -> bool:
    entry = loaded_plugins().backends.get(name)
    return entry is not None and option in inspect.signature(load_factory(entry.spec.factory)).parameters
