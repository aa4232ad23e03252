# SPDX-License-Identifier: Apache-2.0
"""The embedded statevector simulator of qstore. Importing it imports no numba; the first run does."""

from qstore_sim.backend import StatevectorBackend

__all__ = ["StatevectorBackend"]
