# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 2: the text format that most quantum software reads and writes."""

from qstore.circuit.qasm2.reader import loads, matches
from qstore.circuit.qasm2.writer import dumps

__all__ = ["dumps", "loads", "matches"]
