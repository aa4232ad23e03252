# SPDX-License-Identifier: Apache-2.0
"""How long backends really took, compared with their own estimates: a memory that fades, on disk, for all processes.

For each backend, kind of work and size there is one number: the average of log2(measured/estimated), in which each new
measurement counts a fifth. Averages fade by measurements, not by time, so no clock that is set forward or back matters. A
process keeps what it measured and now and then merges it into the file, which is replaced whole; a file that cannot be
read is taken as empty, and one that cannot be written is left alone.
"""

from __future__ import annotations

import logging
import math
import os
import time
from pathlib import Path
from typing import Any

from qstore.batch import state_home
from qstore.errors import ConfigurationError, ExecutionError

__all__ = ["NoMemory", "Throughput", "shared_memory"]

log = logging.getLogger(__name__)

Key = tuple[str, str, int]
"""Backend, kind of work ("exact", "shots", "vjp"), qubits in steps of `STEP`."""
Pending = dict[Key, tuple[float, float]]
STEP = 4
FADING = 0.8
"""What the next measurement leaves of the average; it counts the rest itself."""
LARGEST = 20.0
"""A backend a million times slower than it says is as good as one that is slower still."""
EVERY_S = 60.0
_VERSION = 1
_MOST = 10_000


class NoMemory:
    """Remembers nothing: decisions rest on estimates alone.

    Example:
        >>> NoMemory().factor("statevector", "exact", 4)
        1.0
    """

    def factor(self, backend: str, kind: str, n_qubits: int) -> float:  # noqa: ARG002  # part of the contract
        """How much longer than estimated it takes."""
        return 1.0

    def note(self, backend: str, kind: str, n_qubits: int, *, estimated_s: float, measured_s: float) -> None:
        """Take a measurement."""

    def save(self, wait_s: float = 0.0) -> None:
        """Merge what was measured into the file."""


class Throughput(NoMemory):
    """The memory in a file, by default `throughput.json` in the state folder; read when it is first asked.

    Args:
        path: the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     memory = Throughput(f"{folder}/throughput.json")
        ...     memory.note("statevector", "exact", 4, estimated_s=0.001, measured_s=0.008)
        ...     memory.factor("statevector", "exact", 4)
        8.0
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else state_home() / "throughput.json"
        self._known: dict[Key, float] | None = None
        self._pending: Pending = {}
        """By key the weighted sum of new measurements, and what they leave of the average before them."""
        self._pid = os.getpid()
        self._saved_s = time.monotonic()

    def factor(self, backend: str, kind: str, n_qubits: int) -> float:
        """How much longer than estimated it takes, in powers of two, so that noise does not change decisions."""
        average = self._average((backend, kind, n_qubits // STEP))
        return 1.0 if average is None else 2.0 ** round(average)

    def note(self, backend: str, kind: str, n_qubits: int, *, estimated_s: float, measured_s: float) -> None:
        """Take a measurement; the file is written once a minute at most."""
        if not (0 < estimated_s < math.inf and 0 < measured_s < math.inf):
            return
        if self._pid != os.getpid():
            # In a forked child: what was measured before the fork is the parent's to save.
            self._pid, self._pending = os.getpid(), {}
        ratio = min(max(math.log2(measured_s / estimated_s), -LARGEST), LARGEST)
        key = (backend, kind, n_qubits // STEP)
        total, left = self._pending.get(key, (0.0, 1.0))
        self._pending[key] = (total * FADING + ratio * (1 - FADING), left * FADING)
        now = time.monotonic()
        if now - self._saved_s > EVERY_S:
            self._saved_s = now
            self.save()

    def save(self, wait_s: float = 0.0) -> None:
        """Merge what was measured into the file; trouble with the file is logged and nothing else.

        Args:
            wait_s: how long to wait for another process that is writing; what cannot be written now is kept for later.
        """
        if not self._pending or self._pid != os.getpid():
            return
        from qstore.execution.file_lock import holding

        taken, self._pending = self._pending, {}  # other threads go on noting
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with holding(self.path.with_suffix(".lock"), wait_s):
                known = _merged(_read(self.path), taken)
                _write(self.path, known)
                self._known = known
        except (OSError, ExecutionError) as exc:
            self._pending = _after(taken, self._pending)
            log.info("What backends took cannot be kept in %s now: %s", self.path, exc)

    def _average(self, key: Key) -> float | None:
        if self._known is None:
            self._known = _read(self.path)
        known, pending = self._known.get(key), self._pending.get(key)
        if pending is None:
            return known
        return _faded(known, *pending)

    def __repr__(self) -> str:
        return f"Throughput({str(self.path)!r})"


def _faded(known: float | None, total: float, left: float) -> float:
    # Without a past, the new measurements are all there is.
    return total / (1 - left) if known is None else known * left + total


def _after(earlier: Pending, later: Pending) -> Pending:
    """What was pending before and after some moment, as if it had been noted in one go."""
    both = dict(earlier)
    for key, (total, left) in list(later.items()):
        before = both.get(key, (0.0, 1.0))
        both[key] = (before[0] * left + total, before[1] * left)
    return both


def _merged(known: dict[Key, float], pending: Pending) -> dict[Key, float]:
    merged = known | {key: _faded(known.get(key), *new) for key, new in pending.items()}
    return dict(list(merged.items())[-_MOST:])


def _read(path: Path) -> dict[Key, float]:
    import json  # only where decisions are made

    try:
        document: Any = json.loads(path.read_text("utf-8"))
        entries = document["entries"] if document["version"] == _VERSION else []
        found = {
            (str(backend), str(kind), int(size)): float(average) for backend, kind, size, average in entries
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as exc:
        log.info("%s cannot be read and is started afresh: %s", path, exc)
        return {}
    return {key: average for key, average in found.items() if abs(average) <= LARGEST}


def _write(path: Path, known: dict[Key, float]) -> None:
    import json

    document = {
        "version": _VERSION,
        "entries": [[*key, round(average, 4)] for key, average in sorted(known.items())],
    }
    # A name of its own beside the file, then a rename: whoever reads sees the old or the new one, never half of it.
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        fresh.write_text(json.dumps(document), "utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


_shared: dict[Path, Throughput] = {}


def shared_memory() -> Throughput:
    """The memory of this process in the state folder, saved when the process ends.

    Example:
        >>> shared_memory() is shared_memory()
        True
    """
    try:
        path = state_home() / "throughput.json"
    except ConfigurationError:
        path = (
            Path(os.devnull) / "throughput.json"
        )  # a user without a home; what this process measures holds in it
    found = _shared.get(path)
    if found is None:
        if not _shared:
            import atexit

            atexit.register(_save_all)
        found = _shared.setdefault(path, Throughput(path))
    return found


def _save_all() -> None:
    for memory in list(_shared.values()):
        memory.save(wait_s=2.0)
