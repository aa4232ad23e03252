# SPDX-License-Identifier: Apache-2.0
"""The compiled loops. `sweep` is what Python calls; everything below works on vectors of `qstore_sim.simd`."""
