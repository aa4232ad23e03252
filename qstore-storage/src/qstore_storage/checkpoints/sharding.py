# SPDX-License-Identifier: Apache-2.0
"""Processes that save one checkpoint together, each its own shard.

    first process: begins the checkpoint, and tells the others where
    every process: writes its shard, fsyncs it, and tells the hashes of its files, or its trouble
    first process: checks that every file is there, writes the manifest of all of them, publishes
    first process: tells that it is published; only then does any process count it as stored

What is exchanged is short text, by a function that every process calls in the same order. Any trouble of one process is
the trouble of all, at the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from qstore.errors import AlreadyStored, BackendUnavailable, OptionError, StorageError
from qstore_storage.checkpoints.strict_json import canonical, strict_loads

__all__ = ["ShardGroup", "torch_shard_group"]

AllGather = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ShardGroup:
    """The processes of one checkpoint.

    Attributes:
        rank: this process, from 0.
        world_size: how many there are.
        all_gather: given this process's text returns everybody's, by rank; it returns when all have called it. It is
            called in the background thread of the manager, so it must not share its channel with the training loop.

    Raises:
        OptionError: a rank outside the group.

    Example:
        >>> alone = ShardGroup(0, 1, lambda text: [text])
        >>> alone.agree("")
    """

    rank: int
    world_size: int
    all_gather: AllGather

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise OptionError(f"rank must be from 0 to {self.world_size - 1}, got {self.rank}.")

    def exchange(self, text: str = "", error: BaseException | None = None) -> list[str]:
        """Everybody's text.

        Raises:
            StorageError: another process reports trouble, or does not answer. The own error is left to the caller.
        """
        own = {"text": text} if error is None else {"error": f"{type(error).__name__}: {error}"}
        try:
            answers = list(self.all_gather(canonical(own).decode()))
        except Exception as exc:
            # Whatever the channel raises, the others did not answer.
            if error is not None:
                return []
            raise StorageError(f"The other processes did not answer: {type(exc).__name__}: {exc}") from exc
        if error is not None:
            return []
        read = [strict_loads(answer.encode(), "Another process's answer") for answer in answers]
        for rank, each in enumerate(read):
            if "error" in each:
                kind = AlreadyStored if str(each["error"]).startswith("AlreadyStored:") else StorageError
                raise kind(f"Process {rank} of {self.world_size} reports: {each['error']}")
        return [str(each["text"]) for each in read]

    def agree(self, problem: str) -> str | None:
        """The first problem that any process has, None if none has one."""
        return next((text for text in self.exchange(problem) if text), None)


def torch_shard_group(timeout_s: float = 300.0) -> ShardGroup:
    """The processes of `torch.distributed`, over a new gloo group that training does not use; all of them call this.

    Args:
        timeout_s: how long a process waits for the others.

    Raises:
        OptionError: there is no process group.
        BackendUnavailable: torch is not installed.
    """
    try:
        import torch
        from torch import distributed
    except ImportError as exc:
        raise BackendUnavailable("torch_shard_group needs PyTorch: pip install qstore-torch") from exc

    if not distributed.is_initialized():
        raise OptionError("There is no process group; call torch.distributed.init_process_group first.")
    group = distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout_s))
    size = distributed.get_world_size(group)

    def all_gather(text: str) -> list[str]:
        # torch's own all_gather_object pickles; text as bytes does as well.
        own = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        length = torch.tensor([own.numel()])
        lengths = [torch.zeros_like(length) for _ in range(size)]
        distributed.all_gather(lengths, length, group=group)
        longest = max(int(each) for each in lengths)
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: own.numel()] = own
        every = [torch.zeros_like(padded) for _ in range(size)]
        distributed.all_gather(every, padded, group=group)
        return [bytes(each[: int(n)].tolist()).decode() for each, n in zip(every, lengths, strict=True)]

    return ShardGroup(distributed.get_rank(), size, all_gather)
