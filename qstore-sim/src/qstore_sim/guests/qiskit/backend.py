# SPDX-License-Identifier: Apache-2.0
"""A `BackendV2`: circuits in, a job out, counts in its result. Circuits that differ in their angles alone are one batch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset, library
from qiskit.circuit import QuantumCircuit as Theirs
from qiskit.primitives import BitArray
from qiskit.providers import BackendV2, JobStatus, JobTimeoutError, JobV1, Options
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData
from qiskit.transpiler import Target

from qstore.circuit import GATES
from qstore.errors import CapabilityError, OptionError
from qstore.plugins import Backend
from qstore_sim.converters.qiskit import to_qstore
from qstore_sim.guests.batches import Job, bits_of, chosen, run_jobs, sampled_output, stacked
from qstore_sim.guests.qiskit.programs import Program, read, rows_of
from qstore_sim.guests.qiskit.sampler import classical_bits

__all__ = ["QStoreBackend", "QStoreJob"]

_WIDEST = 1000
_GATES = {
    "i": "IGate", "x": "XGate", "y": "YGate", "z": "ZGate", "h": "HGate", "s": "SGate", "sdg": "SdgGate", "t": "TGate",
    "tdg": "TdgGate", "sx": "SXGate", "sxdg": "SXdgGate", "rx": "RXGate", "ry": "RYGate", "rz": "RZGate",
    "p": "PhaseGate", "u": "UGate", "cx": "CXGate", "cy": "CYGate", "cz": "CZGate", "ch": "CHGate", "swap": "SwapGate",
    "iswap": "iSwapGate", "crx": "CRXGate", "cry": "CRYGate", "crz": "CRZGate", "cp": "CPhaseGate", "cu": "CUGate",
    "rxx": "RXXGate", "ryy": "RYYGate", "rzz": "RZZGate", "ccx": "CCXGate", "cswap": "CSwapGate",
}  # fmt: skip
"""Our gates and Qiskit's class for each, as the converter has them."""


class QStoreBackend(BackendV2):  # type: ignore[misc]  # ships no annotations
    """A backend of ours as Qiskit's.

    Args:
        backend: a registered name, or a backend.
        n_qubits: how many the target has; by default what the backend has.
        options: of the backend, where it is given by name.

    Raises:
        BackendUnavailable: no such backend.
        CapabilityError: it has fewer qubits.

    Example:
        >>> bell = Theirs(2)
        >>> _ = bell.h(0), bell.cx(0, 1), bell.measure_all()
        >>> counts = QStoreBackend().run(bell, shots=100, seed_simulator=7).result().get_counts()
        >>> sorted(counts), sum(counts.values())
        (['00', '11'], 100)
    """

    def __init__(
        self, backend: Backend | str = "statevector", *, n_qubits: int | None = None, **options: Any
    ) -> None:
        self._backend = chosen(backend, options)
        name = self._backend.name
        super().__init__(
            name=f"qstore.{name}", description=f"The qstore backend {name!r}", backend_version="0.1.0"
        )
        most = min(self._backend.capabilities.max_qubits, _WIDEST)
        if n_qubits is not None and not 1 <= n_qubits <= most:
            raise CapabilityError(f"{name!r} has {most} qubits; n_qubits is {n_qubits}.")
        self._target = _target(self._backend, n_qubits or most)

    @property
    def target(self) -> Target:
        """Its gates, on any qubits."""
        return self._target

    @property
    def max_circuits(self) -> None:
        """No limit."""
        return

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, memory=False, seed_simulator=None)

    def run(
        self,
        run_input: Theirs | Sequence[Theirs],
        *,
        parameter_binds: Sequence[Mapping[Any, Any]] | None = None,
        **options: Any,
    ) -> QStoreJob:
        """Start a job.

        Args:
            run_input: circuits, measured.
            parameter_binds: for each circuit, arrays of values for its parameters; an experiment for each entry.
            options: shots, memory (to keep every shot) and seed_simulator.

        Raises:
            OptionError: an option that does not exist, or values that do not fit the circuits.
        """
        circuits = [run_input] if isinstance(run_input, Theirs) else list(run_input)
        chosen_options = dict(self.options)
        for name, value in options.items():
            if name not in chosen_options:
                raise OptionError(f"{self.name} has no option {name!r}; it has {sorted(chosen_options)}.")
            chosen_options[name] = value
        tables = _tables(circuits, parameter_binds)
        job = QStoreJob(self, uuid.uuid4().hex)
        job.start(lambda: self._result(circuits, tables, chosen_options, job.job_id()))
        return job

    def _result(
        self,
        circuits: Sequence[Theirs],
        tables: Sequence[NDArray[np.float64]],
        options: Mapping[str, Any],
        job_id: str,
    ) -> Result:
        rng = np.random.default_rng(options["seed_simulator"])
        programs = [read(circuit) for circuit in circuits]
        bits = self._bits(programs, tables, int(options["shots"]), rng)
        experiments = [
            _experiment(circuit, row, options)
            for circuit, rows in zip(circuits, bits, strict=True)
            for row in rows
        ]
        return Result(
            backend_name=self.name,
            backend_version=self.backend_version,
            job_id=job_id,
            success=True,
            results=experiments,
            date=datetime.now(UTC),
            status="COMPLETED",
        )

    def _bits(
        self,
        programs: Sequence[Program],
        tables: Sequence[NDArray[np.float64]],
        shots: int,
        rng: np.random.Generator,
    ) -> list[NDArray[np.uint8]]:
        """The classical bits of each circuit: (rows, shots, bits)."""
        output = sampled_output(self._backend)
        swept = [index for index, table in enumerate(tables) if table.shape[1]]
        plain = [index for index, table in enumerate(tables) if not table.shape[1]]
        found = [
            np.zeros((len(t), shots, len(p.sources)), np.uint8) for p, t in zip(programs, tables, strict=True)
        ]
        work = [(stack, [(plain[m], 0) for m in stack.members])
                for stack in stacked([to_qstore(programs[index].circuit) for index in plain])]  # fmt: skip
        for index in swept:
            work += [
                (s, [(index, m) for m in s.members]) for s in rows_of(programs[index].circuit, tables[index])
            ]
        jobs = [Job(stack, output, shots, int(rng.integers(2**63))) for stack, _ in work]
        for (_, homes), results in zip(work, run_jobs(jobs, self._backend), strict=True):
            samples = bits_of(results, rng)
            for (index, row), mine in zip(homes, samples, strict=True):
                found[index][row] = classical_bits(mine, programs[index].sources)
        return found


class QStoreJob(JobV1):  # type: ignore[misc]  # ships no annotations
    """A job in a thread of its own."""

    def __init__(self, backend: QStoreBackend, job_id: str) -> None:
        super().__init__(backend, job_id)
        self._future: Future[Result] | None = None

    def start(self, work: Any) -> None:
        """Begin."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="qstore-qiskit")
        self._future = pool.submit(work)
        pool.shutdown(wait=False)

    def submit(self) -> None:
        """Nothing to do: `run` returns jobs that have begun."""

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the result.

        Raises:
            JobTimeoutError: it took longer than `timeout` seconds.
        """
        assert self._future is not None  # `run` has begun it
        try:
            return self._future.result(timeout)
        except FutureTimeoutError as exc:
            if self._future.done():
                raise
            raise JobTimeoutError(f"Job {self.job_id()} was not done after {timeout} seconds.") from exc

    def cancel(self) -> bool:
        """Whether it had not begun."""
        return self._future is not None and self._future.cancel()

    def status(self) -> JobStatus:
        """How far it is."""
        future = self._future
        if future is None or not future.done():
            return JobStatus.RUNNING
        if future.cancelled():
            return JobStatus.CANCELLED
        return JobStatus.ERROR if future.exception() else JobStatus.DONE


def _target(backend: Backend, n_qubits: int) -> Target:
    target = Target(num_qubits=n_qubits)
    capabilities = backend.capabilities
    for row, name in _GATES.items():
        if row in capabilities.gates:
            cls = getattr(library, name)
            angles = [Parameter(f"a{i}") for i in range(_angles(row))]
            target.add_instruction(cls(*angles), None)
    target.add_instruction(Measure(), None)
    target.add_instruction(Delay(Parameter("t")), None)
    if capabilities.noise:
        target.add_instruction(Reset(), None)
    if capabilities.feedback:
        target.add_instruction(IfElseOp, name="if_else")
    return target


def _angles(row: str) -> int:
    return GATES[row].n_angles


def _tables(
    circuits: Sequence[Theirs], binds: Sequence[Mapping[Any, Any]] | None
) -> list[NDArray[np.float64]]:
    """The values (rows, P) of each circuit's parameters."""
    if binds is not None and len(binds) != len(circuits):
        raise OptionError(f"parameter_binds has {len(binds)} entries for {len(circuits)} circuits.")
    tables = []
    for index, circuit in enumerate(circuits):
        given = {
            str(getattr(key, "name", key)): value for key, value in (binds[index] if binds else {}).items()
        }
        names = [parameter.name for parameter in circuit.parameters]
        if {*given} != {*names}:
            raise OptionError(
                f"Circuit {circuit.name!r} has the parameters {names}, and values for {sorted(given)}: bind them all, with "
                "assign_parameters or parameter_binds."
            )
        columns = (
            np.broadcast_arrays(*(np.atleast_1d(np.asarray(given[name], float)) for name in names))
            if names
            else []
        )
        tables.append(np.stack(columns, axis=-1) if names else np.zeros((1, 0)))
    return tables


def _experiment(circuit: Theirs, bits: NDArray[np.uint8], options: Mapping[str, Any]) -> ExperimentResult:
    data: dict[str, Any] = {}
    if bits.shape[-1]:
        array = BitArray.from_bool_array(bits.astype(bool), order="little")
        data["counts"] = {hex(outcome): count for outcome, count in array.get_int_counts().items()}
        if options["memory"]:
            data["memory"] = [hex(int(each, 2)) for each in array.get_bitstrings()]
    header = {
        "name": circuit.name,
        "n_qubits": circuit.num_qubits,
        "memory_slots": circuit.num_clbits,
        "creg_sizes": [[register.name, register.size] for register in circuit.cregs],
        "qreg_sizes": [[register.name, register.size] for register in circuit.qregs],
        "metadata": circuit.metadata,
    }
    return ExperimentResult(
        shots=len(bits), success=True, data=ExperimentResultData(**data), header=header, status="DONE",
        seed=options["seed_simulator"], name=circuit.name,
    )  # fmt: skip
