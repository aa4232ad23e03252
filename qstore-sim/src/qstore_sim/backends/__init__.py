# SPDX-License-Identifier: Apache-2.0
"""Other people's simulators as backends: one module per library, each behind an extra, none imported before it is used."""
