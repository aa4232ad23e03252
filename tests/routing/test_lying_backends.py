# SPDX-License-Identifier: Apache-2.0
"""Backends that bill what they did not estimate, or what is no money: results are kept, and the budget counts it."""

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

import qstore as qs
from qstore.accounting import Ledger
from qstore.errors import BudgetExceeded, OptionError
from qstore.execution import AsyncQuantumExecutor
from qstore.routing import BackendRouter, CostOptimizer
from routing.fakes import Fake, SyncFake

CIRCUIT = qs.QuantumCircuit(2).ry(0, "t").cx(0, 1)


class Billing(Fake):
    """Estimates one thing and bills another."""

    def __init__(self, bill, **options):
        super().__init__("paid", **{"usd": 3} | options)
        self.bill = bill

    def answer(self, batch):
        return replace(super().answer(batch), billed_usd=self.bill)


def router_for(backend, tmp_path, total=10, **options):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    return BackendRouter(
        policy=CostOptimizer(total, ledger=ledger, **options), candidates=[backend], memory=False
    )


@pytest.mark.parametrize("bill", [Decimal("NaN"), Decimal(-1), Decimal("Infinity"), "a lot"])
def test_a_bill_that_is_no_money_counts_as_estimated_and_loses_no_result(bill, tmp_path, caplog):
    router = router_for(Billing(bill), tmp_path)
    with caplog.at_level(logging.WARNING, "qstore.routing"):
        result = qs.run(CIRCUIT, {"t": 0.3}, shots=10, backend=router)
    assert sum(result.counts[0].values()) == 10
    assert router.policy.left() == 7
    assert "no amount of money" in caplog.text


@pytest.mark.parametrize("bill", [2.5, "2.5"])
def test_a_bill_of_another_type_is_read(bill, tmp_path):
    router = router_for(Billing(bill), tmp_path)
    qs.run(CIRCUIT, {"t": 0.3}, shots=10, backend=router)
    assert router.policy.left() == Decimal("7.5")


def test_one_that_bills_more_than_it_estimated_is_told_of_and_counted_in_full(tmp_path, caplog):
    router = router_for(Billing(Decimal(50)), tmp_path)
    with caplog.at_level(logging.WARNING, "qstore.routing"):
        result = qs.run(CIRCUIT, {"t": 0.3}, shots=10, backend=router)
    assert result.notes == ("'paid' billed $50 for what it had estimated at $3.",)
    assert "'paid' billed $50" in caplog.text
    assert router.policy.left() == 0
    with pytest.raises(BudgetExceeded):
        qs.run(CIRCUIT, {"t": 0.3}, shots=10, backend=router)


def test_a_damaged_ledger_does_not_keep_free_backends_from_running(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("not a database " * 100)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    paid = Fake("paid", usd=3)
    router = BackendRouter(
        policy=CostOptimizer(10, ledger=ledger), candidates=[paid, SyncFake("free")], memory=False
    )
    assert qs.run(CIRCUIT, {"t": 0.3}, shots=10, backend=router).backend == "free"
    assert not paid.batches


def test_a_router_behind_an_executor_is_no_candidate_either():
    executor = AsyncQuantumExecutor(BackendRouter(candidates=["statevector"]))
    with pytest.raises(OptionError, match="cannot be a candidate"):
        BackendRouter(candidates=[executor])
