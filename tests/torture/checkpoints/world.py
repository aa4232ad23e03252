# SPDX-License-Identifier: Apache-2.0
"""States that tell by themselves whether they are whole, and file operations that kill, fail or record."""

import errno
import os
import shutil
import signal
from pathlib import Path

import numpy as np

from qstore_storage.checkpoints import CheckpointManager
from qstore_storage.checkpoints.files import LocalFiles

LENGTH = 2_000


def state_of(step, length=LENGTH):
    """A state whose every entry follows from its step."""
    return {
        "step": step,
        "float": np.arange(length, dtype=np.float64) + step,
        "int": np.full(length, step, dtype=np.int64),
    }


def problem_of(checkpoint, length=LENGTH):
    """What is wrong with a loaded checkpoint; "" for nothing."""
    step, found = checkpoint.step, checkpoint.model_state
    wanted = state_of(step, length)
    if found["step"] != step:
        return f"step {step} holds the state of step {found['step']}"
    for name in ("float", "int"):
        if found[name].shape != (length,) or not np.array_equal(found[name], wanted[name]):
            return f"{name} of step {step} is torn"
    return ""


def manager(folder, files=None, **options):
    options = {"keep": 2, "payload": "zip", **options}
    return CheckpointManager(folder, files=files, **options)


def stored(folder, step, **options):
    """Store one state and come back when it is durable."""
    with manager(folder, **options) as checkpoints:
        checkpoints.save(step, state_of(step))


def in_child(function, *arguments):
    """Run a function in a forked process that ends with it; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = function(*arguments) or 0
    finally:
        os._exit(code)


def ended(pid):
    """Wait for a child; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class WatchedFiles(LocalFiles):
    """Calls `self.at(number, label, path)` before each operation; operations count from 1."""

    def __init__(self):
        self.number = 0
        self.labels = []

    def at(self, number, label, path):
        """For subclasses."""

    def _pass(self, operation, path):
        self.number += 1
        label = f"{operation} {label_of(path)}"
        self.labels.append(label)
        self.at(self.number, label, path)

    def make_folder(self, path):
        self._pass("make", path)
        super().make_folder(path)

    def write(self, path, parts):
        self._pass("write", path)
        super().write(path, parts)

    def sync_file(self, path):
        self._pass("fsync", path)
        super().sync_file(path)

    def sync_folder(self, path):
        self._pass("fsync folder", path)
        super().sync_folder(path)

    def rename(self, source, target):
        self._pass("rename to", target)
        super().rename(source, target)

    def remove_tree(self, path):
        self._pass("remove", path)
        super().remove_tree(path)


def label_of(path):
    """A path's part in the protocol, without numbers and random names."""
    name = path.name
    for start, label in ((".tmp-", "staged"), (".old-", "old"), ("step-", "published"), ("shard-", "shard"), (".damaged-", "damaged")):  # fmt: skip
        if name.startswith(start):
            return label
    if path.parent.name.startswith("tmp") or path.parent == path.parent.parent:
        return "the parent folder"
    if name.isdigit():
        return f"chunk of {path.parent.name}"
    return (
        f"{name} of {path.parent.name}" if name == "zarr.json" and "shard" not in path.parent.name else name
    )


class KillingFiles(WatchedFiles):
    """Ends the process at the n-th operation: before it, or in the middle of a write or a removal."""

    def __init__(self, at, share):
        super().__init__()
        self._at, self._share = at, share

    def write(self, path, parts):
        if self.number + 1 == self._at:
            content = b"".join(bytes(part) for part in parts)
            path.write_bytes(content[: int(len(content) * self._share)])
        super().write(path, parts)

    def remove_tree(self, path):
        if self.number + 1 == self._at:
            files = sorted(each for each in path.rglob("*") if each.is_file())
            for each in files[: int(len(files) * self._share)]:
                each.unlink()
        super().remove_tree(path)

    def at(self, number, label, path):
        if number == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class FailingFiles(WatchedFiles):
    """Reports an error at the n-th operation; a write leaves half of its file behind."""

    def __init__(self, at, code):
        super().__init__()
        self._at, self._code = at, code

    def at(self, number, label, path):
        if number == self._at:
            if label.startswith("write"):
                path.write_bytes(b"half")
            raise OSError(self._code, os.strerror(self._code), str(path))


class RecordingFiles(LocalFiles):
    """Keeps what was done, for `crash_states`."""

    def __init__(self):
        self.log = []

    def make_folder(self, path):
        self.log.append(("make", path))
        super().make_folder(path)

    def write(self, path, parts):
        parts = tuple(bytes(part) for part in parts)
        self.log.append(("write", path, b"".join(parts)))
        super().write(path, parts)

    def sync_file(self, path):
        self.log.append(("fsync", path))
        super().sync_file(path)

    def sync_folder(self, path):
        self.log.append(("fsync folder", path))
        super().sync_folder(path)

    def rename(self, source, target):
        self.log.append(("rename", source, target))
        super().rename(source, target)

    def remove_tree(self, path):
        files = sorted((each for each in path.rglob("*")), reverse=True)
        self.log.extend(("unlink", each) for each in [*files, path])
        super().remove_tree(path)


def fresh(folder, name):
    path = Path(folder, name)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EMFILE, errno.EDQUOT)
