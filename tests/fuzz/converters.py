# SPDX-License-Identifier: Apache-2.0
"""Convert random circuits with every converter: `python -m fuzz.converters --count 500`.

Each circuit is written with numbers and with symbols, judged by the library's own unitary, and read back. Small angles,
angles beside multiples of pi/12 and circuits that no permutation of qubits leaves alone are the rule. A case is made
from (seed, number) alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np

import qstore as qs
from converters.formats import FORMATS, distance, our_unitary, read, write
from judges.random_circuits import UNITARIES, random_unitary
from qstore.circuit import GATES
from qstore.errors import CircuitFormatError

ALLOWED = 1e-9
TWELFTH = np.pi / 12


class DisagreementError(AssertionError):
    """A converted circuit is another circuit."""


def make(seed, number):
    """A circuit and one sample's bindings."""
    rng = np.random.default_rng([seed, number, 7])
    n = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.3, 0.35, 0.2]))
    v, w = qs.Parameter("v", (3,)), qs.Parameter("w", (2, 2))
    row = {"v": angles(rng, 3), "w": angles(rng, 4).reshape(2, 2), "x": angles(rng, 1)[0]}
    entries = [v[0], v[1], v[2], w[0, 0], w[0, 1], w[1, 0], w[1, 1], +qs.Parameter("x")]
    circuit = qs.QuantumCircuit(n)
    for q in range(n):  # a different rotation on each qubit: a permutation shows
        circuit.ry(q, 0.3 + 0.5 * q + 0.01 * rng.normal()).rz(q, entries[int(rng.integers(8))] * (1 + q))
    circuit.rx(0, v[2]).ry(n - 1, w[1, 1] + 0.5)  # the last entries, so that names tell the shapes
    fitting = [name for name in UNITARIES if GATES[name].n_qubits <= n]
    for _ in range(int(rng.integers(4, 16))):
        on = tuple(int(q) for q in rng.permutation(n))
        if rng.random() < 0.08:
            k = int(rng.integers(1, min(n, 3) + 1))
            circuit.unitary(random_unitary(rng, k), on[:k])
            continue
        spec = GATES[str(rng.choice(fitting))]
        given = []
        for constant in angles(rng, spec.n_angles):
            entry = entries[int(rng.integers(8))]
            scale = float(rng.choice([1, -1, 0.5, 2]))
            kind = rng.integers(3)
            given.append(
                float(constant)
                if kind == 0
                else entry * scale
                if kind == 1
                else entry * scale + float(constant)
            )
        circuit.append(spec.name, on[: spec.n_qubits], given)
    return circuit, row


def angles(rng, number):
    """Angles that careless code changes: small ones, and ones near multiples of pi/12."""
    kinds = rng.integers(4, size=number)
    small = rng.choice([1e-2, 1e-4, 1e-6], size=number) * rng.normal(size=number)
    near = TWELFTH * rng.integers(-12, 13, size=number) + 1e-3 * rng.normal(size=number)
    return np.select([kinds == 0, kinds == 1], [small, near], rng.uniform(-7, 7, size=number))


def check(case, name, *, to=write, back=read):
    """One case through one format.

    Args:
        case: as `make` makes it.
        name: of the format.
        to, back: other converters than the installed ones, to see that faults are found.

    Raises:
        DisagreementError: says what disagrees by how much.
    """
    circuit, row = case
    form = FORMATS[name]
    n = circuit.n_qubits
    truth = our_unitary(circuit, row)
    theirs = to(circuit, name, bindings=row)
    _compare(f"to {name}, numbers", distance(form.unitary(theirs, n), truth, exact=form.exact))
    _compare(f"from {name}, numbers", distance(our_unitary(back(theirs)), truth, exact=False))
    if form.bind is None:
        return
    symbolic = to(circuit, name)
    bound = form.bind(symbolic, circuit, row)
    _compare(f"to {name}, symbols", distance(form.unitary(bound, n), truth, exact=form.exact))
    again = back(symbolic)
    if again.parameters != circuit.parameters:
        raise DisagreementError(f"from {name}: parameters {again.parameters} were {circuit.parameters}")
    _compare(f"from {name}, symbols", distance(our_unitary(again, row), truth, exact=False))


def _compare(what, error):
    if not error <= ALLOWED:
        raise DisagreementError(f"{what}: differs by {error:.2e}")


def main():
    """Run the cases; exit status 1 if any disagrees."""
    parser = argparse.ArgumentParser(prog="fuzz.converters", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=500, help="number of circuits (500)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other circuits (0)")
    parser.add_argument("--only", type=int, help="the number of one case to repeat")
    parser.add_argument("--format", choices=FORMATS, help="only this one")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    numbers = range(options.count) if options.only is None else [options.only]
    failed = 0
    for name, form in FORMATS.items():
        if options.format not in {None, name}:
            continue
        if missing := form.missing():
            print(f"{name}: left out, {missing} is not installed", flush=True)
            continue
        start, wrong = time.monotonic(), 0
        for number in numbers:
            try:
                check(make(options.seed, number), name)
            except DisagreementError as error:
                wrong += 1
                print(
                    f"FAILED {error}: python -m fuzz.converters --seed {options.seed} --only {number} --format {name}",
                    flush=True,
                )
        failed += wrong
        print(
            f"{name}: {len(numbers)} circuits, {wrong} disagree, {time.monotonic() - start:.0f} s", flush=True
        )
    if options.only is None and options.format is None:
        failed += upset_readers(options.seed, 10 * options.count)
    return 1 if failed else 0


def upset_readers(seed, count):
    """How many damaged texts make a reader fail with anything but CircuitFormatError."""
    from converters.mangling import READERS, mangled  # it makes its texts of the circuits here

    failed = 0
    for name, reader in READERS.items():
        refused, start = 0, time.monotonic()
        for number, text in enumerate(mangled(name, seed, count)):
            try:
                reader(text)
            except CircuitFormatError:
                refused += 1
            except Exception as error:  # noqa: BLE001  # that is what is looked for
                failed += 1
                print(
                    f"FAILED {name} text {number} of seed {seed}: {type(error).__name__}: {error}", flush=True
                )
        print(
            f"{name}: {count} damaged texts, {refused} refused, {time.monotonic() - start:.0f} s", flush=True
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
