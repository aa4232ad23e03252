# SPDX-License-Identifier: Apache-2.0
"""A stranger's plugin. Importing it imports nothing else."""
