# SPDX-License-Identifier: Apache-2.0
"""Time training steps through PennyLane on `qstore.statevector`, `lightning.qubit` and `default.qubit`; `--help`.

The step: RY(x) on every qubit, `depth` layers of RY, RZ and a ring of CNOTs, <Z> of every qubit, the sum of squares of all
of them, gradients with respect to x (broadcast) and w, through PyTorch. Devices take turns; figures are medians over
rounds; the run fails if values or gradients differ by more than AGREEMENT.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pennylane as qml

import torch

AGREEMENT = 1e-6
"""lightning.qubit's gradients come back with seven digits; the others agree to 1e-12."""
DEVICES = {
    "qstore.statevector": ("qstore.statevector", "best", False),
    "lightning.qubit": ("lightning.qubit", "adjoint", False),
    "lightning.qubit, device_vjp": ("lightning.qubit", "adjoint", True),
    "default.qubit": ("default.qubit", "backprop", False),
}
"""Device, diff_method, and whether the device is asked for vector-Jacobian products."""
CASES = ((4, 2, 1), (4, 2, 64), (8, 3, 32), (12, 3, 16), (16, 2, 4))
"""Qubits, layers, rows."""
Step = Callable[[], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def step(device: str, method: str, vjp: bool, n: int, depth: int, rows: int) -> Step:
    """A training step of one case on one device: loss and gradients."""
    rng = np.random.default_rng(n)
    x = torch.tensor(rng.normal(size=(rows, n)), requires_grad=True)
    w = torch.tensor(rng.normal(size=(depth, n, 2)), requires_grad=True)

    @qml.qnode(qml.device(device, wires=n), interface="torch", diff_method=method, device_vjp=vjp)
    def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> object:
        for q in range(n):
            qml.RY(inputs[:, q] if rows > 1 else inputs[0, q], wires=q)
        for layer in weights:
            for q in range(n):
                qml.RY(layer[q, 0], wires=q)
                qml.RZ(layer[q, 1], wires=q)
            for q in range(n):
                qml.CNOT(wires=[q, (q + 1) % n])
        return [qml.expval(qml.Z(q)) for q in range(n)]

    def run() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x.grad = w.grad = None
        loss = (torch.stack(circuit(x, w)) ** 2).sum()
        loss.backward()
        assert x.grad is not None
        assert w.grad is not None
        return loss.detach(), x.grad.clone(), w.grad.clone()

    return run


def main(arguments: list[str]) -> int:
    """Print a table; 1 if devices disagree."""
    parser = argparse.ArgumentParser(prog="python -m bench.guests", description=__doc__)
    parser.add_argument(
        "--threads", type=int, default=1, help="of PyTorch, which otherwise spins beside the simulators"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="*", help="as qubits,layers,rows", default=[])
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    cases = [tuple(map(int, case.split(","))) for case in options.cases] or list(CASES)
    print(
        "| qubits, layers, rows | " + " | ".join(f"{name} ({how[1]})" for name, how in DEVICES.items()) + " |"
    )
    print("|---|" + "---|" * len(DEVICES))
    wrong = 0
    for n, depth, rows in cases:
        steps = {name: step(*how, n, depth, rows) for name, how in DEVICES.items()}
        answers = {name: run() for name, run in steps.items()}  # compiles, too
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(options.rounds):
            for name, run in steps.items():
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
        first, *others = answers.values()
        worst = max(float((a - b).abs().max()) for other in others for a, b in zip(first, other, strict=True))
        wrong += worst > AGREEMENT
        cells = [f"{1e3 * median(each):.1f} ms" for each in times.values()]
        print(
            f"| {n}, {depth}, {rows} | " + " | ".join(cells) + f" | (largest difference {worst:.0e})",
            flush=True,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
