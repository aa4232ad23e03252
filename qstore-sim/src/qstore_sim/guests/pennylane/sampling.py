# SPDX-License-Identifier: Apache-2.0
"""Measurement processes from shots: gates that turn what is measured into Z, then PennyLane's statistics of the bits.

A tape arrives here with measurements that can be made together. Expectations of Pauli strings, the usual case, are
worked out for all rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.measurements import ExpectationMP, VarianceMP

from qstore_sim.guests.pennylane.readout import observable_of

__all__ = ["ShotReadout", "rotations"]


def rotations(measurements: Sequence[Any]) -> list[Any]:
    """The gates behind which the measurements are of Z; those of strings that agree on a qubit are the same."""
    found: dict[Any, Any] = {}
    with qml.QueuingManager.stop_recording():
        for process in measurements:
            if process.obs is None:
                continue
            own: dict[Any, Any] = {}
            for position, op in enumerate(process.diagonalizing_gates()):
                wires = op.wires.labels
                own[op.name, wires, sum(key[1] == wires for key in own), position * (len(wires) > 1)] = op
            for key, op in own.items():
                found.setdefault(key, op)
    return list(found.values())


class ShotReadout:
    """What one structure of tapes asks for.

    Args:
        measurements: of a tape.
        wires: the wire of each qubit.
        shots: PennyLane's `Shots`.
    """

    def __init__(self, measurements: Sequence[Any], wires: Sequence[Any], shots: Any) -> None:
        place = {wire: qubit for qubit, wire in enumerate(wires)}
        self._measurements = [process.map_wires(place) for process in measurements]
        self._order = qml.wires.Wires(range(max(1, len(wires))))
        self._shots = shots
        self._strings = [_string(process, place) for process in measurements]

    def result(self, samples: NDArray[np.uint8], broadcast: bool) -> Any:
        """What PennyLane returns for one tape.

        Args:
            samples: (rows, shots, n), column q is qubit q.
            broadcast: whether the tape has a batch axis.
        """
        if not self._shots.has_partitioned_shots:
            return self._of_range(samples, None, broadcast)
        return tuple(self._of_range(samples, bounds, broadcast) for bounds in self._shots.bins())

    def _of_range(self, samples: NDArray[np.uint8], bounds: tuple[int, int] | None, broadcast: bool) -> Any:
        made = []
        for process, string in zip(self._measurements, self._strings, strict=True):
            if string is None:
                made.append(self._processed(process, samples, bounds, broadcast))
                continue
            qubits, coefficient = string
            part = samples[:, slice(*bounds) if bounds else slice(None)][:, :, qubits]
            mean = 1.0 - 2.0 * (part.sum(axis=2) & 1).mean(axis=1)
            if isinstance(process, VarianceMP):
                value = coefficient**2 * (1.0 - mean**2)
            else:
                value = coefficient * mean
            made.append(value if broadcast else value[0])
        return made[0] if len(made) == 1 else tuple(made)

    def _processed(
        self, process: Any, samples: NDArray[np.uint8], bounds: tuple[int, int] | None, broadcast: bool
    ) -> Any:
        each = [
            process.process_samples(row.astype(np.int64), self._order, shot_range=bounds) for row in samples
        ]
        if not broadcast:
            return each[0]
        # Counts are dicts, and the number of valid samples may differ from row to row.
        return each if isinstance(each[0], dict) else np.stack([np.asarray(one) for one in each])


def _string(process: Any, place: dict[Any, int]) -> tuple[list[int], float] | None:
    """The qubits of a measured Pauli string and its coefficient."""
    if (
        not isinstance(process, (ExpectationMP, VarianceMP))
        or process.obs is None
        or process.obs.pauli_rep is None
    ):
        return None
    found = observable_of(process, place)
    if found is None or len(found.terms) != 1:
        return None
    (term,) = found.terms
    return [qubit for qubit, _ in term.letters], term.coefficient
