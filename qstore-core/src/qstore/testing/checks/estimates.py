# SPDX-License-Identifier: Apache-2.0
"""Estimates and bills: what a batch is said to cost before it runs, and what its result says afterwards."""

from __future__ import annotations

import math
from decimal import Decimal

from qstore.batch import CircuitBatch, Estimate
from qstore.testing.check import NotClaimed, Table, require
from qstore.testing.exam import BackendExam

CHECKS = Table("estimates")


def _batch(exam: BackendExam, rows: int = 2, shots: int = 200) -> CircuitBatch:
    circuit = exam.builder.ansatz(exam.n_qubits(2), exam.rng(81))
    bindings = exam.builder.bindings(circuit, exam.rng(82), exam.rows(rows))
    outputs = exam.telling(circuit.n_qubits)
    if "Counts" in exam.capabilities.shot_outputs:
        return exam.batch(circuit, bindings, shots=exam.shots(shots))
    return exam.batch(circuit, bindings, outputs)


def _usd(estimate: Estimate) -> Decimal:
    return Decimal(str(estimate.usd))


@CHECKS.check("an estimate is made of finite numbers that are not negative, and says who made it")
def form(exam: BackendExam) -> None:
    """Dollars, seconds, error, model."""
    found = exam.backend.estimate(_batch(exam))
    require(isinstance(found, Estimate), f"estimate() returned a {type(found).__name__}")
    for what in ("usd", "seconds", "error"):
        value = float(getattr(found, what))
        require(math.isfinite(value) and value >= 0, f"the estimated {what} is {value}")
    require(isinstance(found.model, str) and found.model, "the estimate does not say which model made it")


@CHECKS.check("what is declared free costs nothing, what is declared paid something")
def paid(exam: BackendExam) -> None:
    """By its own estimate."""
    usd = _usd(exam.backend.estimate(_batch(exam)))
    if exam.capabilities.paid:
        require(usd > 0, "it is declared as paid, and estimates $0")
    else:
        require(usd == 0, f"it is declared as free, and estimates ${usd}")


@CHECKS.check("more rows do not cost less, in dollars or seconds")
def rows(exam: BackendExam) -> None:
    """One row and as many as fit, up to 20."""
    many = _batch(exam, 20)
    one, all_rows = (exam.backend.estimate(batch) for batch in (many.rows(0, 1), many))
    require(_usd(all_rows) >= _usd(one), f"{many.size} rows cost ${all_rows.usd}, one row ${one.usd}")
    require(
        all_rows.seconds >= one.seconds,
        f"{many.size} rows take {all_rows.seconds} s, one row {one.seconds} s",
    )


@CHECKS.check("more shots do not cost less, and do not err more")
def shots(exam: BackendExam) -> None:
    """Ten and a thousand."""
    exam.need_served("Counts")
    few, many = (exam.backend.estimate(_batch(exam, shots=number)) for number in (10, 1000))
    require(_usd(many) >= _usd(few), f"1000 shots cost ${many.usd}, 10 shots ${few.usd}")
    require(many.seconds >= few.seconds, f"1000 shots take {many.seconds} s, 10 shots {few.seconds} s")
    require(many.error <= few.error, f"the error of 1000 shots is {many.error}, that of 10 shots {few.error}")


@CHECKS.check("shots have an expected error")
def error(exam: BackendExam) -> None:
    """Not zero."""
    exam.need_served("Counts")
    found = exam.backend.estimate(_batch(exam)).error
    require(found > 0, "an estimate from shots says that its error is zero")


@CHECKS.check("asking for an estimate twice gives the same and changes nothing")
def repeatable(exam: BackendExam) -> None:
    """Asking is free of effects."""
    batch = _batch(exam)
    first, second = exam.backend.estimate(batch), exam.backend.estimate(batch)
    require(_usd(first) == _usd(second), f"two estimates of one batch: ${first.usd} and ${second.usd}")


@CHECKS.check("what a result says about money agrees with the estimate")
def billed(exam: BackendExam) -> None:
    """Billed at most what was estimated; free is free."""
    batch = _batch(exam)
    estimated = _usd(exam.backend.estimate(batch))
    result = exam.direct(batch) if not exam.capabilities.paid else exam.run(batch)
    told = result.estimated_usd
    require(told is None or abs(Decimal(str(told)) - estimated) <= Decimal("1e-6"),
            f"the result says ${told} were estimated, estimate() said ${estimated}")  # fmt: skip
    if result.billed_usd is None:
        raise NotClaimed("its results say nothing about bills")
    bill = Decimal(str(result.billed_usd))
    require(bill <= estimated + Decimal("1e-6"), f"${bill} were billed, ${estimated} were estimated")
