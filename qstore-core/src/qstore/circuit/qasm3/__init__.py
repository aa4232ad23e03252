# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 3: the part of the language that says circuits, with parameters as its inputs."""

from qstore.circuit.qasm3.reader import loads, matches
from qstore.circuit.qasm3.writer import dumps

__all__ = ["dumps", "loads", "matches"]
