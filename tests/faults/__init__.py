# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose: services that lose answers, processes that are killed, disks that are full."""
