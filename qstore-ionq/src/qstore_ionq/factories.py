# SPDX-License-Identifier: Apache-2.0
"""What the registered names make; each takes the options of `IonQBackend`."""

from __future__ import annotations

from typing import Any

from qstore_ionq.backend import IonQBackend

__all__ = ["aria_1", "forte_1", "forte_enterprise_1", "simulator"]


def simulator(**options: Any) -> IonQBackend:
    """IonQ's cloud simulator."""
    return IonQBackend("ionq.simulator", **options)


def aria_1(**options: Any) -> IonQBackend:
    """IonQ Aria 1."""
    return IonQBackend("ionq.aria-1", **options)


def forte_1(**options: Any) -> IonQBackend:
    """IonQ Forte 1."""
    return IonQBackend("ionq.forte-1", **options)


def forte_enterprise_1(**options: Any) -> IonQBackend:
    """IonQ Forte Enterprise 1."""
    return IonQBackend("ionq.forte-enterprise-1", **options)
