# SPDX-License-Identifier: Apache-2.0
"""Checkpoints under torture: `python -m torture checkpoints`."""
