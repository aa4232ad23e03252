# SPDX-License-Identifier: Apache-2.0
"""What layers refuse when they are made, rather than in the middle of training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qstore.batch import CircuitBatch
from qstore.circuit import QuantumCircuit
from qstore.errors import OptionError
from qstore.execution import resolve_backend
from qstore.plugins import expands, is_native

__all__ = ["check_backend", "check_method", "check_n_qubits", "check_number", "check_run", "check_seed"]

PROBE = QuantumCircuit(1).freeze()
"""Bound to nothing: it says what a batch would say of its shots and its seed."""


def check_n_qubits(n_qubits: int) -> None:
    """Refuse a number of qubits that no circuit has.

    Raises:
        CircuitError: no integer, or out of range.
    """
    QuantumCircuit(n_qubits)


def check_seed(name: str, seed: int | None) -> None:
    """Refuse what is no seed of numpy's.

    Raises:
        OptionError: no integer of at least 0, and not None.
    """
    if seed is None:
        return
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise OptionError(f"{name} must be an integer of at least 0, or None for a fresh one, got {seed!r}.")


def check_number(name: str, value: float) -> None:
    """Refuse what is no finite real number.

    Raises:
        OptionError: it is none.
    """
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not math.isfinite(value):
        raise OptionError(f"{name} must be a finite number, got {value!r}.")


def check_run(shots: int | None, seed: int | None) -> None:
    """Refuse shots and seeds that no batch takes.

    Raises:
        OptionError: no integers, or out of range.
    """
    CircuitBatch.of(PROBE, shots=shots, seed=0 if seed is None else seed)  # a given seed draws nothing


def check_backend(backend: Any) -> None:
    """Refuse what is neither a name, registered or not, nor a backend.

    Raises:
        OptionError: it is neither.
    """
    if backend is not None and not isinstance(backend, str):
        resolve_backend(backend)


def check_method(method: Any) -> None:
    """Refuse what is neither a name of a gradient method, registered or not, nor a `GradientConfig` or a method.

    Raises:
        OptionError: it is none of them.
    """
    if method is None or isinstance(method, str):
        return
    made = getattr(method, "made", method)  # of a GradientConfig
    if isinstance(method, type) or not (expands(made) or is_native(made)):
        raise OptionError(
            f"gradient_method must be a registered name, a GradientConfig or a method, got {method!r}."
        )
