# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a client and the service, as a plan that anybody can write."""

from qstore_ionq.emulator.faults.fault import KINDS, ROUTES, Fault, Phase
from qstore_ionq.emulator.faults.injector import Injector
from qstore_ionq.emulator.faults.plan import FaultPlan, Listing

__all__ = ["KINDS", "ROUTES", "Fault", "FaultPlan", "Injector", "Listing", "Phase"]
