# SPDX-License-Identifier: Apache-2.0
"""Random circuits, options and questions against Cirq; `python -m fuzz.run --help`."""
