# SPDX-License-Identifier: Apache-2.0
"""What this distribution registers; importing it imports neither Zarr nor Arrow."""

from __future__ import annotations

__all__: list[str] = []
