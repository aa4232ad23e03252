# SPDX-License-Identifier: Apache-2.0
"""Planted faults: how the kit proves that it finds what it looks for."""
