# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, read-only, forbidden, broken, and processes that have no file left to open."""

import errno
import os
import resource
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from qstore.errors import StorageError
from torture.checkpoints.kills import operations
from torture.checkpoints.world import (
    ERRORS,
    FailingFiles,
    ended,
    fresh,
    in_child,
    manager,
    problem_of,
    state_of,
    stored,
)

NOBODY = 65534


def injected(folder, payload="zip", codes=ERRORS):
    """Every error at every operation of a save: it is told, the old checkpoint stays, and the next save works."""
    problems, done = [], 0
    labels = operations(folder, payload)
    published = next(number for number, label in enumerate(labels, 1) if label == "rename to published")
    for number, label in enumerate(labels, 1):
        for code in codes:
            root = fresh(folder, "injected")
            for step in (1, 2):
                stored(root, step, payload=payload)
            what = f"{errno.errorcode[code]} at {label!r} ({payload})"
            told = ""
            checkpoints = manager(root, FailingFiles(number, code), payload=payload)
            try:
                checkpoints.save(3, state_of(3))
                checkpoints.wait()
            except StorageError as exc:
                told = str(exc)
            # What lies behind the acknowledgement is no trouble of the save.
            if bool(told) != (number <= published + 1):
                problems.append(f"{what}: told {told!r}")
            if number <= published and os.strerror(code) not in told:
                problems.append(f"{what}: told {told!r}")
            loaded = checkpoints.load()
            if problem_of(loaded) or loaded.step != (3 if number > published else 2):
                problems.append(f"{what}: step {loaded.step} is loaded; {problem_of(loaded)}")
            checkpoints.save(4, state_of(4))
            checkpoints.close()
            with manager(root) as again:
                if again.load().step != 4:
                    problems.append(f"{what}: the next save did not work")
            left = [each.name for each in root.iterdir() if each.name.startswith(".tmp")]
            if left:
                problems.append(f"{what}: {left} is left")
            done += 1
    return done, problems


def _refused(root, what, *codes):
    """Save where it cannot work; the exit code of a child that got the right error and still loads."""
    with manager(root) as checkpoints:
        try:
            checkpoints.save(3, state_of(3))
            checkpoints.wait()
        except StorageError as exc:
            told = any(os.strerror(code) in str(exc) for code in codes)
            return 0 if told else _say(f"{what}: {exc}")
    return _say(f"{what}: nothing was raised")


def _say(text):
    os.write(2, f"{text}\n".encode())
    return 1


def _as_nobody(root):
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    return _refused(root, "EACCES", errno.EACCES) or _loads(root)


def _without_files(root):
    with manager(root) as checkpoints:
        checkpoints.save(3, state_of(3))
        checkpoints.wait()
        # The limit is on numbers: every free one below it is taken, so that none is left.
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(
            resource.RLIMIT_NOFILE,
            (max(int(each.name) for each in Path("/proc/self/fd").iterdir()) + 8, before[1]),
        )
        taken = []
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        told = ""
        try:
            checkpoints.save(4, state_of(4))
            checkpoints.wait()
        except StorageError as exc:
            told = str(exc)
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        if os.strerror(errno.EMFILE) not in told:
            return _say(f"EMFILE: told {told!r}")
        checkpoints.save(5, state_of(5))
        checkpoints.wait()
        return 0 if [info.step for info in checkpoints.list_checkpoints()] == [3, 5] else _say("EMFILE: lost")


def _loads(root):
    with manager(root) as checkpoints:
        loaded = checkpoints.load()
    problem = problem_of(loaded)
    return _say(problem) if problem else 0


def forbidden():
    """EACCES as another user, EMFILE; (cases, problems)."""
    # Not below the given folder: another user may not get there.
    with tempfile.TemporaryDirectory() as place:
        return _forbidden(Path(place))


def _forbidden(folder):
    problems, done = [], 0
    root = fresh(folder, "files")
    stored(root, 1)
    _loads(root)  # imports what loading needs: a child that is nobody may not be allowed to
    if os.getuid() == 0:
        # A user who is nobody may read, not write.
        for path in [folder, root, *root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        problems += [] if ended(in_child(_as_nobody, root)) == 0 else ["EACCES as another user"]
        done += 1
    problems += [] if ended(in_child(_without_files, root)) == 0 else ["EMFILE"]
    return done + 1, problems


def small_disks(folder, sizes):
    """Real file systems that fill up at some size, and one that turns read-only; None where one may not mount."""
    problems, done = [], 0
    place = fresh(folder, "mounted")
    for size in sizes:
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)],
            check=False,
            capture_output=True,
        ).returncode:
            return None
        try:
            done += 1
            problems += [f"{size} kB: {each}" for each in _fill(place / "run")]
        finally:
            subprocess.run(["umount", str(place)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], check=True)
    try:
        stored(place / "run", 1)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        code = _refused(place / "run", "EROFS", errno.EROFS) or _loads(place / "run")
        problems += ["EROFS"] if code else []
        done += 1
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return done, problems


def _fill(root):
    """Save, keeping all, until the disk is full; then what was acknowledged is whole, and room makes it work again."""
    acknowledged, problems = 0, []
    with manager(root, keep=None) as checkpoints:
        for step in range(1, 400):
            try:
                checkpoints.save(step, state_of(step))
                checkpoints.wait()
                acknowledged = step
            except StorageError as exc:
                if os.strerror(errno.ENOSPC) not in str(exc):
                    problems.append(f"told {exc}")
                break
        else:
            return ["the disk did not fill"]
        if not acknowledged:
            return problems
        loaded = checkpoints.load()
        if loaded.step != acknowledged or problem_of(loaded):
            problems.append(f"{loaded.step} is loaded, {acknowledged} was acknowledged; {problem_of(loaded)}")
        problems += [each.problem for each in checkpoints.verify() if not each.ok]
        checkpoints.delete(1)
        if acknowledged > 1:
            checkpoints.save(1000, state_of(1000))
            checkpoints.wait()
    return problems
