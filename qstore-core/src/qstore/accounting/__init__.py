# SPDX-License-Identifier: Apache-2.0
"""Money: prices as data, budgets, and the ledger that keeps all processes together within them."""

from qstore.accounting.budget import Budget
from qstore.accounting.ledger import Ledger, LedgerReport, Spending
from qstore.accounting.money import dollars
from qstore.accounting.prices import ContractPrice, GateShotPrice, PriceTable, ShotPrice
from qstore.accounting.report import CostReport, CostRow

__all__ = [
    "Budget",
    "ContractPrice",
    "CostReport",
    "CostRow",
    "GateShotPrice",
    "Ledger",
    "LedgerReport",
    "PriceTable",
    "ShotPrice",
    "Spending",
    "dollars",
]
