# SPDX-License-Identifier: Apache-2.0
"""An emulator of IonQ's cloud: its v0.4 API on 127.0.0.1, over the embedded simulator, with a plan for what goes wrong.

Needs the extra `emulator` (Starlette, uvicorn, qstore-sim). Nothing in here talks to any other computer.
"""

from qstore_ionq.emulator.emulator import Emulator
from qstore_ionq.emulator.faults import Fault, FaultPlan, Listing
from qstore_ionq.emulator.options import Options
from qstore_ionq.emulator.traffic import Exchange, Stats

__all__ = ["Emulator", "Exchange", "Fault", "FaultPlan", "Listing", "Options", "Stats"]
