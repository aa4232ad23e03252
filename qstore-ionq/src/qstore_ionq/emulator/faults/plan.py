# SPDX-License-Identifier: Apache-2.0
"""The fault plan: a list of faults and how listings lag, in Python or in TOML.

seed = 7

[listing]
lag_s = 2.0              # jobs show up in listings so much later

[[fault]]
kind = "reset"
route = "submit"
attempts = [1, 3]        # or "1-5"; without it, every attempt
stage = "after"          # the job was accepted, its answer is lost
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from qstore.errors import OptionError, nearest_names
from qstore_ionq.emulator.faults.fault import Fault

__all__ = ["FaultPlan", "Listing"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How listings differ from the truth.

    Attributes:
        lag_s: jobs show up so much after they were accepted.
        page_size: most jobs in a page; None for the emulator's own.
        shifting: pages are cut by position, so that a job that arrives while they are read moves all others on.
    """

    lag_s: float = 0.0
    page_size: int | None = None
    shifting: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.lag_s, bool) or not isinstance(self.lag_s, (int, float)) or not self.lag_s >= 0:
            raise OptionError(f"lag_s is a number of seconds, got {self.lag_s!r}.")
        size = self.page_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise OptionError(f"page_size is an integer from 1 up, got {size!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """What goes wrong.

    Attributes:
        faults: the first that fits a request happens.
        listing: how listings differ from the truth.
        seed: of the chances.
    """

    faults: tuple[Fault, ...] = ()
    listing: Listing = Listing()
    seed: int = 0

    @classmethod
    def of(
        cls, source: FaultPlan | Fault | Mapping[str, Any] | Iterable[Fault] | str | Path | None
    ) -> FaultPlan:
        """Make a plan of whatever describes one: a plan, faults, a mapping, or the path of a TOML file.

        Raises:
            OptionError: it describes none.
        """
        if source is None:
            return cls()
        if isinstance(source, FaultPlan):
            return source
        if isinstance(source, Fault):
            return cls(faults=(source,))
        if isinstance(source, (str, Path)):
            try:
                return cls.of_toml(Path(source).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as exc:
                raise OptionError(f"The fault plan {str(source)!r} cannot be read: {exc}.") from exc
        if isinstance(source, Mapping):
            return cls._of_mapping(source)
        faults = tuple(source)
        if not all(isinstance(each, Fault) for each in faults):
            raise OptionError(f"A fault plan is made of Fault objects, got {faults!r}.")
        return cls(faults=faults)

    @classmethod
    def of_toml(cls, text: str) -> FaultPlan:
        """Read a plan.

        Raises:
            OptionError: it is no TOML, or no plan.
        """
        import tomllib  # few plans come from files

        try:
            return cls._of_mapping(tomllib.loads(text))
        except tomllib.TOMLDecodeError as exc:
            raise OptionError(f"The fault plan is no TOML: {exc}.") from exc

    def as_mapping(self) -> dict[str, Any]:
        """What `of` reads, without what has its default value."""
        rows = [
            {
                each.name: getattr(fault, each.name)
                for each in fields(fault)
                if getattr(fault, each.name) != each.default
            }
            for fault in self.faults
        ]
        listing = {each.name: getattr(self.listing, each.name) for each in fields(self.listing)}
        return {"seed": self.seed, "listing": listing, "fault": rows}

    @classmethod
    def _of_mapping(cls, found: Mapping[str, Any]) -> FaultPlan:
        unknown = sorted(set(found) - {"fault", "listing", "seed"})
        if unknown:
            raise OptionError(f"A fault plan has the keys fault, listing and seed, not {', '.join(unknown)}.")
        seed, rows = found.get("seed", 0), found.get("fault", [])
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise OptionError(f"The seed of a fault plan is an integer, got {seed!r}.")
        if not isinstance(rows, list):
            raise OptionError("Faults are written as [[fault]] tables.")
        faults = tuple(_row(Fault, row, f"[[fault]] {number}") for number, row in enumerate(rows, start=1))
        return cls(faults=faults, listing=_row(Listing, found.get("listing", {}), "[listing]"), seed=seed)


def _row(kind: type[Row], row: Any, where: str) -> Row:
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # both kinds are dataclasses
    if not isinstance(row, Mapping):
        raise OptionError(f"{where} must be a table.")
    for key in row:
        if key not in names:
            raise OptionError(f"{where} has no {key!r}.{nearest_names(str(key), names)}")
    if "kind" in names and "kind" not in row:
        raise OptionError(f"{where} needs a kind.")
    values = {key: tuple(v) if isinstance(v, list) and key == "attempts" else v for key, v in row.items()}
    return kind(**values)
