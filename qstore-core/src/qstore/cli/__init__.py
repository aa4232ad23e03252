# SPDX-License-Identifier: Apache-2.0
"""The `qstore` command."""

from qstore.cli.main import main

__all__ = ["main"]
