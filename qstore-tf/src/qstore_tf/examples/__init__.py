# SPDX-License-Identifier: Apache-2.0
"""Whole trainings to read, copy and run: `python -m qstore_tf.examples.NAME`, with `--help`."""
