# SPDX-License-Identifier: Apache-2.0
"""Measurement processes as outputs of a batch, exactly, and its values as what PennyLane returns.

Expectations, variances and probabilities are asked for as such, and have gradients. Everything else - entropies, states,
observables that are not worth their Pauli sum - PennyLane works out itself from the statevector or the density matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.measurements import ExpectationMP, ProbabilityMP, VarianceMP

from qstore.batch import DensityMatrix, Expectations, Output, Probabilities, StateVector, Variance
from qstore.circuit import Observable, PauliTerm
from qstore_sim.guests.pennylane.accepted import accepts_exact

__all__ = ["Readout", "measurement_key", "observable_of"]

_SPELLED_OUT = 4
"""Most wires of an observable without a Pauli form that is turned into one."""
_MASKS = {"X": (1, 0), "Y": (1, 1), "Z": (0, 1)}
_SIMPLE = frozenset({qml.PauliX, qml.PauliY, qml.PauliZ, qml.Identity})
_REAL = 1e-12


def measurement_key(process: Any) -> Any:
    """Equal for measurement processes that ask for the same; cheap for the usual ones."""
    observable = process.obs
    if (
        observable is None
        and process.mv is None
        and process._eigvals is None
        and type(process) is ProbabilityMP
    ):
        return ProbabilityMP, process.wires.labels
    if type(observable) in _SIMPLE:
        return type(process), type(observable), observable.wires.labels
    return type(process), process.hash


def observable_of(process: Any, place: dict[Any, int]) -> Observable | None:
    """The observable of an expectation or variance as a Pauli sum; None where it is better left to the state."""
    operator = process.obs
    if operator is None:
        return None
    sentence = operator.pauli_rep
    if sentence is None:
        if len(operator.wires) > _SPELLED_OUT or not operator.has_matrix:
            return None
        matrix = np.asarray(
            qml.math.toarray(qml.math.detach(qml.matrix(operator, wire_order=operator.wires)))
        )
        sentence = qml.pauli_decompose(matrix, wire_order=operator.wires, pauli=True, check_hermitian=False)
    terms = []
    for word, coefficient in sentence.items():
        number = complex(qml.math.toarray(qml.math.detach(coefficient)))
        if abs(number.imag) > _REAL * max(1.0, abs(number)):
            return None
        x = z = 0
        for wire, letter in word.items():
            bits = _MASKS[letter]
            x |= bits[0] << place[wire]
            z |= bits[1] << place[wire]
        terms.append(PauliTerm(x, z, number.real))
    return Observable.of(terms)


class Readout:
    """What one structure of tapes asks for.

    Args:
        measurements: of a tape.
        wires: the wire of each qubit.
        mixed: whether the tape has noise, so that there is no statevector.

    Attributes:
        outputs: one for each batch to run.
        differentiable: whether all of it has gradients.
    """

    def __init__(self, measurements: Sequence[Any], wires: Sequence[Any], mixed: bool) -> None:
        place = {wire: qubit for qubit, wire in enumerate(wires)}
        self._measurements = [process.map_wires(place) for process in measurements]
        self._order = qml.wires.Wires(range(max(1, len(wires))))
        self._where: list[tuple[int, int | None]] = []
        """For each measurement: which output, and which column of it; None for all of its values."""
        groups: dict[type | None, list[Observable]] = {Expectations: [], Variance: []}
        found: list[tuple[Any, int | None]] = []
        rest = False
        for process in measurements:
            kind = _kind(process)
            observable = observable_of(process, place) if kind in groups else None
            if observable is not None:
                found.append((kind, len(groups[kind])))
                groups[kind].append(observable)
            elif kind is Probabilities:
                on = tuple(place[wire] for wire in reversed((process.wires or qml.wires.Wires(wires)).labels))
                found.append((Probabilities(on), None))
            else:
                rest = True
                found.append((None, None))
        self.differentiable = not rest
        outputs: dict[Any, Output] = {
            kind: kind(groups[kind]) for kind in (Expectations, Variance) if groups[kind]
        }
        outputs |= {each: each for each, _ in found if isinstance(each, Probabilities)}
        if rest:
            outputs[None] = DensityMatrix() if mixed else StateVector()
        self.outputs = tuple(outputs.values())
        numbers = {key: number for number, key in enumerate(outputs)}
        self._where = [(numbers[key], column) for key, column in found]
        self._mixed = mixed

    def result(self, values: Sequence[NDArray[Any]], rows: slice, broadcast: bool) -> Any:
        """What PennyLane returns for one tape.

        Args:
            values: of each output, all rows.
            rows: the tape's.
            broadcast: whether the tape has a batch axis.
        """
        made = []
        for process, (output, column) in zip(self._measurements, self._where, strict=True):
            mine = values[output][rows]
            if column is not None:
                found = mine[:, column]
                made.append(found if broadcast else found[0])
            elif isinstance(self.outputs[output], Probabilities):
                made.append(mine if broadcast else mine[0])
            else:
                each = [self._processed(process, _reversed(row)) for row in mine]
                made.append(np.stack(each) if broadcast else each[0])
        return made[0] if len(made) == 1 else tuple(made)

    def _processed(self, process: Any, state: NDArray[Any]) -> Any:
        if isinstance(process, (ExpectationMP, VarianceMP)) and process.obs is not None:
            return _moments(process, state, self._order)
        if process.obs is not None:
            state = _rotated(process, state, self._order)
        if self._mixed:
            return np.asarray(process.process_density_matrix(state, self._order))
        return np.asarray(process.process_state(state, self._order))

    def cotangents(
        self, given: Sequence[tuple[slice, Any]], size: int, n_qubits: int
    ) -> list[NDArray[np.float64]]:
        """The cotangent of each output from those of the tapes' results."""
        made = [np.zeros((size, _width(output, n_qubits))) for output in self.outputs]
        for rows, cotangent in given:
            parts = (cotangent,) if len(self._where) == 1 else cotangent
            for part, (output, column) in zip(parts, self._where, strict=True):
                array = np.real(np.asarray(part, dtype=complex))
                target = made[output][rows]
                if column is not None:
                    target[:, column] += array.reshape(len(target))
                else:
                    target += array.reshape(target.shape)
        return made


def _reversed(state: NDArray[Any]) -> NDArray[Any]:
    """A statevector or a density matrix with the first wire as the most significant bit."""
    n = len(state).bit_length() - 1
    axes = [axis * n + bit for axis in range(state.ndim) for bit in reversed(range(n))]
    return state.reshape((2,) * (n * state.ndim)).transpose(axes).reshape(state.shape)


def _moments(process: Any, state: NDArray[Any], order: Any) -> Any:
    """An expectation or a variance from a statevector or a density matrix, by the operator's own matrix."""
    operator = process.obs
    matrix = operator.sparse_matrix if operator.has_sparse_matrix else operator.matrix
    acted = matrix(wire_order=order) @ state
    if state.ndim == 1:
        mean, square = np.vdot(state, acted).real, np.vdot(acted, acted).real
    else:
        mean, square = np.trace(acted).real, np.trace(matrix(wire_order=order) @ acted).real
    return square - mean**2 if isinstance(process, VarianceMP) else mean


def _rotated(process: Any, state: NDArray[Any], order: Any) -> NDArray[Any]:
    """The state in whose basis the operator is diagonal, as PennyLane's processes expect it."""
    n = len(order)
    apply = qml.devices.qubit_mixed.apply_operation if state.ndim > 1 else qml.devices.qubit.apply_operation
    tensor = state.reshape((2,) * (n * state.ndim))
    axes = {wire: axis for axis, wire in enumerate(order)}
    with qml.QueuingManager.stop_recording():
        for op in process.diagonalizing_gates():
            tensor = apply(op.map_wires(axes), tensor)
    return np.asarray(tensor).reshape(state.shape)


def _kind(process: Any) -> type | None:
    if isinstance(process, ExpectationMP) and process.obs is not None:
        return Expectations
    if isinstance(process, VarianceMP) and process.obs is not None:
        return Variance
    plain = process.obs is None and process.mv is None and process._eigvals is None
    return Probabilities if type(process) is ProbabilityMP and plain else None


def _width(output: Output, n_qubits: int) -> int:
    if isinstance(output, (Expectations, Variance)):
        return len(output.observables)
    assert isinstance(output, Probabilities)  # the only others that are differentiable here
    return 1 << (n_qubits if output.qubits is None else len(output.qubits))


def is_differentiable(tape: Any) -> bool:
    """Whether everything that a tape measures has a gradient from the engine."""
    return (
        all(map(accepts_exact, tape.measurements))
        and Readout(tape.measurements, tape.wires.labels, mixed=False).differentiable
    )
