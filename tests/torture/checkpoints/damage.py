# SPDX-License-Identifier: Apache-2.0
"""Damage at rest: single bits that flip anywhere, files that are cut, lost, swapped or longer."""

import random
import shutil

from qstore.errors import CheckpointCorrupt
from torture.checkpoints.world import fresh, manager, problem_of, state_of

LAYOUTS = ({"payload": "zip"}, {"payload": "folder"}, {"payload": "folder", "compression": "zstd"})


def _saved(folder, options):
    root = fresh(folder, "damage")
    with manager(root, **options) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state_of(step), metadata={"loss": 0.5, "note": "a bit more text to hit"})
    newest = root / "step-000000000002"
    return root, sorted(path for path in newest.rglob("*") if path.is_file())


def bit_flips(folder, count, seed=0):
    """Flip one bit of the newest checkpoint at a time; every flip is seen, and the older one is loaded instead."""
    rng, problems, done = random.Random(seed), [], 0
    for index, options in enumerate(LAYOUTS):
        root, files = _saved(folder, options)
        share = count // len(LAYOUTS) + (index < count % len(LAYOUTS))
        weights = [path.stat().st_size for path in files]
        with manager(root) as checkpoints:
            for number in range(share):
                # Half of them by size, half by file: the small files matter most.
                path = rng.choices(files, weights)[0] if number % 2 else rng.choice(files)
                good = path.read_bytes()
                bad = bytearray(good)
                where = rng.randrange(8 * len(good))
                bad[where // 8] ^= 1 << where % 8
                path.write_bytes(bad)
                problems += _unseen(checkpoints, f"bit {where} of {path.name} ({options})")
                path.write_bytes(good)
                done += 1
            problems += [each.problem for each in checkpoints.verify() if not each.ok]
    return done, problems


def _unseen(checkpoints, what):
    found = []
    if checkpoints.verify(2)[0].ok:
        found.append(f"{what}: verify sees nothing")
    try:
        checkpoints.load(2)
        found.append(f"{what}: it was loaded")
    except CheckpointCorrupt:
        pass
    loaded = checkpoints.load()
    if loaded.step != 1 or problem_of(loaded):
        found.append(f"{what}: load() gave step {loaded.step}; {problem_of(loaded)}")
    return found


def rough_damage(folder, seed=0):
    """Every file lost, emptied, cut, lengthened, and taken from another checkpoint; (cases, problems)."""
    rng, problems, done = random.Random(seed), [], 0
    for options in LAYOUTS:
        root, files = _saved(folder, options)
        with manager(root) as checkpoints:
            for path in files:
                good = path.read_bytes()
                twin = root / "step-000000000001" / path.relative_to(root / "step-000000000002")
                cases = {
                    "lost": None,
                    "emptied": b"",
                    "cut": good[: rng.randrange(len(good))],
                    "longer": good + b"\0",
                    "of another step": twin.read_bytes(),
                }
                for name, content in cases.items():
                    if content == good:
                        continue  # some files are the same for every step
                    if content is None:
                        path.unlink()
                    else:
                        path.write_bytes(content)
                    problems += _unseen(checkpoints, f"{path.name} {name} ({options})")
                    path.write_bytes(good)
                    done += 1
        shutil.rmtree(root)
    return done, problems
