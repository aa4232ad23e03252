# SPDX-License-Identifier: Apache-2.0
"""`QuantumLayer`: a parametrised circuit as an ordinary torch module.

Parameters of the circuit are either inputs, fed by `forward`, or weights, trained. Gradients flow to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

import qstore as qs
import torch
from qstore.batch import Output
from qstore.layers.agreement import agreed
from qstore.layers.circuit_function import CircuitFunction, CircuitSource, Kept, Method, NameRule
from qstore.layers.inputs import Input
from qstore.layers.layer import checked_weights
from qstore.layers.stage import INITIAL_SPREAD
from qstore.plugins import Backend, GradientResult
from qstore_torch.autograd import Arrays
from qstore_torch.quantum_module import QuantumModule
from torch import nn

__all__ = ["QuantumLayer"]

TORCH = NameRule("torch", ".", "dots")


class QuantumLayer(QuantumModule):
    """A parametrised quantum circuit as a layer.

    Three ways to say which circuit:

    * `QuantumLayer(circuit)`: any circuit; the parameters named in `inputs` are fed, all others are weights.
    * `QuantumLayer(circuit_fn, n_qubits=4)`: a function from the number of qubits to such a circuit.
    * `QuantumLayer(n_qubits=4, depth=2, entanglement="linear", measurement_bases="Z")`: a hardware-efficient ansatz
      over angle-encoded inputs (or `encoding="amplitude"`).

    Args:
        circuit: a circuit, its template, or a function that makes one of `n_qubits`.
        n_qubits: number of qubits, with a function or an ansatz.
        depth: layers of the ansatz.
        entanglement: "linear", "circular", "full" or "none".
        measurement_bases: which Paulis to measure on every qubit, letters out of "XYZ".
        encoding: of the ansatz's inputs, "angle" (n_qubits numbers) or "amplitude" (2**n_qubits numbers).
        inputs: names of the circuit's input parameters in the order `forward` takes them; "x" by default.
        outputs: what the layer returns instead of the expectations that `measurement_bases` names.
        backend: a registered name, a backend, or None for the default.
        shots: measurements per sample, or None for exact results.
        seed: with shots, repeats the same outcomes for the same inputs and weights; None draws afresh in every pass.
        gradient_method: a registered name, a `GradientConfig` or a method; by default the backend's own, or parameter
            shift. It may be replaced between steps.
        initial_weights: values by weight name; by default normal with standard deviation 0.1.

    Attributes:
        gradient_method: as given.
        gradient_step: number of the training step, for methods that change over time; the training loop sets it.
        last_gradient: everything about the last backward pass, standard errors included; None before the first.
        usage: what its circuits took so far; `usage.take()` starts again from nothing.

    Shape:
        inputs (..., *input shape), output (..., output_dim): `n_qubits * len(measurement_bases)` expectations, the
        first basis on all qubits first.

    Raises:
        OptionError: arguments that do not go together or are out of range.
        CircuitError: the circuit cannot be built.

    Example:
        >>> import torch
        >>> layer = QuantumLayer(n_qubits=4, depth=2, measurement_bases="ZX")
        >>> layer(torch.rand(32, 4)).shape
        torch.Size([32, 8])
    """

    def __init__(
        self,
        circuit: CircuitSource | None = None,
        *,
        n_qubits: int | None = None,
        depth: int | None = None,
        entanglement: str = "linear",
        measurement_bases: str | Iterable[str] = "Z",
        encoding: str = "angle",
        inputs: str | Sequence[str] = "x",
        outputs: Output | None = None,
        backend: Backend | str | None = None,
        shots: int | None = None,
        seed: int | None = None,
        gradient_method: Method = None,
        initial_weights: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        super().__init__()
        self._function = CircuitFunction(
            circuit, n_qubits=n_qubits, depth=depth, entanglement=entanglement, measurement_bases=measurement_bases,
            encoding=encoding, inputs=inputs, outputs=outputs, backend=backend, shots=shots, seed=seed,
            gradient_method=gradient_method, usage=self.usage, names=TORCH,
        )  # fmt: skip
        shapes = dict(self._function.weights)
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.empty(shape)) for name, shape in shapes.items()}
        )
        self.reset_parameters()
        if initial_weights is not None:
            with torch.no_grad():
                for name, array in checked_weights(initial_weights, shapes).items():
                    self.weights[name].copy_(torch.from_numpy(array))

    @property
    def circuit(self) -> qs.Template:
        """The circuit; `print(layer.circuit)` draws it."""
        return self._function.template

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._function.n_qubits

    @property
    def output_dim(self) -> int:
        """Size of the last axis of the output."""
        return self._function.output_dim

    @property
    def backend(self) -> Backend | str | None:
        """Where the circuits run, as it was given; may be replaced."""
        return self._function.backend

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        self._function.backend = backend

    @property
    def gradient_method(self) -> Method:
        """How the circuit is differentiated; it may be replaced between steps."""
        return self._function.gradient_method

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        self._function.gradient_method = method

    def reset_parameters(self) -> None:
        """Draw fresh weights from torch's generator: normal, standard deviation 0.1 radians."""
        for weight in self.weights.values():
            nn.init.normal_(weight, std=INITIAL_SPREAD)

    @property
    def last_gradient(self) -> GradientResult | None:
        return self._function.last_gradient

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return self._function.described(self.n_parameters)

    def _inputs(self) -> Sequence[Input]:
        return self._function.inputs

    def _value_dtype(self, real: torch.dtype) -> torch.dtype:
        return real.to_complex() if self._function.is_complex else real

    def _runner(self, dtype: torch.dtype, device: torch.device) -> _CircuitRunner:
        return _CircuitRunner(self, dtype, device)


class _CircuitRunner:
    """The circuit of a layer on arrays, inputs first."""

    merges_weights = rows_are_independent = True

    def __init__(self, layer: QuantumLayer, dtype: torch.dtype, device: torch.device) -> None:
        self._layer, self.dtype, self.device = layer, dtype, device
        self._function = layer._function  # the layer's own runner
        self.n_inputs = len(self._function.inputs)

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Kept]:
        return agreed(
            self._layer.agreement if True in wanted else None, self._function.forward, arrays, wanted
        )

    def prepared(self, arrays: Arrays) -> Kept:
        return self._function.prepared(arrays)

    def backward(
        self, kept: Kept, cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> list[NDArray[Any] | None]:
        layer = self._layer
        return agreed(layer.agreement, self._function.backward, kept, cotangent, wanted, layer.gradient_step)
