# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are never torn, metrics that are never lost, and a database of quantum states.

Names are loaded on first use (PEP 562): the plugin manager imports this package to list what is installed, and that
must not import Zarr or Arrow.
"""

__version__ = "0.1.0"
