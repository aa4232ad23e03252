# SPDX-License-Identifier: Apache-2.0
"""One model on several processes: `torchrun`-style data-parallel training with a quantum layer.

Start it once per process; each takes its share of every batch, and the losses are those of one process with the joined
batch:

    python -m qstore_torch.examples.distributed --rank 0 --world 2 --port 29500 &
    python -m qstore_torch.examples.distributed --rank 1 --world 2 --port 29500
"""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path

import qstore as qs
import torch
from qstore_torch import QuantumFeatureExtractor
from qstore_torch.distributed import agree_on_failures
from torch import distributed, nn

__all__ = ["make_model", "train_here"]

QUBITS, BATCH = 4, 32


def make_model() -> nn.Module:
    """The same weights on every process."""
    torch.manual_seed(7)
    # One thread for the engine of each process: they share the processors.
    backend = qs.get_backend("statevector", threads=1)
    quantum = QuantumFeatureExtractor(QUBITS, depth=2, backend=backend)
    return nn.Sequential(quantum, nn.Linear(quantum.output_dim, 1)).double()


def train_here(steps: int, rank: int = 0, world: int = 1, model: nn.Module | None = None) -> list[float]:
    """Train on this process's share of every batch; the loss of every step, over all processes."""
    model = make_model() if model is None else model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    data = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(steps):
        x = torch.rand(BATCH, QUBITS, generator=data, dtype=torch.float64) * 3
        y = torch.sin(x.sum(dim=1, keepdim=True))
        mine = slice(rank, None, world)
        loss = (model(x[mine]) - y[mine]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shared = loss.detach().clone()
        if world > 1:
            distributed.all_reduce(shared)
        losses.append(shared.item() / world)
    return losses


def main() -> None:
    """One process of several."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rank", type=int, default=0, help="number of this process, from 0 (default: %(default)s)"
    )
    parser.add_argument("--world", type=int, default=1, help="number of processes (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=29500,
        help="where process 0 listens on this machine (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=50, help="training steps (default: %(default)s)")
    parser.add_argument("--losses", type=Path, help="a file for the losses")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = make_model()
    if given.world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"tcp://127.0.0.1:{given.port}",
            rank=given.rank,
            world_size=given.world,
            timeout=timedelta(minutes=5),
        )
        model = nn.parallel.DistributedDataParallel(model)
        # A failure on one process, such as a budget that is spent, ends the step on all of them.
        agree_on_failures(model, timeout_s=120)
    losses = train_here(given.steps, given.rank, given.world, model)
    if given.losses is not None:
        given.losses.write_text(json.dumps(losses), "utf-8")
    if given.world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
