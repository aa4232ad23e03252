# SPDX-License-Identifier: Apache-2.0
"""The database of quantum states, exactly and under fire; `tests/storage/states` runs smaller portions of it."""
