# SPDX-License-Identifier: Apache-2.0
"""From a circuit to the arrays that the kernels interpret. Plain Python and numpy, no numba."""
