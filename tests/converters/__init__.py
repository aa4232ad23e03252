# SPDX-License-Identifier: Apache-2.0
"""Converters against the libraries they convert to; `fuzz.converters` runs the same checks many times."""
