# SPDX-License-Identifier: Apache-2.0
"""The layers of the core as torch modules: the same numbers, right gradients, torch's ways of saving, copying and modes."""

import asyncio
import copy
import inspect
import pickle
import threading

import numpy as np
import pytest

import qstore as qs
import qstore_torch as qt
import torch
from layers.backends import Limited
from qstore import layers as core
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore.gradients import GradientConfig, GradientNoiseTracker
from qstore_torch.plugin import LAYERS
from torch import nn

EXACT = 1e-12
NAMES = (*LAYERS, "QuantumDropout")
MAKERS = {
    "extractor": lambda home: home.QuantumFeatureExtractor(2, 2, weights_seed=1),
    "extractor-amplitude": lambda home: home.QuantumFeatureExtractor(
        2, 1, encoding="amplitude", n_features=3, weights_seed=1
    ),
    "extractor-iqp": lambda home: home.QuantumFeatureExtractor(2, 1, encoding="iqp", weights_seed=1),
    "extractor-reupload": lambda home: home.QuantumFeatureExtractor(
        2, 2, encoding="reupload", weights_seed=1
    ),
    "encoding": lambda home: home.EncodingLayer(2, "iqp"),
    "amplitude-damping": lambda home: home.QuantumNonlinearity(2, "amplitude_damping", 0.3),
    "phase-damping": lambda home: home.QuantumNonlinearity(2, "phase_damping", 0.3, encoding="iqp"),
    "parametric": lambda home: home.QuantumNonlinearity(2, "parametric", 0.7),
    "pooling": lambda home: home.QuantumPooling(3, 2, weights_seed=1),
    "pooling-measured": lambda home: home.QuantumPooling(3, 2, "measurement", weights_seed=1),
    "readout": lambda home: home.QuantumReadout(2, 3, weights_seed=1),
    "readout-scores": lambda home: home.QuantumReadout(2, 3, "expectation", weights_seed=1),
    "decoding": lambda home: home.DecodingLayer(2, 0.0, 3.0),
    "norm": lambda home: home.QuantumBatchNorm(2),
    "adaptive": lambda home: home.AdaptiveLayer(2, 3, 2, weights_seed=1),
    "one-circuit": lambda home: home.Sequential(
        [
            home.QuantumFeatureExtractor(4, 1, weights_seed=1),
            home.QuantumPooling(4, 2, weights_seed=2),
            home.QuantumReadout(2, 3, weights_seed=3),
        ]
    ),
    "three-parts": lambda home: home.Sequential(
        [
            home.QuantumFeatureExtractor(2, 1, measurement_bases="ZX", weights_seed=1),
            home.QuantumBatchNorm(4),
            home.QuantumReadout(4, 3, weights_seed=3),
        ]
    ),
}


def _x(layer, *lead):
    return torch.from_numpy(np.random.default_rng(7).normal(size=(*lead, layer.n_features)))


def _pair(name):
    return MAKERS[name](qt).double(), MAKERS[name](core)


def test_every_layer_of_the_core_is_here_under_its_name():
    kinds = {name for name in core.__all__ if inspect.isclass(getattr(core, name))}
    base = {"BackendUse", "CircuitLayer", "Execution", "Layer", "LayerGradient", "Observed", "Pass", "Usage"}
    assert kinds - base == set(NAMES)
    for name in LAYERS:
        assert inspect.signature(getattr(qt, name)) == inspect.signature(getattr(core, name))
        assert "Args:" in getattr(qt, name).__doc__


@pytest.mark.parametrize("name", MAKERS)
def test_values_and_gradients_are_those_of_the_core(name):
    module, layer = _pair(name)
    x = _x(layer, 3).requires_grad_()
    module.set_parameters(layer.weights)  # seeds give the same to float32, in which parameters are born
    values = module.eval()(x)
    cotangent = torch.from_numpy(np.random.default_rng(1).normal(size=values.shape))
    values.backward(cotangent)
    expected, gradient = layer.vjp(x.detach().numpy(), cotangent.numpy())
    np.testing.assert_allclose(values.detach().numpy(), expected, atol=EXACT)
    np.testing.assert_allclose(x.grad.numpy(), gradient.features, atol=EXACT)
    assert set(module.weights) == set(layer.weights)
    for weight, tensor in module.weights.items():
        np.testing.assert_allclose(tensor.grad.numpy(), gradient.weights[weight], atol=EXACT)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_gradcheck_of_every_layer(name, training):
    module, _ = _pair(name)
    module.train(training)
    x = _x(module, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))


@pytest.mark.parametrize("name", MAKERS)
def test_every_layer_is_saved_copied_and_shown(name):
    module, _ = _pair(name)
    x = _x(module, 3).requires_grad_()
    module(x).sum().backward()
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(twin.eval()(x), module.eval()(x))
        assert twin.usage is not module.usage
    other = MAKERS[name](qt).double()
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other.eval()(x), module.eval()(x))
    assert f"output_dim={module.output_dim}" in repr(module)


@pytest.mark.parametrize("name", MAKERS)
def test_vmap_over_features_and_over_weights(name):
    module, _ = _pair(name)
    module.eval()
    x = _x(module, 2, 3)
    with torch.no_grad():
        found = torch.func.vmap(module)(x)
    torch.testing.assert_close(found, module(x))
    weights = {key: value.detach() for key, value in module.named_parameters()}

    def loss(weights, sample):
        return torch.func.functional_call(module, weights, (sample[None],)).pow(2).sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x[0])
    for index, sample in enumerate(x[0]):
        module.zero_grad()
        module(sample[None].clone().requires_grad_()).pow(2).sum().backward()
        for key, parameter in module.named_parameters():
            torch.testing.assert_close(each[key][index], parameter.grad)


def test_fresh_weights_come_from_torchs_generator():
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        layer = qt.Sequential([qt.QuantumFeatureExtractor(2, 1), qt.QuantumReadout(2, 2)])
        first = torch.cat([p.detach().flatten() for p in layer.parameters()])
        layer.reset_parameters()
        again = torch.cat([p.detach().flatten() for p in layer.parameters()])
        assert not torch.equal(first, again)
        weights.append(torch.cat([first, again]))
    assert torch.equal(*weights)
    assert "weights_seed" not in repr(layer)


def test_a_seed_that_is_given_repeats_the_weights_of_the_core():
    layer, twin = qt.QuantumFeatureExtractor(3, 2, weights_seed=5), core.QuantumFeatureExtractor(3, 2, weights_seed=5)  # fmt: skip
    np.testing.assert_allclose(layer.weights["weights"].detach().numpy(), twin.weights["weights"], rtol=1e-6)


def test_train_and_eval_are_the_modes_of_dropout():
    dropout = qt.QuantumDropout(qubit=0.4, gate=0.4, seed=1)
    layer = qt.QuantumFeatureExtractor(3, 2, dropout=dropout)
    x = _x(layer, 8).float()
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_batch_norm_remembers_in_buffers_and_only_in_training():
    norm = qt.QuantumBatchNorm(2, momentum=0.0)
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    norm(x)
    torch.testing.assert_close(norm.mean, torch.tensor([2.0, 20.0]))
    norm.eval()(x + 100)
    torch.testing.assert_close(norm.mean, torch.tensor([2.0, 20.0]))
    assert {"mean", "variance"} <= set(norm.state_dict())
    norm.reset_parameters()
    assert not norm.mean.any()


def test_batch_norm_treats_each_batch_of_a_vmap_as_a_batch():
    norm = qt.QuantumBatchNorm(2).double()
    x = torch.rand(3, 5, 2, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.vmap(norm)(x), torch.stack([norm(each) for each in x]))


def test_an_adaptive_layer_saves_how_many_layers_act():
    layer = qt.AdaptiveLayer(2, max_depth=3)
    x = torch.rand(3, 2)
    layer.grow()
    other = qt.AdaptiveLayer(2, max_depth=3)
    other.load_state_dict(layer.state_dict())
    assert other.active_depth == 2
    torch.testing.assert_close(other(x), layer(x))
    assert layer.usage.circuits == 3
    with pytest.raises(OptionError, match="from 1 to 3"):
        layer.active_depth = 4


def test_a_sequential_takes_modules_with_their_present_weights():
    extractor, readout = qt.QuantumFeatureExtractor(2, 1), qt.QuantumReadout(2, 2)
    with torch.no_grad():
        extractor.weights["weights"].fill_(0.25)
    model = qt.Sequential([extractor, readout, core.DecodingLayer(2)])
    assert model.weights["part0_feature_extractor_weights"].unique().tolist() == [0.25]
    assert model.summary(backend="statevector").parameters == model.n_parameters
    with pytest.raises(OptionError, match=r"got Linear.*torch\.nn\.Sequential"):
        qt.Sequential([extractor, nn.Linear(6, 2)])


def test_only_the_gradients_that_are_needed_cost_circuits():
    layer = qt.QuantumFeatureExtractor(2, 1, backend=Limited(differentiable_outputs=frozenset()))
    layer(torch.rand(3, 2)).sum().backward()
    without = layer.usage.take().circuits
    x = torch.rand(3, 2, requires_grad=True)
    layer(x).sum().backward()
    assert (without, layer.usage.circuits) == (3 * 9, 3 * 13)
    with torch.no_grad():
        layer(x)
    assert layer.usage.circuits == 3 * 14


@pytest.mark.parametrize("method", ["parameter_shift", "finite_difference", GradientConfig(method="spsa", samples=64)])  # fmt: skip
def test_any_method_may_be_set_between_steps(method):
    layer = qt.Sequential([qt.QuantumFeatureExtractor(2, 1, weights_seed=1), qt.QuantumReadout(2, 2, weights_seed=2)])  # fmt: skip
    layer.double()
    x = _x(layer, 4)
    layer(x)[:, 0].sum().backward()
    exact = {name: weight.grad.clone() for name, weight in layer.weights.items()}
    layer.zero_grad()
    layer.gradient_method = method
    assert layer.gradient_method is method
    layer.gradient_step = 3
    layer(x)[:, 0].sum().backward()
    for name, weight in layer.weights.items():
        torch.testing.assert_close(weight.grad, exact[name], atol=0.3 if isinstance(method, GradientConfig) else 1e-6, rtol=0)  # fmt: skip


def test_the_last_gradient_has_standard_errors_and_the_names_of_the_model():
    model = qt.Sequential(
        [
            qt.QuantumFeatureExtractor(2, 1, measurement_bases="Z", shots=200, seed=1),
            qt.DecodingLayer(2),
            qt.QuantumReadout(2, 2, shots=200, seed=2),
        ]
    )
    assert model.last_gradient is None
    model(torch.rand(4, 2)).pow(2).sum().backward()
    found = model.last_gradient
    assert {"part0_weights", "part2_rotations"} <= set(found.gradients)
    assert found.standard_errors["part2_rotations"].max() > 0
    assert GradientNoiseTracker().update(found).variance > 0


class Waiting:
    """An asynchronous backend that takes its time, and says how many of its runs were under way together."""

    name = "waiting"

    def __init__(self):
        self._inner = qs.get_backend("statevector")
        self.capabilities = self._inner.capabilities.with_changes(differentiable_outputs=frozenset())
        self.under_way = self.most = 0
        self.threads = set()

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        self.threads.add(threading.current_thread())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.05)
        self.under_way -= 1
        return self._inner.run_sync(batch)


def test_backward_passes_of_two_threads_wait_for_a_service_together():
    backend = Waiting()
    models = [qt.QuantumFeatureExtractor(2, 1, backend=backend) for _ in range(2)]
    together = threading.Barrier(2)

    def step(model):
        loss = model(torch.rand(2, 2)).sum()
        together.wait()
        loss.backward()

    threads = [threading.Thread(target=step, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert backend.most == 2
    assert len(backend.threads) == 1  # the one event loop, whatever threads autograd has
    assert all(model.weights["weights"].grad is not None for model in models)


def test_a_training_step_inside_a_running_event_loop_works_and_may_leave_it_free():
    layer = qt.QuantumFeatureExtractor(2, 1, backend=Waiting())

    async def steps():
        layer(torch.rand(2, 2)).sum().backward()  # as in a notebook
        ticks = 0
        loss = layer(torch.rand(2, 2)).sum()
        task = asyncio.create_task(asyncio.to_thread(loss.backward))
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        await task
        return ticks

    assert asyncio.run(steps()) > 2


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda layer: layer(torch.rand(5, 3)), BindingError, r"'features' has shape \(5, 3\).*\(..., 2\)"),
        (lambda layer: layer(torch.tensor([[0.1, torch.inf]])), BindingError, "1 features are NaN or inf"),
        (lambda layer: layer(torch.rand(5, 2) + 1j), BindingError, "got torch.complex64"),
        (lambda layer: layer(np.zeros((5, 2))), BindingError, "got ndarray"),
        (lambda layer: layer.set_parameters({"weight": 0}), OptionError, "Did you mean 'weights'"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(qt.QuantumFeatureExtractor(2, 1))


def test_a_backend_that_cannot_is_refused_when_the_layer_is_made():
    counting = Limited(exact_outputs=frozenset(), shot_outputs=frozenset({"Counts"}))
    with pytest.raises(CapabilityError, match="limited"):
        qt.QuantumFeatureExtractor(2, 1, backend=counting)
    qt.QuantumFeatureExtractor(2, 1, backend=counting, shots=10)


def test_an_impossible_gradient_is_refused_before_a_circuit_runs():
    layer = qt.QuantumFeatureExtractor(2, 1, shots=10, gradient_method="adjoint")
    with pytest.raises(CapabilityError, match="shots leave no state"):
        layer(torch.rand(3, 2))
    assert layer.usage.circuits == 0
    with torch.no_grad():
        assert layer(torch.rand(3, 2)).shape == (3, 6)


@pytest.mark.parametrize(
    "make", [lambda: qt.QuantumFeatureExtractor(2, 1), lambda: qt.QuantumLayer(n_qubits=2, depth=1)]
)
def test_a_copy_counts_its_own_circuits(make):
    layer, x = make(), torch.rand(3, 2)
    layer(x)
    twin = copy.deepcopy(nn.Sequential(layer))[0]
    assert twin.usage.circuits == 0
    twin(x)
    assert (layer.usage.circuits, twin.usage.circuits) == (3, 3)
    assert twin.weights["weights"] is not layer.weights["weights"]
    assert pickle.loads(pickle.dumps(layer)).usage.circuits == 3
