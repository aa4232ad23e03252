# SPDX-License-Identifier: Apache-2.0
"""A circuit of the user's, or the built-in ansatz, as a differentiable function on arrays: `QuantumLayer` of a framework.

Parameters of the circuit are either inputs, which come with every call, or weights, which the framework's layer holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch import (
    BatchResult,
    CircuitBatch,
    Expectations,
    Output,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.circuit import Parameter, QuantumCircuit, Template
from qstore.errors import OptionError, nearest_names
from qstore.execution import default_backend_name, execute, resolve_backend
from qstore.execution.plan import plan
from qstore.gradients import Forward, GradientConfig, check_gradient, differentiate, forward
from qstore.layers.checks import check_backend, check_method
from qstore.layers.hardware_efficient import hardware_efficient_circuit
from qstore.layers.inputs import Input
from qstore.layers.measurements import basis_observables
from qstore.layers.stage import INITIAL_SPREAD, Array
from qstore.layers.usage import Observed, Usage
from qstore.plugins import Backend, GradientMethod, GradientResult, NativeGradientMethod

__all__ = ["CircuitFunction", "CircuitSource", "Method", "NameRule"]

CircuitSource = QuantumCircuit | Template | Callable[[int], QuantumCircuit]
Method = str | GradientConfig | GradientMethod | NativeGradientMethod | None
Kept = tuple[CircuitBatch, Forward | BatchResult | None]
"""A batch, and what its forward pass found; None where there was none."""


class NameRule(NamedTuple):
    """What a framework does not take in the name of a weight: `NameRule("torch", ".", "dots")`."""

    framework: str
    character: str
    plural: str


class CircuitFunction:
    """A circuit as a differentiable function of inputs and weights.

    Args:
        circuit: a circuit, its template, or a function that makes one of `n_qubits`; None for the ansatz.
        n_qubits, depth, entanglement, encoding: of the ansatz.
        measurement_bases: which Paulis to measure on every qubit, letters out of "XYZ".
        inputs: names of the input parameters, in order.
        outputs: what it returns instead of the expectations that `measurement_bases` names.
        backend, shots, seed, gradient_method: where and how it runs.
        usage: where its circuits are counted.
        names: what names of weights must not have.

    Attributes:
        template: the circuit.
        inputs, weights: names and shapes of the parameters that are fed and of those that are trained.
        outputs: what it returns.
        last_gradient: everything about the last backward pass; None before the first.

    Raises:
        OptionError: arguments that do not go together or are out of range.
        CircuitError: the circuit cannot be built.
        CapabilityError: the backend, given as an object, cannot run it.

    Example:
        >>> made = CircuitFunction(n_qubits=2, depth=1, names=NameRule("torch", ".", "dots"))
        >>> values, kept = made.forward([np.zeros((1, 2)), np.zeros((1, 2, 2))], [False, True])
        >>> values.tolist(), made.backward(kept, np.ones((1, 2)), [False, True])[1].shape
        ([[1.0, 1.0]], (1, 2, 2))
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
        usage: Usage | None = None,
        names: NameRule,
    ) -> None:
        made = _circuit(circuit, n_qubits, depth, entanglement, encoding)
        self.template = made.freeze()
        self.inputs, self.weights = _split(self.template, inputs, names)
        self.outputs = outputs or Expectations(basis_observables(made.n_qubits, measurement_bases))
        _check_outputs(self.outputs)
        self.shots, self.seed = shots, seed
        self.gradient_method = gradient_method
        self.last_gradient: GradientResult | None = None
        self.usage = Usage() if usage is None else usage
        self._names = tuple(each.name for each in (*self.inputs, *self.weights))
        self._observed: Observed | None = None
        self.backend = backend

    @property
    def gradient_method(self) -> Method:
        """How it is differentiated; may be replaced between steps."""
        return self._gradient_method

    @gradient_method.setter
    def gradient_method(self, method: Method) -> None:
        check_method(method)
        self._gradient_method = method

    @property
    def backend(self) -> Backend | str | None:
        """Where it runs, as it was given; may be replaced."""
        return self._backend

    @backend.setter
    def backend(self, backend: Backend | str | None) -> None:
        check_backend(backend)
        # One row costs nothing and shows a mistake in outputs, shots or seed now rather than in training.
        row = self._batch({p.name: np.ones((1, *p.shape)) for p in self.template.parameters})
        if backend is not None and not isinstance(backend, str):
            plan(row, backend.capabilities, backend.name)
        self._backend = backend

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.template.n_qubits

    @property
    def output_dim(self) -> int:
        """Size of the last axis of the values."""
        observables = getattr(self.outputs, "observables", None)
        if observables is not None:
            return len(observables)
        qubits = getattr(self.outputs, "qubits", None)
        return 1 << (self.n_qubits if qubits is None else len(qubits))

    @property
    def is_complex(self) -> bool:
        """Whether the values are."""
        return isinstance(self.outputs, StateVector)

    def initial_weights(self, random: np.random.Generator) -> dict[str, Array]:
        """Fresh weights: normal with standard deviation 0.1 radians."""
        return {each.name: random.normal(scale=INITIAL_SPREAD, size=each.shape) for each in self.weights}

    def described(self, n_parameters: int) -> str:
        """What a layer shows of it."""
        shapes = ", ".join(f"{name}{shape}" for name, shape in self.inputs) or "none"
        backend = self._backend if isinstance(self._backend, str) else getattr(self._backend, "name", None)
        shots = "exact" if self.shots is None else f"shots={self.shots}"
        return (
            f"n_qubits={self.n_qubits}, inputs={shapes}, output_dim={self.output_dim}, n_parameters={n_parameters}, "
            f"backend={backend or default_backend_name()!r}, {shots}"
        )

    def forward(
        self, arrays: Sequence[NDArray[Any]], wanted: Sequence[bool], *, keeps_states: bool = True
    ) -> tuple[NDArray[Any], Kept]:
        """Values (B, output_dim), and what `backward` needs; an impossible gradient is refused before a run.

        Args:
            arrays: inputs, then weights.
            wanted: for each, whether its gradient will be.
            keeps_states: whether the backend may keep what saves its backward pass a forward pass.
        """
        backend, batch = self._resolved(), self._bound(arrays)
        if True in wanted:
            if keeps_states:
                passed = forward(batch, backend, self.gradient_method, self._wrt(wanted))
                return cast("NDArray[Any]", passed.result.values), (batch, passed)
            check_gradient(batch, backend, self.gradient_method)
        result = execute(batch, backend)
        return cast("NDArray[Any]", result.values), (batch, result)

    def prepared(self, arrays: Sequence[NDArray[Any]]) -> Kept:
        """What `backward` needs, of arrays that no forward pass was made for."""
        return self._bound(arrays), None

    def backward(
        self, kept: Kept, cotangent: NDArray[Any], wanted: Sequence[bool], step: int = 0
    ) -> list[NDArray[Any] | None]:
        """The gradient for each array, or None where it is not wanted."""
        batch, known = kept
        found = differentiate(
            batch, self._resolved(), cotangent, self.gradient_method, self._wrt(wanted), step, known=known
        )
        self.last_gradient = found
        return [found.gradients[name] if use else None for name, use in zip(self._names, wanted, strict=True)]

    def __getstate__(self) -> dict[str, Any]:
        # Wrapped methods of a backend do not travel; they are made again.
        return {**self.__dict__, "_observed": None}

    def _wrt(self, wanted: Sequence[bool]) -> tuple[str, ...]:
        if False not in wanted:
            return self._names
        return tuple([name for name, use in zip(self._names, wanted, strict=True) if use])

    def _resolved(self) -> Backend:
        resolved = resolve_backend(self._backend)
        if self._observed is None or self._observed.backend is not resolved:
            self._observed = Observed(resolved, self.usage)
        return cast("Backend", self._observed)

    def _bound(self, arrays: Sequence[NDArray[Any]]) -> CircuitBatch:
        return self._batch(dict(zip(self._names, arrays, strict=True)))

    def _batch(self, bindings: Mapping[str, ArrayLike]) -> CircuitBatch:
        return CircuitBatch.of(self.template, bindings, self.outputs, shots=self.shots, seed=self.seed)


def _circuit(
    circuit: CircuitSource | None, n_qubits: int | None, depth: int | None, entanglement: str, encoding: str
) -> QuantumCircuit | Template:
    if circuit is None:
        if n_qubits is None or depth is None:
            raise OptionError("Give a circuit, or n_qubits and depth for a hardware-efficient ansatz.")
        return hardware_efficient_circuit(n_qubits, depth, entanglement=entanglement, encoding=encoding)
    if depth is not None:
        raise OptionError(
            "depth belongs to the built-in ansatz; a circuit of your own has its depth already."
        )
    if isinstance(circuit, (QuantumCircuit, Template)):
        if n_qubits not in (None, circuit.n_qubits):
            raise OptionError(f"n_qubits={n_qubits} is given, but the circuit has {circuit.n_qubits}.")
        return circuit
    if not callable(circuit) or n_qubits is None:
        raise OptionError(
            f"circuit must be a circuit, or a function of n_qubits together with n_qubits=, got {circuit!r}."
        )
    made = circuit(n_qubits)
    if not isinstance(made, (QuantumCircuit, Template)):
        raise OptionError(
            f"circuit_fn({n_qubits}) must return a QuantumCircuit, it returned {type(made).__name__}."
        )
    return made


def _split(
    template: Template, inputs: str | Sequence[str], rule: NameRule
) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
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
    trained = [name for name in by_name if name not in names]
    refused = [name for name in trained if rule.character in name]
    if refused:
        raise OptionError(
            f"{rule.framework} does not take {rule.plural} in the names of weights: {refused}; rename the parameters."
        )
    return _shaped(by_name[name] for name in names), _shaped(by_name[name] for name in trained)


def _shaped(parameters: Iterable[Parameter]) -> tuple[Input, ...]:
    return tuple(Input(each.name, tuple(each.shape)) for each in parameters)


def _check_outputs(outputs: Output) -> None:
    if not isinstance(outputs, (Expectations, Variance, Probabilities, StateVector)):
        msg = f"A layer returns Expectations, Variance, Probabilities or StateVector, which have gradients; got {outputs!r}."
        raise OptionError(msg)
