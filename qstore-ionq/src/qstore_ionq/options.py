# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a backend, checked once, and what of it goes into a job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

from qstore.errors import OptionError, nearest_names
from qstore_ionq.devices import NOISE_QUBITS, Device

__all__ = ["GATESETS", "MIN_DEBIASED_SHOTS", "Settings", "checked_seconds"]

GATESETS = ("auto", "qis", "native")
MIN_DEBIASED_SHOTS = 500
"""Debiasing takes that many shots, and is on by default from there on at machines. Source: docs.ionq.com, read 2026-11."""
_MAX_SEED = 2**31 - 1
_MITIGATIONS = ("debiasing", "symmetry_verification")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What changes the jobs of a backend.

    Attributes:
        noise: a noise model of the simulator, "ideal" for none.
        noise_seed: makes the simulator's noise repeat; None takes it from the batch's seed.
        gateset: "auto", "qis" or "native".
        debiasing: error mitigation by symmetries; None leaves it to the service (on from 500 shots at machines).
        error_mitigation: further fields of `settings.error_mitigation`, such as {"symmetry_verification": True}.
        compilation: fields of `settings.compilation`, such as {"opt": 1}.
        sharpen: whether debiased variants are combined by plurality vote instead of averaged; None for the default.
        dry_run: have jobs compiled and priced, but not run.
        session: id of a session that jobs belong to.
        unverified: send circuits whose compilation was not proved equal.

    Raises:
        OptionError: one of them is outside its range.
    """

    noise: str = "ideal"
    noise_seed: int | None = None
    gateset: str = "auto"
    debiasing: bool | None = None
    error_mitigation: Mapping[str, bool] | None = None
    compilation: Mapping[str, Any] | None = None
    sharpen: bool | None = None
    dry_run: bool = False
    session: str | None = None
    unverified: bool = False

    def __post_init__(self) -> None:
        if self.noise not in NOISE_QUBITS:
            hint = nearest_names(str(self.noise), list(NOISE_QUBITS))
            raise OptionError(f"No noise model {self.noise!r}.{hint} There are {', '.join(NOISE_QUBITS)}.")
        if self.gateset not in GATESETS:
            raise OptionError(f"gateset must be one of {', '.join(GATESETS)}, got {self.gateset!r}.")
        seed = self.noise_seed
        if seed is not None and (
            isinstance(seed, bool) or not isinstance(seed, int) or not 1 <= seed <= _MAX_SEED
        ):
            raise OptionError(f"noise_seed must be an integer from 1 to {_MAX_SEED}, got {seed!r}.")
        for name in ("debiasing", "sharpen"):
            if getattr(self, name) not in (None, True, False):
                raise OptionError(f"{name} must be True, False or None, got {getattr(self, name)!r}.")
        for name in ("error_mitigation", "compilation"):
            if not isinstance(getattr(self, name), (Mapping, NoneType)):
                raise OptionError(f"{name} must be a dict of fields, got {getattr(self, name)!r}.")
        for name, value in (self.error_mitigation or {}).items():
            if not isinstance(value, bool):
                raise OptionError(f"error_mitigation[{name!r}] must be True or False, got {value!r}.")
            if name not in _MITIGATIONS:
                hint = nearest_names(str(name), list(_MITIGATIONS))
                raise OptionError(
                    f"error_mitigation has no {name!r}.{hint} There are {', '.join(_MITIGATIONS)}."
                )
        if self.session is not None and (not isinstance(self.session, str) or not self.session):
            raise OptionError(f"session must be the id of a session, got {self.session!r}.")

    def check(self, device: Device) -> None:
        """Refuse what does not go with a machine.

        Raises:
            OptionError: a noise model or its seed for a machine, mitigation or a dry run for the simulator.
        """
        if device.is_simulator:
            misplaced = [name for name in ("sharpen", "dry_run") if getattr(self, name)]
            misplaced += ["debiasing"] if self._mitigation() else []
            if misplaced:
                raise OptionError(f"The simulator has no {misplaced[0]}; that is for machines.")
        elif self.noise != "ideal" or self.noise_seed is not None:
            raise OptionError(
                f"{device.name!r} brings its own noise; noise models are for 'ionq.simulator', for instance noise='aria-1'."
            )

    def check_shots(self, shots: int | None) -> None:
        """Refuse mitigation where the service would let the job fail.

        Raises:
            OptionError: fewer shots than debiasing needs.
        """
        if self._mitigation().get("debiasing") and (shots or 0) < MIN_DEBIASED_SHOTS:
            raise OptionError(
                f"Debiasing needs at least {MIN_DEBIASED_SHOTS} shots, got {shots}: take more, or leave debiasing out."
            )

    def mitigated(self, device: Device, shots: int | None) -> bool:
        """Whether a job's errors are mitigated, which is priced differently."""
        if device.is_simulator:
            return False
        asked = self._mitigation().get("debiasing")
        return (shots or 0) >= MIN_DEBIASED_SHOTS if asked is None else asked

    def fields(self, device: Device, seed: int) -> dict[str, Any]:
        """The fields of a job's body that come from here.

        Args:
            device: where it goes.
            seed: for the noise, where none was chosen.
        """
        made: dict[str, Any] = {}
        if device.is_simulator and self.noise != "ideal":
            made["noise"] = {"model": self.noise, "seed": self.noise_seed or seed}
        settings = {"error_mitigation": self._mitigation(), "compilation": dict(self.compilation or {})}
        if kept := {name: value for name, value in settings.items() if value}:
            made["settings"] = kept
        if self.dry_run:
            made["dry_run"] = True
        if self.session is not None:
            made["session_id"] = self.session
        return made

    def _mitigation(self) -> dict[str, bool]:
        own = {} if self.debiasing is None else {"debiasing": self.debiasing}
        return {**(self.error_mitigation or {}), **own}


def checked_seconds(name: str, value: float | None) -> float | None:
    """A time to wait, or None for no limit.

    Raises:
        OptionError: not a positive number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise OptionError(f"{name} must be seconds above 0, or None for no limit, got {value!r}.")
    return float(value)
