# SPDX-License-Identifier: Apache-2.0
"""The stage of `QuantumPooling`: of every `pool_size` neighbouring qubits one goes on, told by the others.

Each qubit that leaves turns its neighbour, by RZ, RY and RZ, where it is 1. Leaving it unread is the exact partial
trace; measuring it first and turning where the outcome was 1 gives the same state of the others (the principle of
deferred measurement: Nielsen & Chuang, section 4.4). Source of pooling: Cong, Choi, Lukin, "Quantum convolutional neural
networks", Nature Physics 15, 1273 (2019), arXiv:1810.03787.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qstore.errors import OptionError, nearest_names
from qstore.layers.checks import check_n_qubits
from qstore.layers.encodings import encoding_named
from qstore.layers.stage import Site, Stage

__all__ = ["PoolingStage"]

TYPES = ("partial_trace", "measurement")


class PoolingStage(Stage):
    """See `qstore.layers.QuantumPooling`, whose arguments these are."""

    kind = "pooling"

    def __init__(
        self, n_qubits: int, pool_size: int, pooling_type: str, *, trainable: bool, encoding: str | None
    ) -> None:
        if pooling_type not in TYPES:
            hint = nearest_names(str(pooling_type), list(TYPES))
            raise OptionError(f"pooling_type must be one of {list(TYPES)}, got {pooling_type!r}.{hint}")
        check_n_qubits(n_qubits)
        if (
            isinstance(pool_size, bool)
            or not isinstance(pool_size, (int, np.integer))
            or not 2 <= pool_size <= n_qubits
        ):
            raise OptionError(
                f"pool_size must be an integer from 2 to the {n_qubits} qubits, got {pool_size!r}."
            )
        self.n_qubits, self.type, self.trainable = n_qubits, pooling_type, bool(trainable)
        pooled = n_qubits - n_qubits % int(pool_size)
        self.leaving = tuple((q, q - q % int(pool_size)) for q in range(pooled) if q % pool_size)
        """(qubit that leaves, qubit that it turns); those left over when pool_size does not divide n stay."""
        self.encoding = None if encoding is None else encoding_named(encoding)

    @property
    def kept(self) -> int:
        """How many qubits go on."""
        return self.n_qubits - len(self.leaving)

    @property
    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {"rotations": (len(self.leaving), 3)} if self.trainable else {}

    def build(self, site: Site) -> tuple[int, ...]:
        circuit, qubits = site.circuit, site.qubits
        weights = site.weight("rotations", (len(self.leaving), 3)) if self.trainable else None
        for number, (leaving, staying) in enumerate(self.leaving):
            control, target = qubits[leaving], qubits[staying]
            if self.type == "measurement" and site.feeds_forward:
                bit = circuit.n_bits
                circuit.measure(control, bit)
                if weights is not None:
                    with circuit.when(bit):
                        circuit.rz(target, weights[number, 0]).ry(target, weights[number, 1])
                        circuit.rz(target, weights[number, 2])
            elif weights is not None:
                circuit.crz(control, target, weights[number, 0]).cry(control, target, weights[number, 1])
                circuit.crz(control, target, weights[number, 2])
        gone = {leaving for leaving, _ in self.leaving}
        return tuple(q for index, q in enumerate(qubits) if index not in gone)
