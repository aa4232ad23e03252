# SPDX-License-Identifier: Apache-2.0
"""Needs a library that is not installed."""

import quantum_hardware_driver_that_nobody_has  # noqa: F401
