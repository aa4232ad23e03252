# SPDX-License-Identifier: Apache-2.0
"""`QuantumLayer`: a parametrised circuit as an ordinary torch module.

Parameters of the circuit are either inputs, fed by `forward`, or weights, trained. Gradients flow to both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

import qstore as qs
import torch
from qstore.batch import BatchResult, CircuitBatch, Output
from qstore.circuit import Parameter
from qstore.errors import OptionError, nearest_names
from qstore.execution import default_backend_name, execute, resolve_backend
from qstore.gradients import Forward, GradientConfig, differentiate, forward
from qstore.layers import Observed, basis_observables, hardware_efficient_circuit
from qstore.plugins import Backend, GradientMethod, GradientResult, NativeGradientMethod
from qstore_torch.autograd import Arrays
from qstore_torch.distributed import agreed
from qstore_torch.quantum_module import Input, QuantumModule
from torch import nn

__all__ = ["QuantumLayer"]

INITIAL_SPREAD = 0.1
"""Standard deviation of fresh weights in radians: near the identity, where gradients do not vanish with the number of
qubits (Grant et al., "An initialization strategy for addressing barren plateaus", Quantum 3, 214 (2019))."""

Known = Forward | BatchResult | None
CircuitSource = qs.QuantumCircuit | qs.Template | Callable[[int], qs.QuantumCircuit]


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
        gradient_method: str | GradientConfig | GradientMethod | NativeGradientMethod | None = None,
        initial_weights: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        super().__init__()
        made = _circuit(circuit, n_qubits, depth, entanglement, encoding)
        self._template = made.freeze()
        self._fed, weights = _split(self._template, inputs)
        self._taken = [Input(p.name, tuple(p.shape)) for p in self._fed]
        self._names = (*[p.name for p in self._fed], *[p.name for p in weights])
        self._outputs = outputs or qs.Expectations(basis_observables(made.n_qubits, measurement_bases))
        self._backend = backend
        self.gradient_method = gradient_method
        self._last_gradient: GradientResult | None = None
        self._observed: Observed | None = None
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

    @property
    def last_gradient(self) -> GradientResult | None:
        return self._last_gradient

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        shapes = ", ".join(f"{p.name}{tuple(p.shape)}" for p in self._fed) or "none"
        backend = self._backend if isinstance(self._backend, str) else getattr(self._backend, "name", None)
        shots = "exact" if self._shots is None else f"shots={self._shots}"
        return (
            f"n_qubits={self.n_qubits}, inputs={shapes}, output_dim={self.output_dim}, "
            f"n_parameters={self.n_parameters}, backend={backend or default_backend_name()!r}, {shots}"
        )

    def __getstate__(self) -> dict[str, Any]:
        # Wrapped methods of a backend do not travel; they are made again.
        return {**super().__getstate__(), "_observed": None}  # type: ignore[no-untyped-call]  # torch's own

    def _inputs(self) -> Sequence[Input]:
        return self._taken

    def _value_dtype(self, real: torch.dtype) -> torch.dtype:
        return real.to_complex() if isinstance(self._outputs, qs.StateVector) else real

    def _runner(self, dtype: torch.dtype, device: torch.device) -> _CircuitRunner:
        return _CircuitRunner(self, dtype, device)

    def _resolved(self) -> Backend:
        resolved = resolve_backend(self._backend)
        if self._observed is None or self._observed.backend is not resolved:
            self._observed = Observed(resolved, self.usage)
        return cast("Backend", self._observed)

    def _batch(self, bindings: Mapping[str, ArrayLike]) -> CircuitBatch:
        return CircuitBatch.of(self._template, bindings, self._outputs, shots=self._shots, seed=self._seed)

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


class _CircuitRunner:
    """The circuit of a layer on arrays, inputs first."""

    merges_weights = rows_are_independent = True

    def __init__(self, layer: QuantumLayer, dtype: torch.dtype, device: torch.device) -> None:
        self._layer, self.dtype, self.device = layer, dtype, device
        self.n_inputs, self._names = len(layer._fed), layer._names  # the layer's own runner

    def forward(self, arrays: Arrays, wanted: tuple[bool, ...]) -> tuple[NDArray[Any], Any]:
        return agreed(self._layer.agreement if True in wanted else None, self._run, arrays, wanted)

    def prepared(self, arrays: Arrays) -> tuple[CircuitBatch, None]:
        return self._batch(arrays), None

    def backward(
        self, kept: tuple[CircuitBatch, Known], cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> list[NDArray[Any] | None]:
        return agreed(self._layer.agreement, self._differentiate, kept, cotangent, wanted)

    def _batch(self, arrays: Arrays) -> CircuitBatch:
        return self._layer._batch(dict(zip(self._names, arrays, strict=True)))  # as above

    def _run(
        self, arrays: Arrays, wanted: tuple[bool, ...]
    ) -> tuple[NDArray[Any], tuple[CircuitBatch, Known]]:
        backend, batch = self._layer._resolved(), self._batch(arrays)  # as above
        if True in wanted:
            passed = forward(batch, backend, self._layer.gradient_method, self._wrt(wanted))
            return cast("NDArray[Any]", passed.result.values), (batch, passed)
        result = execute(batch, backend)
        return cast("NDArray[Any]", result.values), (batch, result)

    def _wrt(self, wanted: tuple[bool, ...]) -> tuple[str, ...]:
        names = self._names
        return (
            names
            if False not in wanted
            else tuple([name for name, use in zip(names, wanted, strict=True) if use])
        )

    def _differentiate(
        self, kept: tuple[CircuitBatch, Known], cotangent: NDArray[Any], wanted: tuple[bool, ...]
    ) -> list[NDArray[Any] | None]:
        layer, (batch, known) = self._layer, kept
        names = self._wrt(wanted)
        found = differentiate(
            batch, layer._resolved(), cotangent, layer.gradient_method, names, layer.gradient_step, known=known  # as above
        )  # fmt: skip
        layer._last_gradient = found  # as above
        return [found.gradients[name] if use else None for name, use in zip(self._names, wanted, strict=True)]


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
