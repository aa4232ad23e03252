# SPDX-License-Identifier: Apache-2.0
"""Circuits run on the embedded simulator, in float64.

Circuits that differ in their angles only share one compiled template and run as one batch. Ideal simulator jobs give
probabilities; all others one outcome per shot, a trajectory for each. Where nearly every shot would need a simulation of
its own and the circuit is small, outcomes come from the exact density matrix instead: the same distribution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore import CircuitBatch, Probabilities, QuantumCircuit, Samples, Template, get_backend
from qstore.errors import PluginError, QStoreError
from qstore.plugins import SyncBackend, is_sync
from qstore_ionq.emulator.circuits import Program
from qstore_ionq.emulator.devices import NoiseRates
from qstore_ionq.emulator.lowering import ANGLES, ERRORS, Noise, lowered, sites
from qstore_ionq.emulator.trajectories import Trajectories, drawn

__all__ = ["Failed", "Outcome", "Simulator", "Task"]

Floats = NDArray[np.float64]
_TEMPLATES = 256
_NOTHING = 1e-15
"""Probabilities below are rounding errors of zero."""
_BATCH_BYTES = 1 << 26
_DENSITY_QUBITS = 12


@dataclass(frozen=True, slots=True)
class Task:
    """One circuit to run.

    Attributes:
        job_id: whose it is.
        noise: the rates of its errors.
        shots: None for exact probabilities.
        key: names its random outcomes, 64 bits.
    """

    job_id: str
    program: Program
    noise: NoiseRates
    shots: int | None
    key: int

    @property
    def shape(self) -> tuple[object, ...]:
        """What tasks of one batch have in common."""
        rates = (self.noise.one, self.noise.two)
        return (self.shots, rates, self.program.active, tuple(gate.shape for gate in self.program.gates))

    def angles(self) -> list[float]:
        """The values of the template's parameter."""
        return [angle for gate in self.program.gates if gate.commuting for angle in gate.angles]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a circuit gave: probabilities by integer outcome, or the outcome of each shot in order."""

    job_id: str
    probabilities: dict[int, float] | None = None
    samples: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A circuit that could not be simulated, and why."""

    job_id: str
    message: str


class Simulator:
    """Runs tasks; not for use by two threads at once.

    Args:
        max_outcomes: a result with more different outcomes fails.
    """

    def __init__(self, max_outcomes: int) -> None:
        self._max_outcomes = max_outcomes
        self._backend: SyncBackend | None = None
        self._templates: OrderedDict[tuple[object, ...], Template] = OrderedDict()

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome | Failed]:
        """Run tasks, those of one shape together; the results come in any order."""
        groups: dict[tuple[object, ...], list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.shape, []).append(task)
        for group in groups.values():
            size = _rows_at_once(group[0])
            for start in range(0, len(group), size):
                part = group[start : start + size]
                try:
                    yield from self._exact(part) if part[0].shots is None else self._measured(part)
                except (QStoreError, MemoryError, ArithmeticError) as exc:
                    yield from (Failed(task.job_id, str(exc)) for task in part)

    def warm_up(self) -> None:
        """Load the simulator's compiled kernels, so that the first job does not wait for them."""
        circuit = QuantumCircuit(1).h(0)
        self._simulator().run_sync(CircuitBatch.of(circuit, {}, Probabilities()))

    def _exact(self, tasks: list[Task]) -> Iterator[Outcome | Failed]:
        template = self._template(tasks[0], Noise.NONE)
        active = tasks[0].program.active
        values = self._probabilities(
            template, {ANGLES: np.array([task.angles() for task in tasks])}, len(tasks)
        )
        for task, row in zip(tasks, values, strict=True):
            found = np.flatnonzero(row > _NOTHING)
            if len(found) > self._max_outcomes:
                yield Failed(
                    task.job_id,
                    f"The result has {len(found)} different outcomes; this emulator returns {self._max_outcomes}.",
                )
                continue
            states = _spread(found, active).tolist()
            yield Outcome(task.job_id, probabilities=dict(zip(states, row[found].tolist(), strict=True)))

    def _measured(self, tasks: list[Task]) -> Iterator[Outcome | Failed]:
        """One outcome per shot."""
        program, shots = tasks[0].program, tasks[0].shots or 1
        channels = sites(program, tasks[0].noise)
        size = 2 * sum(len(site.qubits) for site in channels)
        n = len(program.active)
        for task in tasks:
            paths = drawn(channels, shots, task.key)
            if n <= _DENSITY_QUBITS and len(paths.patterns) > 2 << n:
                samples = self._from_density(task, shots)
            else:
                samples = self._from_paths(task, paths, size)
            yield Outcome(task.job_id, samples=_spread(samples, program.active))

    def _from_paths(self, task: Task, paths: Trajectories, size: int) -> NDArray[np.int64]:
        template = self._template(task, Noise.TURNS)
        angles = np.array(task.angles())
        samples = np.empty(len(paths.order), dtype=np.int64)
        step = _rows_at_once(task)
        for start in range(0, len(paths.patterns), step):
            patterns = range(start, min(start + step, len(paths.patterns)))
            turns = np.array([paths.turns(pattern, size) for pattern in patterns])
            bindings = {ANGLES: angles[None, :], ERRORS: turns}
            for pattern, row in zip(
                patterns, self._probabilities(template, bindings, len(patterns)), strict=True
            ):
                paths.outcomes(pattern, row, samples)
        return samples

    def _from_density(self, task: Task, shots: int) -> NDArray[np.int64]:
        template = self._template(task, Noise.CHANNELS)
        angles = np.array(task.angles())
        keys = np.array([task.key], dtype=np.uint64)
        bindings = {ANGLES: angles} if angles.size else {}
        batch = CircuitBatch.of(template, bindings, Samples(), shots=shots, stream_keys=keys)
        values = self._simulator().run_sync(batch).values
        assert values is not None
        bits = values[0].astype(np.int64)
        return np.asarray(bits @ (np.int64(1) << np.arange(bits.shape[1], dtype=np.int64)))

    def _probabilities(self, template: Template, bindings: dict[str, Floats], rows: int) -> Floats:
        """(rows, 2**n): bindings of one row are shared, those of a parameter without entries left out."""
        given = {name: (each[0] if len(each) == 1 else each) for name, each in bindings.items() if each.size}
        values = self._simulator().run_sync(CircuitBatch.of(template, given, Probabilities())).values
        assert values is not None
        return np.broadcast_to(values, (rows, values.shape[1]))

    def _simulator(self) -> SyncBackend:
        if self._backend is None:
            backend = get_backend("statevector")
            if not is_sync(backend):
                raise PluginError("The emulator needs the embedded simulator; 'statevector' is another one.")
            self._backend = backend
        return self._backend

    def _template(self, task: Task, noise: Noise) -> Template:
        key = (noise, task.shape)
        found = self._templates.pop(key, None)
        if found is None:
            found = lowered(task.program, task.noise, noise).freeze()
            if len(self._templates) >= _TEMPLATES:
                self._templates.popitem(last=False)
        self._templates[key] = found  # last used, last thrown out
        return found


def _rows_at_once(task: Task) -> int:
    return max(1, _BATCH_BYTES >> (4 + len(task.program.active)))


def _spread(states: NDArray[np.int64], active: tuple[int, ...]) -> NDArray[np.int64]:
    """Outcomes of the active qubits as outcomes of all."""
    spread = np.zeros(len(states), dtype=np.int64)
    for position, q in enumerate(active):
        spread |= (states >> position & 1) << q
    return spread
