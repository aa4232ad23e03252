# SPDX-License-Identifier: Apache-2.0
"""A batch without rows: its gradients are zeros, as of torch's own layers, and processes that train together go on."""

import subprocess
import sys

import pytest

import qstore_torch as qt
import torch

PATIENCE_S = 90
LAYERS = {
    "circuit": lambda: qt.QuantumLayer(n_qubits=3, depth=1),
    "extractor": lambda: qt.QuantumFeatureExtractor(3, 1),
    "three-parts": lambda: qt.Sequential(
        [
            qt.QuantumFeatureExtractor(3, 1, measurement_bases="Z"),
            qt.QuantumBatchNorm(3),
            qt.QuantumReadout(3, 2),
        ]
    ),
}
TOGETHER = """
import sys
from datetime import timedelta

import qstore_torch as qt
import torch
from qstore_torch.distributed import agree_on_failures
from torch import distributed, nn

rank, port, agree = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "agree"
store = distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0, timeout=timedelta(seconds=60))
distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=20))
torch.manual_seed(1)
inner = nn.Sequential(qt.QuantumFeatureExtractor(2, 1), qt.QuantumLayer(n_qubits=6, depth=1), nn.Linear(6, 1))
model = nn.parallel.DistributedDataParallel(inner)
if agree:
    agree_on_failures(model, timeout_s=10)
x = torch.rand(3, 2)
for step in range(2):
    model.zero_grad()
    model(x[:0] if rank == 1 else x).sum().backward()
averaged = [weight.grad.clone() for weight in inner.parameters()]
distributed.barrier()
inner.zero_grad()
if rank == 0:
    for layer in inner[:2]:
        layer.agreement = None
    inner(x).sum().backward()
    pairs = list(zip(averaged, inner.parameters(), strict=True))
    print(len(pairs), all(torch.allclose(2 * mean, weight.grad, atol=1e-6) for mean, weight in pairs))
distributed.barrier()
"""


class Counted:
    """An agreement of one process that counts."""

    def __init__(self):
        self.said = []

    def exchange(self, error):
        self.said.append(error)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
@pytest.mark.parametrize("agreement", [None, Counted()])
def test_the_weights_have_zero_gradients(name, shape, agreement):
    layer = LAYERS[name]()
    layer.agreement = agreement
    values = layer(torch.rand(shape))
    values.sum().backward()
    assert values.shape == (*shape[:-1], layer.output_dim)
    for weight in layer.parameters():
        assert weight.grad.shape == weight.shape
        assert not weight.grad.any()


def test_frozen_weights_stay_out_of_the_graph():
    layer = LAYERS["circuit"]()
    assert not layer.requires_grad_(False)(torch.rand(0, 3)).requires_grad
    with torch.no_grad():
        assert not LAYERS["extractor"]()(torch.rand(0, 3)).requires_grad


@pytest.mark.parametrize("name", LAYERS)
def test_other_processes_hear_of_every_pass_that_wants_a_gradient(name):
    layer = LAYERS[name]()
    layer.agreement = Counted()
    layer(torch.rand(0, 3)).sum().backward()
    assert layer.agreement.said == [None, None]
    with torch.no_grad():
        layer(torch.rand(0, 3))
    assert layer.agreement.said == [None, None]


def test_a_mapped_empty_batch_is_one_pass():
    layer = LAYERS["circuit"]()
    layer.agreement = Counted()
    torch.func.vmap(layer)(torch.rand(4, 0, 3)).sum().backward()
    assert layer.agreement.said == [None, None]
    assert not layer.weights["weights"].grad.any()


@pytest.mark.parametrize("agree", ["agree", "alone"])
def test_a_rank_without_rows_trains_along(agree):
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ranks = [
        subprocess.Popen([sys.executable, "-c", TOGETHER, str(rank), str(port), agree],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=PATIENCE_S) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], [err[-800:] for _, err in said]
    assert said[0][0].split() == ["4", "True"]
