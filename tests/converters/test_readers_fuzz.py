# SPDX-License-Identifier: Apache-2.0
"""No text upsets a reader: whatever is not a circuit is a CircuitFormatError, quickly. `nox -s fuzz` runs more of it."""

from converters.mangling import READERS, mangled
from qstore.errors import CircuitFormatError


def test_no_text_upsets_a_reader():
    read = refused = 0
    for name, reader in READERS.items():
        for text in mangled(name, seed=5, count=400):
            try:
                reader(text)
                read += 1
            except CircuitFormatError:
                refused += 1
    assert read > 50
    assert refused > 500
