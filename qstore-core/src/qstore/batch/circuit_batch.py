# SPDX-License-Identifier: Apache-2.0
"""One template, many rows: the unit of running, estimating, caching and paying.

A binding of exactly its parameter's shape is *shared* by all rows; one with one more leading axis is *per sample*,
and its first axis is the batch. That is the only place where batches come from; without any the batch has one row.
"""

from __future__ import annotations

import cmath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore.batch.outputs import EXACT_ONLY, NEEDS_SHOTS, OUTPUT_TYPES, Counts, Output, Probabilities
from qstore.batch.runs import current_run
from qstore.batch.streams import stream_keys
from qstore.circuit import CircuitView, Observable, Parameter, QuantumCircuit, Template
from qstore.errors import BindingError, OptionError, nearest_names

__all__ = ["MAX_SHOTS", "CircuitBatch"]

Array = NDArray[np.float64]
MAX_SHOTS = 2**31 - 1
_SMALL_ARRAY = 4096


@dataclass(frozen=True, eq=False, slots=True)
class CircuitBatch:
    """A template with bindings for many rows; made by `CircuitBatch.of`, or by `replace` from another batch.

    Attributes:
        circuit: the template.
        bindings: float64 arrays by parameter name, read-only.
        outputs: what is asked of every row.
        shots: number of measurements per row; None means exact.
        seed: what the stream keys were made from; None for an exact batch.
        size: number of rows, B.
        per_sample: the names of the per-sample bindings.
        run: the name of the run that it was made in; part of the tags of its jobs.
    """

    circuit: Template
    bindings: Mapping[str, Array]
    outputs: Output
    shots: int | None
    seed: int | None
    size: int
    per_sample: frozenset[str]
    _keys: NDArray[np.uint64] | None = field(default=None, repr=False)
    run: str = ""

    @classmethod
    def of(
        cls,
        circuit: QuantumCircuit | Template,
        bindings: Mapping[str, ArrayLike] | None = None,
        outputs: Output | None = None,
        *,
        shots: int | None = None,
        seed: int | None = None,
        stream_keys: NDArray[np.uint64] | None = None,
    ) -> CircuitBatch:
        """Check a user's arguments and make the batch.

        Args:
            circuit: the builder (frozen here) or a template.
            bindings: an array for every parameter of the circuit, none for others.
            outputs: by default `Counts()` with shots and `Probabilities()` without.
            shots: at least 1, or None for exact results.
            seed: makes shot outcomes repeat exactly; None draws one, which the result records. In a named run what
                is drawn repeats when the script is started again (`qstore.batch.runs`).
            stream_keys: (B,) keys carried over from the batch that this one is derived from.

        Raises:
            BindingError: a binding is missing, unknown, of the wrong shape, not real or not finite.
            OptionError: shots or seed out of range, or an output that does not go with them or with the circuit.
        """
        if not isinstance(circuit, (QuantumCircuit, Template)):
            raise OptionError(
                f"A circuit is a QuantumCircuit or its frozen Template, got {type(circuit).__name__}."
            )
        template = circuit.freeze()
        shots, seed = _checked_shots(shots), _checked_seed(seed)
        outputs = outputs if outputs is not None else (Probabilities() if shots is None else Counts())
        _check_outputs(template, outputs, shots)
        arrays, per_sample, size = _checked_bindings(template, bindings or {})
        run = current_run()
        if shots is None:
            seed = None  # nothing is drawn, so there is nothing to repeat
        elif seed is None and stream_keys is None:
            seed = run.draw_seed(template.fingerprint, arrays, shots, outputs)
        return cls(template, arrays, outputs, shots, seed, size, per_sample, stream_keys, run.name)

    @property
    def stream_keys(self) -> NDArray[np.uint64]:
        """(B,) uint64, one per row; what a shot run draws its outcomes from."""
        if self._keys is None:
            if self.seed is None:
                raise OptionError("An exact batch (shots=None) has no stream keys.")
            keys = stream_keys(self.seed, self.circuit.fingerprint, self.bindings, self.per_sample, self.size)
            object.__setattr__(self, "_keys", keys)
        assert self._keys is not None
        return self._keys

    def replace(self, **changes: Any) -> CircuitBatch:
        """A derived batch: other circuit, outputs, bindings or shots; the stream keys come along.

        New `bindings` must be arrays that are valid already; `size` and `per_sample` are taken from them.
        """
        values = {name: getattr(self, name) for name in
                  ("circuit", "bindings", "outputs", "shots", "seed", "size", "per_sample", "_keys", "run")}  # fmt: skip
        if self.shots is not None and "_keys" not in changes:
            values["_keys"] = self.stream_keys
        values.update(changes)
        if "bindings" in changes or "circuit" in changes:
            arrays, per_sample, size = _checked_bindings(values["circuit"], values["bindings"])
            values.update(bindings=arrays, per_sample=per_sample, size=size)
        return CircuitBatch(**values)

    def rows(self, start: int, stop: int) -> CircuitBatch:
        """The batch of rows `start` to `stop`, with their stream keys."""
        pieces = {
            name: array[start:stop] if name in self.per_sample else array
            for name, array in self.bindings.items()
        }
        keys = {"_keys": self.stream_keys[start:stop]} if self.shots is not None else {}
        return self.replace(bindings=pieces, **keys)

    def row_bindings(self, row: int) -> dict[str, Array]:
        """The bindings of one row, each of exactly its parameter's shape."""
        return {
            name: array[row] if name in self.per_sample else array for name, array in self.bindings.items()
        }

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        how = "exact" if self.shots is None else f"{self.shots} shots, seed {self.seed}"
        return f"<CircuitBatch: {self.size} rows of {self.circuit!r}, {type(self.outputs).__name__}, {how}>"


def _checked_shots(shots: int | None) -> int | None:
    if shots is None:
        return None
    if isinstance(shots, bool) or not isinstance(shots, (int, np.integer)) or not 1 <= shots <= MAX_SHOTS:
        raise OptionError(
            f"shots must be an integer from 1 to {MAX_SHOTS}, or None for exact results, got {shots!r}."
        )
    return int(shots)


def _checked_seed(seed: int | None) -> int | None:
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise OptionError(
            f"seed must be an integer from 0 to 2**64 - 1, or None for a fresh one, got {seed!r}."
        )
    return int(seed)


def _check_outputs(circuit: Template, outputs: Output, shots: int | None) -> None:
    if not isinstance(outputs, OUTPUT_TYPES):
        hint = " Wrap it: qs.Expectations([...])." if isinstance(outputs, (Observable, list, tuple)) else ""
        known = ", ".join(kind.__name__ for kind in OUTPUT_TYPES)
        raise OptionError(f"outputs must be one of {known}, got {outputs!r}.{hint}")
    kind = type(outputs).__name__
    if isinstance(outputs, NEEDS_SHOTS) and shots is None:
        raise OptionError(f"{kind}() is measured: give shots=1000 or ask for Probabilities() instead.")
    if isinstance(outputs, EXACT_ONLY) and shots is not None:
        raise OptionError(f"{kind}() is exact: leave shots out, or ask for Counts() instead.")
    named = getattr(outputs, "n_qubits", 0) or max(getattr(outputs, "qubits", None) or (-1,)) + 1
    if named > circuit.n_qubits:
        raise OptionError(
            f"{kind} names qubit {named - 1}; this circuit has the qubits 0 to {circuit.n_qubits - 1}."
        )


def _checked_bindings(
    circuit: CircuitView, bindings: Mapping[str, ArrayLike]
) -> tuple[dict[str, Array], frozenset[str], int]:
    parameters = circuit.parameters
    if not isinstance(bindings, Mapping):
        raise BindingError(
            f"Bindings are a dict from parameter name to array, got {type(bindings).__name__}."
        )
    if len(bindings) > len(parameters) or not all(parameter.name in bindings for parameter in parameters):
        _check_names(parameters, bindings)
    arrays: dict[str, Array] = {}
    per_sample: dict[str, int] = {}
    for parameter in parameters:
        array = _real_array(parameter, bindings[parameter.name])
        arrays[parameter.name] = array
        if array.ndim > parameter.ndim:
            per_sample[parameter.name] = len(array)
    if len(set(per_sample.values())) > 1:
        raise BindingError(f"Per-sample bindings have different batch sizes: {per_sample}.")
    return arrays, frozenset(per_sample), next(iter(per_sample.values()), 1)


def _check_names(parameters: Sequence[Parameter], bindings: Mapping[str, ArrayLike]) -> None:
    names = [parameter.name for parameter in parameters]
    for name in bindings:
        if name not in names:
            hint = nearest_names(str(name), names)
            raise BindingError(f"{name!r} is not a parameter of the circuit.{hint} It has {names or 'none'}.")
    for parameter in parameters:
        if parameter.name not in bindings:
            msg = f"No array for parameter {parameter.name!r}; the circuit needs {parameter.shape} or (batch, ...)."
            raise BindingError(msg)


def is_finite(array: NDArray[Any]) -> bool:
    """Whether no entry is NaN or infinite.

    One product with itself tells in a microsecond, unless it is too large; long arrays would wake up BLAS's threads.
    """
    small = array.size <= _SMALL_ARRAY
    return (small and cmath.isfinite(np.vdot(array, array))) or bool(np.isfinite(array).all())


def _real_array(parameter: Parameter, given: ArrayLike) -> Array:
    name, shape = parameter.name, parameter.shape
    try:
        array = np.asarray(given)
        if array.dtype != np.float64:
            if array.dtype.kind not in "fiub":
                raise BindingError(
                    f"{name!r} has dtype {array.dtype}; a binding is an array of real numbers."
                )
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as exc:
        if isinstance(exc, BindingError):
            raise
        raise BindingError(f"{name!r} cannot be made an array of real numbers: {exc}") from exc
    if (array.shape != shape and array.shape[1:] != shape) or array.ndim > len(shape) + 1:
        batch = f"(batch, {', '.join(map(str, shape))})" if shape else "(batch,)"
        raise BindingError(f"{name!r} has shape {array.shape}, the circuit needs {shape} or {batch}.")
    if array.size == 0:
        raise BindingError(f"{name!r} has shape {array.shape}: a batch has at least one row.")
    if not is_finite(array):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise BindingError(
            f"{name!r} has {bad} entries that are NaN or infinite; check the data or the step before."
        )
    view = array.view()
    view.flags.writeable = False
    return view
