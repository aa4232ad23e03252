# SPDX-License-Identifier: Apache-2.0
"""`python -m conformance [NAME ...]`: report cards of the installed backends, converters, passes, gradient methods and stores.

IonQ's simulator runs on the emulator. Paid backends, and what needs hardware that is not here, are named and left out.
The exit code is 1 when a claim is broken that `EXPECTED` does not list, or a planted fault is not caught.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack

from qstore.errors import QStoreError
from qstore.plugins import loaded_plugins
from qstore.testing.examine import KIT_BACKENDS, examine
from qstore.testing.selfcheck import score
from qstore.testing.subjects import SUBJECTS, TRIALS

SETTINGS = {
    "qsim": {"tolerance": 1e-4},  # computes in single precision
    "lightning.gpu": {"tolerance": 1e-4},
}
PRECONDITIONED = "it preconditions the gradient of shared parameters on purpose"
ELSEWHERE = {"states.pinecone"}  # a service; its stand-in is in the tests of qstore-storage
EXPECTED = {
    "natural": {
        f"gradient method/{check}": PRECONDITIONED
        for check in ("outputs[Expectations]", "outputs[Variance]", "outputs[Probabilities]", "shapes[everything shared]",
                      "shapes[a batch of one row]", "subset", "shots", "amplitudes")
    },
}  # fmt: skip
"""Reasons by check. These are run, and one that passes is broken until it is taken off."""


def main(chosen: list[str]) -> int:
    broken = []
    with ExitStack() as stack:
        emulate(stack)
        for kind, names in installed().items():
            for name in names:
                if not chosen or name in chosen:
                    broken += [f"{kind} {name}"] * (not passed(kind, name))
        if not chosen or "self-test" in chosen:
            trials = [run() for made in TRIALS.values() for _, run in made()]
            print(score(trials))
            broken += [f"self-test: {trial.name}" for trial in trials if not trial.right]
    print(f"\nBroken: {', '.join(broken) or 'nothing'}")
    return 1 if broken else 0


def installed() -> dict[str, list[str]]:
    plugins = loaded_plugins()
    free = [
        entry.spec.name
        for entry in plugins.backends
        if entry.spec.capabilities and not entry.spec.capabilities.paid
    ]
    left_out = [entry.spec.name for entry in plugins.backends if entry.spec.name not in free]
    print(f"Left out, as they may cost money: {', '.join(left_out) or 'none'}\n")
    return {
        "backend": [*KIT_BACKENDS, *free],
        "converter": [entry.spec.name for entry in plugins.converters],
        "compiler": [entry.spec.name for entry in plugins.compilers],
        "gradient": [entry.spec.name for entry in plugins.gradient_methods],
        "store": [entry.spec.name for entry in plugins.stores if entry.spec.name not in ELSEWHERE],
    }


def passed(kind: str, name: str) -> bool:
    subject = SUBJECTS[kind]
    try:
        exam = subject.prepare(name, **SETTINGS.get(name, {}))
    except QStoreError as exc:
        print(f"Not examined: {kind} {name}: {exc}\n")
        return True
    card = examine(f"{kind} {name}", subject.checks(), exam, EXPECTED.get(name))
    print(card.text(), end="\n\n", flush=True)
    return card.passed


def emulate(stack: ExitStack) -> None:
    """An emulator for IonQ's simulator, and a state folder and key that are nobody's."""
    os.environ["QSTORE_HOME"] = stack.enter_context(tempfile.TemporaryDirectory())
    os.environ["IONQ_API_KEY"] = "a-key"
    from qstore_ionq.emulator import Emulator

    emulator = stack.enter_context(Emulator(seed=1, speed=float("inf")))
    os.environ["QSTORE_IONQ_URL"] = emulator.url


if __name__ == "__main__":  # backends that start processes import this again
    sys.exit(main(sys.argv[1:]))
