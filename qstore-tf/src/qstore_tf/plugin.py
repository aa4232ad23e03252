# SPDX-License-Identifier: Apache-2.0
"""What this distribution registers; importing it imports no Keras."""

from __future__ import annotations

__all__: list[str] = []
