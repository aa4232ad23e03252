# SPDX-License-Identifier: Apache-2.0
"""Hypothesis without a clock or a random start, and the helpers of this folder importable by name."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("core", derandomize=True, deadline=None, max_examples=40, database=None,
                          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
settings.load_profile("core")
