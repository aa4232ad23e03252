# SPDX-License-Identifier: Apache-2.0
"""Tests of the gradient methods that need the simulator, PennyLane or statistics."""
