# SPDX-License-Identifier: Apache-2.0
"""`QuantumLayer`: a parametrised circuit as an ordinary Keras layer.

Parameters of the circuit are either inputs, which the layer is called with, or weights, trained. Gradients flow to both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

import qstore as qs
from qstore.batch import BatchResult, CircuitBatch, Output
from qstore.circuit import Parameter
from qstore.errors import OptionError, nearest_names
from qstore.execution import default_backend_name, execute, resolve_backend
from qstore.execution.plan import plan
from qstore.gradients import Forward, GradientConfig, check_gradient, differentiate, forward
from qstore.layers import Observed, basis_observables, hardware_efficient_circuit
from qstore.plugins import Backend, GradientMethod, GradientResult, NativeGradientMethod
from qstore_tf.circuit_call import Agreement, Arrays, Outputs
from qstore_tf.quantum_base import Array, Input, QuantumBase, checked_weights, drawn_seed
from qstore_tf.serialization import read, read_outputs, written_backend, written_method, written_outputs

__all__ = ["QuantumLayer"]

INITIAL_SPREAD = 0.1
"""Standard deviation of fresh weights in radians: near the identity, where gradients do not vanish with the number of
qubits (Grant et al., "An initialization strategy for addressing barren plateaus", Quantum 3, 214 (2019))."""

Known = BatchResult | Forward
CircuitSource = qs.QuantumCircuit | qs.Template | Callable[[int], qs.QuantumCircuit]


@keras.saving.register_keras_serializable(package="qstore")
class QuantumLayer(QuantumBase):
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
        inputs: names of the circuit's input parameters in the order in which the layer takes them; "x" by default.
        outputs: what the layer returns instead of the expectations that `measurement_bases` names.
        backend: a registered name, a backend, or None for the default.
        shots: measurements per sample, or None for exact results.
        seed: with shots, repeats the same outcomes for the same inputs and weights; None draws afresh in every pass.
        gradient_method: a registered name, a `GradientConfig` or a method; by default the backend's own, or parameter
            shift. It may be replaced between steps.
        initial_weights: values by weight name; by default normal with standard deviation 0.1.
        options: of every Keras layer: `name`, `dtype`, `trainable`, `activity_regularizer`.

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
        >>> import numpy as np
        >>> layer = QuantumLayer(n_qubits=4, depth=2, measurement_bases="ZX")
        >>> tuple(layer(np.zeros((32, 4))).shape)
        (32, 8)
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        made = _circuit(circuit, n_qubits, depth, entanglement, encoding)
        self._template = made.freeze()
        fed, weights = _split(self._template, inputs)
        self._fed = tuple(Input(each.name, tuple(each.shape)) for each in fed)
        self._outputs = outputs or qs.Expectations(basis_observables(made.n_qubits, measurement_bases))
        self._backend = backend
        self.gradient_method = gradient_method
        self._observed: Observed | None = None
        self._shots, self._seed = shots, seed
        _check_outputs(self._outputs)
        self._shapes = {each.name: tuple(each.shape) for each in weights}
        self._start = dict(self._fresh_weights())
        if initial_weights is not None:
            self._start |= checked_weights(initial_weights, self._start)
        self._check_backend()

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
        observables = getattr(self._outputs, "observables", None)
        if observables is not None:
            return len(observables)
        qubits = getattr(self._outputs, "qubits", None)
        return 1 << (self.n_qubits if qubits is None else len(qubits))

    @property
    def value_dtype(self) -> str:
        if not isinstance(self._outputs, qs.StateVector):
            return super().value_dtype
        return "complex128" if self.compute_dtype == "float64" else "complex64"

    @property
    def last_gradient(self) -> GradientResult | None:
        return self._facts.last_gradient

    @property
    def backend(self) -> Backend | str | None:
        return self._backend

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        self._backend = backend
        self._check_backend()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, as JSON; the circuit in qstore's own format."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "circuit": self._template.to_json(),
            "inputs": [each.name for each in self._fed],
            "outputs": written_outputs(self._outputs),
            "backend": written_backend(self._backend),
            "shots": self._shots,
            "seed": self._seed,
            "gradient_method": written_method(self.gradient_method),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> QuantumLayer:
        """The layer of a configuration."""
        made = {
            "circuit": qs.QuantumCircuit.from_json(config["circuit"]),
            "outputs": read_outputs(config["outputs"]),
            "gradient_method": read(config["gradient_method"]),
        }
        return cls(**{**config, **made})

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}{shape}" for name, shape in self._fed) or "none"
        backend = self._backend if isinstance(self._backend, str) else getattr(self._backend, "name", None)
        shots = "exact" if self._shots is None else f"shots={self._shots}"
        return (
            f"<QuantumLayer name={self.name!r}, n_qubits={self.n_qubits}, inputs={shapes}, output_dim={self.output_dim}, "
            f"n_parameters={self.n_parameters}, backend={backend or default_backend_name()!r}, {shots}, built={self.built}>"
        )

    def _inputs(self) -> Sequence[Input]:
        return self._fed

    def _first_weights(self) -> Mapping[str, Array]:
        return self._start

    def _fresh_weights(self) -> Mapping[str, Array]:
        random = np.random.default_rng(drawn_seed())
        return {name: random.normal(scale=INITIAL_SPREAD, size=shape) for name, shape in self._shapes.items()}

    def _runner(self, *, training: bool) -> _CircuitRunner:  # noqa: ARG002  # it has one mode
        return _CircuitRunner(self)

    def _check_backend(self) -> None:
        # One row costs nothing and shows a mistake in outputs, shots or seed now rather than in training.
        row = self._batch({p.name: np.ones((1, *p.shape)) for p in self._template.parameters})
        if self._backend is not None and not isinstance(self._backend, str):
            plan(row, self._backend.capabilities, self._backend.name)

    def _resolved(self) -> Backend:
        resolved = resolve_backend(self._backend)
        if self._observed is None or self._observed.backend is not resolved:
            self._observed = Observed(resolved, self.usage)
        return cast("Backend", self._observed)

    def _batch(self, bindings: Mapping[str, ArrayLike]) -> CircuitBatch:
        return CircuitBatch.of(self._template, bindings, self._outputs, shots=self._shots, seed=self._seed)


class _CircuitRunner:
    """The circuit of a layer on arrays, inputs first."""

    n_updates = 0

    def __init__(self, layer: QuantumLayer) -> None:
        self._layer = layer
        inputs = [each.name for each in layer._fed]  # the layer's own runner
        self._names = (*inputs, *layer._shapes)
        self.n_inputs, self.n_weights = len(inputs), len(layer._shapes)  # as above
        self.width, self.is_complex = layer.output_dim, layer.value_dtype.startswith("complex")
        self.passes_overflow = layer.compute_dtype == "float16"

    @property
    def agreement(self) -> Agreement | None:
        return self._layer.agreement

    def forward(
        self, arrays: Arrays, wanted: Sequence[bool], *, keeps_states: bool
    ) -> tuple[Outputs, tuple[CircuitBatch, Known]]:
        layer = self._layer
        backend, batch = (
            layer._resolved(),
            layer._batch(dict(zip(self._names, arrays, strict=True))),
        )  # as above
        known: Known
        if True in wanted and keeps_states:
            known = forward(batch, backend, layer.gradient_method, self._wrt(wanted))
            return (cast("NDArray[Any]", known.result.values),), (batch, known)
        if True in wanted:
            check_gradient(batch, backend, layer.gradient_method)
        known = execute(batch, backend)
        return (cast("NDArray[Any]", known.values),), (batch, known)

    def backward(
        self, kept: tuple[CircuitBatch, Known], cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> list[NDArray[Any] | None]:
        layer, (batch, known) = self._layer, kept
        found = differentiate(
            batch, layer._resolved(), cotangent, layer.gradient_method, self._wrt(wanted), layer.gradient_step, known=known  # as above
        )  # fmt: skip
        layer._facts.last_gradient = found  # as above
        return [found.gradients[name] if use else None for name, use in zip(self._names, wanted, strict=True)]

    def _wrt(self, wanted: Sequence[bool]) -> tuple[str, ...]:
        return tuple(name for name, use in zip(self._names, wanted, strict=True) if use)


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
    slashed = [name for name in by_name if "/" in name and name not in names]
    if slashed:
        raise OptionError(
            f"Keras does not take slashes in the names of weights: {slashed}; rename the parameters."
        )
    return [by_name[name] for name in names], [p for p in template.parameters if p.name not in names]


def _check_outputs(outputs: Output) -> None:
    if not isinstance(outputs, (qs.Expectations, qs.Variance, qs.Probabilities, qs.StateVector)):
        msg = f"A layer returns Expectations, Variance, Probabilities or StateVector, which have gradients; got {outputs!r}."
        raise OptionError(msg)
