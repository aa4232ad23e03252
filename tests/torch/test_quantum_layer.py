# SPDX-License-Identifier: Apache-2.0
"""QuantumLayer is an ordinary torch module: shapes, dtypes, gradients, state, copies, and any backend."""

import copy
import multiprocessing
import pickle

import numpy as np
import pennylane as qml
import pytest

import qstore as qs
import torch
from qstore.errors import BindingError, CapabilityError, OptionError
from qstore_torch import QuantumLayer
from torch import nn

DOUBLE = 1e-9


class CountsOnly:
    """The embedded simulator with everything but counts taken away."""

    name = "counts-only"

    def __init__(self):
        self._inner = qs.get_backend("statevector")
        self.capabilities = qs.Capabilities(max_qubits=6, shot_outputs=frozenset({"Counts"}))

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        return self._inner.run_sync(batch)


class ExactWithoutVjp:
    """The embedded simulator with its own gradient taken away."""

    name = "exact"

    def __init__(self):
        self._inner = qs.get_backend("statevector")
        self.capabilities = self._inner.capabilities.with_changes(differentiable_outputs=frozenset())
        self.runs = 0

    def estimate(self, batch):
        return self._inner.estimate(batch)

    async def run(self, batch):
        return self.run_sync(batch)

    def run_sync(self, batch):
        self.runs += 1
        return self._inner.run_sync(batch)


def _two_inputs():
    x, y, w = qs.Parameter("x", (2,)), qs.Parameter("y"), qs.Parameter("w", (2, 2))
    circuit = qs.QuantumCircuit(2).ry(0, x[0]).ry(1, x[1]).rx(0, 2 * y).cx(0, 1)
    return circuit.rz(0, w[0, 0] + x[0]).ry(1, w[0, 1]).crx(0, 1, w[1, 0]).ryy(0, 1, w[1, 1])


@pytest.mark.parametrize("entanglement", ["linear", "circular", "full", "none"])
def test_the_ansatz_agrees_with_pennylane(entanglement):
    layer = QuantumLayer(n_qubits=3, depth=2, entanglement=entanglement, measurement_bases="ZXY").double()
    pairs = {"linear": [(0, 1), (1, 2)], "circular": [(0, 1), (1, 2), (2, 0)], "full": [(0, 1), (0, 2), (1, 2)],
             "none": []}[entanglement]  # fmt: skip

    @qml.qnode(qml.device("default.qubit", wires=3))
    def judge(x, w):
        for q in range(3):
            qml.RY(x[q], q)
        for one in w:
            for q in range(3):
                qml.RY(one[q, 0], q)
                qml.RZ(one[q, 1], q)
            for pair in pairs:
                qml.CNOT(pair)
        return [qml.expval(pauli(q)) for pauli in (qml.Z, qml.X, qml.Y) for q in range(3)]

    x = torch.rand(4, 3, dtype=torch.float64)
    weights = layer.weights["weights"].detach()
    expected = np.array([judge(row.numpy(), weights.numpy()) for row in x])
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=DOUBLE)


def test_gradcheck_passes_for_inputs_and_weights_at_once():
    layer = QuantumLayer(_two_inputs(), inputs=("x", "y"), measurement_bases="ZY").double()
    x = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    y = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y, _: layer(x, y), (x, y, layer.weights["w"]))


def test_gradcheck_passes_for_amplitude_encoded_inputs():
    layer = QuantumLayer(n_qubits=2, depth=2, encoding="amplitude", measurement_bases="XZ").double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, _: layer(x), (x, layer.weights["weights"]))


@pytest.mark.parametrize("outputs", [qs.Probabilities(), qs.Probabilities([1]), qs.StateVector(),
                                     qs.Variance([qs.Z(0) + 0.5 * qs.X(1)])], ids=lambda o: type(o).__name__)  # fmt: skip
def test_gradcheck_passes_for_every_differentiable_output(outputs):
    layer = QuantumLayer(n_qubits=2, depth=1, outputs=outputs).double()
    x = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, _: layer(x), (x, layer.weights["weights"]))


def test_a_backend_without_a_gradient_is_differentiated_by_shifted_circuits():
    torch.manual_seed(5)
    native = QuantumLayer(_two_inputs(), inputs=("x", "y")).double()
    shifted = copy.deepcopy(native)
    shifted.backend = ExactWithoutVjp()
    x, y = torch.rand(4, 2, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    gradients = []
    for layer in (native, shifted):
        inputs = [tensor.clone().requires_grad_() for tensor in (x, y)]
        layer(*inputs).pow(2).sum().backward()
        gradients.append([*(tensor.grad for tensor in inputs), layer.weights["w"].grad])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=DOUBLE, rtol=0)


def test_a_backend_that_only_counts_trains_too():
    torch.manual_seed(1)
    layer = QuantumLayer(n_qubits=2, depth=1, backend=CountsOnly(), shots=400, seed=3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    x = torch.full((1, 2), 0.3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = layer(x).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1.0  # from near +2 towards -2; shot noise is some 0.07


def test_no_grad_does_no_gradient_work():
    backend = ExactWithoutVjp()
    layer = QuantumLayer(n_qubits=2, depth=1, backend=backend)
    with torch.no_grad():
        values = layer(torch.rand(3, 2))
    assert backend.runs == 1
    assert not values.requires_grad


def test_only_the_gradients_that_are_needed_are_computed():
    backend = ExactWithoutVjp()
    layer = QuantumLayer(n_qubits=2, depth=1, backend=backend)
    layer.weights["weights"].requires_grad_(False)
    x = torch.rand(3, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == (3, 2)
    assert layer.weights["weights"].grad is None


def test_leading_axes_together_are_the_batch():
    layer = QuantumLayer(n_qubits=2, depth=1).double()
    x = torch.rand(3, 4, 2, dtype=torch.float64)
    one_by_one = torch.stack([torch.stack([layer(sample) for sample in row]) for row in x])
    torch.testing.assert_close(layer(x), one_by_one, atol=DOUBLE, rtol=0)
    assert layer(x).shape == (3, 4, 2)


def test_an_empty_batch_passes_through_with_a_gradient():
    layer = QuantumLayer(n_qubits=2, depth=1)
    x = torch.rand(0, 2, requires_grad=True)
    values = layer(x)
    values.sum().backward()
    assert values.shape == (0, 2)
    assert x.grad.shape == (0, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_values_and_gradients_have_the_dtype_of_their_tensors(dtype):
    layer = QuantumLayer(n_qubits=2, depth=1).to(dtype)
    x = torch.rand(3, 2).to(dtype).requires_grad_()
    values = layer(x)
    values.sum().backward()
    assert values.dtype == x.grad.dtype == layer.weights["weights"].grad.dtype == dtype


def test_integer_inputs_are_taken_as_numbers():
    layer = QuantumLayer(n_qubits=2, depth=1)
    torch.testing.assert_close(layer(torch.tensor([[1, 2]])), layer(torch.tensor([[1.0, 2.0]])))


def test_it_is_found_in_a_sequential_model_and_all_parts_learn():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), QuantumLayer(n_qubits=2, depth=2), nn.Linear(2, 2))
    x = torch.randn(64, 3)
    target = (x[:, 0] * x[:, 1] > 0).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert losses[-1] < 0.6 < losses[0]


def test_a_state_dict_goes_into_a_twin():
    layer, twin = (QuantumLayer(n_qubits=3, depth=2) for _ in range(2))
    x = torch.rand(2, 3)
    assert not torch.allclose(layer(x), twin(x))
    twin.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), twin(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
                         ids=["deepcopy", "pickle"])  # fmt: skip
def test_copies_are_independent_and_equal(copied):
    layer = QuantumLayer(n_qubits=2, depth=1, backend=qs.get_backend("statevector", precision="single"))
    x = torch.rand(3, 2)
    layer(
        x
    ).sum().backward()  # a backend that has run holds compiled programs and threads, which do not travel
    twin = copied(layer)
    torch.testing.assert_close(layer(x), twin(x))
    with torch.no_grad():
        twin.weights["weights"].add_(1.0)
    assert not torch.allclose(layer(x), twin(x))


def test_changing_a_weight_in_place_before_backward_is_refused_by_torch():
    layer = QuantumLayer(n_qubits=2, depth=1)
    values = layer(torch.rand(1, 2))
    with torch.no_grad():
        layer.weights["weights"].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_second_derivatives_are_refused():
    layer = QuantumLayer(n_qubits=2, depth=1)
    x = torch.rand(1, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    with pytest.raises(CapabilityError, match="no second derivatives"):
        (slope.sum() + (x**2).sum()).backward()


class _ThroughTheLayer(torch.utils.data.Dataset):
    def __init__(self, layer):
        self.layer = layer

    def __len__(self):
        return 6

    def __getitem__(self, index):
        with torch.no_grad():
            return self.layer(torch.full((2,), index / 10))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_it_runs_inside_data_loader_workers(start):
    layer = QuantumLayer(n_qubits=2, depth=1)
    dataset = _ThroughTheLayer(layer)
    expected = torch.stack([dataset[i] for i in range(6)])
    context = multiprocessing.get_context(start)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=3, num_workers=2, multiprocessing_context=context
    )
    torch.testing.assert_close(torch.cat(list(loader)), expected)


def test_the_facts_of_a_layer_show():
    layer = QuantumLayer(n_qubits=4, depth=2, measurement_bases="ZX")
    assert (layer.n_qubits, layer.n_parameters, layer.output_dim) == (4, 16, 8)
    expected = "n_qubits=4, inputs=x(4,), output_dim=8, n_parameters=16, backend='auto', exact"
    assert layer.extra_repr() == expected
    assert "RY(weights[0, 0, 0])" in str(layer.circuit)


def test_a_circuit_function_is_called_with_the_number_of_qubits():
    def product(n):
        x, w = qs.Parameter("x", (n,)), qs.Parameter("w", (n,))
        circuit = qs.QuantumCircuit(n)
        for q in range(n):
            circuit.rx(q, w[q] + x[q])
        return circuit

    layer = QuantumLayer(product, n_qubits=3, initial_weights={"w": np.zeros(3)}).double()
    x = torch.rand(5, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x), torch.cos(x), atol=DOUBLE, rtol=0)


def test_a_circuit_without_inputs_is_a_layer_of_weights():
    layer = QuantumLayer(
        qs.QuantumCircuit(1).ry(0, "angle"), inputs=(), initial_weights={"angle": 0.5}
    ).double()
    layer().sum().backward()
    assert layer.weights["angle"].grad.item() == pytest.approx(-np.sin(0.5), abs=1e-6)


def test_the_same_seed_draws_the_same_shots_and_none_draws_afresh():
    fixed = QuantumLayer(n_qubits=3, depth=1, shots=50, seed=7)
    fresh = QuantumLayer(n_qubits=3, depth=1, shots=50)
    x = torch.rand(4, 3)
    torch.testing.assert_close(fixed(x), fixed(x), atol=0, rtol=0)
    assert not torch.equal(fresh(x), fresh(x))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (QuantumLayer, OptionError, "Give a circuit, or n_qubits and depth"),
        (lambda: QuantumLayer(n_qubits=2), OptionError, "n_qubits and depth"),
        (
            lambda: QuantumLayer(n_qubits=2, depth=0),
            OptionError,
            "depth must be an integer of at least 1, got 0",
        ),
        (lambda: QuantumLayer(n_qubits=2, depth=1, entanglement="ful"), OptionError, "Did you mean 'full'"),
        (
            lambda: QuantumLayer(n_qubits=2, depth=1, measurement_bases="ZQ"),
            OptionError,
            "letters out of 'XYZ'",
        ),
        (lambda: QuantumLayer(n_qubits=2, depth=1, encoding="angel"), OptionError, "Did you mean 'angle'"),
        (lambda: QuantumLayer(_two_inputs(), inputs="z"), OptionError, "no parameter 'z' for the input"),
        (lambda: QuantumLayer(_two_inputs(), n_qubits=3), OptionError, "the circuit has 2"),
        (lambda: QuantumLayer(lambda n: None, n_qubits=3), OptionError, "must return a QuantumCircuit"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, outputs=qs.Counts()), OptionError, "which have gradients"),
        (lambda: QuantumLayer(n_qubits=2, depth=1, shots=0), OptionError, "shots must be an integer from 1"),
        (
            lambda: QuantumLayer(n_qubits=2, depth=1, initial_weights={"w": 0}),
            OptionError,
            "There is no weight 'w'",
        ),
        (lambda: QuantumLayer(qs.QuantumCircuit(1).rx(0, "a.b"), inputs=()), OptionError, "dots"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_at_once(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda layer: layer(torch.rand(5, 3)), r"shape \(5, 3\), this layer takes \(..., 2\)"),
        (lambda layer: layer(torch.rand(5, 2), torch.rand(5)), "takes 1 input"),
        (lambda layer: layer([[0.1, 0.2]]), "must be a tensor of real numbers, got list"),
        (lambda layer: layer(torch.rand(5, 2) + 1j), "got torch.complex64"),
        (lambda layer: layer(torch.tensor([[0.1, float("nan")]])), "1 entries that are NaN or infinite"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_shape_that_would(call, text):
    with pytest.raises(BindingError, match=text):
        call(QuantumLayer(n_qubits=2, depth=1))


def test_the_adjoint_method_is_refused_where_there_are_shots():
    layer = QuantumLayer(n_qubits=2, depth=1, shots=10, gradient_method="adjoint")
    with pytest.raises(CapabilityError, match="shots leave no state"):
        layer(torch.rand(1, 2)).sum().backward()
