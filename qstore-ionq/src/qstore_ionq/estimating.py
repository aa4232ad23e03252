# SPDX-License-Identifier: Apache-2.0
"""What jobs will cost, in dollars, seconds and error, from their gates and the machine's figures. Nothing is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from qstore_ionq.devices import Device
from qstore_ionq.options import Settings
from qstore_ionq.packing import Packed, Part
from qstore_ionq.prices import PriceTable, quote_job

__all__ = ["JobEstimate", "estimate_job", "expected_error"]

_SIMULATOR_S = 0.1
"""What the service's simulator takes for a circuit, roughly; for estimates only."""


class JobEstimate(NamedTuple):
    """Dollars and seconds of one job; the queue is not in the seconds."""

    usd: Decimal
    seconds: float


def estimate_job(
    job: Packed, parts: Sequence[Part], device: Device, settings: Settings, table: PriceTable
) -> JobEstimate:
    """What one job costs and how long it takes on the machine; gates run one after the other there."""
    counts = [parts[row.part].rendering.gate_counts for row in job.rows]
    shots = parts[job.rows[0].part].batch.shots or 0
    if device.is_simulator:
        return JobEstimate(Decimal(0), _SIMULATOR_S * len(counts))
    gates_s = sum(one * device.gate_1q_s + two * device.gate_2q_s for one, two in counts)
    seconds = shots * (gates_s + len(counts) * device.readout_s)
    mitigated = settings.mitigated(device, shots)
    return JobEstimate(quote_job(table, counts, shots, mitigated=mitigated, seconds=seconds), seconds)


def expected_error(parts: Sequence[Part], device: Device) -> float:
    """Of an expectation value of norm 1: 1/sqrt(shots) by chance, 1 - F by noise, added in squares.

    F is the product of the fidelities of all gates and of reading every qubit. The simulator's noise models are not
    counted: they are what is asked for.
    """
    worst = 0.0
    for part in parts:
        shots = part.batch.shots
        chance = 0.0 if shots is None else 1 / shots
        one, two = part.rendering.gate_counts
        fidelity = 1.0
        for each, number in (
            (device.fidelity_1q, one),
            (device.fidelity_2q, two),
            (device.fidelity_readout, part.rendering.n_qubits),
        ):
            fidelity *= 1.0 if each is None or device.is_simulator else each**number
        worst = max(worst, math.sqrt(chance + (1 - fidelity) ** 2))
    return worst
