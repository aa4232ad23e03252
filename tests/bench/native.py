# SPDX-License-Identifier: Apache-2.0
"""Native compilation side by side: `python -m bench.native FOLDER` compiles every .qasm file in a folder.

Entanglers, one-qubit pulses, depth and time of ours for MS and ZZ machines beside what is installed of Qiskit,
qiskit-ionq and cirq-ionq, all from the same text. Our counts are of checked programs; the check is not timed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.report import machine, replace_section, rows
from qstore.circuit import Parameter, Template
from qstore.circuit.qasm2 import loads
from qstore_ionq.native import compile as compiling
from qstore_ionq.native import compile_native

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
ROUNDS = 3

BEST_MEASURED = {
    # The fewest entanglers of any of Qiskit 2.6.2, tket 2.18.5, bqskit 1.2.1, qiskit-ionq 1.1.1, cirq-ionq 1.7.0, ionizer
    # 0.3.0 and GUOQ 0.2.7 that preserves the unitary, measured 2026-11-20 when all of them were installed.
    "brick_2cx_4": 18, "hea_cz_brick_8_d3": 21, "hea_ryrz_cx_circular_6_d3": 18, "hea_ryrz_cx_full_6_d2": 10,
    "hea_ryrz_cx_linear_4_d2": 6, "hea_ryrz_cx_linear_8_d4": 28, "iqp_6": 8, "mqt_cdkm_ripple_carry_adder_6": 25,
    "mqt_dj_6": 5, "mqt_ghz_8": 7, "mqt_graphstate_8": 8, "mqt_qaoa_6": 14, "mqt_qft_5": 10, "mqt_qft_8": 28,
    "mqt_qnn_6": 5, "mqt_randomcircuit_5": 42, "mqt_vqe_real_amp_6": 15, "mqt_vqe_two_local_6": 45, "mqt_wstate_6": 10,
    "qaoa_ring_8_p2": 16, "qft_swaps_6": 15, "qv_4": 18, "real_amp_full_6_r3": 45, "toffoli3_5": 15,
    "trotter_ising_8_s3": 20, "zzfm_lin_8_r2": 14,
}  # fmt: skip


class Count(NamedTuple):
    """Gates on two qubits, on one, depth, and seconds."""

    two: int
    one: int
    depth: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.two}/{self.one}, {self.depth}, {1000 * self.seconds:.1f} ms"


Compiler = Callable[[str], Count]


def template_of(circuit: Template) -> Template:
    """The circuit with a symbol for every angle that is no multiple of an eighth of a turn."""
    angles = [
        (i, j)
        for i, op in enumerate(circuit.operations)
        for j, angle in enumerate(op.angles)
        if abs(math.remainder(angle.constant, math.pi / 4)) > 1e-9
    ]
    if not angles:
        return circuit
    symbols = Parameter("t", shape=(len(angles),))
    numbers = {place: n for n, place in enumerate(angles)}
    return Template(
        circuit.n_qubits,
        [
            replace(
                op,
                angles=tuple(
                    symbols[numbers[i, j]] if (i, j) in numbers else angle
                    for j, angle in enumerate(op.angles)
                ),
            )
            for i, op in enumerate(circuit.operations)
        ],
    )


def ours(entangler: str, *, symbolic: bool = False) -> Compiler:
    """Our compiler for one kind of machine; of the circuit as it is, or of its template."""

    def run(text: str) -> Count:
        circuit = loads(text).freeze()
        circuit = template_of(circuit) if symbolic else circuit
        seconds = []
        for _ in range(ROUNDS):
            compiling._compiled.cache_clear()
            start = time.perf_counter()
            compile_native(circuit, entangler, verify=False)
            seconds.append(time.perf_counter() - start)
        program = compile_native(circuit, entangler)
        one, two = program.gate_counts
        return Count(two, one, program.depth, median(seconds))

    return run


def qiskit(basis: list[str]) -> Compiler:
    """Qiskit's level 3 into a basis; Z rotations count neither as gates nor in depth, as they are virtual."""
    from qiskit import transpile
    from qiskit.qasm2 import LEGACY_CUSTOM_INSTRUCTIONS
    from qiskit.qasm2 import loads as read

    def run(text: str) -> Count:
        circuit = read(text, custom_instructions=LEGACY_CUSTOM_INSTRUCTIONS)
        circuit.remove_final_measurements()
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            done = transpile(circuit, basis_gates=basis, optimization_level=3, seed_transpiler=1)
            seconds.append(time.perf_counter() - start)
        counts = done.count_ops()
        two = sum(n for name, n in counts.items() if name in {"cx", "rzz"})
        one = sum(n for name, n in counts.items() if name not in {"cx", "rzz", "rz", "barrier"})
        return Count(two, one, done.depth(lambda each: each.operation.name != "rz"), median(seconds))

    return run


def qiskit_ionq(target: str) -> Compiler:
    """qiskit-ionq's own transpilation to native gates."""
    from qiskit import transpile
    from qiskit.qasm2 import LEGACY_CUSTOM_INSTRUCTIONS
    from qiskit.qasm2 import loads as read
    from qiskit_ionq import IonQProvider

    backend = IonQProvider("none").get_backend(target, gateset="native")

    def run(text: str) -> Count:
        circuit = read(text, custom_instructions=LEGACY_CUSTOM_INSTRUCTIONS)
        circuit.remove_final_measurements()
        start = time.perf_counter()
        done = transpile(circuit, backend=backend, optimization_level=3, seed_transpiler=1)
        seconds = time.perf_counter() - start
        counts = done.count_ops()
        two = sum(counts.get(name, 0) for name in ("ms", "zz"))
        return Count(two, sum(counts.get(name, 0) for name in ("gpi", "gpi2")), done.depth(), seconds)

    return run


def cirq_ionq(kind: str) -> Compiler:
    """cirq-ionq's native gate sets."""
    import cirq
    import cirq_ionq as package
    from cirq.contrib.qasm_import import circuit_from_qasm

    gateset = {"ms": package.AriaNativeGateset, "zz": package.ForteNativeGateset}[kind]()

    def run(text: str) -> Count:
        circuit = circuit_from_qasm(text)
        circuit = cirq.Circuit(op for op in circuit.all_operations() if not cirq.is_measurement(op))
        start = time.perf_counter()
        done = cirq.optimize_for_target_gateset(circuit, gateset=gateset)
        seconds = time.perf_counter() - start
        two = sum(len(op.qubits) == 2 for op in done.all_operations())
        return Count(two, sum(len(op.qubits) == 1 for op in done.all_operations()), len(done), seconds)

    return run


COLUMNS: dict[str, Callable[[], Compiler]] = {
    "qstore MS": lambda: ours("ms"),
    "qstore ZZ": lambda: ours("zz"),
    "template MS": lambda: ours("ms", symbolic=True),
    "template ZZ": lambda: ours("zz", symbolic=True),
    "Qiskit {u, cx}": lambda: qiskit(["u", "cx"]),
    "Qiskit {rz, sx, rzz}": lambda: qiskit(["rz", "sx", "rzz"]),
    "cirq-ionq MS": lambda: cirq_ionq("ms"),
    "cirq-ionq ZZ": lambda: cirq_ionq("zz"),
}


def main() -> int:
    """Compile, print, and write the section of the document."""
    parser = argparse.ArgumentParser(prog="bench.native", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder of OpenQASM 2 files")
    parser.add_argument("--no-document", action="store_true", help="print only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(options.folder.glob("*.qasm"))
    if not files:
        parser.error(f"no .qasm files in {options.folder}")
    compilers: dict[str, Compiler] = {}
    for title, make in COLUMNS.items():
        try:
            compilers[title] = make()
        except ImportError as missing:
            print(f"{title}: left out, {missing}")
    cells, sums = [], {title: [0, 0, 0] for title in compilers}
    worse = []
    for file in files:
        found = {title: compiler(file.read_text()) for title, compiler in compilers.items()}
        for title, count in found.items():
            sums[title] = [a + b for a, b in zip(sums[title], count[:3], strict=True)]
        best = BEST_MEASURED.get(file.stem)
        if best is not None and found["qstore MS"].two > best:
            worse.append(file.stem)
        cells.append([file.stem, *map(str, found.values()), str(best or "")])
        print(cells[-1], flush=True)
    cells.append(["sum", *(f"{two}/{one}, {depth}" for two, one, depth in sums.values()), ""])
    text = rows(
        "Gates on two qubits/on one, depth, time of the compile:",
        cells,
        ["circuit", *compilers, "fewest of eight compilers"],
    )
    lost = f"More entanglers than the best of the eight: {', '.join(worse) or 'none'}."
    text += f"\n\n{lost}\n\n{machine()}\n\nCommand: `python -m nox -s bench -- native FOLDER`"
    print(text)
    if not options.no_document:
        replace_section(DOCUMENT, "native", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
