# SPDX-License-Identifier: Apache-2.0
"""Somebody else's plugin. Importing it imports nothing else."""
