# SPDX-License-Identifier: Apache-2.0
"""Tests of the backends on other people's simulators."""
