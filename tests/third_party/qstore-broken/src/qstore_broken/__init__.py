# SPDX-License-Identifier: Apache-2.0
"""Plugins that do not work, on purpose."""
