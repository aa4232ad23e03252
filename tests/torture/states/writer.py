# SPDX-License-Identifier: Apache-2.0
"""A process that stores and deletes states, and says so after each: `python -m torture.states.writer FILE PREFIX FIRST LAST`."""

import sys
import zlib

import numpy as np

from qstore_storage import QuantumStateDB

DIMENSION = 16
BATCH = 20


def state_of(name):
    """The state that belongs to a name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    state = rng.normal(size=DIMENSION) + 1j * rng.normal(size=DIMENSION)
    return state / np.linalg.norm(state)


def operation(prefix, number):
    """What step `number` does: ("store" or "delete", names)."""
    if number % 7 == 6:
        return "delete", [f"{prefix}-{number - 3}-0"]
    return "store", [f"{prefix}-{number}-{place}" for place in range(BATCH if number % 5 == 0 else 1)]


def main(path, prefix, first, last):
    with QuantumStateDB(path=path) as db:
        for number in range(int(first), int(last)):
            what, names = operation(prefix, number)
            if what == "delete":
                db.delete(names[0])
            else:
                db.store_states((name, state_of(name), {"step": number, "by": prefix}) for name in names)
            print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
