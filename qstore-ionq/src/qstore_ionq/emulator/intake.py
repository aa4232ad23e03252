# SPDX-License-Identifier: Apache-2.0
"""From a submission to jobs: what each circuit takes, costs and draws, and when it will run.

Random outcomes are named by content: the noise seed (or the emulator's), the circuit, its shots, and how many equal
circuits came before; not by the order of different ones. A job with several circuits becomes a parent and children.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID

from qstore_ionq.emulator.circuits import PreflightError, Program, read_program
from qstore_ionq.emulator.devices import NOISE_MODELS, Device
from qstore_ionq.emulator.jobs import Failure, Job
from qstore_ionq.emulator.options import Options
from qstore_ionq.emulator.prices import PRICE_LISTS, Work
from qstore_ionq.emulator.qasm3 import read_qasm3
from qstore_ionq.emulator.simulation import Task
from qstore_ionq.emulator.validation import MIN_DEBIASED_SHOTS, MULTI, QASM3, SINGLE, Submission

__all__ = ["Intake", "Streams", "run_seconds"]

_CHECK_S = 0.1
"""How long a job is `submitted` before it is `ready`, in the machine's seconds."""
_SIMULATION_S = 0.1


class Streams:
    """Names for random outcomes: 64 bits that depend on a seed, a content, and how often it came before."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._seen: Counter[bytes] = Counter()

    def key(self, task: Task) -> int:
        """The key of a task's outcomes; its own `key` does not matter."""
        content = hashlib.blake2b(repr((task.shape, task.angles())).encode(), digest_size=16).digest()
        text = f"{self._seed}:{self._seen[content]}:".encode() + content
        self._seen[content] += 1
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job, its children, and what is to be simulated."""

    job: Job
    children: tuple[Job, ...]
    tasks: tuple[Task, ...]


class Intake:
    """Makes jobs of submissions.

    Args:
        last_number: how many jobs there were before.
    """

    def __init__(self, options: Options, last_number: int) -> None:
        self._options = options
        entropy = os.urandom(8).hex() if options.seed is None else str(options.seed)
        self._name = f"{entropy}:{last_number}"
        self._streams = Streams(self._name)
        self._number = last_number

    def identifier(self) -> tuple[int, str]:
        """The next job's number and id."""
        self._number += 1
        return self._number, self.name("job", self._number)

    def name(self, kind: str, number: int) -> str:
        """A name in the form of a UUID that repeats with the seed."""
        digest = hashlib.blake2b(f"{self._name}:{kind}:{number}".encode(), digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    def accept(self, given: Submission, now: float) -> Accepted:
        """Make the jobs; a circuit that cannot run makes them fail."""
        failure = None
        programs: tuple[Program, ...] = ()
        try:
            programs = read_programs(given)
            if wants_debiasing(given) and given.shots < MIN_DEBIASED_SHOTS:
                raise PreflightError(
                    "DebiasingError",
                    f"Debiasing needs at least {MIN_DEBIASED_SHOTS} shots, got {given.shots}.",
                )
        except PreflightError as exc:
            failure = exc
        job = self._job(given, programs, now)
        if failure is not None:
            job.failure = Failure(failure.code, str(failure), job.ready_at)
        if given.type != MULTI:
            tasks = self._tasks(given, [(job, program) for program in programs])
            return self._done_early(given, Accepted(job, (), tasks if failure is None else ()))
        children = tuple(self._child(given, job, index, programs) for index in range(len(given.circuits)))
        job.child_ids = tuple(child.id for child in children)
        tasks = self._tasks(given, list(zip(children, programs, strict=True))) if failure is None else ()
        return self._done_early(given, Accepted(job, children, tasks))

    def _done_early(self, given: Submission, accepted: Accepted) -> Accepted:
        """A dry run on a machine compiles and prices only."""
        if given.dry_run and not given.device.is_simulator:
            for job in (accepted.job, *accepted.children):
                job.simulated = True
                job.start_at = job.end_at = job.ready_at
            return replace(accepted, tasks=())
        return accepted

    def _job(self, given: Submission, programs: tuple[Program, ...], now: float) -> Job:
        number, identity = self.identifier()
        options, device = self._options, given.device
        costs = [program.costs() for program in programs]
        ones, twos = sum(one for one, _ in costs), sum(two for _, two in costs)
        sampled = not (device.is_simulator and given.rates.is_ideal)
        mitigated = sampled and bool(wants_debiasing(given))
        work = Work(max(1, len(programs)), given.shots, ones, twos, mitigated)
        run_s = sum(run_seconds(device, given.shots, *each) for each in costs)
        queue_s = device.queue_s if options.queue_s is None else options.queue_s
        ready = now + options.real_seconds(_CHECK_S)
        start = ready + options.real_seconds(queue_s)
        return Job(
            number=number, id=identity, type=given.type, backend=device.name, submitted_at=now, ready_at=ready,
            start_at=start, end_at=start + options.real_seconds(run_s), name=given.name, metadata=given.metadata,
            noise=_echoed_noise(given), settings=given.settings, session_id=given.session_id, dry_run=given.dry_run,
            shots=given.shots if sampled else None, qubits=_width(given, programs), gates_1q=ones, gates_2q=twos,
            mitigated=mitigated, sampled=sampled, price_usd=PRICE_LISTS[options.prices].quote(device, work), run_s=run_s,
            registers=programs[0].registers if programs else (), native=given.type == SINGLE and given.circuits[0].native,
        )  # fmt: skip

    def _child(self, given: Submission, parent: Job, index: int, programs: tuple[Program, ...]) -> Job:
        number, identity = self.identifier()
        program = programs[index] if programs else None
        ones, twos = program.costs() if program else (0, 0)
        run_s = run_seconds(given.device, given.shots, ones, twos)
        return replace(
            parent, number=number, id=identity, type=SINGLE, name=given.circuits[index].name, metadata=None,
            parent_id=parent.id, child_ids=(), qubits=program.n_qubits if program else parent.qubits, gates_1q=ones,
            gates_2q=twos, price_usd=parent.price_usd / len(given.circuits), run_s=run_s, native=given.circuits[index].native,
        )  # fmt: skip

    def _tasks(self, given: Submission, work: list[tuple[Job, Program]]) -> tuple[Task, ...]:
        streams = self._streams if given.noise_seed is None else Streams(f"noise {given.noise_seed}")
        ideal = NOISE_MODELS["ideal"]
        rates = given.rates if given.device.is_simulator or self._options.qpu_noise else ideal
        tasks = []
        for job, program in work:
            task = Task(job.id, program, rates, job.shots, 0)
            job.key = streams.key(task) if job.sampled else 0
            tasks.append(replace(task, key=job.key))
        return tuple(tasks)


def read_programs(given: Submission) -> tuple[Program, ...]:
    """The circuits of a submission.

    Raises:
        PreflightError: one of them cannot run.
    """
    device = given.device
    limit = given.rates.max_qubits if device.is_simulator else device.qubits
    if given.type == QASM3:
        return (read_qasm3(given.program, limit=limit, ideal=device.is_simulator and given.rates.is_ideal),)

    def read(index: int) -> Program:
        each = given.circuits[index]
        return read_program(
            each.gates, native=each.native, n_qubits=each.qubits, entanglers=device.entanglers, limit=limit
        )

    if given.type == SINGLE:
        return (read(0),)
    programs = []
    for index in range(len(given.circuits)):
        try:
            programs.append(read(index))
        except PreflightError as exc:
            raise PreflightError(exc.code, f"Circuit {index}: {exc}") from None
    return tuple(programs)


def wants_debiasing(given: Submission) -> bool:
    """Whether a job is debiased: as asked, else on machines from 500 shots on."""
    if given.device.is_simulator and given.rates.is_ideal:
        return False
    if given.debiasing is not None:
        return given.debiasing
    return not given.device.is_simulator and given.shots >= MIN_DEBIASED_SHOTS


def run_seconds(device: Device, shots: int, gates_1q: int, gates_2q: int) -> float:
    """How long a circuit takes on a machine, one gate after the other."""
    if device.is_simulator:
        return _SIMULATION_S
    shot = gates_1q * device.gate_1q_s + gates_2q * device.gate_2q_s + device.readout_s + device.reset_s
    return shots * shot


def _width(given: Submission, programs: tuple[Program, ...]) -> int:
    if programs:
        return max(program.n_qubits for program in programs)
    return max([each.qubits or 1 for each in given.circuits], default=1)


def _echoed_noise(given: Submission) -> dict[str, object] | None:
    if not given.device.is_simulator:
        return None
    seed = {} if given.noise_seed is None else {"seed": given.noise_seed}
    return {"model": given.noise_model, **seed}
