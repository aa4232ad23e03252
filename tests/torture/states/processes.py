# SPDX-License-Identifier: Apache-2.0
"""Several processes write to one file while another searches it."""

import numpy as np

from qstore_storage import QuantumStateDB
from torture.states.kills import check_contents, start
from torture.states.writer import operation, state_of


def write_together(path, writers, steps):
    """Two or more writers and this process as a reader; returns (states at the end, searches meanwhile)."""
    running = [start(path, f"w{number}", 0, steps) for number in range(writers)]
    # Read what they say in threads of our own making: none may block on a full pipe.
    searches = 0
    rng = np.random.default_rng(2)
    with QuantumStateDB(path=path) as db:
        for writer in running:
            assert writer.stdout.readline() == "0\n"
        seen = 0
        while any(writer.poll() is None for writer in running):
            names = db.ids()
            assert len(names) >= seen - writers  # a delete may have come between
            seen = len(names)
            name = str(rng.choice(names))
            found = db.find_similar(state_of(name), 3, {"step": {"$gte": 0}})
            assert found[0].id == name or name not in db.ids()
            searches += 1
        for writer in running:
            rest = writer.stdout.read().split()
            writer.stdout.close()
            assert writer.wait() == 0
            assert rest == [str(number) for number in range(1, steps)]
        expected = set()
        for number in range(steps):
            for writer in range(writers):
                what, names = operation(f"w{writer}", number)
                (expected.update if what == "store" else expected.difference_update)(names)
        assert set(db.ids()) == expected
        check_contents(db, path, rng)
    return len(expected), searches
