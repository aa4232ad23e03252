# SPDX-License-Identifier: Apache-2.0
"""What machines cost, by the channel through which they are bought: dated public tables, in dollars.

IonQ's own contracts are not public; `qstore.accounting.ContractPrice` holds yours. Simulators are free everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from qstore.accounting import ContractPrice, GateShotPrice, PriceTable, ShotPrice
from qstore.errors import OptionError, nearest_names
from qstore_ionq.devices import Device

__all__ = ["PLANS", "PriceTable", "quote_job", "table_for"]

_BRAKET = "aws.amazon.com/braket/pricing, copies of 2025-2026"
_BRAKET_READ = date(2026, 11, 20)


def _braket(per_shot: str, note: str = "") -> ShotPrice:
    return ShotPrice(per_task=Decimal("0.30"), per_shot=Decimal(per_shot), source=_BRAKET + note, as_of=_BRAKET_READ)  # fmt: skip


_AZURE = GateShotPrice(
    per_1q=Decimal("0.000220"),
    per_2q=Decimal("0.000975"),
    minimum=Decimal("12.4166"),
    minimum_mitigated=Decimal("97.50"),
    source="MicrosoftDocs, azure-quantum pricing.md; its minimum is, by an example in IonQ's API, IonQ's own",
    as_of=date(2025, 2, 26),
)
_FREE = ContractPrice(source="the simulator is free of charge", as_of=date(2026, 11, 20))

PLANS: Mapping[str, Mapping[str, PriceTable]] = MappingProxyType(
    {
        "azure": MappingProxyType({"": _AZURE}),
        "braket": MappingProxyType(
            {
                "qpu.aria": _braket("0.03"),
                "qpu.forte": _braket("0.08"),
                "qpu.forte-enterprise": _braket("0.08", "; no price of its own was seen, Forte's"),
            }
        ),
    }
)
"""By plan, then by the longest beginning of the service's name of a machine."""

DEFAULT_PLAN = "azure"


def table_for(device: Device, plan: str | PriceTable | None) -> PriceTable:
    """The price table of a machine.

    Args:
        device: the machine.
        plan: "azure" (per gate and shot, the default), "braket" (per task and shot), or a table of yours.

    Raises:
        OptionError: no such plan, or it has no price for the machine.
    """
    if device.is_simulator:
        return _FREE
    if plan is not None and not isinstance(plan, str):
        if not hasattr(plan, "quote"):
            raise OptionError(f"prices must be a plan's name or a table that quotes, got {plan!r}.")
        return plan
    name = plan or DEFAULT_PLAN
    tables = PLANS.get(name)
    if tables is None:
        raise OptionError(
            f"No price plan named {name!r}.{nearest_names(name, list(PLANS))} There are {', '.join(PLANS)}, or a "
            "table of yours: qstore.accounting.ContractPrice(...)."
        )
    fitting = [beginning for beginning in tables if device.target.startswith(beginning)]
    if not fitting:
        raise OptionError(f"The price plan {name!r} has no price for {device.name!r}; give a table of yours.")
    return tables[max(fitting, key=len)]


def quote_job(
    table: PriceTable, counts: Sequence[tuple[int, int]], shots: int, *, mitigated: bool, seconds: float
) -> Decimal:
    """Dollars for one job of several circuits.

    Args:
        table: the prices.
        counts: one- and two-qubit gates of each circuit.
        shots: of each circuit.
        mitigated: whether errors are mitigated.
        seconds: on the machine.
    """
    one, two = sum(each[0] for each in counts), sum(each[1] for each in counts)
    circuits = len(counts)
    if isinstance(table, GateShotPrice | ContractPrice):
        # Linear in the gates but for the minimum, which is the job's, not each circuit's.
        return table.quote(shots=shots, one_qubit=one, two_qubit=two, mitigated=mitigated, seconds=seconds)
    return table.quote(
        shots=shots,
        one_qubit=math.ceil(one / circuits),
        two_qubit=math.ceil(two / circuits),
        circuits=circuits,
        mitigated=mitigated,
        seconds=seconds,
    )
