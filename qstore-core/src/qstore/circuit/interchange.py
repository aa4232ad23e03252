# SPDX-License-Identifier: Apache-2.0
"""The seam to other libraries' circuits.

Converters are plugins, which this room knows nothing of: `qstore/__init__.py` installs the function that finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qstore.errors import CircuitError

if TYPE_CHECKING:
    from qstore.circuit.circuit import QuantumCircuit
    from qstore.circuit.view import CircuitView

__all__ = ["convert_from", "convert_to", "install"]

_converters: dict[str, Callable[..., Any]] = {}


def install(*, to: Callable[..., Any], source: Callable[..., Any]) -> None:
    """Say which functions look converters up: `to(circuit, format, options)` and `source(object)`."""
    _converters.update(to=to, source=source)


def convert_to(circuit: CircuitView, format: str, options: Mapping[str, Any]) -> Any:
    """Convert a circuit to the format of an installed converter."""
    return _installed("to")(circuit, format, options)


def convert_from(source: Any) -> QuantumCircuit:
    """Convert something an installed converter recognises."""
    result: QuantumCircuit = _installed("source")(source)
    return result


def _installed(key: str) -> Callable[..., Any]:
    if key not in _converters:
        raise CircuitError("No converters are installed in this process; import qstore as a whole.")
    return _converters[key]
