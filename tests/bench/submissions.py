# SPDX-License-Identifier: Apache-2.0
"""Circuits per second through IonQ's API with 100 ms of latency: `python -m bench.submissions` (from tests/).

One emulator, in a process of its own, answers everybody; each circuit differs from the others in an angle and is
measured with 100 shots. cirq-ionq and qiskit-ionq are used as their documentation shows: one circuit, one `run`, one
result, then the next. Ours: as many separate submissions at once, and as rows of one batch. What the others can do in
one job is printed below the line: it is not the way their documents show, but it is there.

The ratios are rates of circuits; the others may be measured on fewer circuits than ours (`--peers`), as theirs does not
depend on the number.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

import qstore as qs

SHOTS = 100
BAR = 20.0


class Row(NamedTuple):
    """What was measured."""

    title: str
    circuits: int
    seconds: float

    @property
    def rate(self) -> float:
        """Circuits per second."""
        return self.circuits / self.seconds


@contextmanager
def emulator(latency_s: float) -> Iterator[str]:
    """An emulator in a process of its own, whose jobs wait for nothing but their simulation; its root address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "qstore_ionq.emulator", "--port", str(port), "--speed", "inf", "--seed", "1",
               "--latency", str(latency_s)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def angles(number: int) -> np.ndarray:
    """One angle for each circuit."""
    return np.linspace(0.1, 3.0, number)


def check(counts: list[dict[int, int]], number: int) -> None:
    """Refuse a measurement of wrong answers: the mean of all circuits is known, six standard errors are allowed."""
    ones = sum(count for row in counts for outcome, count in row.items() if outcome & 1)
    expected = float(np.sum(np.sin(angles(number) / 2) ** 2)) * SHOTS
    if (
        len(counts) != number
        or abs(ones - expected) > 6 * np.sqrt(expected)
        or sum(map(len, counts)) < number
    ):
        raise SystemExit(f"wrong answers: {ones} ones, expected {expected:.0f}")


def template() -> tuple[qs.QuantumCircuit, str]:
    """RX by x on qubit 0, and a CX."""
    return qs.QuantumCircuit(2).rx(0, qs.Parameter("x")).cx(0, 1), "x"


def ours_separate(root: str, number: int) -> Row:
    """So many submissions of one circuit each, all at once."""
    circuit, name = template()
    backend = qs.get_backend("ionq.simulator", url=f"{root}/v0.4")

    async def all_of_them() -> list[qs.BatchResult]:
        runs = [
            qs.run_async(circuit, {name: angle}, shots=SHOTS, seed=i, backend=backend)
            for i, angle in enumerate(angles(number))
        ]
        return await asyncio.gather(*runs)

    start = time.perf_counter()
    results = asyncio.run(all_of_them())
    seconds = time.perf_counter() - start
    check([result.counts[0] for result in results if result.counts], number)
    return Row("qstore, separate submissions", number, seconds)


def ours_batch(root: str, number: int) -> Row:
    """One batch of so many rows."""
    circuit, name = template()
    backend = qs.get_backend("ionq.simulator", url=f"{root}/v0.4")
    start = time.perf_counter()
    result = qs.run(circuit, {name: angles(number)}, shots=SHOTS, seed=1, backend=backend)
    seconds = time.perf_counter() - start
    check(list(result.counts or ()), number)
    return Row("qstore, one batch", number, seconds)


def _cirq(root: str) -> tuple[Callable[..., object], Callable[[float], object], object]:
    import cirq
    import cirq_ionq

    q0, q1 = cirq.LineQubit.range(2)
    service = cirq_ionq.Service(remote_host=root, api_key="test", default_target="simulator")

    def circuit(angle: float) -> cirq.Circuit:
        return cirq.Circuit(cirq.rx(angle)(q0), cirq.CNOT(q0, q1), cirq.measure(q0, key="m"))

    return service.run, circuit, service


def cirq_ionq(root: str, number: int) -> Row:
    """`service.run(circuit, repetitions)`, one after the other."""
    run, circuit, _ = _cirq(root)
    start = time.perf_counter()
    results = [run(circuit(angle), repetitions=SHOTS) for angle in angles(number)]
    seconds = time.perf_counter() - start
    check([dict(result.histogram(key="m")) for result in results], number)
    return Row("cirq-ionq", number, seconds)


def cirq_ionq_batch(root: str, number: int) -> Row:
    """`service.run_batch(circuits, repetitions)`."""
    _, circuit, service = _cirq(root)
    start = time.perf_counter()
    results = service.run_batch([circuit(angle) for angle in angles(number)], repetitions=SHOTS)
    seconds = time.perf_counter() - start
    check([dict(result.histogram(key="m")) for result in results], number)
    return Row("cirq-ionq, run_batch", number, seconds)


def _qiskit(root: str) -> tuple[object, Callable[[float], object]]:
    from qiskit import QuantumCircuit
    from qiskit_ionq import IonQProvider

    os.environ["IONQ_API_URL"] = f"{root}/v0.4"  # the provider's constructor asks there, whatever `url=` says
    backend = IonQProvider(token="test", url=f"{root}/v0.4").get_backend("ionq_simulator")

    def circuit(angle: float) -> QuantumCircuit:
        made = QuantumCircuit(2, 2)
        made.rx(angle, 0)
        made.cx(0, 1)
        made.measure([0, 1], [0, 1])
        return made

    return backend, circuit


def qiskit_ionq(root: str, number: int) -> Row:
    """`backend.run(circuit, shots=...).result().get_counts()`, one after the other."""
    backend, circuit = _qiskit(root)
    start = time.perf_counter()
    found = [backend.run(circuit(angle), shots=SHOTS).result().get_counts() for angle in angles(number)]
    seconds = time.perf_counter() - start
    check([{int(bits, 2): count for bits, count in row.items()} for row in found], number)
    return Row("qiskit-ionq", number, seconds)


def qiskit_ionq_batch(root: str, number: int) -> Row:
    """`backend.run([circuits], shots=...)`."""
    backend, circuit = _qiskit(root)
    start = time.perf_counter()
    found = backend.run([circuit(angle) for angle in angles(number)], shots=SHOTS).result().get_counts()
    seconds = time.perf_counter() - start
    check([{int(bits, 2): count for bits, count in row.items()} for row in found], number)
    return Row("qiskit-ionq, a list of circuits", number, seconds)


def line(row: Row, others: list[Row]) -> str:
    """A row of the table, with how many times the others' rates it is."""
    ratios = "".join(f" {row.rate / other.rate:11.1f}x" for other in others)
    return f"{row.title:34} {row.circuits:8} {row.seconds:9.2f} {row.rate:12.1f}{ratios}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.submissions", description=__doc__)
    parser.add_argument("--circuits", type=int, default=1000, help="circuits of ours (default: 1000)")
    parser.add_argument("--peers", type=int, default=50, help="circuits of each of the others (default: 50)")
    parser.add_argument(
        "--latency", type=float, default=0.1, help="seconds added to every request (default: 0.1)"
    )
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    os.environ.setdefault("IONQ_API_KEY", "test")
    os.environ["QSTORE_HOME"] = folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)  # after the journals in it are closed, which are opened later
    with emulator(chosen.latency) as root:
        ours_separate(root, 10)  # imports, connections, and the emulator's first compilation
        others = [cirq_ionq(root, chosen.peers), qiskit_ionq(root, chosen.peers)]
        ours = [ours_separate(root, chosen.circuits), ours_batch(root, chosen.circuits)]
        batches = [cirq_ionq_batch(root, chosen.circuits), qiskit_ionq_batch(root, chosen.circuits)]
    print(f"{chosen.latency * 1000:.0f} ms of latency, {SHOTS} shots a circuit")
    print(
        f"{'':34} {'circuits':>8} {'seconds':>9} {'circuits/s':>12} {'/ cirq-ionq':>12} {'/ qiskit-ionq':>12}"
    )
    for row in (*others, *ours):
        print(line(row, others))
    print("in one job, where they can:")
    for row in batches:
        print(line(row, others))
    slowest = min(row.rate / other.rate for row in ours for other in others)
    print(f"at least {slowest:.1f} times the rate of the others; the bar is {BAR:g}")
    return 0 if slowest >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
