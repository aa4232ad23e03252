# SPDX-License-Identifier: Apache-2.0
"""`qml.device("qstore.statevector")`: any backend of ours as a PennyLane device.

All tapes of an `execute` that differ in their numbers alone - the terms of a parameter-shift rule, the rows of a
broadcast tape - are one batch. Gradients are the backend's own vector-Jacobian products.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.exceptions import DeviceError

from qstore.batch import CircuitBatch
from qstore.execution import execute_many
from qstore.gradients import vjp
from qstore.plugins import Backend
from qstore_sim.guests.batches import bits_of, chosen, sampled_output
from qstore_sim.guests.pennylane.jacobians import Gradients, jacobian, unit_cotangents
from qstore_sim.guests.pennylane.preprocess import differentiable, pipeline
from qstore_sim.guests.pennylane.readout import Readout, measurement_key
from qstore_sim.guests.pennylane.rows import Rows, rows_of
from qstore_sim.guests.pennylane.sampling import ShotReadout, rotations
from qstore_sim.guests.pennylane.structure import Taken, Templates, taken

__all__ = ["QStoreDevice"]

_GRADIENTS = frozenset({"adjoint", "best", "device"})
_MCM = frozenset({None, "deferred", "device"})
_MOST_READOUTS = 256


@simulator_tracking
@single_tape_support
class QStoreDevice(Device):  # type: ignore[misc]  # ships no annotations
    """A backend of ours as a PennyLane device.

    Args:
        wires: their number or their names; any by default.
        shots: as PennyLane's devices take it; PennyLane prefers `qml.set_shots`.
        seed: of everything that is drawn; None draws afresh.
        backend: a registered name, or a backend.
        options: of the backend, where it is given by name: `precision="single"`, `threads=2`.

    Raises:
        BackendUnavailable: no such backend.
        OptionError: the backend does not take these options.

    Example:
        >>> device = QStoreDevice(wires=2)
        >>> @qml.qnode(device)
        ... def circuit(x):
        ...     qml.RY(x, 0)
        ...     qml.CNOT([0, 1])
        ...     return qml.expval(qml.Z(1))
        >>> print(f"{float(circuit(0.5)):.6f} {float(qml.grad(circuit)(qml.numpy.array(0.5))):.6f}")
        0.877583 -0.479426
    """

    def __init__(
        self,
        wires: Any = None,
        shots: Any = None,
        seed: int | None = None,
        backend: Backend | str = "statevector",
        **options: Any,
    ) -> None:
        super().__init__(wires=wires, shots=shots)
        self._backend = chosen(backend, options)
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._templates = Templates()
        self._readouts: dict[Hashable, Any] = {}

    @property
    def name(self) -> str:
        """As `qml.device` knows it."""
        return "qstore.statevector"

    def __repr__(self) -> str:
        return f"<qstore.statevector device: {self._backend.name!r}, wires {list(self.wires or []) or 'any'}>"

    # What PennyLane asks before it runs anything

    def setup_execution_config(
        self,
        config: ExecutionConfig | None = None,
        circuit: Any = None,  # noqa: ARG002  # PennyLane's signature
    ) -> ExecutionConfig:
        """Fill in what the caller left open: gradients on the device, deferred measurements."""
        config = config or ExecutionConfig()
        for option in config.device_options:
            raise DeviceError(f"device option {option} not present on {self}")
        changes: dict[str, Any] = {}
        ours = config.gradient_method in _GRADIENTS and self._differentiates()
        if ours:
            # A QNode says False unless it is told otherwise, and Jacobians cost a sweep for each number of a result.
            changes |= {"gradient_method": "adjoint", "use_device_jacobian_product": True}
        if config.use_device_gradient is None:
            changes["use_device_gradient"] = ours
        if config.grad_on_execution is None:
            changes["grad_on_execution"] = False
        mcm = config.mcm_config
        if mcm.mcm_method not in _MCM:
            msg = f"mcm_method={mcm.mcm_method!r} is not supported on {self.name}; use 'deferred'."
            raise DeviceError(msg)
        changes["mcm_config"] = replace(mcm, mcm_method="deferred")
        return replace(config, **changes)

    def preprocess_transforms(self, execution_config: ExecutionConfig | None = None) -> Any:
        """What turns any tape into tapes that run here."""
        return pipeline(execution_config or ExecutionConfig(), self.wires, self.name)

    def supports_derivatives(
        self, execution_config: ExecutionConfig | None = None, circuit: Any = None
    ) -> bool:
        """Whether gradients come from the backend itself."""
        if execution_config is not None and execution_config.gradient_method not in _GRADIENTS:
            return False
        return self._differentiates() and (circuit is None or differentiable(circuit, self.wires, self.name))

    supports_vjp = supports_derivatives
    supports_jvp = supports_derivatives

    def _differentiates(self) -> bool:
        return bool(self._backend.capabilities.differentiable_outputs)

    # Running

    def execute(
        self,
        circuits: Any,
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002  # PennyLane's signature
    ) -> Any:
        """Run tapes; one batch for each structure."""
        results: list[Any] = [None] * len(circuits)
        exact: dict[Hashable, list[int]] = {}
        shots: dict[Hashable, list[int]] = {}
        parts: list[Taken] = []
        for index, tape in enumerate(circuits):
            measured = [*map(measurement_key, tape.measurements)]
            mine = taken(tape, rotations(tape.measurements) if tape.shots else ())
            parts.append(mine)
            groups = shots if tape.shots else exact
            groups.setdefault((mine.key, tuple(measured), tape.shots), []).append(index)
        for key, members in exact.items():
            self._exact(key, members, circuits, parts, results)
        for key, members in shots.items():
            self._measured(key, members, circuits, parts, results)
        return tuple(results)

    def _exact(
        self,
        key: Hashable,
        members: Sequence[int],
        tapes: Sequence[Any],
        parts: Sequence[Taken],
        results: list[Any],
    ) -> None:
        rows = self._rows(members, tapes, parts)
        readout = self._readout(key, tapes[members[0]], parts[members[0]], rows)
        batches = [CircuitBatch.of(rows.template, rows.bindings, output) for output in readout.outputs]
        values = [rows.spread(_values(each)) for each in execute_many(batches, self._backend)]
        for index, mine in zip(members, rows.slices, strict=True):
            results[index] = readout.result(values, mine, tapes[index].batch_size is not None)

    def _measured(
        self,
        key: Hashable,
        members: Sequence[int],
        tapes: Sequence[Any],
        parts: Sequence[Taken],
        results: list[Any],
    ) -> None:
        rows = self._rows(members, tapes, parts, apart=True)
        first = tapes[members[0]]
        output = sampled_output(self._backend)

        def batch() -> CircuitBatch:
            seed = int(self._rng.integers(2**63))
            return CircuitBatch.of(
                rows.template, rows.bindings, output, shots=first.shots.total_shots, seed=seed
            )

        batches = [batch()]
        if batches[0].size < rows.size:  # nothing differs, but every row has outcomes of its own
            batches += [batch() for _ in range(rows.size - 1)]
        samples = bits_of(execute_many(batches, self._backend), self._rng)
        readout = self._kept(
            key, lambda: ShotReadout(first.measurements, parts[members[0]].wires, first.shots)
        )
        for index, mine in zip(members, rows.slices, strict=True):
            results[index] = readout.result(samples[mine], tapes[index].batch_size is not None)

    def _rows(
        self, members: Sequence[int], tapes: Sequence[Any], parts: Sequence[Taken], *, apart: bool = False
    ) -> Rows:
        mine = [parts[index] for index in members]
        return rows_of(mine, [tapes[index].batch_size for index in members], self._templates, apart=apart)

    def _readout(self, key: Hashable, tape: Any, part: Taken, rows: Rows) -> Readout:
        mixed = rows.template.is_noisy or rows.template.has_feedback
        readout = self._kept(key, lambda: Readout(tape.measurements, part.wires, mixed))
        assert isinstance(readout, Readout)  # a key says whether there are shots
        return readout

    def _kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        found = self._readouts.get(key)
        if found is None:
            if len(self._readouts) >= _MOST_READOUTS:
                self._readouts.clear()
            found = self._readouts[key] = make()
        return found

    # Gradients

    def compute_vjp(
        self, circuits: Any, cotangents: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> Any:
        """The gradient of each tape's parameters, from the cotangents of its results."""
        return self.execute_and_compute_vjp(circuits, cotangents, execution_config)[1]

    def execute_and_compute_vjp(
        self,
        circuits: Any,
        cotangents: Sequence[Any],
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002  # PennyLane's signature
    ) -> tuple[Any, Any]:
        """Results and gradients; one batch for each structure."""
        results: list[Any] = [None] * len(circuits)
        gradients: list[Any] = [None] * len(circuits)
        groups: dict[Hashable, list[int]] = {}
        parts = [taken(tape) for tape in circuits]
        for index, (tape, mine) in enumerate(zip(circuits, parts, strict=True)):
            measured = tuple(map(measurement_key, tape.measurements))
            groups.setdefault((mine.key, measured, tape.shots), []).append(index)
        for key, members in groups.items():
            rows = self._rows(members, circuits, parts, apart=True)
            readout = self._readout(key, circuits[members[0]], parts[members[0]], rows)
            pairs = [(own, cotangents[index]) for index, own in zip(members, rows.slices, strict=True)]
            values, found = self._swept(rows, readout, pairs)
            for index, own in zip(members, rows.slices, strict=True):
                tape = circuits[index]
                results[index] = readout.result(values, own, tape.batch_size is not None)
                gradients[index] = Gradients(
                    self._gradient(rows, found, parts[index], each, own) for each in tape.trainable_params
                )
        return tuple(results), tuple(gradients)

    def _swept(
        self, rows: Rows, readout: Readout, pairs: Sequence[tuple[slice, Any]]
    ) -> tuple[list[NDArray[Any]], dict[str, NDArray[np.float64]]]:
        names = [name for name in rows.bindings if name in {"shared", "rows"}]
        if not names:
            batches = [CircuitBatch.of(rows.template, rows.bindings, output) for output in readout.outputs]
            return [rows.spread(_values(each)) for each in execute_many(batches, self._backend)], {}
        values, total = [], dict.fromkeys(names, np.zeros(()))
        weights = readout.cotangents(pairs, rows.size, rows.template.n_qubits)
        for output, weight in zip(readout.outputs, weights, strict=True):
            found = vjp(rows.template, rows.bindings, output, weight, backend=self._backend, wrt=names)
            values.append(_values(found.result))
            total = {name: total[name] + found.gradients[name] for name in names}
        return values, total

    def _gradient(
        self, rows: Rows, found: dict[str, NDArray[np.float64]], tape: Taken, parameter: int, mine: slice
    ) -> NDArray[np.float64]:
        column = tape.columns[parameter] if parameter < len(tape.columns) else None
        if column is None:
            raise DeviceError(
                f"Gradients of matrices, amplitudes and observables are not supported on {self.name}: use "
                "diff_method='parameter-shift' or mark them as not trainable."
            )
        return rows.gradient(found, column, mine, np.ndim(tape.numbers[column]) > 0)

    def compute_derivatives(self, circuits: Any, execution_config: ExecutionConfig | None = None) -> Any:
        """The Jacobian of each tape, all of its rows at once."""
        return self.execute_and_compute_derivatives(circuits, execution_config)[1]

    def execute_and_compute_derivatives(
        self, circuits: Any, execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, Any]:
        """Results and Jacobians."""
        results = self.execute(circuits, execution_config)
        units = [unit_cotangents(tape, result) for tape, result in zip(circuits, results, strict=True)]
        tapes = [tape for tape, own in zip(circuits, units, strict=True) for _ in own]
        rows = iter(self.compute_vjp(tapes, [each for own in units for each in own], execution_config))
        found = [
            jacobian([next(rows) for _ in own], result, len(tape.measurements))
            for tape, result, own in zip(circuits, results, units, strict=True)
        ]
        return results, tuple(found)

    def compute_jvp(
        self, circuits: Any, tangents: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> Any:
        """Products of the Jacobians with tangents."""
        return self.execute_and_compute_jvp(circuits, tangents, execution_config)[1]

    def execute_and_compute_jvp(
        self, circuits: Any, tangents: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, Any]:
        """Results and products of the Jacobians with tangents."""
        results, found = self.execute_and_compute_derivatives(circuits, execution_config)
        products = []
        for tape, tangent, each in zip(circuits, tangents, found, strict=True):
            several = len(tape.measurements) > 1
            product = qml.gradients.compute_jvp_multi if several else qml.gradients.compute_jvp_single
            products.append(product(tangent, each))
        return results, tuple(products)


def _values(result: Any) -> NDArray[Any]:
    values = result.values
    assert values is not None  # asked for by the outputs
    found: NDArray[Any] = values
    return found
