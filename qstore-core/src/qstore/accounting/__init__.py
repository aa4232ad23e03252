# SPDX-License-Identifier: Apache-2.0
"""Money: prices as data, and the ledger that keeps all processes together within a budget."""

from qstore.accounting.ledger import Budget, Ledger, LedgerReport, Spending
from qstore.accounting.prices import ContractPrice, GateShotPrice, PriceTable, ShotPrice

__all__ = [
    "Budget",
    "ContractPrice",
    "GateShotPrice",
    "Ledger",
    "LedgerReport",
    "PriceTable",
    "ShotPrice",
    "Spending",
]
