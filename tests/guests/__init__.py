# SPDX-License-Identifier: Apache-2.0
"""Tests of our backends inside other people's SDKs, against these SDKs' own simulators."""
