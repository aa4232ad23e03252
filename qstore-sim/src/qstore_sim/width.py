# SPDX-License-Identifier: Apache-2.0
"""How wide a vector is on this machine: as wide as its registers, so that none is ever split in two.

A vector that takes two registers leaves half as many for everything else, and the loops that hold eight rows of state
and adjoint state begin to spill. Importing this module imports llvmlite.
"""

from __future__ import annotations

import os

from llvmlite.binding import get_host_cpu_features


def has_feature(name: str) -> bool:
    """Whether code for this processor may use an extension, such as "avx2"; NUMBA_CPU_FEATURES has the last word."""
    features: str = os.environ.get("NUMBA_CPU_FEATURES") or get_host_cpu_features().flatten()
    return f"+{name}" in features.split(",")


VECTOR_BYTES = 64 if has_feature("avx512f") else 32
