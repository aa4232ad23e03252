# SPDX-License-Identifier: Apache-2.0
"""Every state in which a power failure could leave the disk, from the recorded operations of one save.

The file system is taken to be as weak as it may be: content of a file that was not fsynced is there, empty, half, or
zeros; a name that was made, renamed or removed since the last fsync of its folder is there or not, each by itself. A
process that is killed loses nothing of that kind: kill -9 proves nothing about power, this does.

Mutants are the same log with a safeguard taken out. Each of them must be found out, or the enumeration proves nothing.
"""

import hashlib
import itertools
import random
import tempfile
from pathlib import Path

import numpy as np

from qstore.errors import CheckpointCorrupt, NotStored
from torture.checkpoints.world import LENGTH, RecordingFiles, fresh, manager, problem_of, state_of

FULL_SUBSETS = 64
RANDOM_SUBSETS = 24
DAMAGE = ("empty", "half", "zeros")
BELIEVING = "no manifest, no fsync of files, and a reader that believes what it finds"
"""The mutant for `load_without_manifest`."""


def recorded(folder, payload):
    """Root, content of the disk before, and the log of saving step 2 with `keep=1`, its acknowledgement marked."""
    root = fresh(folder, f"recorded-{payload}")
    with manager(root, keep=1, payload=payload) as checkpoints:
        checkpoints.save(1, state_of(1))
    before = {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not _is_lock(path)
    }
    files = RecordingFiles()
    with manager(root, files, keep=1, payload=payload) as checkpoints:
        checkpoints.save(2, state_of(2))
    log = files.log
    publish = next(
        i for i, entry in enumerate(log) if entry[0] == "rename" and entry[2].name.startswith("step-")
    )
    log.insert(publish + 2, ("ack",))  # after the fsync of the parent folder
    assert log[publish + 1] == ("fsync folder", root)
    return root, before, log


def mutants(log):
    """Name and log of each mutant."""
    for index, entry in enumerate(log):
        if entry[0] in {"fsync", "fsync folder"}:
            yield f"without {entry[0]} of {_shown(entry[1])}", log[:index] + log[index + 1 :]
    every = [entry for entry in log if entry[0] not in {"fsync", "fsync folder"}]
    yield "without any fsync", every
    publish = next(
        i for i, entry in enumerate(log) if entry[0] == "rename" and entry[2].name.startswith("step-")
    )
    ack = log.index(("ack",))
    removal = log[ack + 1 :]
    yield "old one removed before the new one is published", log[:publish] + removal + log[publish : ack + 1]
    early = [entry for entry in log if entry[0] != "ack"]
    yield (
        "acknowledged before the parent folder is fsynced",
        [*early[: publish + 1], ("ack",), *early[publish + 1 :]],
    )

    def about_manifest(entry):
        return entry[0] in {"write", "fsync"} and entry[1].name == "MANIFEST.json"

    yield "the manifest is not written", [entry for entry in log if not about_manifest(entry)]
    yield BELIEVING, [entry for entry in log if entry[0] != "fsync" and not about_manifest(entry)]


def bad_states(root, before, log, *, load=None, seed=0, stop_at=None):
    """(number of states, descriptions of the bad ones)."""
    rng = random.Random(seed)
    seen, bad = set(), []
    acknowledged = log.index(("ack",))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        lengths = (
            sorted(range(len(log) + 1), key=lambda n: n <= acknowledged) if stop_at else range(len(log) + 1)
        )
        for length in lengths:
            least = 2 if length > acknowledged else 1
            for disk in _disks(root, before, log[:length], rng):
                mark = (_digest(disk), least)
                if mark in seen:
                    continue
                seen.add(mark)
                problem = _judge(Path(place, "disk"), disk, least, load or _load)
                if problem:
                    bad.append(f"after {length} operations, the last {_entry(log, length)}: {problem}")
                    if stop_at is not None and len(bad) >= stop_at:
                        return len(seen), bad
    return len(seen), bad


def _disks(root, before, log, rng):
    """What may be on the disk after these operations, as {path: content}."""
    names, data = _pending(root, log)
    for chosen in _subsets(len(names), rng):
        kept = {index for index, keep in zip(names, chosen, strict=True) if keep}
        pending = set(names)
        for variant in _variants(data):
            yield _replayed(root, before, log, lambda index: index not in pending or index in kept, variant)  # noqa: B023  # used at once


def _pending(root, log):
    """Operations on names that no fsync of their folder has followed, and files whose content is not fsynced.

    Paths change by renames, so folders and files are followed by identity: the path at which they were made.
    """
    at = {root: root}  # present path to identity

    def identity(path):
        for parent in (path, *path.parents):
            if parent in at:
                return at[parent] / path.relative_to(parent)
        return path

    names, data = {}, set()
    for index, entry in enumerate(log):
        kind = entry[0]
        if kind in {"make", "write", "unlink"}:
            names[index] = {identity(entry[1].parent)}
        if kind == "write":
            data.add(identity(entry[1]))
        elif kind == "rename":
            names[index] = {identity(entry[1].parent), identity(entry[2].parent)}
            at[entry[2]] = identity(entry[1])
        elif kind == "fsync":
            data.discard(identity(entry[1]))
        elif kind == "fsync folder":
            folder = identity(entry[1])
            names = {each: folders - {folder} for each, folders in names.items() if folders - {folder}}
    return list(names), sorted(data)


def _subsets(count, rng):
    if 2**count <= FULL_SUBSETS:
        yield from itertools.product((False, True), repeat=count)
        return
    yield (False,) * count
    for each in range(count + 1):
        yield (True,) * each + (False,) * (count - each)
    for each in range(count):
        yield tuple(index == each for index in range(count))
        yield tuple(index != each for index in range(count))
    for _ in range(RANDOM_SUBSETS):
        yield tuple(rng.random() < 0.5 for _ in range(count))


def _variants(files):
    """What became of content that was not fsynced: {identity: damage}."""
    yield {}
    for damage in DAMAGE if files else ():
        yield dict.fromkeys(files, damage)
        if len(files) > 1:
            for each in files:
                yield {each: damage}


def _replayed(root, before, log, applies, damaged):
    """The disk as {relative path: content, None for a folder}; a name whose folder is gone is gone, too."""
    tree = {root / path: content for path, content in before.items()}
    for path in list(tree):
        tree |= {parent: None for parent in path.parents if root in parent.parents}
    for index, entry in enumerate(log):
        kind = entry[0]
        if kind == "rename":
            source, target = entry[1], entry[2]
            if applies(index):
                moved = {
                    path: content
                    for path, content in tree.items()
                    if path == source or source in path.parents
                }
                for path, content in moved.items():
                    del tree[path]
                    tree[target / path.relative_to(source)] = content
        elif (
            kind in {"make", "write"}
            and applies(index)
            and (entry[1].parent in tree or entry[1].parent == root)
        ):
            content = None if kind == "make" else _content(entry[2], damaged.get(entry[1]))
            tree[entry[1]] = content
        elif kind == "unlink" and applies(index):
            tree = {
                path: content
                for path, content in tree.items()
                if path != entry[1] and entry[1] not in path.parents
            }
    return {path.relative_to(root): content for path, content in tree.items()}


def _content(content, damage):
    if damage is None:
        return content
    return {"empty": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content))}[damage]


def _judge(place, disk, least, load):
    fresh(place.parent, place.name)
    for path, content in sorted(disk.items()):
        if content is None:
            (place / path).mkdir(parents=True, exist_ok=True)
        else:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
    try:
        step, problem = load(place)
    except (CheckpointCorrupt, NotStored) as exc:
        return f"nothing can be loaded: {exc}"
    return problem or (f"step {step} is loaded, {least} was acknowledged" if step < least else "")


def _load(place):
    with manager(place) as checkpoints:
        loaded = checkpoints.load()
    return loaded.step, problem_of(loaded)


def load_without_manifest(place):
    """A reader that believes what it finds, for a log in the layout "folder"."""
    steps = sorted(path for path in place.iterdir() if path.name.startswith("step-"))
    for path in reversed(steps):
        chunks = {name: path / "shard-00000" / name / "0" for name in ("float64", "int64")}
        if all(chunk.is_file() for chunk in chunks.values()):
            step = int(path.name.removeprefix("step-"))
            wanted = state_of(step)
            floats, ints = (
                np.frombuffer(chunks[name].read_bytes()[: 8 * LENGTH].ljust(8 * LENGTH, b"\0"), name)
                for name in chunks
            )
            same = np.array_equal(floats, wanted["float"]) and np.array_equal(ints, wanted["int"])
            return step, "" if same else f"damaged content of step {step} is accepted"
    raise NotStored("no checkpoint")


def _digest(disk):
    found = hashlib.blake2b()
    for path, content in sorted(disk.items()):
        found.update(f"{path}:{-1 if content is None else len(content)}:".encode())
        found.update(content or b"")
    return found.digest()


def _is_lock(path):
    return path.name.endswith(".lock")


def _shown(path):
    return "/".join(part if not part.startswith(".tmp-") else "staged" for part in path.parts[-2:])


def _entry(log, length):
    return (
        f"{log[length - 1][0]} {_shown(log[length - 1][1])}"
        if length and len(log[length - 1]) > 1
        else "none"
    )
