# SPDX-License-Identifier: Apache-2.0
"""What torch expects of a module, as one table of checks; `bench.torch_citizen` runs it.

A check gets a function that makes a fresh layer of RY(x), one layer of an ansatz and <Z> on two qubits; it passes, or raises.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Callable
from functools import partial

from torch._dynamo.testing import CompileCounter

import torch
from qstore.errors import QStoreError
from torch import nn

QUBITS = 2
Make = Callable[[], nn.Module]


class NotHereError(Exception):
    """This machine has not what the check needs."""


def _inputs(*lead: int, **options) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(*lead, QUBITS, generator=generator, dtype=options.pop("dtype", torch.float64)).mul(2).requires_grad_(**options)  # fmt: skip


def _free(*lead: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return _inputs(*lead, dtype=dtype).detach()


def _parameters(layer: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in layer.named_parameters()}


def _call(layer: nn.Module, parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return torch.func.functional_call(layer, parameters, (x,))


def _same(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-7) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def _says(error: Exception, words: str) -> None:
    assert re.search(words, str(error)), f"it says only {str(error)[:80]!r}"


def gradcheck(make: Make) -> None:
    layer = make().double()
    weights = list(layer.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (_inputs(2), *weights))


def gradgradcheck(make: Make) -> None:
    """Right, or a refusal: never a silent zero."""
    layer = make().double()
    x = _inputs(2)
    try:
        assert torch.autograd.gradgradcheck(layer, (x,))
    except QStoreError as error:
        _says(error, "second derivatives")


def vmap_inputs(make: Make) -> None:
    layer = make().double()
    x = _free(5, 3)
    with torch.no_grad():
        _same(torch.func.vmap(layer)(x), torch.stack([layer(each) for each in x]))
        _same(torch.func.vmap(layer, in_dims=1, out_dims=1)(x), layer(x))


def vmap_single_samples(make: Make) -> None:
    layer = make().double()
    x = _free(4)
    _same(torch.func.vmap(layer)(x), torch.stack([layer(each) for each in x]))


def vmap_weights(make: Make) -> None:
    """An ensemble: three sets of weights, one batch, in one call."""
    models = [make().double() for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(models)
    x = _free(4)

    def one(parameters, buffers, x):
        return torch.func.functional_call(models[0], (parameters, buffers), (x,))

    found = torch.func.vmap(one, in_dims=(0, 0, None))(parameters, buffers, x)
    _same(found, torch.stack([model(x) for model in models]))
    found.pow(2).sum().backward()
    name, stacked = next(iter(parameters.items()))
    expected = []
    for model in models:
        model(x).pow(2).sum().backward()
        expected.append(model.get_parameter(name).grad)
    _same(stacked.grad, torch.stack(expected))


def per_sample_gradients(make: Make) -> None:
    """vmap(grad): the gradient of each sample by itself, as differential privacy needs it."""
    layer = make().double()
    x, parameters = _free(4), _parameters(layer)

    def loss(parameters, sample):
        return _call(layer, parameters, sample[None]).pow(2).sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
    for index, sample in enumerate(x):
        layer.zero_grad()
        layer(sample[None]).pow(2).sum().backward()
        for name, parameter in layer.named_parameters():
            _same(found[name][index], parameter.grad)


def per_sample_input_gradients(make: Make) -> None:
    layer = make().double()
    x = _inputs(4)
    found = torch.func.vmap(torch.func.grad(lambda sample: layer(sample).pow(3).sum()))(x.detach())
    layer(x).pow(3).sum().backward()
    _same(found, x.grad)


def functional_call(make: Make) -> None:
    layer = make().double()
    x, parameters = _free(3), _parameters(layer)
    doubled = {name: 2 * tensor for name, tensor in parameters.items()}
    value = _call(layer, doubled, x)
    found = torch.func.grad(lambda given: _call(layer, given, x).pow(2).sum())(doubled)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(2)
    _same(layer(x), value)
    layer(x).pow(2).sum().backward()
    for name, parameter in layer.named_parameters():
        _same(found[name], parameter.grad)


def jacrev(make: Make) -> None:
    layer = make().double()
    x = _inputs(2)
    _same(torch.func.jacrev(layer)(x.detach()), torch.autograd.functional.jacobian(layer, x))


def old_vmap(make: Make) -> None:
    """jacobian(vectorize=True) and is_grads_batched use a vmap of torch's that knows no rules: right, or a refusal."""
    layer = make().double()
    x = _inputs(2)
    expected = torch.autograd.functional.jacobian(layer, x)
    try:
        found = torch.autograd.functional.jacobian(layer, x, vectorize=True)
    except QStoreError as error:
        _says(error, "jacrev")
    else:
        _same(found, expected)


def forward_mode(make: Make) -> None:
    """jacfwd: right, or a refusal."""
    layer = make().double()
    x = _free(2)
    try:
        _same(torch.func.jacfwd(layer)(x), torch.func.jacrev(layer)(x))
    except QStoreError as error:
        _says(error, "jacrev")


def autocast(make: Make) -> None:
    """Behind and in front of layers in bfloat16; weights and their gradients stay in float32."""
    model = nn.Sequential(nn.Linear(QUBITS, QUBITS), make(), nn.LazyLinear(1))
    x = _free(4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(x).float().pow(2).sum()
    loss.backward()
    for parameter in model.parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0


class Sandwich(nn.Module):
    """A layer between two steps of torch's own, each of which is a graph of its own when compiled."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.first, self.layer = nn.Linear(QUBITS, QUBITS), layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Linear, the layer, tanh."""
        return torch.tanh(self.layer(self.first(x)))


def compiled(make: Make) -> None:
    """Two graphs around the layer and nothing else: right numbers, right gradients, no warning."""
    model = Sandwich(make()).double()
    x = _inputs(3)
    torch.compiler.reset()
    counter = CompileCounter()
    found = torch.compile(model, backend=counter)(x)
    assert counter.frame_count == 2, f"{counter.frame_count} graphs"
    _same(found, model(x))
    found.sum().backward()
    gradient = x.grad.clone()
    x.grad = None
    model(x).sum().backward()
    _same(gradient, x.grad)


def compiled_once(make: Make) -> None:
    """New values, batch sizes and training steps compile nothing again."""
    torch.compiler.reset()
    counter = CompileCounter()
    model = Sandwich(make())
    fast = torch.compile(model, backend=counter, dynamic=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = 0
    for size in (5, 7, 9, 11):
        fast(_free(size, dtype=torch.float32)).sum().backward()
        optimizer.step()
        seen = seen or counter.frame_count
    assert counter.frame_count == seen > 0, f"{seen} graphs at first, {counter.frame_count} in the end"


def deep_copies(make: Make) -> None:
    _check_copies(make, copy.deepcopy)


def pickles(make: Make) -> None:
    _check_copies(make, lambda layer: pickle.loads(pickle.dumps(layer)))


def _check_copies(make: Make, copied: Callable[[nn.Module], nn.Module]) -> None:
    layer = make()
    x = _free(3, dtype=torch.float32)
    layer(x).sum().backward()
    twin = copied(layer)
    _same(twin(x), layer(x))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert not torch.allclose(twin(x), layer(x))
    twin(x).sum().backward()


def state_dicts(make: Make) -> None:
    """Saved and loaded with `weights_only`, as torch does by default, into another layer."""
    layer, twin = make(), make()
    x = _free(3, dtype=torch.float32)
    assert not torch.allclose(layer(x), twin(x))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True))
    _same(twin(x), layer(x))


def dtype_kept(dtype: torch.dtype, make: Make) -> None:
    layer = make().to(dtype)
    x = _inputs(3, dtype=dtype)
    values = layer(x)
    values.sum().backward()
    assert values.dtype == x.grad.dtype == dtype
    assert all(parameter.grad.dtype == dtype for parameter in layer.parameters())


def precise(make: Make) -> None:
    """In float64 also the digits are those of float64: <Z> of RY(x) with no weights turned is cos x."""
    layer = make().double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    x = _free(5)
    _same(layer(x)[:, :1], torch.cos(x[:, :1]), 1e-13)


def empty_batch(make: Make) -> None:
    layer = make()
    x = _inputs(0, dtype=torch.float32)
    values = layer(x)
    values.sum().backward()
    assert values.shape[0] == 0
    assert values.shape[1:] == layer(_free(1, dtype=torch.float32)).shape[1:]
    assert x.grad.shape == x.shape


def meta_device(make: Make) -> None:
    """Shapes without running, and a layer that is made without memory."""
    with torch.device("meta"):
        layer = make()
        values = layer(torch.empty(7, QUBITS))
    assert values.is_meta
    assert values.shape[0] == 7
    real = layer.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in real.parameters():
            parameter.zero_()
    assert real(_free(2, dtype=torch.float32)).isfinite().all()


def leading_axes(make: Make) -> None:
    layer = make().double()
    x = _free(2, 3)
    _same(layer(x), torch.stack([layer(each) for each in x]))
    _same(layer(x[0, 0]), layer(x[0])[0])


def no_grad(make: Make) -> None:
    layer = make()
    with torch.no_grad():
        assert not layer(_free(2, dtype=torch.float32)).requires_grad
    with torch.inference_mode():
        layer(_free(2, dtype=torch.float32))


def frozen(make: Make) -> None:
    layer = make().requires_grad_(False)
    assert not layer(_free(2, dtype=torch.float32)).requires_grad


def changed_in_place(make: Make) -> None:
    """A weight that changes between the two passes is an error, not another gradient."""
    layer = make()
    values = layer(_free(2, dtype=torch.float32))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    try:
        values.sum().backward()
    except RuntimeError as error:
        _says(error, "inplace")
    else:
        raise AssertionError("It gave a gradient.")


def seeded(make: Make) -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(11)
        weights.append(torch.cat([parameter.flatten() for parameter in make().parameters()]))
    _same(*weights, 0)


def wrong_width(make: Make) -> None:
    _check_refused(make, torch.rand(3, QUBITS + 1), rf"\b{QUBITS}\b")


def not_finite(make: Make) -> None:
    _check_refused(make, torch.tensor([[0.1, float("nan")]]), "NaN|nan|finite")


def _check_refused(make: Make, x: torch.Tensor, words: str) -> None:
    try:
        make()(x)
    except Exception as error:  # noqa: BLE001  # the others raise what they like; the words matter
        _says(error, words)
    else:
        raise AssertionError("It returned numbers.")


def cuda(make: Make) -> None:
    if not torch.cuda.is_available():
        raise NotHereError("no GPU")
    layer = make().cuda()
    x = _free(3, dtype=torch.float32).cuda().requires_grad_()
    values = layer(x)
    values.sum().backward()
    assert values.is_cuda
    assert x.grad.is_cuda
    assert all(parameter.grad.is_cuda for parameter in layer.parameters())


CHECKS: dict[str, Callable[[Make], None]] = {
    "gradcheck, inputs and weights": gradcheck,
    "gradgradcheck, or a refusal": gradgradcheck,
    "vmap over inputs": vmap_inputs,
    "vmap over single samples": vmap_single_samples,
    "vmap over weights (an ensemble)": vmap_weights,
    "vmap(grad): per-sample gradients of weights": per_sample_gradients,
    "vmap(grad): per-sample gradients of inputs": per_sample_input_gradients,
    "functional_call and grad": functional_call,
    "jacrev": jacrev,
    "jacobian(vectorize=True), or a refusal": old_vmap,
    "jacfwd, or a refusal": forward_mode,
    "autocast": autocast,
    "torch.compile": compiled,
    "torch.compile, nothing compiled again": compiled_once,
    "deepcopy": deep_copies,
    "pickle": pickles,
    "weights_only loading of a state_dict": state_dicts,
    "float32 kept": partial(dtype_kept, torch.float32),
    "float64 kept": partial(dtype_kept, torch.float64),
    "bfloat16 kept": partial(dtype_kept, torch.bfloat16),
    "float64 digits": precise,
    "an empty batch": empty_batch,
    "the meta device": meta_device,
    "leading axes": leading_axes,
    "no_grad, inference_mode": no_grad,
    "frozen weights": frozen,
    "a weight changed in place": changed_in_place,
    "torch.manual_seed": seeded,
    "a wrong width is refused, with the right one": wrong_width,
    "NaN is refused": not_finite,
    "CUDA tensors": cuda,
}
"""What is checked, by the name of the row."""
