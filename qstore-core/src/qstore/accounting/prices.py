# SPDX-License-Identifier: Apache-2.0
"""Prices as data: what a vendor charges for a job, where that is written and when it was read.

Each model is a frozen row of numbers with one method; a vendor's plugin brings the rows. Circuits of one job are
taken to be alike, as those of one batch are: the gate numbers are those of one circuit, and one shot runs each gate once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from qstore.errors import OptionError

__all__ = ["ContractPrice", "GateShotPrice", "PriceTable", "ShotPrice"]

ZERO = Decimal(0)


class PriceTable(Protocol):
    """What a job would cost."""

    @property
    def source(self) -> str:
        """Where the figures are published."""

    @property
    def as_of(self) -> date:
        """When they were read there."""

    def quote(
        self, *, shots: int, one_qubit: int = 0, two_qubit: int = 0, circuits: int = 1, mitigated: bool = False,
        seconds: float = 0.0,
    ) -> Decimal:  # fmt: skip
        """Dollars for a job.

        Args:
            shots: measurements of each circuit.
            one_qubit: one-qubit gates of each circuit.
            two_qubit: two-qubit gates of each circuit.
            circuits: circuits in the job.
            mitigated: whether the service mitigates errors.
            seconds: compute time of the whole job.

        Raises:
            OptionError: a negative number.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPrice:
    """A price per task and per shot, whatever the circuit; each circuit is a task.

    Formula: circuits * (per_task + shots * per_shot)

    Example:
        >>> price = ShotPrice(per_task=Decimal("0.30"), per_shot=Decimal("0.08"), source="a page", as_of=date(2026, 1, 1))
        >>> price.quote(shots=1000)
        Decimal('80.30')
    """

    per_task: Decimal
    per_shot: Decimal
    source: str
    as_of: date

    def quote(
        self, *, shots: int, one_qubit: int = 0, two_qubit: int = 0, circuits: int = 1, mitigated: bool = False,  # noqa: ARG002  # part of the contract
        seconds: float = 0.0,
    ) -> Decimal:  # fmt: skip
        _check(shots, one_qubit, two_qubit, circuits, seconds)
        return circuits * (self.per_task + shots * self.per_shot)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShotPrice:
    """A price per gate and shot, with a minimum for each circuit that is higher with error mitigation.

    Formula: circuits * max(minimum, shots * (one_qubit * per_1q + two_qubit * per_2q))

    Example:
        >>> price = GateShotPrice(per_1q=Decimal("0.000220"), per_2q=Decimal("0.000975"), minimum=Decimal("12.4166"),
        ...                       minimum_mitigated=Decimal("97.50"), source="a page", as_of=date(2025, 2, 26))
        >>> price.quote(shots=100, one_qubit=10, two_qubit=5), price.quote(shots=10_000, one_qubit=10, two_qubit=5)
        (Decimal('12.4166'), Decimal('70.750000'))
    """

    per_1q: Decimal
    per_2q: Decimal
    minimum: Decimal = ZERO
    minimum_mitigated: Decimal = ZERO
    source: str
    as_of: date

    def quote(
        self, *, shots: int, one_qubit: int = 0, two_qubit: int = 0, circuits: int = 1, mitigated: bool = False,
        seconds: float = 0.0,
    ) -> Decimal:  # fmt: skip
        _check(shots, one_qubit, two_qubit, circuits, seconds)
        gates = shots * (one_qubit * self.per_1q + two_qubit * self.per_2q)
        return circuits * max(self.minimum_mitigated if mitigated else self.minimum, gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPrice:
    """What a contract says: a rate per second of computing, per gate and shot, or both, with a minimum for the job.

    Formula: max(minimum, seconds * per_second + circuits * shots * (one_qubit * per_1q + two_qubit * per_2q))

    Example:
        >>> free = ContractPrice(source="the simulator is free", as_of=date(2026, 1, 1))
        >>> free.quote(shots=1000, two_qubit=50)
        Decimal('0')
        >>> ContractPrice(per_second=Decimal("1.5"), source="our contract", as_of=date(2026, 1, 1)).quote(shots=1, seconds=4)
        Decimal('6.0')
    """

    per_second: Decimal = ZERO
    per_1q: Decimal = ZERO
    per_2q: Decimal = ZERO
    minimum: Decimal = ZERO
    source: str
    as_of: date

    def quote(
        self, *, shots: int, one_qubit: int = 0, two_qubit: int = 0, circuits: int = 1, mitigated: bool = False,  # noqa: ARG002  # part of the contract
        seconds: float = 0.0,
    ) -> Decimal:  # fmt: skip
        _check(shots, one_qubit, two_qubit, circuits, seconds)
        gates = circuits * shots * (one_qubit * self.per_1q + two_qubit * self.per_2q)
        return max(self.minimum, Decimal(str(seconds)) * self.per_second + gates)


def _check(shots: int, one_qubit: int, two_qubit: int, circuits: int, seconds: float) -> None:
    given = {
        "shots": shots,
        "one_qubit": one_qubit,
        "two_qubit": two_qubit,
        "circuits": circuits,
        "seconds": seconds,
    }
    for name, number in given.items():
        if not 0 <= number < float("inf"):
            raise OptionError(f"{name} must be a number from 0 up, got {number!r}.")
