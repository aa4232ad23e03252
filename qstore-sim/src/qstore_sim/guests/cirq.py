# SPDX-License-Identifier: Apache-2.0
"""Cirq: a sampler and a simulator on any backend of ours; a sweep is one batch.

Cirq's states and integers have the first qubit of the order as the most significant bit, ours the least significant:
states are handed over with their axes reversed. A state's global phase is not kept, as nothing can measure it.
Measurements in the middle are copied to work qubits behind the circuit's own, so that they can be read at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cirq
import numpy as np
import sympy
from numpy.typing import NDArray

from qstore.batch import Expectations, Output, StateVector
from qstore.circuit import Observable, PauliTerm, QuantumCircuit
from qstore.errors import CircuitError
from qstore.plugins import Backend
from qstore_sim.converters.cirq import to_qstore
from qstore_sim.guests.batches import Job, Stack, bits_of, chosen, run_jobs, sampled_output, sweep

__all__ = ["QStoreSampler", "QStoreSimulator"]

_VALUES = "values"
_REAL = 1e-9


class QStoreSampler(cirq.Sampler):
    """Samples circuits on a backend of ours.

    Args:
        backend: a registered name, or a backend.
        seed: of everything that is drawn; None draws afresh.
        options: of the backend, where it is given by name.

    Raises:
        BackendUnavailable: no such backend.

    Example:
        >>> a, b = cirq.LineQubit.range(2)
        >>> bell = cirq.Circuit(cirq.H(a), cirq.CX(a, b), cirq.measure(a, b, key="m"))
        >>> sorted(QStoreSampler(seed=7).run(bell, repetitions=100).histogram(key="m"))
        [0, 3]
    """

    def __init__(
        self, backend: Backend | str = "statevector", *, seed: int | None = None, **options: Any
    ) -> None:
        self._backend = chosen(backend, options)
        self._rng = np.random.default_rng(seed)

    def run_sweep(
        self, program: cirq.AbstractCircuit, params: cirq.Sweepable, repetitions: int = 1
    ) -> Sequence[cirq.Result]:
        """The results of all parameters of a sweep, as one batch.

        Raises:
            CircuitError: an operation has no counterpart.
            ValueError: the circuit measures nothing.
        """
        resolvers = list(cirq.to_resolvers(params))
        measured = _Measured(program)
        stacks = _stacks(measured.circuit, resolvers)
        found: dict[int, NDArray[np.uint8]] = {}
        if repetitions:
            output = sampled_output(self._backend)
            jobs = [Job(stack, output, repetitions, int(self._rng.integers(2**63))) for stack in stacks]
            for job, results in zip(jobs, run_jobs(jobs, self._backend), strict=True):
                found.update(zip(job.stack.members, bits_of(results, self._rng), strict=True))
        empty = np.zeros((0, measured.n_qubits), dtype=np.uint8)
        return [
            cirq.ResultDict(params=resolver, records=measured.records(found.get(row, empty)))
            for row, resolver in enumerate(resolvers)
        ]


class QStoreSimulator(QStoreSampler, cirq.SimulatesFinalState[Any], cirq.SimulatesExpectationValues):
    """Samples, final states and exact expectation values on a backend of ours.

    Args:
        backend, seed, options: as for `QStoreSampler`; the backend must give exact outputs.

    Example:
        >>> qubit, angle = cirq.LineQubit(0), sympy.Symbol("a")
        >>> values = QStoreSimulator().simulate_expectation_values_sweep(
        ...     cirq.Circuit(cirq.ry(angle)(qubit)), [cirq.Z(qubit)], cirq.Linspace("a", 0, np.pi, 3)
        ... )
        >>> [round(float(row[0]), 6) for row in values]
        [1.0, 0.0, -1.0]
    """

    def simulate_sweep_iter(
        self,
        program: cirq.AbstractCircuit,
        params: cirq.Sweepable,
        qubit_order: Any = cirq.QubitOrder.DEFAULT,
        initial_state: Any = None,
    ) -> Iterator[cirq.StateVectorTrialResult]:
        """The final states of all parameters of a sweep, as one batch.

        Measurements at the end are left out, as in Cirq's `simulate_expectation_values`; a circuit that measures in the
        middle or has noise has no final state.

        Raises:
            CapabilityError: the circuit has noise or measurements in the middle.
            CircuitError: an operation has no counterpart.
        """
        qubits = cirq.QubitOrder.as_qubit_order(qubit_order).order_for(program.all_qubits())
        resolvers = list(cirq.to_resolvers(params))
        states = self._values(program, resolvers, qubits, initial_state, StateVector())
        n = len(qubits)
        for resolver, state in zip(resolvers, states, strict=True):
            tensor = state.reshape((2,) * n).transpose(range(n - 1, -1, -1))
            final = cirq.StateVectorSimulationState(
                initial_state=np.ascontiguousarray(tensor), qubits=qubits, dtype=np.complex128
            )
            yield cirq.StateVectorTrialResult(params=resolver, measurements={}, final_simulator_state=final)

    def simulate_expectation_values_sweep_iter(
        self,
        program: cirq.AbstractCircuit,
        observables: Any,
        params: cirq.Sweepable,
        qubit_order: Any = cirq.QubitOrder.DEFAULT,
        initial_state: Any = None,
        permit_terminal_measurements: bool = False,
    ) -> Iterator[list[float]]:
        """Exact expectation values for all parameters of a sweep, as one batch.

        Raises:
            CircuitError: an operation has no counterpart, or an observable is not Hermitian.
            ValueError: the circuit ends in measurements and they are not permitted.
        """
        if not permit_terminal_measurements and program.are_any_measurements_terminal():
            raise ValueError(
                "The circuit ends in measurements: take them out, or say permit_terminal_measurements=True."
            )
        given = observables if isinstance(observables, (list, tuple)) else [observables]
        sums = [_pauli_sum(each) for each in given]
        named = program.all_qubits().union(*(each.qubits for each in sums))
        qubits = cirq.QubitOrder.as_qubit_order(qubit_order).order_for(named)
        place = {qubit: index for index, qubit in enumerate(qubits)}
        output = Expectations([_observable(each, place) for each in sums])
        resolvers = list(cirq.to_resolvers(params))
        for row in self._values(program, resolvers, qubits, initial_state, output):
            yield [float(value) for value in row]

    def _values(
        self,
        program: cirq.AbstractCircuit,
        resolvers: Sequence[Any],
        qubits: Sequence[Any],
        initial_state: Any,
        output: Output,
    ) -> NDArray[Any]:
        """The values of an exact output: a row for each resolver."""
        place: dict[cirq.Qid, cirq.Qid] = {q: cirq.LineQubit(index) for index, q in enumerate(qubits)}
        circuit = cirq.Circuit(
            _prepared(initial_state, len(qubits)), program.unfreeze().transform_qubits(place)
        )
        stacks = _stacks(circuit, resolvers, len(qubits))
        values: dict[int, Any] = {}
        jobs = [Job(stack, output) for stack in stacks]
        for job, (result,) in zip(jobs, run_jobs(jobs, self._backend), strict=True):
            assert result.values is not None  # exact outputs have values
            count = len(job.stack.members)
            rows = np.broadcast_to(result.values, (count, *result.values.shape[1:]))
            values.update(zip(job.stack.members, rows, strict=True))
        return np.stack([values[row] for row in range(len(resolvers))])


class _Measured:
    """A circuit on line qubits, and where each measurement is read from."""

    def __init__(self, program: cirq.AbstractCircuit) -> None:
        flat = cirq.unroll_circuit_op(program, deep=True, tags_to_check=None)
        if not cirq.is_measurement(flat):
            raise ValueError("The circuit has no measurements to sample.")
        ordered = sorted(flat.all_qubits())
        place: dict[cirq.Qid, cirq.Qid] = {q: cirq.LineQubit(index) for index, q in enumerate(ordered)}
        moved = flat.unfreeze().transform_qubits(place)
        operations = list(moved.all_operations())
        asked = {str(key) for op in operations for key in cirq.control_keys(op)}
        last: dict[Any, int] = {}
        for position, op in enumerate(operations):
            last.update(dict.fromkeys(op.qubits, position))
        self._sources: dict[str, list[tuple[list[int], tuple[bool, ...]]]] = {}
        self.n_qubits = len(ordered)
        made: list[Any] = []
        for position, op in enumerate(operations):
            gate = op.gate
            if not isinstance(gate, cirq.MeasurementGate):
                if cirq.is_measurement(op):
                    raise CircuitError(
                        f"The Cirq measurement {op} has no counterpart here: measure single qubits."
                    )
                made.append(op)
                continue
            if gate.confusion_map:
                raise CircuitError(
                    f"{op} has a confusion map: give the readout errors to the backend instead."
                )
            if op.classical_controls:
                raise CircuitError(f"{op} is measured under a condition: measure it in any case.")
            made += self._copied(op, gate, [last[q] > position for q in op.qubits], gate.key in asked)
        idle = [cirq.I(cirq.LineQubit(index)) for index in range(self.n_qubits)]
        self.circuit = cirq.Circuit(idle, made)

    def _copied(self, op: Any, gate: Any, followed: Sequence[bool], asked: bool) -> list[Any]:
        made: list[Any] = []
        sources = []
        for qubit, later in zip(op.qubits, followed, strict=True):
            if later:
                work = cirq.LineQubit(self.n_qubits)
                self.n_qubits += 1
                made.append(cirq.CX(qubit, work))
                sources.append(work.x)
            else:
                sources.append(qubit.x)
        mask = gate.full_invert_mask()
        self._sources.setdefault(gate.key, []).append((sources, mask))
        return [*made, op] if asked else made

    def records(self, samples: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        """For each key (repetitions, times measured, qubits) from samples (repetitions, n)."""
        return {
            key: np.stack(
                [samples[:, sources] ^ np.array(mask, dtype=np.uint8) for sources, mask in each], axis=1
            )
            for key, each in self._sources.items()
        }


def _stacks(circuit: cirq.AbstractCircuit, resolvers: Sequence[Any], n_qubits: int = 0) -> list[Stack]:
    """The rows of a circuit on line qubits."""
    names = sorted(cirq.parameter_names(circuit))
    table = np.array(
        [[_number(resolver, name) for name in names] for resolver in resolvers], dtype=float
    ).reshape(len(resolvers), len(names))
    if n_qubits:
        # A qubit that only an observable names is there all the same.
        circuit = cirq.Circuit(circuit, cirq.I(cirq.LineQubit(n_qubits - 1)))

    def symbolic() -> QuantumCircuit:
        renamed = {name: sympy.Symbol(f"{_VALUES}[{index}]") for index, name in enumerate(names)}
        return to_qstore(cirq.resolve_parameters(circuit, renamed, recursive=False))

    def bound(row: int) -> QuantumCircuit:
        return to_qstore(cirq.resolve_parameters(circuit, dict(zip(names, table[row].tolist(), strict=True))))

    return sweep(symbolic, bound, table, _VALUES)


def _number(resolver: Any, name: str) -> float:
    value = resolver.value_of(name)
    try:
        return float(value)
    except TypeError as exc:
        raise CircuitError(f"The Cirq symbol {name!r} has no value in {resolver!r}.") from exc


def _prepared(initial_state: Any, n: int) -> list[Any]:
    """Operations that prepare Cirq's initial state: a number, or amplitudes."""
    if initial_state is None or (np.ndim(initial_state) == 0 and int(initial_state) == 0):
        return []
    if np.ndim(initial_state) == 0:
        bits = cirq.big_endian_int_to_bits(int(initial_state), bit_count=n)
        return [cirq.X(cirq.LineQubit(index)) for index, bit in enumerate(bits) if bit]
    state = np.asarray(initial_state, dtype=complex).ravel()
    if len(state) == n != 1 << n:  # a value for each qubit
        return [cirq.X(cirq.LineQubit(index)) for index, bit in enumerate(state.real) if bit]
    return [cirq.StatePreparationChannel(state).on(*cirq.LineQubit.range(n))]


def _pauli_sum(given: Any) -> cirq.PauliSum:
    return given if isinstance(given, cirq.PauliSum) else cirq.PauliSum.wrap(given)


def _observable(given: cirq.PauliSum, place: Mapping[Any, int]) -> Observable:
    terms = []
    masks = {cirq.X: (1, 0), cirq.Y: (1, 1), cirq.Z: (0, 1)}
    for string in given:
        weight = complex(string.coefficient)
        if abs(weight.imag) > _REAL * max(1.0, abs(weight)):
            raise CircuitError(f"The observable {given} is not Hermitian: its coefficients must be real.")
        x = z = 0
        for qubit, pauli in string.items():
            bits = masks[pauli]
            x, z = x | bits[0] << place[qubit], z | bits[1] << place[qubit]
        terms.append(PauliTerm(x, z, weight.real))
    return Observable.of(terms)
