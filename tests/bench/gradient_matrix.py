# SPDX-License-Identifier: Apache-2.0
"""Which gradient method gives what: `python -m bench.gradient_matrix`.

{adjoint, parameter shift, finite difference, SPSA} x {exact, shots} x {batch 1, 32} x {weights, inputs}, through our torch
layer and through PennyLane's TorchLayer, on one circuit. Every cell is compared with backpropagation through PennyLane's
default.qubit; for "weights" the inputs need no gradient, for "inputs" both do, as behind another layer; a batch of 1
keeps its axis, as a DataLoader delivers it. A cell reads

    right      within tolerance: EXACT for exact methods, their own bias for approximate ones; with shots and random
               directions the mean over repeats lies within five standard errors of itself (and the bias) of the truth
    WRONG      it gave numbers, and they are not the gradient
    no grad    it ran, and gave no gradient at all
    refused    before any circuit ran, with the reason
    failed     with an exception after circuits had run, so that their time and money are lost

Our cells must be "right" or "refused"; the exit status says whether they are.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import qstore as qs
import torch
from bench.report import rows
from qstore.errors import QStoreError
from qstore.gradients import GradientConfig
from qstore_torch import QuantumLayer

Array = NDArray[np.float64]
METHODS = {
    "adjoint": "adjoint",
    "parameter_shift": "parameter-shift",
    "finite_difference": "finite-diff",
    "spsa": "spsa",
}
"""Our name of each method, and PennyLane's."""
BATCHES, SHOTS, PARTS = (1, 32), (None, 2000), ("weights", "inputs")
QUBITS, LAYERS = 3, 2
BIAS = {"adjoint": 1e-5, "parameter_shift": 1e-5, "finite_difference": 2e-2, "spsa": 2e-2}
"""Largest error besides noise, relative to the largest entry: layers compute in float32, and steps are finite."""
EPSILON = {
    "exact": {"finite_difference": 1e-3, "spsa": 1e-3},
    "shots": {"finite_difference": 0.2, "spsa": 0.1},
}
DIRECTIONS = 32
"""Of SPSA, per repeat, for both."""
REPEATS = {"exact": {"spsa": 12}, "shots": dict.fromkeys(METHODS, 12)}
DEVIATIONS = 6.0
"""Standard errors of the mean of 12 repeats, 11 degrees of freedom: chance is below 1e-4 for an entry."""


class Problem(NamedTuple):
    """One batch: inputs, weights, and the cotangent of all outputs."""

    x: Array
    w: Array
    cotangent: Array


class Found(NamedTuple):
    """Gradients of one backward pass; None where there is none."""

    inputs: Array | None
    weights: Array | None


class Refusal(NamedTuple):
    """An exception, and whether a circuit had run before it."""

    error: Exception
    ran: bool


def problem(batch: int) -> Problem:
    """Random, the same in every run."""
    rng = np.random.default_rng([batch, 29])
    w = rng.uniform(-2, 2, (LAYERS, QUBITS, 2))
    return Problem(rng.uniform(-2, 2, (batch, QUBITS)), w, rng.normal(size=(batch, QUBITS)))


def circuit() -> qs.QuantumCircuit:
    """Angle encoding, then layers of RY, RZ and a ring of CNOTs; the inputs once more at the end, scaled."""
    x, w = qs.Parameter("x", (QUBITS,)), qs.Parameter("w", (LAYERS, QUBITS, 2))
    made = qs.QuantumCircuit(QUBITS)
    for q in range(QUBITS):
        made.ry(q, x[q])
    for layer in range(LAYERS):
        for q in range(QUBITS):
            made.ry(q, w[layer, q, 0]).rz(q, w[layer, q, 1])
        for q in range(QUBITS):
            made.cx(q, (q + 1) % QUBITS)
    for q in range(QUBITS):
        made.rx(q, 0.5 * x[q])
    return made


class Watched:
    """The embedded simulator; remembers whether it was asked to run anything."""

    name = "watched"

    def __init__(self) -> None:
        self._inner: Any = qs.get_backend("statevector")
        self.capabilities = self._inner.capabilities
        self.ran = False

    def run_sync(self, batch: qs.CircuitBatch) -> qs.BatchResult:
        self.ran = True
        return self._inner.run_sync(batch)  # type: ignore[no-any-return]

    async def run(self, batch: qs.CircuitBatch) -> qs.BatchResult:
        self.ran = True
        return await self._inner.run(batch)  # type: ignore[no-any-return]

    def vjp_sync(self, *arguments: Any) -> Any:
        self.ran = True
        return self._inner.vjp_sync(*arguments)

    async def vjp(self, *arguments: Any) -> Any:
        self.ran = True
        return await self._inner.vjp(*arguments)

    def estimate(self, batch: qs.CircuitBatch) -> qs.Estimate:
        return self._inner.estimate(batch)  # type: ignore[no-any-return]


def ours(method: str, shots: int | None, batch: int, of: str, seed: int) -> Found | Refusal:
    """One forward and backward pass of our layer."""
    given = problem(batch)
    kind = "exact" if shots is None else "shots"
    config = GradientConfig(
        method=method,
        epsilon=EPSILON[kind].get(method),
        samples=DIRECTIONS if method == "spsa" else None,
        seed=seed if method == "spsa" else None,
    )
    backend = Watched()
    layer = QuantumLayer(
        circuit(), shots=shots, seed=None if shots is None else seed, gradient_method=config, backend=backend,
        initial_weights={"w": given.w},
    )  # fmt: skip
    x = torch.tensor(given.x, dtype=torch.float32, requires_grad=of == "inputs")
    try:
        layer(x).backward(torch.tensor(given.cotangent, dtype=torch.float32))
    except QStoreError as exc:
        return Refusal(exc, backend.ran)
    return Found(_array(x.grad), _array(layer.weights["w"].grad))


def _pennylane(inputs: torch.Tensor, w: torch.Tensor) -> list[object]:
    import pennylane as qml

    for q in range(QUBITS):
        qml.RY(inputs[..., q], wires=q)
    for layer in range(LAYERS):
        for q in range(QUBITS):
            qml.RY(w[layer, q, 0], wires=q)
            qml.RZ(w[layer, q, 1], wires=q)
        for q in range(QUBITS):
            qml.CNOT(wires=[q, (q + 1) % QUBITS])
    for q in range(QUBITS):
        qml.RX(0.5 * inputs[..., q], wires=q)
    return [qml.expval(qml.Z(q)) for q in range(QUBITS)]


def theirs(method: str, shots: int | None, batch: int, of: str, seed: int) -> Found | Refusal:
    """One forward and backward pass of PennyLane's TorchLayer; `backprop` on default.qubit is the truth."""
    import pennylane as qml

    given = problem(batch)
    kind = "exact" if shots is None else "shots"
    device = qml.device("default.qubit", wires=QUBITS, seed=seed)
    options: dict[str, object] = {}
    if method == "finite_difference":
        options = {"h": EPSILON[kind][method], "strategy": "center", "approx_order": 2}
    if method == "spsa":
        rng = np.random.default_rng(seed)
        options = {"h": EPSILON[kind][method], "num_directions": DIRECTIONS, "sampler_rng": rng}
    with qml.Tracker(device) as tracker:
        try:
            node = qml.QNode(
                _pennylane, device, diff_method=METHODS.get(method, method),
                interface="torch", gradient_kwargs=options,
            )  # fmt: skip
            if shots is not None:
                node = qml.set_shots(node, shots=shots)
            layer = qml.qnn.TorchLayer(node, {"w": given.w.shape})
            layer.w.data = torch.tensor(given.w, dtype=torch.float32)
            x = torch.tensor(given.x, dtype=torch.float32, requires_grad=of == "inputs")
            values = layer(x)
            values.backward(torch.tensor(given.cotangent, dtype=values.dtype))
        except Exception as exc:  # noqa: BLE001  # whatever it raises is the content of the cell
            return Refusal(exc, bool(tracker.totals.get("executions", 0)))
    return Found(_array(x.grad), _array(layer.w.grad))


def _array(gradient: torch.Tensor | None) -> Array | None:
    return None if gradient is None else gradient.detach().numpy().astype(np.float64)


Peer = Callable[[str, int | None, int, str, int], Found | Refusal]
PEERS: dict[str, Peer] = {"qstore": ours, "PennyLane TorchLayer": theirs}


class Cell(NamedTuple):
    """One field of the matrix."""

    peer: str
    method: str
    shots: int | None
    batch: int
    of: str
    verdict: str
    detail: str

    @property
    def good(self) -> bool:
        """Whether it is right, or refused in time."""
        return self.verdict in ("right", "refused")


def cells(
    peer: str, *, batches: tuple[int, ...] = BATCHES, methods: tuple[str, ...] = tuple(METHODS)
) -> Iterator[Cell]:
    """Every cell of one peer."""
    for method in methods:
        for shots in SHOTS:
            for batch in batches:
                for of in PARTS:
                    yield _judged(peer, method, shots, batch, of)


def _judged(peer: str, method: str, shots: int | None, batch: int, of: str) -> Cell:
    truth = _truth(batch)
    repeats = REPEATS["exact" if shots is None else "shots"].get(method, 1)
    arrays = []
    for seed in range(repeats):
        one = PEERS[peer](method, shots, batch, of, seed)
        if isinstance(one, Refusal):
            first = re.sub(" at 0x[0-9a-f]+", "", str(one.error).strip().partition("\n")[0])
            verdict = "failed" if one.ran else "refused"
            return Cell(peer, method, shots, batch, of, verdict, f"{type(one.error).__name__}: {first}")
        arrays.append(getattr(one, of))
    verdict, detail = _verdict(method, getattr(truth, of), arrays)
    return Cell(peer, method, shots, batch, of, verdict, detail)


@cache
def _truth(batch: int) -> Found:
    found = theirs("backprop", None, batch, "inputs", 0)
    assert isinstance(found, Found), found
    return found


def _verdict(method: str, expected: Array, arrays: list[Array | None]) -> tuple[str, str]:
    given = [array for array in arrays if array is not None]
    if not given:
        return "no grad", "the gradient is None"
    mean = np.mean(given, axis=0)
    error = np.abs(mean - expected)
    spread = np.std(given, axis=0, ddof=1) / np.sqrt(len(given)) if len(given) > 1 else np.zeros_like(mean)
    allowed = BIAS[method] * np.abs(expected).max() + DEVIATIONS * spread
    noise = f" +- {spread.max():.1g}" if len(given) > 1 else ""
    detail = f"largest error {error.max():.1g}{noise} of {np.abs(expected).max():.2g}"
    return ("right" if (error <= allowed).all() else "WRONG"), detail


def table(found: list[Cell]) -> str:
    """The matrix as Markdown, and the reasons of what is not right below it."""
    header = ["method", *(f"{'exact' if s is None else 'shots'}, batch {b}, {of}" for s in SHOTS
                          for b in dict.fromkeys(cell.batch for cell in found) for of in PARTS)]  # fmt: skip
    parts = []
    for peer in dict.fromkeys(cell.peer for cell in found):
        own = [cell for cell in found if cell.peer == peer]
        lines = [
            [method, *(cell.verdict for cell in own if cell.method == method)]
            for method in dict.fromkeys(cell.method for cell in own)
        ]
        notes = dict.fromkeys(
            f"{cell.method}: {cell.verdict}: {cell.detail}" for cell in own if cell.verdict != "right"
        )
        parts.append("\n".join([rows(f"{peer}:", lines, header), "", *(f"* {note}" for note in notes)]))
    return "\n\n".join(parts)


def main() -> int:
    """Print both matrices; fail unless every cell of ours is right or refused."""
    parser = argparse.ArgumentParser(
        prog="bench.gradient_matrix", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--details", action="store_true", help="print the error of every cell too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = [cell for peer in PEERS for cell in cells(peer)]
    print(table(found))
    if options.details:
        for cell in found:
            print(
                f"{cell.peer}, {cell.method}, shots {cell.shots}, batch {cell.batch}, {cell.of}: {cell.verdict}, {cell.detail}"
            )
    return 0 if all(cell.good for cell in found if cell.peer == "qstore") else 1


if __name__ == "__main__":
    sys.exit(main())
