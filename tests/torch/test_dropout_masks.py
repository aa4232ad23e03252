# SPDX-License-Identifier: Apache-2.0
"""Where the masks of dropout come from: torch's generator, unless a seed is given."""

import copy
import pickle

import pytest
from torch.utils.checkpoint import checkpoint

import qstore_torch as qt
import torch


def _layer(seed=None):
    dropout = qt.QuantumDropout(qubit=0.4, gate=0.3, seed=seed)
    return qt.QuantumFeatureExtractor(3, 2, dropout=dropout, weights_seed=1).double()


def _x(rows=8):
    return torch.linspace(0.1, 2.0, 3 * rows, dtype=torch.float64).reshape(rows, 3)


def _gradients(layer, run):
    torch.manual_seed(5)
    x = _x().requires_grad_()
    layer.zero_grad()
    values = run(x)
    values.pow(2).sum().backward()
    return values.detach(), x.grad, layer.weights["weights"].grad.clone()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_computes_the_same_gradients(reentrant):
    layer = _layer()
    plain = _gradients(layer, layer)
    again = _gradients(layer, lambda x: checkpoint(layer, x, use_reentrant=reentrant))
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other)


def test_without_a_seed_torchs_generator_repeats_the_masks():
    layer, x = _layer(), _x()
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(torch.stack([layer(x), layer(x)]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(*found[0])


def test_a_copy_draws_from_torchs_generator_too():
    layer, x = _layer(), _x()
    values = []
    for each in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.manual_seed(3)
        values.append(each(x))
    assert torch.equal(values[0], values[1])
    assert torch.equal(values[0], values[2])


def test_a_seed_decides_whatever_torchs_generator_says():
    values = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        layer = _layer(seed=7)
        values.append(torch.stack([layer(_x()), layer(_x())]))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*values)


def test_only_training_draws_and_only_where_something_is_dropped():
    state = torch.get_rng_state()
    _layer().eval()(_x())
    qt.QuantumFeatureExtractor(3, 1, weights_seed=1).double()(_x())
    assert torch.equal(torch.get_rng_state(), state)


def test_mapped_rows_have_masks_of_their_own():
    layer = _layer()
    with torch.no_grad():
        values = torch.func.vmap(layer, randomness="different")(torch.ones(6, 1, 3, dtype=torch.float64))
        assert len(torch.unique(values.reshape(6, -1), dim=0)) > 1
        torch.func.vmap(layer)(torch.ones(6, 1, 3, dtype=torch.float64))
