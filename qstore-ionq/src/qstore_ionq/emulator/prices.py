# SPDX-License-Identifier: Apache-2.0
"""What a job costs: published price lists as data, and what the emulator bills by them.

These are the service's own figures, kept apart from the client's tables on purpose: the emulator's bill is what a
client's estimate is judged by. US dollars, exact decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from qstore_ionq.emulator.devices import Device

__all__ = ["PRICE_LISTS", "GateShots", "PriceList", "Tasks", "Work"]

_CENT_FRACTION = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Work:
    """What is paid for, summed over the circuits of one job."""

    circuits: int
    shots: int
    gates_1q: int
    gates_2q: int
    mitigated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShots:
    """So much for every gate of every shot, at least a minimum for each job."""

    name: str
    source: str
    per_1q: Decimal
    per_2q: Decimal
    minimum: Decimal
    minimum_mitigated: Decimal

    def quote(self, device: Device, work: Work) -> Decimal:
        """The price in dollars."""
        if device.is_simulator:
            return Decimal(0)
        gates = work.gates_1q * self.per_1q + work.gates_2q * self.per_2q
        least = self.minimum_mitigated if work.mitigated else self.minimum
        return max(least, work.shots * gates).quantize(_CENT_FRACTION)

    def rates(self, mitigated: bool) -> dict[str, float | str]:
        """The row of the service's rate card."""
        least = self.minimum_mitigated if mitigated else self.minimum
        return {
            "sku": self.name,
            "unit": "gates",
            "cost_1q_gate": float(self.per_1q),
            "cost_2q_gate": float(self.per_2q),
            "job_cost_minimum": float(least),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """So much for every circuit and for every shot, whatever the gates."""

    name: str
    source: str
    per_task: Decimal

    def quote(self, device: Device, work: Work) -> Decimal:
        """The price in dollars."""
        if device.is_simulator:
            return Decimal(0)
        per_shot = Decimal(device.usd_per_shot)
        return (work.circuits * (self.per_task + work.shots * per_shot)).quantize(_CENT_FRACTION)

    def rates(self, mitigated: bool) -> dict[str, float | str]:  # noqa: ARG002  # the same signature as its sibling
        """The row of the service's rate card."""
        return {"sku": self.name, "unit": "shots", "job_cost_minimum": float(self.per_task)}


PriceList = GateShots | Tasks

PRICE_LISTS: Mapping[str, PriceList] = MappingProxyType(
    {
        "azure": GateShots(
            name="azure",
            source="MicrosoftDocs, azure-quantum pricing.md, 2025-02-26",
            per_1q=Decimal("0.000220"),
            per_2q=Decimal("0.000975"),
            minimum=Decimal("12.4166"),
            minimum_mitigated=Decimal("97.50"),
        ),
        "braket": Tasks(
            name="braket",
            source="aws.amazon.com/braket/pricing, copies of 2025-2026",
            per_task=Decimal("0.30"),
        ),
    }
)
"""By name; `azure` is the default, whose minimum is IonQ's own."""
