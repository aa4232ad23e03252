# SPDX-License-Identifier: Apache-2.0
"""How numbers enter a circuit: one row per encoding, with what has to be computed of them first and its derivative.

    angle      x_q is the angle of RY on qubit q
    amplitude  x, padded with zeros to 2**n and normalised, is the initial state
    iqp        H, RZ(x_q) on every qubit, RZZ(x_a x_b) on every pair; twice
    reupload   as angle, in front of every layer of the circuit

Sources: amplitude encoding, Schuld & Petruccione, "Supervised Learning with Quantum Computers" (2018), section 5.1;
IQP, Havlicek et al., Nature 567, 209 (2019), arXiv:1804.11326; re-uploading, Perez-Salinas et al., Quantum 4, 226 (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Parameter, QuantumCircuit
from qstore.errors import OptionError, nearest_names

__all__ = ["Encoding", "checked_features", "encoding_named"]

Array = NDArray[np.float64]
Qubits = tuple[int, ...]
IQP_REPETITIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """An encoding.

    Attributes:
        name: as users write it.
        most_features: from the number of qubits, how many numbers it takes at most.
        bound: from the numbers of qubits and features, the length of the parameter that the circuit reads.
        append: appends it to a circuit: (circuit, parameter, qubits).
        expand: from (B, features) to the (B, bound) that is bound; None where that is the same.
        pull_back: from (B, features) and the gradient of what is bound to that of the features.
        every_layer: whether it stands in front of every layer, not of the first alone.
        pads: whether fewer features than the most are filled up with zeros.
    """

    name: str
    most_features: Callable[[int], int]
    bound: Callable[[int], int]
    append: Callable[[QuantumCircuit, Parameter, Qubits], None]
    expand: Callable[[Array, int], Array] | None = None
    pull_back: Callable[[Array, Array], Array] | None = None
    every_layer: bool = False
    pads: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Encoding], tuple[str]]:
        # A row of the table travels by its name: functions without one do not travel.
        return encoding_named, (self.name,)


def encoding_named(name: str) -> Encoding:
    """An encoding by its name.

    Raises:
        OptionError: no such encoding.

    Example:
        >>> encoding_named("iqp").bound(4)
        10
    """
    found = ENCODINGS.get(name) if isinstance(name, str) else None
    if found is None:
        hint = nearest_names(str(name), list(ENCODINGS))
        raise OptionError(f"encoding must be one of {list(ENCODINGS)}, got {name!r}.{hint}")
    return found


def checked_features(encoding: Encoding, n_qubits: int, n_features: int | None) -> int:
    """How many numbers a layer takes: by default as many as the encoding has room for.

    Raises:
        OptionError: more than there is room for (nothing is dropped), or fewer where nothing fills up the rest.
    """
    most = encoding.most_features(n_qubits)
    if n_features is None:
        return most
    if isinstance(n_features, bool) or not isinstance(n_features, (int, np.integer)) or n_features < 1:
        raise OptionError(f"n_features must be an integer of at least 1, got {n_features!r}.")
    if n_features > most:
        if encoding.name == "amplitude":
            remedy = f"take {(int(n_features) - 1).bit_length()} qubits"
        else:
            remedy = (
                f"take {n_features} qubits, or encoding='amplitude' with {(int(n_features) - 1).bit_length()}"
            )
        msg = (
            f"{encoding.name!r} encoding has room for {most} features on {n_qubits} qubits, got n_features={n_features}. "
            f"Nothing is dropped silently: {remedy}, or reduce the features in front of the layer."
        )
        raise OptionError(msg)
    if n_features < most and not encoding.pads:
        raise OptionError(
            f"{encoding.name!r} encoding takes exactly {most} features on {most} qubits, got n_features={n_features}."
        )
    return int(n_features)


def _angles(circuit: QuantumCircuit, x: Parameter, qubits: Qubits) -> None:
    for index, q in enumerate(qubits):
        circuit.ry(q, x[index])


def _amplitudes(circuit: QuantumCircuit, x: Parameter, qubits: Qubits) -> None:
    circuit.initialize(x, qubits)


def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(n, 1)
    return first, second


def _iqp(circuit: QuantumCircuit, x: Parameter, qubits: Qubits) -> None:
    n = len(qubits)
    for _ in range(IQP_REPETITIONS):
        for index, q in enumerate(qubits):
            circuit.h(q).rz(q, x[index])
        for index, (a, b) in enumerate(zip(*_pairs(n), strict=True)):
            circuit.rzz(qubits[a], qubits[b], x[n + index])


def _with_products(x: Array, n: int) -> Array:
    first, second = _pairs(n)
    return np.concatenate([x, x[:, first] * x[:, second]], axis=1)


def _products_back(x: Array, gradient: Array) -> Array:
    n = x.shape[1]
    back = gradient[:, :n].copy()
    for index, (a, b) in enumerate(zip(*_pairs(n), strict=True)):
        product = gradient[:, n + index]
        back[:, a] += product * x[:, b]
        back[:, b] += product * x[:, a]
    return back


def _padded(x: Array, n: int) -> Array:
    return np.pad(x, ((0, 0), (0, (1 << n) - x.shape[1])))


def _padding_back(x: Array, gradient: Array) -> Array:
    return gradient[:, : x.shape[1]]


ENCODINGS: Mapping[str, Encoding] = MappingProxyType(
    {
        row.name: row
        for row in (
            Encoding(name="angle", most_features=lambda n: n, bound=lambda n: n, append=_angles),
            Encoding(name="amplitude", most_features=lambda n: 1 << n, bound=lambda n: 1 << n, append=_amplitudes,
                     expand=_padded, pull_back=_padding_back, pads=True),
            Encoding(name="iqp", most_features=lambda n: n, bound=lambda n: n * (n + 1) // 2, append=_iqp,
                     expand=_with_products, pull_back=_products_back),
            Encoding(name="reupload", most_features=lambda n: n, bound=lambda n: n, append=_angles, every_layer=True),
        )
    }
)  # fmt: skip
"""Encoding by name."""
