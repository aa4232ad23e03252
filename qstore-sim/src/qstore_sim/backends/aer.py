# SPDX-License-Identifier: Apache-2.0
"""The backend `aer`: Qiskit Aer's statevector, density-matrix and matrix-product-state methods.

A template is converted once; Aer binds the angles of all rows itself (`parameter_binds`). Qiskit's qubit 0 is the least
significant bit, as ours. The statevector and density-matrix methods give exact probabilities, from which shots are drawn
here; matrix product states are sampled by Aer, each row by itself with a seed made of the row's stream key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import CircuitBatch, Expectations, NoiseModel, Variance
from qstore.circuit import Observable
from qstore.errors import ExecutionError, OptionError
from qstore_sim.backends.base import Floats, SimulatorBackend
from qstore_sim.backends.capabilities import CAPABILITIES
from qstore_sim.backends.libraries import library
from qstore_sim.backends.options import chosen, count
from qstore_sim.backends.slots import SlottedCircuit
from qstore_sim.processors import processors

__all__ = ["AerBackend", "aer"]

_NATIVES = frozenset({
    "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p", "u", "cx", "cy", "cz", "swap", "rxx",
    "ryy", "rzz", "zz", "ccx",
})  # fmt: skip
"""What every method runs. Not cp, crx, cry, crz, cu: Aer leaves the symbols of controlled gates out when it binds them
(0.18.2; qiskit-aer issues 2323 and 2403), without a word, and the gate turns by another angle."""
_METHODS: Mapping[str, str] = {
    "automatic": "aer",
    "statevector": "aer.statevector",
    "density_matrix": "aer.density_matrix",
    "matrix_product_state": "aer.matrix_product_state",
}
"""From a method to the row of capabilities that it has."""
_SEED_BITS = 63
"""Aer keeps its seed in a signed integer of 64 bits."""


def aer(
    method: str = "automatic",
    precision: str = "double",
    noise: NoiseModel | None = None,
    threads: int | None = None,
    max_bond_dimension: int | None = None,
) -> AerBackend:
    """Qiskit Aer on the processor.

    Args:
        method: "statevector", "density_matrix", "matrix_product_state", or "automatic": states where there is no noise and
            density matrices where there is.
        precision: "double" or "single".
        noise: errors behind the gates of every circuit, and readout errors; needs density matrices.
        threads: most threads; by default all processors this process may run on.
        max_bond_dimension: of matrix product states: larger ones are truncated, and results are no longer exact. None
            keeps all of them.

    Raises:
        BackendUnavailable: qiskit-aer is not installed.
        OptionError: another method or precision, noise without density matrices, or a number below 1.
    """
    library("qiskit_aer", backend="aer", extra="aer")
    method = chosen("method", method, _METHODS)
    if noise is not None and method not in {"automatic", "density_matrix"}:
        raise OptionError(f"noise= needs density matrices: leave method={method!r} out.")
    if max_bond_dimension is not None and method != "matrix_product_state":
        raise OptionError(f"max_bond_dimension belongs to method='matrix_product_state', not to {method!r}.")
    threads = processors() if threads is None else count("threads", threads)
    options = {}
    if max_bond_dimension is not None:
        options["matrix_product_state_max_bond_dimension"] = count("max_bond_dimension", max_bond_dimension)
    kind = MatrixProductBackend if method == "matrix_product_state" else AerBackend
    return kind(method, precision, noise, {"max_parallel_threads": threads, **options})


class AerBackend(SimulatorBackend):
    """Aer's statevectors and density matrices; made by `aer`, whose last argument are options of `AerSimulator`."""

    natives = _NATIVES
    seconds_per_row = 4e-3
    seconds_per_amplitude = 1e-9

    def __init__(
        self, method: str, precision: str, noise: NoiseModel | None, options: Mapping[str, Any]
    ) -> None:
        super().__init__("aer", CAPABILITIES[_METHODS[method]], noise=noise, precision=precision)
        self._method, self._options = method, dict(options)

    def _states(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        if self._method == "density_matrix":
            return self._densities(circuit, angles, start)
        results = self._executed(
            "statevector", circuit, angles, start, lambda made: made.save_statevector("out")
        )
        return np.stack([np.asarray(data["out"]) for data in results])

    def _densities(
        self, circuit: SlottedCircuit, angles: Floats, start: NDArray[np.complex128] | None
    ) -> NDArray[Any]:
        results = self._executed(
            "density_matrix", circuit, angles, start, lambda made: made.save_density_matrix(label="out")
        )
        return np.stack([np.asarray(data["out"]) for data in results])

    def _executed(
        self,
        method: str,
        circuit: SlottedCircuit,
        angles: Floats,
        start: NDArray[np.complex128] | None,
        save: Callable[[Any], Any],
        **options: Any,
    ) -> Iterator[Mapping[str, Any]]:
        """What `save` saves, for each row."""
        simulator = self._simulator(method)
        body = self._once((circuit, method), lambda: _converted(circuit))
        starts = [None] if start is None else list(start)
        circuits, binds = [], []
        for number, own in enumerate(starts):
            made = _started(body, method, own)
            save(made)
            circuits.append(made)
            rows = angles if len(starts) == 1 else angles[number : number + 1]
            binds.append(_binds(made, rows))
        result = simulator.run(circuits, parameter_binds=binds, shots=1, **options).result()
        if not result.success:
            raise ExecutionError(f"Aer did not run {circuit.n_qubits} qubits: {result.status}")
        found = [result.data(k) for k in range(len(result.results))]
        return iter(found if len(found) == len(angles) else found * len(angles))

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, method={self._method!r})"

    def _simulator(self, method: str) -> Any:
        qiskit_aer = library("qiskit_aer", backend="aer", extra="aer")
        # Aer sets values below these to zero, which would show at 1e-9.
        return qiskit_aer.AerSimulator(
            method=method,
            precision=self._precision,
            zero_threshold=1e-16,
            chop_threshold=1e-16,
            **self._options,
        )


class MatrixProductBackend(AerBackend):
    """Aer's matrix product states: many qubits with little entanglement; made by `aer`."""

    seconds_per_row = 1e-2
    seconds_per_amplitude = 0.0  # what it costs depends on the entanglement, which nobody knows before

    def _exact(self, batch: CircuitBatch) -> NDArray[Any]:
        outputs = batch.outputs
        assert isinstance(outputs, (Expectations, Variance))  # what the capabilities declare
        asked = list(outputs.observables)
        if isinstance(outputs, Variance):
            asked += [observable.squared() for observable in outputs.observables]
        operators = [_pauli_sum(observable, batch.circuit.n_qubits) for observable in asked]

        def save(made: Any) -> None:
            for k, operator in enumerate(operators):
                made.save_expectation_value(operator, range(made.num_qubits), label=f"mean{k}")

        circuit = self._slotted(batch.circuit)
        angles = circuit.angles(batch.bindings, batch.per_sample, batch.size)
        results = self._executed("matrix_product_state", circuit, angles, None, save)
        means: Floats = np.array(
            [[data[f"mean{k}"] for k in range(len(operators))] for data in results], dtype=float
        )
        if isinstance(outputs, Variance):
            k = len(outputs.observables)
            means = np.maximum(means[:, k:] - means[:, :k] ** 2, 0.0)
        return means

    def _outcomes(self, batch: CircuitBatch) -> Iterator[NDArray[np.int64]]:
        simulator = self._simulator("matrix_product_state")
        circuit = self._slotted(batch.circuit)
        angles = circuit.angles(batch.bindings, batch.per_sample, batch.size)
        made = self._once((circuit, "measured"), lambda: _measured(circuit))
        for row, key in enumerate(batch.stream_keys):
            job = simulator.run(
                made, parameter_binds=[_binds(made, angles[row : row + 1])], shots=batch.shots, memory=True,
                seed_simulator=int(key) >> (64 - _SEED_BITS),
            )  # fmt: skip
            result = job.result()
            if not result.success:
                raise ExecutionError(f"Aer did not run row {row}: {result.status}")
            shots = result.results[0].data.memory
            yield np.array([int(shot, 16) for shot in shots], dtype=np.int64)


def _converted(circuit: SlottedCircuit) -> Any:
    from qstore_sim.converters.qiskit import from_qstore

    return from_qstore(circuit.template)


def _started(body: Any, method: str, start: NDArray[np.complex128] | None) -> Any:
    if start is None:
        return body.copy()
    made = body.copy_empty_like()
    if method == "density_matrix":
        made.set_density_matrix(np.outer(start, start.conj()))
    else:
        made.set_statevector(start)
    return made.compose(body)


def _measured(circuit: SlottedCircuit) -> Any:
    made = _converted(circuit)
    made.measure_all()
    return made


def _binds(made: Any, angles: Floats) -> dict[Any, list[float]]:
    """Aer's table of values: for each of the circuit's parameters, by its number among the slots, one per row."""
    return {symbol: angles[:, symbol.index].tolist() for symbol in made.parameters}


def _pauli_sum(observable: Observable, n_qubits: int) -> Any:
    from qiskit.quantum_info import SparsePauliOp

    terms = []
    for term in observable.terms:
        letters = term.letters
        terms.append(("".join(letter for _, letter in letters), [q for q, _ in letters], term.coefficient))
    return SparsePauliOp.from_sparse_list(terms or [("", [], 0.0)], num_qubits=n_qubits)
