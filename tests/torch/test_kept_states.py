# SPDX-License-Identifier: Apache-2.0
"""Where a backend keeps the states of a forward pass, the layer's backward pass runs no circuit forwards again."""

import copy
import gc
import io
import threading

import numpy as np
import pytest

import qstore as qs
import torch
from qstore.errors import BindingError, CapabilityError
from qstore.gradients import Forward, differentiate, forward
from qstore.routing import BackendRouter
from qstore_sim import StatevectorBackend
from qstore_torch import QuantumFeatureExtractor, QuantumLayer, Sequential
from qstore_torch.autograd import BatchFunction, Call


class Counting(StatevectorBackend):
    """The embedded simulator that counts how it was asked."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def run_sync(self, batch):
        self.calls.append("run")
        return super().run_sync(batch)

    def vjp_sync(self, batch, cotangent, wrt=None):
        self.calls.append("vjp")
        return super().vjp_sync(batch, cotangent, wrt)

    def pullback_sync(self, batch, wrt=None):
        self.calls.append("forward")
        result, pull = super().pullback_sync(batch, wrt) or (None, None)
        if result is None:
            return None

        def counted(cotangent):
            self.calls.append("back")
            return pull(cotangent)

        return result, counted


class Forgetful(StatevectorBackend):
    """It keeps nothing."""

    def pullback_sync(self, batch, wrt=None):
        return None


def _layer(backend, **options):
    torch.manual_seed(3)
    return QuantumLayer(n_qubits=3, depth=2, measurement_bases="ZX", backend=backend, **options).double()


def _gradients(backend, make=_layer):
    layer = make(backend)
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3).requires_grad_()
    values = layer(x)
    (values**2).sum().backward()
    return values.detach(), x.grad, *(weight.grad for weight in layer.parameters())


def _extractor(backend):
    torch.manual_seed(3)
    return QuantumFeatureExtractor(3, 2, backend=backend).double()


@pytest.mark.parametrize("make", [_layer, _extractor])
def test_the_circuits_run_once_and_the_numbers_stay(make):
    backend = Counting()
    found = _gradients(backend, make)
    assert backend.calls == ["forward", "back"]
    for one, other in zip(found, _gradients(Forgetful(), make), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_a_layer_of_several_circuits_keeps_them_all():
    from qstore import layers

    backend = Counting()
    parts = [layers.QuantumFeatureExtractor(2, 1, measurement_bases="Z", backend=backend), layers.DecodingLayer(2),
             layers.QuantumFeatureExtractor(2, 1, measurement_bases="Z", backend=backend)]  # fmt: skip
    model = Sequential(parts).double()
    x = torch.rand(3, 2, dtype=torch.float64)  # no gradient for the data
    model(x).sum().backward()
    assert backend.calls == ["forward", "forward", "back", "back"]


def test_without_a_gradient_nothing_is_kept():
    backend = Counting()
    layer = _layer(backend)
    with torch.no_grad():
        layer(torch.rand(2, 3))
    layer.requires_grad_(False)
    layer(torch.rand(2, 3))
    assert backend.calls == ["run", "run"]


def test_a_graph_that_is_kept_is_pulled_back_twice():
    backend = Counting()
    layer = _layer(backend)
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    values = layer(x)
    (first,) = torch.autograd.grad(values.sum(), x, retain_graph=True)
    (second,) = torch.autograd.grad(values.sum(), x)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert backend.calls == ["forward", "back", "back"]
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(layer(x).sum() + values.sum(), x)


def test_memory_is_free_after_the_backward_pass_while_the_loss_lives():
    backend = StatevectorBackend()
    layer = _layer(backend)
    losses = []
    for _ in range(6):
        loss = layer(torch.rand(4, 3, dtype=torch.float64)).sum()
        loss.backward()
        losses.append(loss)  # a history, as in a notebook
    states = backend._runner._states
    assert states._used - sum(each.states.nbytes for each in states._returned) == 0


def test_a_dropped_graph_frees_its_states():
    backend = StatevectorBackend()
    layer = _layer(backend)
    values = layer(torch.rand(4, 3, dtype=torch.float64))
    states = backend._runner._states
    assert states._used > 0
    del values
    gc.collect()
    assert states._used - sum(each.states.nbytes for each in states._returned) == 0


def test_what_is_changed_in_place_between_the_passes_does_no_harm():
    layer = _layer(StatevectorBackend())
    x = torch.rand(4, 3, dtype=torch.float64)
    wanted = torch.autograd.grad((layer(x) ** 2).sum(), list(layer.parameters()))
    values = layer(x)
    loss = (values**2).sum()
    x.zero_()  # the data loader's memory is used again
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()
    x = torch.rand(4, 3, dtype=torch.float64)
    values = layer(x)
    wanted = torch.autograd.grad((values**2).sum(), list(layer.parameters()), retain_graph=True)
    factor = (2 * values).detach()
    values.detach().zero_()
    found = torch.autograd.grad(values, list(layer.parameters()), factor)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_only_some_gradients_may_be_asked_for():
    backend = Counting()
    layer = _layer(backend)
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    everything = torch.autograd.grad((layer(x) ** 2).sum(), [x, *layer.parameters()])
    (one,) = torch.autograd.grad((layer(x) ** 2).sum(), [x])
    torch.testing.assert_close(one, everything[0], rtol=0, atol=0)
    assert set(backend.calls) == {"forward", "back"}


def test_another_method_between_the_passes_is_obeyed():
    backend = Counting()
    layer = _layer(backend)
    loss = layer(torch.rand(2, 3, dtype=torch.float64)).sum()
    layer.gradient_method = "parameter_shift"
    loss.backward()
    assert "back" not in backend.calls
    assert "run" in backend.calls


@pytest.mark.parametrize("options", [{"shots": 50, "seed": 1}, {}])
def test_shots_and_noise_go_the_usual_way(options):
    noise = None if options else qs.NoiseModel.depolarizing(0.01)
    backend = Counting(noise=noise)
    layer = _layer(backend, **options)
    layer(torch.rand(2, 3, dtype=torch.float64)).sum().backward()
    assert "back" not in backend.calls
    assert all(weight.grad is not None for weight in layer.parameters())


def test_transforms_and_double_backward_are_as_before():
    layer = _layer(StatevectorBackend())
    x = torch.rand(4, 3, dtype=torch.float64)
    weights = dict(layer.named_parameters())

    def loss(weights, row):
        return torch.func.functional_call(layer, weights, (row[None],)).sum()

    rows = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    for index in range(4):
        alone = torch.autograd.grad(loss(weights, x[index]), list(weights.values()))
        for name, gradient in zip(weights, alone, strict=True):
            torch.testing.assert_close(rows[name][index], gradient)
    values = layer(x)
    cotangents = torch.eye(6, dtype=torch.float64)[:, None].expand(6, 4, 6)
    pulled = torch.func.vmap(
        lambda v: torch.autograd.grad(values, list(weights.values()), v, retain_graph=True)
    )(cotangents)
    for index in range(6):
        alone = torch.autograd.grad(values, list(weights.values()), cotangents[index], retain_graph=True)
        for one, other in zip(pulled, alone, strict=True):
            torch.testing.assert_close(one[index], other)
    (first,) = torch.autograd.grad(layer(x).sum(), [next(layer.parameters())], create_graph=True)
    with pytest.raises(CapabilityError, match="second derivatives"):
        first.sum().backward()


def test_both_functions_give_the_same():
    layer = _layer(StatevectorBackend())
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    weights = list(layer.parameters())
    runner = layer._runner(torch.float64, torch.device("cpu"))
    watched = BatchFunction.apply(Call(runner, (True,) * (1 + len(weights))), x, *weights)
    for one, other in zip(
        torch.autograd.grad((watched**2).sum(), [x, *weights]),
        torch.autograd.grad((layer(x) ** 2).sum(), [x, *weights]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_layer_between_its_passes_can_be_copied_and_saved():
    layer = _layer(StatevectorBackend())
    values = layer(torch.rand(2, 3, dtype=torch.float64))
    twin = copy.deepcopy(layer)
    torch.save(layer, io.BytesIO())
    values.sum().backward()
    assert all(weight.grad is not None for weight in layer.parameters())
    assert all(weight.grad is None for weight in twin.parameters())


def test_threads_train_copies_at_the_same_time():
    backend = StatevectorBackend()
    layers = [_layer(backend) for _ in range(3)]  # torch's generator is shared by all threads
    wanted = _gradients(backend)
    found = []
    threads = [threading.Thread(target=lambda each=each: found.append(_gradients(backend, lambda _: each)))
               for each in layers]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 3
    for each in found:
        for one, other in zip(each, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_usage_counts_both_passes():
    layer = _layer(StatevectorBackend())
    layer(torch.rand(4, 3, dtype=torch.float64)).sum().backward()
    assert layer.usage.circuits == 8
    assert layer.usage.backends["statevector"].calls == 2


def test_the_router_keeps_states_once_it_knows_its_way():
    backend = Counting()
    router = BackendRouter(candidates=[backend], memory=False)
    results = [_gradients(router) for _ in range(3)]
    assert backend.calls[:2] == ["run", "vjp"]
    assert "back" in backend.calls
    for one, other in zip(results[0], results[-1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_the_core_takes_a_pass_for_what_it_covers():
    circuit = qs.QuantumCircuit(1).rx(0, "t").ry(0, "s")
    batch = qs.CircuitBatch.of(circuit, {"t": [0.1, 0.2], "s": 0.4}, qs.Expectations([qs.Z(0)]))
    backend = Counting()
    passed = forward(batch, backend, wrt=["t"])
    assert isinstance(passed, Forward)
    assert passed.names == ("t",)
    ones = np.ones((2, 1))
    kept = differentiate(batch, backend, ones, wrt=["t"], known=passed)
    assert backend.calls == ["forward", "back"]
    everything = differentiate(batch, backend, ones, known=passed)  # more than it covers
    assert backend.calls == ["forward", "back", "vjp"]
    np.testing.assert_allclose(kept.gradients["t"], everything.gradients["t"], atol=1e-14)
    with pytest.raises(BindingError, match="cotangent"):
        differentiate(batch, backend, np.ones((3, 1)), wrt=["t"], known=passed)
