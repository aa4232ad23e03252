# SPDX-License-Identifier: Apache-2.0
"""Exact results: every output of a pure state, and its vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.batch import (
    CircuitBatch,
    DensityMatrix,
    Expectations,
    Output,
    Probabilities,
    StateVector,
    Variance,
)
from qstore.circuit import Template
from qstore.errors import CapabilityError, OptionError
from qstore_sim.binding import gradient_arrays, gradients_by_name, make_inputs, plain
from qstore_sim.density import marginal, reduced_pure
from qstore_sim.engine import Engine
from qstore_sim.kept_states import KeptStates
from qstore_sim.memory import check_memory
from qstore_sim.plans import PlanCache
from qstore_sim.preparation import sub_index
from qstore_sim.program.compile import compile_program
from qstore_sim.program.lanes import lane_bits_for, lane_bits_for_shots
from qstore_sim.program.layout import Inputs, Readout
from qstore_sim.program.readout import read_amplitudes, read_probabilities, read_terms
from qstore_sim.width import VECTOR_BYTES

Floats = NDArray[np.float64]
Pull = Callable[[NDArray[Any]], dict[str, Floats]]
Strings = list[tuple[str, tuple[int, ...]]]
_CHUNK_BYTES = 1 << 28
"""Rows are run in chunks whose amplitudes take no more than this, when only something smaller is kept of them."""


class Runner:
    """Compiles, caches and runs batches in one precision.

    Args:
        dtype: of the state, float32 or float64.
        threads: most threads to use.
    """

    def __init__(self, dtype: Any, threads: int) -> None:
        self._dtype, self._threads = dtype, threads
        self._lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
        self._plans = PlanCache()
        self._states = KeptStates()
        self._latest: tuple[Template, Output, int, frozenset[str], frozenset[str], Engine] | None = None

    def values(self, batch: CircuitBatch) -> NDArray[Any]:
        """The values of an exact batch without noise."""
        outputs = batch.outputs
        if isinstance(outputs, (Expectations, Variance)):
            values = np.empty((batch.size, _width(outputs, batch)))
            engine = self.engine(batch, frozenset())
            engine.run(make_inputs(engine.program, batch.bindings, batch.per_sample, batch.size), values)
            return _shown(values, outputs)
        if isinstance(outputs, Probabilities):
            return self._by_rows(batch, 1, lambda p: marginal(p, outputs.qubits))
        if isinstance(outputs, StateVector):
            return self._by_rows(batch, 2, lambda a: a.view(np.complex128))
        if isinstance(outputs, DensityMatrix):
            return self._by_rows(batch, 2, lambda a: reduced_pure(a.view(np.complex128), outputs.qubits))
        raise CapabilityError(f"'statevector' does not give an exact {type(outputs).__name__}.")

    def pullback(self, batch: CircuitBatch, wanted: frozenset[str]) -> tuple[NDArray[Any], Pull] | None:
        """Values, and what maps their cotangent to the gradients of the parameters in `wanted`, as often as it is called.

        Until it is dropped it holds the final states; None where they would take too much memory.
        """
        outputs = batch.outputs
        engine = self.engine(batch, wanted)
        size, program, width = batch.size, engine.program, _width(outputs, batch)
        check_memory(8 * size * (2 * width + program.n_samples), f"The gradient of {size} rows")
        kept = self._states.take(engine.kept_bytes(size), lambda: engine.new_kept(size))
        if kept is None:
            return None
        values = np.empty((size, width))
        inputs = make_inputs(program, batch.bindings, batch.per_sample, size)
        engine.run(inputs, values, kept=kept.room)

        def pull(cotangent: NDArray[Any]) -> dict[str, Floats]:
            arrays = gradient_arrays(program, size, engine.tiles(size))
            own = Inputs(*inputs[:-2], plain(_upstream(batch, cotangent)), inputs.kept)
            engine.run(own, values, arrays, kept.room)
            return gradients_by_name(program, arrays, batch.bindings, wanted)

        return _shown(values, outputs), pull

    def vjp(
        self, batch: CircuitBatch, cotangent: NDArray[Any], wanted: frozenset[str]
    ) -> tuple[NDArray[Any], dict[str, Floats]]:
        """Values and the gradients of the parameters in `wanted`."""
        outputs = batch.outputs
        engine = self.engine(batch, wanted)
        program = engine.program
        width = _width(outputs, batch)
        check_memory(8 * batch.size * (2 * width + program.n_samples), f"The gradient of {batch.size} rows")
        values = np.empty((batch.size, width))
        upstream = _upstream(batch, cotangent)
        inputs = make_inputs(program, batch.bindings, batch.per_sample, batch.size, upstream)
        arrays = gradient_arrays(program, batch.size, engine.tiles(batch.size))
        engine.run(inputs, values, arrays)
        return _shown(values, outputs), gradients_by_name(program, arrays, batch.bindings, wanted)

    def probabilities(self, batch: CircuitBatch, rows: slice) -> Floats:
        """Probabilities of all outcomes for sampling: every angle goes the per-sample way, so that a row's numbers
        depend neither on the other rows nor on how its bindings were passed.
        """
        names = frozenset(parameter.name for parameter in batch.circuit.parameters)
        lane_bits = lane_bits_for_shots(batch.circuit.n_qubits, self._lanes)
        engine = self._plans.get(
            ("sample", batch.circuit),
            lambda: self._compiled(batch, names, frozenset(), with_phase=False, read=lambda _: read_probabilities(),
                                   lane_bits=lane_bits),
        )  # fmt: skip
        size = len(range(*rows.indices(batch.size)))
        inputs = make_inputs(engine.program, _rows(batch, rows), batch.per_sample, size)
        values = np.empty((size, 1 << batch.circuit.n_qubits))
        engine.run(inputs, values)
        return values

    def engine(self, batch: CircuitBatch, wanted: frozenset[str]) -> Engine:
        """The compiled circuit of a batch without noise, for the gradients of the parameters in `wanted`."""
        outputs = batch.outputs
        latest = self._latest
        if latest is not None and latest[0] is batch.circuit and latest[1] is outputs:
            *_, size, own, trained, engine = latest  # a training loop asks for the same thing again and again
            if size == batch.size and own == batch.per_sample and trained == wanted:
                return engine
        if isinstance(outputs, (Expectations, Variance)):
            key: Output | str = outputs
        else:
            key = "probabilities" if isinstance(outputs, Probabilities) else "amplitudes"

        lane_bits = lane_bits_for(batch.size, batch.circuit.n_qubits, self._lanes)

        def make() -> Engine:
            return self._compiled(
                batch, batch.per_sample, wanted, with_phase=isinstance(outputs, StateVector),
                read=lambda frame: _readout(outputs, frame), lane_bits=lane_bits,
                strings=_strings(outputs, batch.circuit.n_qubits),
            )  # fmt: skip

        engine = self._plans.get(
            (batch.circuit, key, type(outputs), batch.per_sample, wanted, lane_bits), make
        )
        self._latest = batch.circuit, outputs, batch.size, batch.per_sample, wanted, engine
        return engine

    def _compiled(
        self, batch: CircuitBatch, per_sample: frozenset[str], wanted: frozenset[str], *, with_phase: bool,
        read: Callable[[Any], Readout], lane_bits: int = 0, strings: Strings | None = None,
    ) -> Engine:  # fmt: skip
        program = compile_program(
            batch.circuit, per_sample, wanted, with_phase=with_phase, lane_bits=lane_bits, read=strings
        )
        return Engine(program, read(program.frame), self._dtype, self._threads)

    def _by_rows(
        self, batch: CircuitBatch, numbers: int, keep: Callable[[Floats], NDArray[Any]]
    ) -> NDArray[Any]:
        engine = self.engine(batch, frozenset())
        width = numbers << batch.circuit.n_qubits
        kept = []
        for rows in chunks(batch.size, 8 * width):
            size = rows.stop - rows.start
            check_memory(
                8 * width * size, f"{type(batch.outputs).__name__}() of {batch.circuit.n_qubits} qubits"
            )
            values = np.empty((size, width))
            engine.run(make_inputs(engine.program, _rows(batch, rows), batch.per_sample, size), values)
            kept.append(keep(values))
        return kept[0] if len(kept) == 1 else np.concatenate(kept)


def chunks(size: int, row_bytes: int) -> list[slice]:
    """Slices of the rows whose numbers fit into `_CHUNK_BYTES`."""
    step = max(1, _CHUNK_BYTES // row_bytes)
    return [slice(start, min(size, start + step)) for start in range(0, size, step)]


def _rows(batch: CircuitBatch, rows: slice) -> dict[str, Floats]:
    if rows.start == 0 and rows.stop == batch.size:
        return dict(batch.bindings)
    return {
        name: array[rows] if name in batch.per_sample else array for name, array in batch.bindings.items()
    }


def _width(outputs: Output, batch: CircuitBatch) -> int:
    if isinstance(outputs, Expectations):
        return len(outputs.observables)
    if isinstance(outputs, Variance):
        return 2 * len(outputs.observables)
    return (1 if isinstance(outputs, Probabilities) else 2) << batch.circuit.n_qubits


def _readout(outputs: Output, frame: Any) -> Readout:
    if isinstance(outputs, (Expectations, Variance)):
        return read_terms(outputs.observables, frame, variance=isinstance(outputs, Variance))
    return read_probabilities() if isinstance(outputs, Probabilities) else read_amplitudes()


def _strings(outputs: Output, n_qubits: int) -> Strings | None:
    """The Pauli strings that determine the outputs, or None for all amplitudes."""
    if isinstance(outputs, (Expectations, Variance)):
        letters = [term.letters for observable in outputs.observables for term in observable.terms]
        return [("".join(letter for _, letter in term), tuple(q for q, _ in term)) for term in letters]
    return [("Z", (q,)) for q in range(n_qubits)] if isinstance(outputs, Probabilities) else None


def _shown(values: Floats, outputs: Output) -> NDArray[Any]:
    if isinstance(outputs, Variance):
        return np.maximum(values[:, : len(outputs.observables)], 0.0)
    if isinstance(outputs, Probabilities):
        return marginal(values, outputs.qubits)
    return values.view(np.complex128) if isinstance(outputs, StateVector) else values


def _upstream(batch: CircuitBatch, cotangent: NDArray[Any]) -> Floats:
    outputs = batch.outputs
    n = batch.circuit.n_qubits
    if isinstance(outputs, (Expectations, Variance)):
        shape: tuple[int, ...] = (batch.size, len(outputs.observables))
    elif isinstance(outputs, Probabilities):
        shape = (batch.size, 1 << (n if outputs.qubits is None else len(outputs.qubits)))
    elif isinstance(outputs, StateVector):
        shape = (batch.size, 1 << n)
    else:
        raise CapabilityError(
            f"{type(outputs).__name__} has no gradient; differentiate expectations or probabilities."
        )
    given = np.asarray(cotangent)
    if given.shape != shape:
        raise OptionError(f"cotangent has shape {given.shape}; the values of this batch have {shape}.")
    if isinstance(outputs, StateVector):
        return np.ascontiguousarray(given, dtype=np.complex128).view(np.float64)
    upstream = np.ascontiguousarray(given, dtype=np.float64)
    if isinstance(outputs, Probabilities) and outputs.qubits is not None:
        return np.ascontiguousarray(upstream[:, sub_index(outputs.qubits, n)])
    return upstream
