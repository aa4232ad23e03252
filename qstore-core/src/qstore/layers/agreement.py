# SPDX-License-Identifier: Apache-2.0
"""How processes that train one model together agree on failures of circuits; the framework says how they talk.

Data-parallel training averages gradients in collective calls, for which every process waits. A process whose circuits
fail never gets there. With an agreement every process tells the others right after its circuits how they went: then all
raise, or none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from qstore.errors import ExecutionError, OptionError

__all__ = ["FailureAgreement", "PeerFailedError", "agreed", "checked_timeout"]

MESSAGE_BYTES = 400
"""So much of an error's text travels: every process sends as much as every other one."""
Answer = TypeVar("Answer")


class PeerFailedError(ExecutionError):
    """Another process could not run its circuits, or did not answer in time."""


class FailureAgreement(ABC):
    """Processes that tell each other whether their circuits ran; a copy of it, or a pickled one, agrees with nobody.

    Args:
        group: what the processes talk over; None for nobody.
        timeout_s: how long a process waits for the others.
    """

    process: ClassVar[str] = "process"
    """What the framework calls one of the processes."""

    def __init__(self, group: Any = None, timeout_s: float = 0.0) -> None:
        self._group, self._timeout_s = group, timeout_s

    def __reduce__(self) -> tuple[type[FailureAgreement], tuple[()]]:
        # A group is a connection; it does not travel.
        return type(self), ()

    @property
    @abstractmethod
    def _no_answer(self) -> type[Exception]:
        """What a collective call raises when another process does not answer."""

    @abstractmethod
    def _maximum(self, own: int) -> int:
        """The largest number of all processes."""

    @abstractmethod
    def _gathered(self, own: bytes) -> Sequence[bytes]:
        """What each process says, in order; all say `MESSAGE_BYTES` bytes."""

    def exchange(self, error: Exception | None) -> None:
        """Tell the others, and hear of them.

        Raises:
            PeerFailedError: circuits of another process failed while those of this one ran, or it did not answer.
        """
        if self._group is None:
            return
        try:
            if not self._maximum(0 if error is None else 1):
                return
            words = self._words(error)
        except self._no_answer as exc:
            if error is not None:
                return  # its own trouble is what this process has to report
            raise PeerFailedError(
                f"Another process did not answer within {self._timeout_s:g} s, so the circuits of this step are lost; it has "
                "probably ended. Look at its log, then start all processes again from the last checkpoint."
            ) from exc
        if error is None:
            raise PeerFailedError(f"{words} All processes stop here, at the same step.")

    def _words(self, error: Exception | None) -> str:
        """What the first process that failed says."""
        text = "" if error is None else f"{type(error).__name__}: {error}"
        every = self._gathered(text.encode()[:MESSAGE_BYTES].ljust(MESSAGE_BYTES, b"\0"))
        number, found = next((number, each) for number, each in enumerate(every) if any(each))
        said = found.rstrip(b"\0").decode(errors="replace")
        return f"The circuits of {self.process} {number} failed: {said}"


def agreed(agreement: FailureAgreement | None, function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call a function; with an agreement, raise where any process raises."""
    if agreement is None:
        return function(*arguments)
    try:
        found = function(*arguments)
    except Exception as exc:
        agreement.exchange(exc)
        raise
    agreement.exchange(None)
    return found


def checked_timeout(timeout_s: float) -> float:
    """Seconds to wait.

    Raises:
        OptionError: no number above 0.
    """
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise OptionError(f"timeout_s must be seconds above 0, got {timeout_s!r}.")
    return timeout_s
