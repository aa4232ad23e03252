# SPDX-License-Identifier: Apache-2.0
"""Two processes that save the same step, and a state that changes the moment `save` returns."""

import os

import numpy as np

from qstore.errors import AlreadyStored
from torture.checkpoints.world import ended, fresh, in_child, manager, problem_of, state_of

WON, LOST = 10, 20


def _racer(root, step, who, ready, go):
    with manager(root, keep=None) as checkpoints:
        os.write(ready, b"r")
        os.read(go, 1)
        checkpoints.save(step, {**state_of(step), "who": who})
        try:
            checkpoints.wait()
        except AlreadyStored:
            return LOST
    return WON


def two_writers(folder, rounds):
    """One wins, the other is told; (rounds, problems)."""
    root, problems, wins = fresh(folder, "racing"), [], [0, 0]
    for step in range(rounds):
        ready, ready_end = os.pipe()
        go_end, go = os.pipe()
        children = [in_child(_racer, root, step, who, ready_end, go_end) for who in (0, 1)]
        while len(os.read(ready, 1)) + len(os.read(ready, 1)) < 2:
            pass
        os.write(go, b"gg")
        codes = [ended(pid) for pid in children]
        for each in (ready, ready_end, go, go_end):
            os.close(each)
        if sorted(codes) != [WON, LOST]:
            problems.append(f"round {step}: the writers ended with {codes}")
            continue
        winner = codes.index(WON)
        wins[winner] += 1
        with manager(root) as checkpoints:
            loaded = checkpoints.load(step)
        if problem_of(loaded) or loaded.model_state["who"] != winner:
            problems.append(f"round {step}: {problem_of(loaded) or 'the loser is stored'}")
    left = [each.name for each in root.iterdir() if each.name.startswith((".tmp", ".damaged"))]
    return wins, problems + ([f"left over: {left[:3]}"] if left else [])


def changed_after_save(folder, rounds, length=50_000):
    """What is stored is the state at the call, whatever becomes of its arrays; (rounds, problems)."""
    root, problems = fresh(folder, "changed"), []
    kinds = {"numpy": lambda array: array, "torch": _tensor}
    with manager(root, keep=2, queue_size=2) as checkpoints:
        for number in range(rounds):
            make = list(kinds.values())[number % 2]
            state = {**state_of(number, length), "nested": [{"x": np.full(3, number)}]}
            state = {**state, "float": make(state["float"]), "int": make(state["int"])}
            checkpoints.save(number, state)
            state["float"] += 1e9
            state["int"][:] = -1
            state["nested"][0]["x"][:] = -1
            state["nested"].append("more")
            state["step"] = -1
            if number % 10 == 9:
                loaded = checkpoints.load(as_numpy=True)
                nested = loaded.model_state["nested"]
                if (
                    problem_of(loaded, length)
                    or len(nested) != 1
                    or (nested[0]["x"] != number).any()
                    or loaded.step != number
                ):
                    problems.append(f"round {number}: {problem_of(loaded, length) or nested}")
            else:
                checkpoints.wait()
                loaded = checkpoints.load(number, as_numpy=True)
                if problem_of(loaded, length):
                    problems.append(f"round {number}: {problem_of(loaded, length)}")
    return rounds, problems


def _tensor(array):
    import torch

    return torch.from_numpy(array)
