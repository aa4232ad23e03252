# SPDX-License-Identifier: Apache-2.0
"""Metrics under `kill -9`, full disks, full buffers and eight writers at once; `python -m torture metrics` runs all of it."""
