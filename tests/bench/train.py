# SPDX-License-Identifier: Apache-2.0
"""Time a training step of a quantum layer side by side with other simulators; `--help` lists the options.

All columns take turns round by round, in an order that rotates, so a machine that slows down slows down all of them;
ratios are medians over rounds. The run fails if values or gradients of any two columns differ by more than AGREEMENT.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from bench.peak import peak_flops
from bench.peers import OURS, PEERS
from bench.process import PeerFailedError, PeerMissingError, PeerProcess
from bench.report import Timing, machine, rates, replace_section, tables
from bench.workload import CASES, QUICK_CASES, WIDE_CASES, Array, Case

AGREEMENT = 1e-4  # single precision; relative to the largest entry where that exceeds 1
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
SEED = 20
WIDE_PEERS = [OURS, "tensorcircuit"]
TURN_S = 0.1  # a turn repeats short steps for about so long
PAUSE_S = 0.02  # between turns: lets the thread pool of the peer before stop spinning


def start(names: list[str], tfq_python: str | None) -> tuple[dict[str, PeerProcess], list[str]]:
    """A process for each peer that is installed, and a line for each that is but does not work."""
    pythons = {"main": sys.executable, "tfq": tfq_python}
    processes = {}
    problems = []
    for name in names:
        python = pythons[PEERS[name].environment]
        if python is None or not Path(python).exists():
            print(f"{name}: left out, no environment of its own (--tfq-python)")
            continue
        try:
            processes[name] = PeerProcess(name, python)
        except PeerMissingError as error:
            print(f"{name}: left out, {error}")
        except PeerFailedError as error:
            problems.append(str(error))
    if OURS in names and OURS not in processes and not problems:
        problems.append(f"{OURS} is not installed in {sys.executable}; leave it out with --peers")
    if not processes:
        problems.append(f"none of the peers {', '.join(names)} can be run")
    return processes, problems


def check_agreement(label: str, answers: dict[str, dict[str, Array]]) -> list[str]:
    """A line for each array in which two columns differ too much."""
    problems = []
    reference, *others = answers
    for name in others:
        for key, expected in answers[reference].items():
            found = answers[name][key]
            if found.shape != expected.shape:
                problems.append(
                    f"{label}: {key} of {name} has shape {found.shape}, of {reference} {expected.shape}"
                )
                continue
            error = float(np.max(np.abs(found - expected))) / max(1.0, float(np.max(np.abs(expected))))
            if not error <= AGREEMENT:
                problems.append(
                    f"{label}: {key} of {name} and {reference} differ by {error:.1e} > {AGREEMENT:.0e}"
                )
    return problems


def measure(
    case: Case, processes: dict[str, PeerProcess], rounds: int
) -> tuple[dict[str, Timing], list[str]]:
    """Build the case everywhere, compare the answers, then time the columns in turns."""
    answers: dict[str, dict[str, Array]] = {}
    timings: dict[str, Timing] = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = str(Path(folder, "inputs.npz"))
        np.savez(inputs, **case.inputs_of(SEED))
        for name, process in processes.items():
            results = str(Path(folder, f"{name}.npz"))
            built = process.ask("build", case=case.label, inputs=inputs, results=results)
            if "refused" in built:
                continue
            timings[name] = Timing(built["first_s"], [], [], built["flops"])
            answers[name] = dict(np.load(results))
    names = list(timings)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            for what, times in (("step", timings[name].step_s), ("forward", timings[name].forward_s)):
                time.sleep(PAUSE_S)
                times.append(median(processes[name].ask("time", what=what, seconds=TURN_S)["seconds"]))
    return timings, check_agreement(case.label, answers)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two small cases, three rounds, nothing written")
    parser.add_argument("--rounds", type=int, help="turns of every peer on every case (9; with --quick 3)")
    parser.add_argument("--cases", nargs="+", type=Case.parse, metavar="QUBITS,DEPTH,BATCH,ENTANGLEMENT")
    parser.add_argument(
        "--peers", nargs="+", choices=list(PEERS), help="columns (all; of the wide table the fastest)"
    )
    parser.add_argument("--wide", action="store_true", help="the table of many kinds of circuits")
    parser.add_argument(
        "--tfq-python",
        default=os.environ.get("TFQ_PYTHON"),
        help="interpreter of TensorFlow Quantum's environment (default: the variable TFQ_PYTHON)",
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print, and write the document unless the run was cut down."""
    options = arguments()
    rounds = options.rounds or (3 if options.quick else 3 if options.wide else 9)
    usual = QUICK_CASES if options.quick else WIDE_CASES if options.wide else CASES
    cases = options.cases or usual
    processes, problems = start(
        options.peers or (WIDE_PEERS if options.wide else list(PEERS)), options.tfq_python
    )
    results: dict[Case, dict[str, Timing]] = {}
    try:
        for case in cases if processes else ():
            results[case], found = measure(case, processes, rounds)
            problems += found
            steps = ", ".join(f"{name} {1000 * median(t.step_s):.3g}" for name, t in results[case].items())
            print(f"{case.label}: {steps} ms", flush=True)
    except PeerFailedError as error:
        problems.append(str(error))
    finally:
        for process in processes.values():
            process.close()
    versions = {key: value for process in processes.values() for key, value in process.versions.items()}
    command = shlex.join(
        ["python", "-m", "nox", "-s", "bench", *(["--", "train", *sys.argv[1:]] if sys.argv[1:] else [])]
    )
    text = "\n\n".join(
        [
            *([] if options.wide else [tables(results, list(processes))]),
            *([rates(results, peak_flops())] if OURS in processes and results else []),
            f"Machine: {machine()}. Measured {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds.",
            f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}.",
            f"Command: `{command}`",
        ]
    )
    print(f"\n{text}\n")
    for problem in problems:
        print(f"FAILED {problem}")
    complete = options.cases is None and not options.quick and OURS in processes
    if complete and not problems:
        replace_section(DOCUMENT, "wide" if options.wide else "train", text)
        print(f"Written to {DOCUMENT}.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
