# SPDX-License-Identifier: Apache-2.0
"""What the framework layers add to the engine's own step, and how they stand beside others': `python -m bench.layers`.

One model for all: RY(x) on 8 qubits, 4 layers of RY, RZ and linear CNOTs, <Z> on every qubit, batch 256, single
precision, loss sum(values * g), gradients of inputs and weights. The engine's own step is what a loop without a framework
does: run the batch, form the cotangent, call the backend's vjp. Two more columns of the engine are harder to reach: the
pass that keeps the states, which the layers use, and one vjp for a cotangent that is known before the values are. Columns
take turns round by round, so that a machine that slows down slows down all of them; ratios are medians over rounds. Values
and gradients must agree first. A column is a row of COLUMNS: a name and what builds its step; one whose library is missing
is left out, and so is TensorFlow Quantum without TFQ_PYTHON, the interpreter of its own environment. `--processor-time`
counts what the process used instead of what passed, with one thread, and takes the best step of each turn: on a machine
that others use that is steadier.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.elsewhere import InItsOwnEnvironment
from bench.process import PeerMissingError
from bench.report import machine, milliseconds, rows
from bench.workload import Case

Array = NDArray[Any]
Found = tuple[Array, Array, Array]
AGREEMENT = 1e-4  # single precision; relative to the largest entry where that exceeds 1
TURN_S = 0.1
PAUSE_S = 0.02  # between turns: lets the thread pool of the column before stop spinning
THREADS: int | None = None
clock = time.perf_counter
WANTED_OVERHEAD, WANTED_RATIO = 1.15, 10.0


class Model(NamedTuple):
    """What all columns compute, and the numbers that they get."""

    qubits: int
    depth: int
    batch: int

    def arrays(self) -> tuple[Array, Array, Array]:
        """x (B, n), weights (depth, n, 2), the factors g (B, n) of the loss."""
        random = np.random.default_rng(20)
        n = self.qubits
        x = random.random((self.batch, n))
        w = random.normal(0, 0.5, (self.depth, n, 2))
        return x, w, random.standard_normal((self.batch, n))


def circuit_of(model: Model) -> Any:
    """Our circuit of the model."""
    import qstore as qs

    n = model.qubits
    x, w = qs.Parameter("x", (n,)), qs.Parameter("weights", (model.depth, n, 2))
    circuit = qs.QuantumCircuit(n)
    for q in range(n):
        circuit.ry(q, x[q])
    for layer in range(model.depth):
        for q in range(n):
            circuit.ry(q, w[layer, q, 0]).rz(q, w[layer, q, 1])
        for q in range(n - 1):
            circuit.cx(q, q + 1)
    return circuit


@cache
def _backend() -> Any:
    """One for all columns: their thread pools would get in each other's way."""
    import qstore as qs

    return qs.get_backend("statevector", precision="single", threads=THREADS)


def engine(model: Model) -> Callable[[], Found]:
    """No framework: run, cotangent, vjp."""
    import qstore as qs

    backend, circuit = _backend(), circuit_of(model).freeze()
    x, w, g = model.arrays()
    outputs = qs.Expectations([qs.Z(q) for q in range(model.qubits)])

    def step() -> Found:
        batch = qs.CircuitBatch.of(circuit, {"x": x, "weights": w}, outputs)
        values = backend.run_sync(batch).values
        _, gradients = backend.vjp_sync(batch, np.asarray(g, dtype=values.dtype))
        return values, gradients["x"], gradients["weights"]

    return step


def kept(model: Model) -> Callable[[], Found]:
    """The values, with the states kept, and what pulls a cotangent back through them: what the layers call."""
    import qstore as qs

    backend, circuit = _backend(), circuit_of(model).freeze()
    x, w, g = model.arrays()
    outputs = qs.Expectations([qs.Z(q) for q in range(model.qubits)])

    def step() -> Found:
        batch = qs.CircuitBatch.of(circuit, {"x": x, "weights": w}, outputs)
        result, pull = backend.pullback_sync(batch)
        gradients = pull(np.asarray(g, dtype=result.values.dtype))
        return result.values, gradients["x"], gradients["weights"]

    return step


def sweep(model: Model) -> Callable[[], Found]:
    """The vjp alone: only for a cotangent that is known before the values are."""
    import qstore as qs

    backend, circuit = _backend(), circuit_of(model).freeze()
    x, w, g = model.arrays()
    outputs = qs.Expectations([qs.Z(q) for q in range(model.qubits)])

    def step() -> Found:
        batch = qs.CircuitBatch.of(circuit, {"x": x, "weights": w}, outputs)
        result, gradients = backend.vjp_sync(batch, g)
        return result.values, gradients["x"], gradients["weights"]

    return step


def _torch_step(layer: Any, weights: Any, model: Model) -> Callable[[], Found]:
    import torch

    x, w, g = (torch.tensor(array, dtype=torch.float32) for array in model.arrays())
    x.requires_grad_()
    with torch.no_grad():
        weights.copy_(w)

    def step() -> Found:
        x.grad = weights.grad = None
        values = layer(x)
        (values * g).sum().backward()
        return values.detach().numpy(), x.grad.numpy(), weights.grad.numpy()

    return step


def quantum_layer(model: Model) -> Callable[[], Found]:
    """Our layer of any circuit."""
    from qstore_torch import QuantumLayer

    layer = QuantumLayer(circuit_of(model), backend=_backend())
    return _torch_step(layer, layer.weights["weights"], model)


def nothing(model: Model) -> Callable[[], Found]:
    """What torch takes for itself: the same step through a function that knows its values and gradients already."""
    import torch

    known = [torch.tensor(array, dtype=torch.float32) for array in engine(model)()]

    class Known(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weights: Any) -> Any:
            ctx.save_for_backward(x, weights)
            return known[0].clone()

        @staticmethod
        def backward(ctx: Any, *_cotangents: Any) -> Any:
            return tuple(each.clone() for each, _ in zip(known[1:], ctx.saved_tensors, strict=True))

    weights = torch.nn.Parameter(torch.empty(known[2].shape))
    return _torch_step(lambda x: Known.apply(x, weights), weights, model)


def feature_extractor(model: Model) -> Callable[[], Found]:
    """Our layer with a name; every second layer entangles in reverse, so it is a circuit of its own."""
    from qstore_torch import QuantumFeatureExtractor

    layer = QuantumFeatureExtractor(
        model.qubits, model.depth, "linear", measurement_bases="Z", backend=_backend()
    )
    return _torch_step(layer, layer.weights["weights"], model)


def keras_layer(model: Model, *, traced: bool) -> Callable[[], Found]:
    """Our Keras layer under a GradientTape, the step as a tf.function or not."""
    import tensorflow as tf

    from qstore_tf import QuantumLayer

    x, w, g = (tf.constant(array.astype(np.float32)) for array in model.arrays())
    layer = QuantumLayer(circuit_of(model), backend=_backend())
    layer(x)
    (weights,) = layer.trainable_variables
    weights.assign(w)

    def train() -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = layer(x)
            loss = tf.reduce_sum(values * g)
        return values, *tape.gradient(loss, [x, weights.value])

    run = tf.function(train) if traced else train

    def step() -> Found:
        values, grad_x, grad_w = (tensor.numpy() for tensor in run())
        return values, grad_x, grad_w

    return step


def nothing_in_tensorflow(model: Model, *, traced: bool) -> Callable[[], Found]:
    """What TensorFlow takes for itself: the same step through a call into Python that knows its answers already."""
    import tensorflow as tf

    x, w, g = (tf.constant(array.astype(np.float32)) for array in model.arrays())
    weights = tf.Variable(w)
    known = [array.astype(np.float32) for array in engine(model)()]

    def called(number: int, given: list[Any]) -> Any:
        answers = [known[0].copy()] if number == 0 else [each.copy() for each in known[1:]]
        if not traced:
            for tensor in given:
                tensor.numpy()
            return [tf.constant(each) for each in answers]
        return tf.numpy_function(lambda *_: tuple(answers), given, [tf.float32] * len(answers))

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow's own
    def layer(x: Any, weights: Any) -> Any:
        (values,) = called(0, [x, weights])
        values.set_shape(known[0].shape)
        return values, lambda cotangent: called(1, [cotangent])

    def train() -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = layer(x, weights)
            loss = tf.reduce_sum(values * g)
        return values, *tape.gradient(loss, [x, weights])

    run = tf.function(train) if traced else train

    def step() -> Found:
        values, grad_x, grad_w = (tensor.numpy() for tensor in run())
        return values, grad_x, grad_w

    return step


def tfq_layer(model: Model) -> Callable[[], Found]:
    """TensorFlow Quantum's PQC layer, without a gradient of the data: see `peers.tfq_pqc`."""
    python = os.environ.get("TFQ_PYTHON")
    if not python or not Path(python).exists():
        raise ImportError("no environment of its own: set TFQ_PYTHON to its interpreter")
    if clock is not time.perf_counter:
        raise ImportError("another process, whose processor time is not counted here")
    try:
        case = Case(model.qubits, model.depth, model.batch, "linear")
        return InItsOwnEnvironment("tfq-pqc", python, case, model.arrays(), TURN_S)
    except PeerMissingError as error:
        raise ImportError(str(error)) from error


def pennylane_layer(model: Model) -> Callable[[], Found]:
    """PennyLane's TorchLayer as its documentation makes it: default.qubit, backpropagation."""
    return _torch_layer(model, "default.qubit", "best")


def lightning_layer(model: Model) -> Callable[[], Found]:
    """PennyLane's TorchLayer on its fast simulator, adjoint differentiation."""
    return _torch_layer(model, "lightning.qubit", "adjoint")


def _torch_layer(model: Model, device: str, method: str) -> Callable[[], Found]:
    import pennylane as qml

    n = model.qubits

    def circuit(inputs: Any, weights: Any) -> Any:
        qml.AngleEmbedding(inputs, wires=range(n), rotation="Y")
        for layer in range(model.depth):
            for q in range(n):
                qml.RY(weights[layer, q, 0], wires=q)
                qml.RZ(weights[layer, q, 1], wires=q)
            for q in range(n - 1):
                qml.CNOT(wires=[q, q + 1])
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    node = qml.QNode(circuit, qml.device(device, wires=n), diff_method=method)
    layer = qml.qnn.TorchLayer(node, {"weights": (model.depth, n, 2)})
    return _torch_step(layer, layer.weights, model)


COLUMNS: Mapping[str, Callable[[Model], Callable[[], Found]]] = {
    "engine, run + vjp": engine,
    "engine, states kept": kept,
    "engine, vjp alone": sweep,
    "torch alone, nothing computed": nothing,
    "qstore_torch.QuantumLayer": quantum_layer,
    "qstore_torch.QuantumFeatureExtractor": feature_extractor,
    "TensorFlow alone, nothing computed": partial(nothing_in_tensorflow, traced=False),
    "TensorFlow alone in tf.function": partial(nothing_in_tensorflow, traced=True),
    "qstore_tf.QuantumLayer": partial(keras_layer, traced=False),
    "qstore_tf.QuantumLayer in tf.function": partial(keras_layer, traced=True),
    "PennyLane TorchLayer": pennylane_layer,
    "PennyLane TorchLayer, lightning": lightning_layer,
    "TensorFlow Quantum PQC": tfq_layer,
}
"""Name to what builds a step for a model."""
REFERENCE = "engine, run + vjp"
OTHER_CIRCUIT = {"qstore_torch.QuantumFeatureExtractor"}
"""Not compared number by number: the same gates in another order."""
NO_DATA_GRADIENT = {"TensorFlow Quantum PQC"}
OURS = {
    "QuantumLayer of torch": ("qstore_torch.QuantumLayer",),
    "QuantumLayer of Keras": ("qstore_tf.QuantumLayer", "qstore_tf.QuantumLayer in tf.function"),
}
FRAMEWORK = {
    "qstore_torch.QuantumLayer": "torch alone, nothing computed",
    "qstore_tf.QuantumLayer": "TensorFlow alone, nothing computed",
    "qstore_tf.QuantumLayer in tf.function": "TensorFlow alone in tf.function",
}
"""What a column's framework takes for itself, in the same step."""
OTHERS = ("PennyLane TorchLayer", "PennyLane TorchLayer, lightning", "TensorFlow Quantum PQC")


def measure(model: Model, rounds: int, wanted: list[str]) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of a step by column and round, and a line for each column that is missing or disagrees."""
    steps, lines, reference = {}, [], None
    for name in wanted:
        try:
            step = COLUMNS[name](model)
        except ImportError as error:
            lines.append(f"{name}: left out, {error}")
            continue
        found = step()
        reference = found if name == REFERENCE else reference
        if reference is not None and name not in OTHER_CIRCUIT:
            places = (0, 2) if name in NO_DATA_GRADIENT else (0, 1, 2)
            worst = max(
                float(np.abs(found[k] - reference[k]).max() / max(1.0, np.abs(reference[k]).max()))
                for k in places
            )
            if worst > AGREEMENT:
                lines.append(f"{name}: differs from {REFERENCE} by {worst:.1g}")
        step()
        steps[name] = step
    times: dict[str, list[float]] = {name: [] for name in steps}
    order = list(steps)
    for index in range(rounds):
        for name in order[index % len(order) :] + order[: index % len(order)]:
            time.sleep(PAUSE_S)
            turn = _turn(steps[name])
            times[name].append(median(turn) if clock is time.perf_counter else min(turn))
    return times, lines


def _turn(step: Any) -> list[float]:
    """Seconds of the steps of one turn."""
    if isinstance(step, InItsOwnEnvironment):
        return step.turn()
    step()
    turn: list[float] = []
    start = time.perf_counter()
    while not turn or time.perf_counter() - start < TURN_S:
        before = clock()
        step()
        turn.append(clock() - before)
    return turn


def ratio(times: Mapping[str, list[float]], name: str, to: str) -> float:
    """The median over rounds of the ratios of two columns."""
    return median(a / b for a, b in zip(times[name], times[to], strict=True))


def _limit_threads(count: int | None, columns: list[str]) -> None:
    """Of the frameworks; the engine has its own."""
    if count is None:
        return
    import torch

    torch.set_num_threads(count)
    if not any(name.startswith("qstore_tf") for name in columns):
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def main() -> int:
    """Print the table; 1 if a column disagrees."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--qubits", type=int, default=8)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of the engine and of torch; by default all processors")
    parser.add_argument("--processor-time", action="store_true", help="of the process, with one thread")
    parser.add_argument("--columns", help="comma-separated parts of the names of columns; by default all")
    given = parser.parse_args()
    global THREADS, clock  # noqa: PLW0603  # the columns are built from it
    THREADS = given.threads
    if given.processor_time:
        THREADS, clock = 1, time.process_time
    asked = given.columns.split(",") if given.columns else [""]
    wanted = [name for name in COLUMNS if any(part in name for part in asked)]
    _limit_threads(THREADS, wanted)
    model = Model(given.qubits, given.depth, given.batch)
    times, lines = measure(model, given.rounds, wanted)
    cells = []
    for name, column in times.items():
        cells.append([name, milliseconds(median(column)), f"{ratio(times, name, REFERENCE):.2f}",
                      f"{ratio(times, name, 'qstore_torch.QuantumLayer'):.1f}"])  # fmt: skip
    head = f"{model.qubits} qubits, depth {model.depth}, batch {model.batch}; {machine()}"
    print(rows(head, cells, ["column", "step, ms", "of the engine's", "of QuantumLayer's"]))
    print()
    for title, names in OURS.items():
        measured = [name for name in names if name in times]
        if not measured:
            continue
        best = min(measured, key=lambda name: median(times[name]))
        more = 100 * (ratio(times, best, REFERENCE) - 1)
        print(
            f"{title} adds {more:.0f} % to the engine's own step (at most {100 * (WANTED_OVERHEAD - 1):.0f} %)."
        )
        if FRAMEWORK[best] in times:
            share = 100 * ratio(times, FRAMEWORK[best], REFERENCE)
            print(f"Of these, {share:.0f} % are the framework's own step with a layer that computes nothing.")
        for other in OTHERS:
            if other in times:
                factor = ratio(times, other, best)
                print(f"{other} takes {factor:.1f} times as long (at least {WANTED_RATIO:.0f}).")
    print("\n".join(lines))
    return int(any("differs" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
