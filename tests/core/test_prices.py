# SPDX-License-Identifier: Apache-2.0
"""Prices are data: what a job costs by shots, by gates, by time, at least."""

from datetime import date
from decimal import Decimal

import pytest

from qstore.accounting import ContractPrice, GateShotPrice, ShotPrice
from qstore.errors import OptionError

SHOT = ShotPrice(per_task=Decimal("0.30"), per_shot=Decimal("0.03"), source="s", as_of=date(2026, 1, 1))
GATE = GateShotPrice(per_1q=Decimal("0.000220"), per_2q=Decimal("0.000975"), minimum=Decimal("12.4166"),
                     minimum_mitigated=Decimal("97.50"), source="s", as_of=date(2025, 2, 26))  # fmt: skip
RATES = ContractPrice(per_second=Decimal("0.5"), per_1q=Decimal("0.001"), per_2q=Decimal("0.01"), minimum=Decimal(1),
                      source="s", as_of=date(2026, 1, 1))  # fmt: skip


@pytest.mark.parametrize(
    ("price", "job", "usd"),
    [
        (SHOT, {"shots": 1000}, "30.30"),
        (SHOT, {"shots": 1000, "circuits": 20, "two_qubit": 99, "mitigated": True}, "606.00"),
        (SHOT, {"shots": 1, "circuits": 0}, "0"),
        (GATE, {"shots": 100, "one_qubit": 10, "two_qubit": 5}, "12.4166"),
        (GATE, {"shots": 100, "one_qubit": 10, "two_qubit": 5, "mitigated": True, "circuits": 2}, "195.00"),
        (GATE, {"shots": 10_000, "one_qubit": 100, "two_qubit": 100}, "1195"),
        (GATE, {"shots": 100_000, "one_qubit": 1, "two_qubit": 1, "mitigated": True}, "119.5"),
        (RATES, {"shots": 10, "seconds": 0.5}, "1"),
        (RATES, {"shots": 100, "seconds": 4.0, "one_qubit": 10, "two_qubit": 5, "circuits": 3}, "20"),
    ],
)
def test_quotes(price, job, usd):
    assert price.quote(**job) == Decimal(usd)


@pytest.mark.parametrize("name", ["shots", "one_qubit", "two_qubit", "circuits", "seconds"])
@pytest.mark.parametrize("price", [SHOT, GATE, RATES])
def test_quotes_check_their_numbers(price, name):
    with pytest.raises(OptionError, match=f"{name} must be a number from 0 up, got -1"):
        price.quote(**({"shots": 1} | {name: -1}))
