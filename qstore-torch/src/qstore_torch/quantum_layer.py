# SPDX-License-Identifier: Apache-2.0
"""`QuantumLayer`: a parametrised circuit as an ordinary torch module.

Parameters of the circuit are either inputs, fed by `forward`, or weights, trained. Gradients flow to both. Input
shapes are `(..., *shape of the parameter)`; all leading axes together are the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import qstore as qs
import torch
from qstore.batch import BatchResult, CircuitBatch, Output
from qstore.circuit import Parameter
from qstore.errors import BindingError, OptionError, nearest_names
from qstore.execution import default_backend_name, execute, resolve_backend
from qstore.gradients import differentiate
from qstore.layers import basis_observables, hardware_efficient_circuit
from qstore.plugins import Backend, GradientMethod, Gradients, NativeGradientMethod
from qstore_torch.autograd import BatchFunction, Runner
from torch import nn

__all__ = ["QuantumLayer"]

INITIAL_SPREAD = 0.1
"""Standard deviation of fresh weights in radians: near the identity, where gradients do not vanish with the number of
qubits (Grant et al., "An initialization strategy for addressing barren plateaus", Quantum 3, 214 (2019))."""

CircuitSource = qs.QuantumCircuit | qs.Template | Callable[[int], qs.QuantumCircuit]


class QuantumLayer(nn.Module):
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
        gradient_method: a registered name or a method; by default the backend's own, or parameter shift.
        initial_weights: values by weight name; by default normal with standard deviation 0.1.

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
        gradient_method: str | GradientMethod | NativeGradientMethod | None = None,
        initial_weights: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        super().__init__()
        made = _circuit(circuit, n_qubits, depth, entanglement, encoding)
        self._template = made.freeze()
        self._inputs, weights = _split(self._template, inputs)
        self._outputs = outputs or qs.Expectations(basis_observables(made.n_qubits, measurement_bases))
        self._backend = backend
        self._gradient_method = gradient_method
        self._shots, self._seed = shots, seed
        _check_outputs(self._outputs)
        self.weights = nn.ParameterDict({p.name: nn.Parameter(torch.empty(p.shape)) for p in weights})
        self.reset_parameters()
        if initial_weights is not None:
            self._set_weights(initial_weights)
        # One row of zeros costs nothing and shows a mistake in outputs, shots or seed now rather than in training.
        self._batch({p.name: np.ones((1, *p.shape)) for p in self._template.parameters})

    @property
    def circuit(self) -> qs.Template:
        """The circuit; `print(layer.circuit)` draws it."""
        return self._template

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._template.n_qubits

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return sum(weight.numel() for weight in self.weights.values())

    @property
    def output_dim(self) -> int:
        """Size of the last axis of the output."""
        observables = getattr(self._outputs, "observables", None)
        if observables is not None:
            return len(observables)
        qubits = getattr(self._outputs, "qubits", None)
        return 1 << (self.n_qubits if qubits is None else len(qubits))

    def reset_parameters(self) -> None:
        """Draw fresh weights from torch's generator: normal, standard deviation 0.1 radians."""
        for weight in self.weights.values():
            nn.init.normal_(weight, std=INITIAL_SPREAD)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the circuit for every sample.

        Args:
            inputs: one tensor per input parameter, (..., *shape), the same leading axes in all.

        Raises:
            BindingError: number, shape or type of the inputs do not fit, or they are not finite.
            CapabilityError: the backend cannot do it.
        """
        lead = self._lead(inputs)
        size = math.prod(lead)
        tensors = [tensor.reshape(size, *p.shape) for tensor, p in zip(inputs, self._inputs, strict=True)]
        weights = list(self.weights.values())
        real = _common_dtype([*inputs, *weights])
        dtype = real.to_complex() if isinstance(self._outputs, qs.StateVector) else real
        device = next((tensor.device for tensor in [*inputs, *weights]), torch.device("cpu"))
        if size == 0:
            # An empty batch has nothing to run; the zeros keep the graph whole for a backward pass.
            tie = sum((tensor.sum() for tensor in tensors), torch.zeros((), dtype=real, device=device))
            return torch.zeros((*lead, self.output_dim), dtype=dtype, device=device) + tie
        names = (*(p.name for p in self._inputs), *self.weights)
        runner = Runner(names, self._batch, self._run, self._differentiate, dtype, device)
        values: torch.Tensor = BatchFunction.apply(runner, *tensors, *weights)  # type: ignore[no-untyped-call]  # torch's own
        return values.reshape(*lead, self.output_dim)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        shapes = ", ".join(f"{p.name}{tuple(p.shape)}" for p in self._inputs) or "none"
        backend = self._backend if isinstance(self._backend, str) else getattr(self._backend, "name", None)
        shots = "exact" if self._shots is None else f"shots={self._shots}"
        return (
            f"n_qubits={self.n_qubits}, inputs={shapes}, output_dim={self.output_dim}, "
            f"n_parameters={self.n_parameters}, backend={backend or default_backend_name()!r}, {shots}"
        )

    def _run(self, batch: CircuitBatch) -> BatchResult:
        return execute(batch, resolve_backend(self._backend))

    def _differentiate(
        self, batch: CircuitBatch, cotangent: NDArray[Any], names: tuple[str, ...]
    ) -> Gradients:
        return differentiate(batch, resolve_backend(self._backend), cotangent, self._gradient_method, names)[
            1
        ]

    def _batch(self, bindings: Mapping[str, ArrayLike]) -> CircuitBatch:
        return CircuitBatch.of(self._template, bindings, self._outputs, shots=self._shots, seed=self._seed)

    def _lead(self, inputs: tuple[torch.Tensor, ...]) -> tuple[int, ...]:
        names = [p.name for p in self._inputs]
        if len(inputs) != len(self._inputs):
            raise BindingError(f"This layer takes {len(names)} input(s) {names}, got {len(inputs)}.")
        leads = []
        for tensor, parameter in zip(inputs, self._inputs, strict=True):
            shape, n_axes = parameter.shape, parameter.ndim
            if not isinstance(tensor, torch.Tensor) or tensor.is_complex():
                kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
                raise BindingError(f"Input {parameter.name!r} must be a tensor of real numbers, got {kind}.")
            if tensor.ndim < n_axes or tuple(tensor.shape[tensor.ndim - n_axes :]) != shape:
                wanted = ", ".join(["...", *map(str, shape)])
                raise BindingError(
                    f"Input {parameter.name!r} has shape {tuple(tensor.shape)}, this layer takes ({wanted})."
                )
            leads.append(tuple(tensor.shape[: tensor.ndim - n_axes]))
        if len(set(leads)) > 1:
            raise BindingError(f"The inputs {names} have the different batch axes {leads}.")
        return leads[0] if leads else ()

    def _set_weights(self, values: Mapping[str, ArrayLike]) -> None:
        for name, value in values.items():
            if name not in self.weights:
                hint = nearest_names(name, list(self.weights))
                raise OptionError(
                    f"initial_weights names {name!r}.{hint} The weights are {list(self.weights)}."
                )
            tensor = torch.as_tensor(np.asarray(value))
            if tensor.shape != self.weights[name].shape:
                wanted = tuple(self.weights[name].shape)
                raise OptionError(
                    f"initial_weights[{name!r}] has shape {tuple(tensor.shape)}, the weight has {wanted}."
                )
            with torch.no_grad():
                self.weights[name].copy_(tensor)


def _circuit(
    circuit: CircuitSource | None, n_qubits: int | None, depth: int | None, entanglement: str, encoding: str
) -> qs.QuantumCircuit | qs.Template:
    if circuit is None:
        if n_qubits is None or depth is None:
            raise OptionError("Give a circuit, or n_qubits and depth for a hardware-efficient ansatz.")
        return hardware_efficient_circuit(n_qubits, depth, entanglement=entanglement, encoding=encoding)
    if depth is not None:
        raise OptionError(
            "depth belongs to the built-in ansatz; a circuit of your own has its depth already."
        )
    if isinstance(circuit, (qs.QuantumCircuit, qs.Template)):
        if n_qubits not in (None, circuit.n_qubits):
            raise OptionError(f"n_qubits={n_qubits} is given, but the circuit has {circuit.n_qubits}.")
        return circuit
    if not callable(circuit) or n_qubits is None:
        raise OptionError(
            f"circuit must be a circuit, or a function of n_qubits together with n_qubits=, got {circuit!r}."
        )
    made = circuit(n_qubits)
    if not isinstance(made, (qs.QuantumCircuit, qs.Template)):
        raise OptionError(
            f"circuit_fn({n_qubits}) must return a QuantumCircuit, it returned {type(made).__name__}."
        )
    return made


def _split(template: qs.Template, inputs: str | Sequence[str]) -> tuple[list[Parameter], list[Parameter]]:
    names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    by_name = {parameter.name: parameter for parameter in template.parameters}
    for name in names:
        if name not in by_name:
            hint = nearest_names(name, list(by_name))
            msg = (
                f"The circuit has no parameter {name!r} for the input.{hint} It has {list(by_name)}; name the input "
                "parameters with inputs=, or inputs=() if everything is a weight."
            )
            raise OptionError(msg)
    dotted = [name for name in by_name if "." in name and name not in names]
    if dotted:
        raise OptionError(
            f"torch does not take dots in the names of weights: {dotted}; rename the parameters."
        )
    return [by_name[name] for name in names], [p for p in template.parameters if p.name not in names]


def _check_outputs(outputs: Output) -> None:
    if not isinstance(outputs, (qs.Expectations, qs.Variance, qs.Probabilities, qs.StateVector)):
        msg = f"A layer returns Expectations, Variance, Probabilities or StateVector, which have gradients; got {outputs!r}."
        raise OptionError(msg)


def _common_dtype(tensors: Sequence[torch.Tensor]) -> torch.dtype:
    dtype = torch.get_default_dtype()
    floating = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    if floating:
        dtype = floating[0]
        for other in floating[1:]:
            dtype = torch.promote_types(dtype, other)
    return dtype
