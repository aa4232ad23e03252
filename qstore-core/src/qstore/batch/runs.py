# SPDX-License-Identifier: Apache-2.0
"""Runs: what a piece of work is called, so that the jobs it paid for are found again after a crash.

A run is *named* when the user chose the name, with `run_context` or the environment variable QSTORE_RUN. In a named
run a batch without a seed does not draw fresh entropy: its seed follows from the run's name, the rank, the batch's
content and how often that content came before. So the same script started again under the same name makes the same
stream keys, hence the same job tags, and adopts its jobs. Nothing depends on the order of different batches.

Not here: what is kept of a run on disk (`qstore.execution.runs_folder`).
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore.errors import ConfigurationError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Run", "current_run", "process_rank", "run_context", "state_home"]

log = logging.getLogger(__name__)

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DEVICES = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?"
"""Names that Windows keeps for devices: a run's name is the name of a folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run; made by `run_context` or found by `current_run`.

    Attributes:
        name: 1 to 128 letters, digits and `._-`.
        named: whether the user chose the name, so that a restart under it finds its jobs.

    Example:
        >>> with run_context("digits-v3") as run:
        ...     run.name, run.named
        ('digits-v3', True)
    """

    name: str
    named: bool
    _seen: dict[bytes, int] = field(default_factory=dict, compare=False, repr=False)

    def draw_seed(
        self, fingerprint: str, bindings: Mapping[str, NDArray[np.float64]], shots: int, outputs: object
    ) -> int:
        """A seed of 63 bits for a batch that has none.

        In a named run it repeats when the script does. A worker process that repeats the very content of another one
        needs an environment variable RANK of its own, or it draws the same seed.
        """
        if not self.named:
            return int.from_bytes(os.urandom(8), "little") >> 1
        import hashlib  # only needed here, and 3 ms

        digest = hashlib.sha256()
        for part in (self.name, process_rank(), fingerprint, str(shots), repr(outputs)):
            digest.update(f"{len(part)}:{part}:".encode())
        for name in sorted(bindings):
            array = np.ascontiguousarray(bindings[name] + 0.0)  # -0.0 becomes 0.0: equal values, equal seeds
            digest.update(f"{len(name)}:{name}:{array.shape}:".encode())
            digest.update(array.tobytes())
        content = digest.digest()[:16]
        with _lock:
            earlier = self._seen.get(content, 0)
            self._seen[content] = earlier + 1
        digest.update(f":{earlier}".encode())
        return int.from_bytes(digest.digest()[:8], "little") >> 1

    def get_state(self) -> dict[str, Any]:
        """How often which content came, for a checkpoint: `contents` (n, 16) uint8 and `counts` (n,) int64.

        Training that goes on from a checkpoint with this state draws the seeds that it would have drawn, so it adopts
        the jobs that were sent between the checkpoint and the crash instead of paying for them again.
        """
        with _lock:
            contents, counts = list(self._seen), list(self._seen.values())
        joined = np.frombuffer(b"".join(contents), dtype=np.uint8).reshape(len(contents), 16)
        return {"name": self.name, "contents": joined.copy(), "counts": np.array(counts, dtype=np.int64)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Count on from where `get_state` was called.

        Raises:
            OptionError: it is the state of a run of another name that drew seeds, which this one cannot draw, or no such
                state.
        """
        try:
            name = state["name"]
            contents = np.ascontiguousarray(state["contents"], dtype=np.uint8)
            counts = [int(count) for count in state["counts"]]
        except (KeyError, TypeError, ValueError) as exc:
            raise OptionError(f"That is not the state of a run, as get_state gives it: {exc!r}.") from exc
        if name != self.name and counts:
            raise OptionError(
                f"This is the state of the run {name!r}, and this run is {self.name!r}: their seeds differ. Use "
                f"qs.run_context({name!r}) to go on with it."
            )
        if contents.shape != (len(counts), 16) or min(counts, default=0) < 0:
            raise OptionError(f"{len(counts)} counts do not fit contents of shape {contents.shape}.")
        with _lock:
            self._seen.clear()
            self._seen.update(zip((row.tobytes() for row in contents), counts, strict=True))


_RANDOM = r"run-[0-9a-f]{12}"
_lock = threading.Lock()
_current: ContextVar[Run | None] = ContextVar("qstore_run", default=None)
_active: list[Run] = []
"""Contexts that are open anywhere in the process, for threads that started without their parent's context."""
_named: dict[str, Run] = {}
"""One per name and process, so that a name used again goes on counting."""
_unnamed: Run | None = None


@contextmanager
def run_context(name: str) -> Iterator[Run]:
    """Give a run its name for the batches made inside.

    Args:
        name: 1 to 128 letters, digits and `._-`, not starting with a dot or a dash.

    Raises:
        OptionError: not such a name.

    Example:
        >>> import qstore as qs
        >>> coin = qs.QuantumCircuit(1).h(0)
        >>> with qs.run_context("example"):
        ...     batch = qs.CircuitBatch.of(coin, shots=10)
        >>> batch.run
        'example'
    """
    run = _run_named(name, "run_context")
    token = _current.set(run)
    with _lock:
        _active.append(run)
    try:
        yield run
    finally:
        _current.reset(token)
        with _lock:
            _active.remove(run)


def current_run() -> Run:
    """The innermost `run_context`, else QSTORE_RUN, else a random name that is logged once.

    A thread that was started without a context of its own, as autograd's are, belongs to the one run that is open.

    Raises:
        OptionError: QSTORE_RUN is no name for a run.

    Example:
        >>> current_run() == current_run()
        True
    """
    run = _current.get()
    if run is not None:
        return run
    if _active:
        with _lock:
            names = {each.name for each in _active}
        if len(names) == 1:
            return _run_named(names.pop(), "run_context")
    name = os.environ.get("QSTORE_RUN")
    return _run_named(name, "QSTORE_RUN") if name else _unnamed_run()


def process_rank() -> str:
    """The rank among the processes of a distributed job, from the environment variable RANK; "0" without.

    Example:
        >>> process_rank()
        '0'
    """
    rank = os.environ.get("RANK") or "0"
    return rank if rank.isdecimal() and rank.isascii() else "0"


def state_home() -> Path:
    """The folder of runs and ledger: QSTORE_HOME, or the platform's place for a user's state.

    Raises:
        ConfigurationError: there is no such place, because this user has no home.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, QSTORE_HOME="/data/qstore"):
        ...     state_home().as_posix()
        '/data/qstore'
    """
    from pathlib import Path  # 4 ms that most imports of qstore never need

    try:
        chosen = os.environ.get("QSTORE_HOME")
        if chosen:
            return Path(chosen).expanduser()
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "qstore"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "qstore"
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "qstore"
    except RuntimeError:
        msg = "This user has no home folder, as in some containers; set QSTORE_HOME to a folder for runs and the ledger."
        raise ConfigurationError(msg) from None


def checked_run_name(name: Any, source: str = "A run's name") -> str:
    """The name, if it can be one.

    Raises:
        OptionError: it cannot.
    """
    if (
        not isinstance(name, str)
        or not re.fullmatch(_NAME, name)
        or name.endswith(".")
        or re.fullmatch(_DEVICES, name)
    ):
        msg = (
            f"{source}: {name!r} cannot name a run; use 1 to 128 letters, digits, '.', '_' and '-', not starting with "
            "'.' or '-', not ending with '.', and none of the names that Windows keeps for devices."
        )
        raise OptionError(msg)
    return name


def is_random_name(name: str) -> bool:
    """Whether a run's name looks drawn rather than chosen."""
    return re.fullmatch(_RANDOM, name) is not None


def _run_named(name: str, source: str) -> Run:
    found = _named.get(name) if isinstance(name, str) else None
    if found is None:
        run = Run(checked_run_name(name, source), named=True)
        with _lock:
            found = _named.setdefault(run.name, run)
    return found


def _unnamed_run() -> Run:
    global _unnamed  # noqa: PLW0603  # one per process is the point
    if _unnamed is None:
        with _lock:
            if _unnamed is None:
                _unnamed = Run(f"run-{os.urandom(6).hex()}", named=False)
                msg = "This run is called %r. Name it, with qs.run_context(name) or QSTORE_RUN, to find its jobs again."
                log.info(msg, _unnamed.name)
    return _unnamed


def _after_fork() -> None:
    # A thread of the parent may have held the lock at the moment of the fork.
    global _lock  # noqa: PLW0603  # see above
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
