# SPDX-License-Identifier: Apache-2.0
"""Sub-commands of `qstore` that look at runs: `qstore metrics`, `qstore report`."""
