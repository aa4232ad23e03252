# SPDX-License-Identifier: Apache-2.0
"""What the readers of text formats share: tokens, errors that point into the text, the circuit that comes about."""

from qstore.circuit.text.program import NEVER, Program, Register
from qstore.circuit.text.source import MAX_CHARACTERS, Source
from qstore.circuit.text.tokens import END, MAX_NAME, Language, Token, Tokens, listed

__all__ = [
    "END",
    "MAX_CHARACTERS",
    "MAX_NAME",
    "NEVER",
    "Language",
    "Program",
    "Register",
    "Source",
    "Token",
    "Tokens",
    "listed",
]
