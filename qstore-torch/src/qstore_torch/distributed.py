# SPDX-License-Identifier: Apache-2.0
"""Processes that train one model together and agree on failures.

Data-parallel training averages gradients in a collective call, for which every process waits. A process whose circuits
fail, by a budget that is spent for instance, never makes that call, and the others wait until a timeout of half an hour.
After `agree_on_failures(model)` every quantum layer exchanges one number right after its circuits, forwards where a
gradient is wanted and backwards: then all processes raise, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from qstore.errors import ExecutionError, OptionError
from torch import distributed, nn

__all__ = ["Agreement", "PeerFailedError", "agree_on_failures", "agreed"]

MESSAGE_BYTES = 400
Answer = TypeVar("Answer")


class PeerFailedError(ExecutionError):
    """Another process could not run its circuits, or did not answer in time."""


class Agreement:
    """Processes that tell each other whether their circuits ran; a copy of it, or a pickled one, agrees with nobody.

    Args:
        group: a process group of its own on the CPU; None for nobody.
        timeout_s: how long a process waits for the others.
    """

    def __init__(self, group: Any | None = None, timeout_s: float = 0.0) -> None:
        self._group, self._timeout_s = group, timeout_s

    def __reduce__(self) -> tuple[type[Agreement], tuple[()]]:
        # A process group is a connection; it does not travel.
        return Agreement, ()

    def exchange(self, error: Exception | None) -> None:
        """Tell the others, and hear of them.

        Raises:
            PeerFailedError: circuits of another process failed while those of this one ran, or it did not answer.
        """
        if self._group is None:
            return
        failed = torch.tensor([0 if error is None else 1], dtype=torch.int32)
        try:
            distributed.all_reduce(failed, op=distributed.ReduceOp.MAX, group=self._group)
            if not failed.item():
                return
            words = self._words(error)
        except RuntimeError as exc:
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
        encoded = text.encode()[:MESSAGE_BYTES]
        own = torch.zeros(MESSAGE_BYTES, dtype=torch.uint8)
        own[: len(encoded)] = torch.tensor(list(encoded), dtype=torch.uint8)
        size = distributed.get_world_size(self._group)
        every = [torch.zeros_like(own) for _ in range(size)]
        distributed.all_gather(every, own, group=self._group)
        rank, found = next((rank, each) for rank, each in enumerate(every) if each.any())
        said = bytes(found.tolist()).rstrip(b"\0").decode(errors="replace")
        return f"The circuits of rank {rank} failed: {said}"


def agree_on_failures(model: nn.Module, *, timeout_s: float = 60.0) -> Agreement:
    """Make the processes of the default group agree on failures of the quantum layers of a model.

    Every process calls it, once, after `torch.distributed.init_process_group` and with the same model. Choose a timeout
    above the longest wait for a queue: a process waits for the others that long after its own circuits.

    Args:
        model: a model with quantum layers; `DistributedDataParallel` around it or not.
        timeout_s: how long a process waits for the others.

    Returns:
        The agreement, which the layers have now.

    Raises:
        OptionError: no process group, no quantum layer, or no time.
    """
    from qstore_torch.quantum_module import QuantumModule  # it needs `agreed`

    if not distributed.is_initialized():
        raise OptionError("There is no process group; call torch.distributed.init_process_group first.")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise OptionError(f"timeout_s must be seconds above 0, got {timeout_s!r}.")
    layers = [module for module in model.modules() if isinstance(module, QuantumModule)]
    if not layers:
        raise OptionError("The model has no quantum layer, so there is nothing to agree on.")
    # A group of its own: its calls never stand between those that average gradients.
    group = distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout_s))
    agreement = Agreement(group, timeout_s)
    for layer in layers:
        layer.agreement = agreement
    return agreement


def agreed(agreement: Agreement | None, function: Callable[..., Answer], *arguments: Any) -> Answer:
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
