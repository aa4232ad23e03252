# SPDX-License-Identifier: Apache-2.0
"""The version of the plugin API, apart from any distribution's version.

A plugin works when its major number is the core's and its minor number is not above the core's. Additive changes
raise the minor number and never add a required method to a contract that exists.
"""

from __future__ import annotations

__all__ = ["API_VERSION", "incompatibility"]

API_VERSION = (1, 0)


def incompatibility(written_for: object) -> str | None:
    """Why a plugin written for that API version cannot be used here, with the remedy; None when it can."""
    if (
        not isinstance(written_for, tuple)
        or len(written_for) != 2
        or not all(isinstance(number, int) for number in written_for)
    ):
        return f"its api_version is {written_for!r}; it must be a pair of integers such as {API_VERSION}"
    theirs, ours = f"{written_for[0]}.{written_for[1]}", f"{API_VERSION[0]}.{API_VERSION[1]}"
    if written_for[0] < API_VERSION[0]:
        return f"it was written for plugin API {theirs}, this qstore-core has {ours}: upgrade the plugin"
    if written_for > API_VERSION:
        return f"it was written for plugin API {theirs}, this qstore-core has {ours}: upgrade qstore-core"
    return None
