# SPDX-License-Identifier: Apache-2.0
"""Two processes train one model: as one process with the joined batch, and when one of them fails all of them stop."""

import copy
import json
import pickle
import subprocess
import sys
import time

import pytest

import qstore_torch as qt
import torch
from qstore.errors import OptionError
from qstore_torch.distributed import Agreement, agree_on_failures
from qstore_torch.examples.distributed import train_here
from torch import nn

PATIENCE_S = 60
FAILING = """
import sys, time
from datetime import timedelta

import qstore as qs
import torch
from qstore.errors import BudgetExceeded, QStoreError
from qstore_torch import QuantumLayer
from qstore_torch.distributed import agree_on_failures
from torch import distributed, nn

rank, port, where, agree = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "agree"
store = distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0, timeout=timedelta(seconds=60))
distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=8))


class Poor:
    name = "poor"

    def __init__(self):
        self.inner = qs.get_backend("statevector", threads=1)
        self.capabilities = self.inner.capabilities.with_changes(differentiable_outputs=frozenset())
        self.runs = 0

    def estimate(self, batch):
        return self.inner.estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        self.runs += 1
        # Runs 1 and 2 are the first step; 3 is the forward pass of the second, 4 its backward pass.
        if rank == 1 and self.runs == {"forward": 3, "backward": 4, "never": 0}[where]:
            raise BudgetExceeded("The budget of this rank is spent.")
        if rank == 1 and where == "never" and self.runs == 3:
            sys.stdout.flush()
            import os
            os._exit(3)
        return self.inner.run_sync(batch)


torch.manual_seed(1)
model = nn.parallel.DistributedDataParallel(nn.Sequential(QuantumLayer(n_qubits=2, depth=1, backend=Poor()), nn.Linear(2, 1)))
if agree:
    agree_on_failures(model, timeout_s=4)
steps = 0
try:
    for _ in range(3):
        model(torch.rand(4, 2)).sum().backward()
        steps += 1
except (QStoreError, RuntimeError) as error:
    print(f"{steps} {type(error).__name__}: {error}", flush=True)
"""


def _free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _both(where, agree="agree"):
    port = _free_port()
    start = time.monotonic()
    ranks = [
        subprocess.Popen([sys.executable, "-c", FAILING, str(rank), str(port), where, agree],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]  # fmt: skip
    said = []
    for process in ranks:
        out, err = process.communicate(timeout=PATIENCE_S + 30)
        said.append(out.strip() or err[-500:])
    return said, time.monotonic() - start


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_when_the_budget_of_one_rank_is_spent_all_ranks_raise_at_the_same_step(where):
    (first, second), _ = _both(where)
    assert first.startswith(
        "1 PeerFailedError: The circuits of rank 1 failed: BudgetExceeded: The budget of this"
    )
    assert second == "1 BudgetExceeded: The budget of this rank is spent."


def test_a_rank_that_is_gone_is_missed_after_the_timeout():
    (first, _), _ = _both("never")
    assert first.startswith("1 PeerFailedError: Another process did not answer within 4 s")


def test_without_an_agreement_the_others_only_find_out_by_the_collective_call():
    """The control: the other rank waits until the first one's connection or the group's own timeout ends it."""
    (first, second), _ = _both("backward", "alone")
    assert second == "1 BudgetExceeded: The budget of this rank is spent."
    assert "PeerFailedError" not in first
    assert "BudgetExceeded" not in first


def test_two_processes_train_as_one_with_the_joined_batch(tmp_path):
    port = _free_port()
    ranks = [
        subprocess.Popen([sys.executable, "-m", "qstore_torch.examples.distributed", "--rank", str(rank), "--world", "2",
                          "--port", str(port), "--steps", "4", "--losses", str(tmp_path / f"{rank}.json")])
        for rank in range(2)
    ]  # fmt: skip
    for process in ranks:
        assert process.wait(PATIENCE_S + 30) == 0
    both = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert both[0] == both[1]
    alone = train_here(steps=4)
    assert both[0] == pytest.approx(alone, rel=1e-9)
    assert alone[-1] < alone[0]


def test_an_agreement_does_not_travel_and_a_copy_of_the_layer_works_alone():
    layer = qt.QuantumLayer(n_qubits=2, depth=1)
    layer.agreement = Agreement(object(), 1.0)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin(torch.rand(2, 2)).sum().backward()


def test_there_must_be_something_to_agree_on():
    with pytest.raises(OptionError, match="init_process_group first"):
        agree_on_failures(nn.Linear(1, 1))
