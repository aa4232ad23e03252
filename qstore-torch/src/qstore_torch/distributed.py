# SPDX-License-Identifier: Apache-2.0
"""Processes that train one model together and agree on failures.

Data-parallel training averages gradients in a collective call, for which every process waits. A process whose circuits
fail, by a budget that is spent for instance, never makes that call, and the others wait until a timeout of half an hour.
After `agree_on_failures(model)` every quantum layer exchanges one number right after its circuits, forwards where a
gradient is wanted and backwards: then all processes raise, or none.
"""

from __future__ import annotations

from datetime import timedelta

import torch
from qstore.errors import OptionError
from qstore.layers.agreement import FailureAgreement, PeerFailedError, checked_timeout
from qstore_torch.quantum_module import QuantumModule
from torch import distributed, nn

__all__ = ["Agreement", "PeerFailedError", "agree_on_failures"]


class Agreement(FailureAgreement):
    """Processes that tell each other whether their circuits ran; a copy of it, or a pickled one, agrees with nobody.

    Args:
        group: a process group of its own on the CPU; None for nobody.
        timeout_s: how long a process waits for the others.
    """

    process = "rank"

    @property
    def _no_answer(self) -> type[Exception]:
        return RuntimeError

    def _maximum(self, own: int) -> int:
        found = torch.tensor([own], dtype=torch.int32)
        distributed.all_reduce(found, op=distributed.ReduceOp.MAX, group=self._group)
        return int(found)

    def _gathered(self, own: bytes) -> list[bytes]:
        said = torch.tensor(list(own), dtype=torch.uint8)
        every = [torch.zeros_like(said) for _ in range(distributed.get_world_size(self._group))]
        distributed.all_gather(every, said, group=self._group)
        return [bytes(each.tolist()) for each in every]


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
    if not distributed.is_initialized():
        raise OptionError("There is no process group; call torch.distributed.init_process_group first.")
    timeout_s = checked_timeout(timeout_s)
    layers = [module for module in model.modules() if isinstance(module, QuantumModule)]
    if not layers:
        raise OptionError("The model has no quantum layer, so there is nothing to agree on.")
    # A group of its own: its calls never stand between those that average gradients.
    group = distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout_s))
    agreement = Agreement(group, timeout_s)
    for layer in layers:
        layer.agreement = agreement
    return agreement
