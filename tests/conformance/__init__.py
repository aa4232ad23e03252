# SPDX-License-Identifier: Apache-2.0
"""The conformance kit on everything that is installed."""
