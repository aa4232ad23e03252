# SPDX-License-Identifier: Apache-2.0
"""Inputs that are no ordinary tensors are refused by name, with what to do."""

import warnings

import pytest

import qstore_torch as qt
import torch
from qstore.errors import BindingError

KINDS = {
    "coo": (lambda x: x.to_sparse(), "is a torch.sparse_coo tensor; make it dense with .to_dense"),
    "csr": (lambda x: x.to_sparse_csr(), "is a torch.sparse_csr tensor; make it dense with .to_dense"),
    "mkldnn": (lambda x: x.to_mkldnn(), "is a torch._mkldnn tensor; make it dense with .to_dense"),
    "nested": (lambda x: torch.nested.nested_tensor([x, x]), "is a nested tensor; .*to_padded_tensor"),
    "jagged": (
        lambda x: torch.nested.nested_tensor([x, x[:1]], layout=torch.jagged),
        "is a nested tensor; .*to_padded_tensor",
    ),
    "float8": (lambda x: x.to(torch.float8_e4m3fn), "is of torch.float8_e4m3fn; .*with .float"),
    "quantized": (
        lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
        "is quantized; .*with .dequantize",
    ),
    "complex": (lambda x: x + 0j, "must be a tensor of real numbers, got torch.complex64"),
    "array": (lambda x: x.numpy(), "must be a tensor of real numbers, got ndarray"),
}
LAYERS = {
    "features": lambda: qt.QuantumFeatureExtractor(3, 1),
    "x": lambda: qt.QuantumLayer(n_qubits=3, depth=1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rows", [2, 0])
def test_other_tensors_are_refused(name, kind, rows):
    make, words = KINDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them are prototypes, or on their way out
        given = make(torch.rand(rows, 3))
    with pytest.raises(BindingError, match=f"Input '{name}' {words}"):
        LAYERS[name]()(given)
