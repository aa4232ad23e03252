# SPDX-License-Identifier: Apache-2.0
"""`QuantumLayer`: a parametrised circuit as an ordinary Keras layer.

Parameters of the circuit are either inputs, which the layer is called with, or weights, trained. Gradients flow to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

import qstore as qs
from qstore.batch import Output
from qstore.layers.agreement import FailureAgreement
from qstore.layers.circuit_function import CircuitFunction, CircuitSource, Kept, Method, NameRule
from qstore.layers.inputs import Input
from qstore.layers.layer import checked_weights
from qstore.plugins import Backend, GradientResult
from qstore_tf.circuit_call import Arrays, Outputs
from qstore_tf.quantum_base import Array, QuantumBase, drawn_seed
from qstore_tf.serialization import read, read_outputs, written_backend, written_method, written_outputs

__all__ = ["QuantumLayer"]

KERAS = NameRule("Keras", "/", "slashes")


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
        gradient_method: Method = None,
        initial_weights: Mapping[str, ArrayLike] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._function = CircuitFunction(
            circuit, n_qubits=n_qubits, depth=depth, entanglement=entanglement, measurement_bases=measurement_bases,
            encoding=encoding, inputs=inputs, outputs=outputs, backend=backend, shots=shots, seed=seed,
            gradient_method=gradient_method, usage=self.usage, names=KERAS,
        )  # fmt: skip
        self._start = dict(self._fresh_weights())
        if initial_weights is not None:
            self._start |= checked_weights(initial_weights, dict(self._function.weights))

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
        return self._function.output_dim

    @property
    def value_dtype(self) -> str:
        if not self._function.is_complex:
            return super().value_dtype
        return "complex128" if self.compute_dtype == "float64" else "complex64"

    @property
    def last_gradient(self) -> GradientResult | None:
        return self._function.last_gradient

    @property
    def backend(self) -> Backend | str | None:
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

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, as JSON; the circuit in qstore's own format."""
        config: dict[str, Any] = super().get_config()
        function = self._function
        return config | {
            "circuit": function.template.to_json(),
            "inputs": [each.name for each in function.inputs],
            "outputs": written_outputs(function.outputs),
            "backend": written_backend(function.backend),
            "shots": function.shots,
            "seed": function.seed,
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
        described = self._function.described(self.n_parameters)
        return f"<QuantumLayer name={self.name!r}, {described}, built={self.built}>"

    def _inputs(self) -> Sequence[Input]:
        return self._function.inputs

    def _first_weights(self) -> Mapping[str, Array]:
        return self._start

    def _fresh_weights(self) -> Mapping[str, Array]:
        return self._function.initial_weights(np.random.default_rng(drawn_seed()))

    def _runner(self, *, training: bool) -> _CircuitRunner:  # noqa: ARG002  # it has one mode
        return _CircuitRunner(self)


class _CircuitRunner:
    """The circuit of a layer on arrays, inputs first."""

    n_updates = 0

    def __init__(self, layer: QuantumLayer) -> None:
        self._layer, self._function = layer, layer._function  # the layer's own runner
        self.n_inputs, self.n_weights = len(self._function.inputs), len(self._function.weights)
        self.width, self.is_complex = self._function.output_dim, self._function.is_complex
        self.passes_overflow = layer.compute_dtype == "float16"

    @property
    def agreement(self) -> FailureAgreement | None:
        return self._layer.agreement

    def forward(self, arrays: Arrays, wanted: Sequence[bool], *, keeps_states: bool) -> tuple[Outputs, Kept]:
        values, kept = self._function.forward(arrays, wanted, keeps_states=keeps_states)
        return (values,), kept

    def backward(
        self, kept: Kept, cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> list[NDArray[Any] | None]:
        return self._function.backward(kept, cotangent, wanted, self._layer.gradient_step)
