# SPDX-License-Identifier: Apache-2.0
"""The demo's command line: train on three seeds, compare with a classical model of the same size, write a report.

The defaults (depth and entanglement, learning rates of both models, batch size, epochs) were chosen with `--choose`,
which cuts the training part once more and never looks at the test images.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qstore.errors import QStoreError

if TYPE_CHECKING:
    from torch.nn import Module

    from qstore_torch.demo.data import ImageData
    from qstore_torch.demo.training import Keeping, Outcome, Settings

__all__ = ["main"]

SEEDS = (1, 2, 3)
EPOCHS, BATCH_SIZE = 60, 32
CHECKPOINT_EVERY = 10
"""Epochs; on two processors that is less than a second of training."""
LEARNING_RATES = {"hybrid": 0.05, "classical": 0.05}
NEEDED = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "tqdm": "tqdm", "qstore_sim": "qstore-sim"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code (130 after Ctrl-C, 1 for trouble)."""
    args = _parser().parse_args(argv)
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.stderr.write(f"The demo needs {', '.join(missing)}: pip install 'qstore-torch[demo]'\n")
        return 1
    try:
        return _run(args)
    except QStoreError as exc:
        sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qstore_torch.demo",
        description="Train a hybrid quantum-classical classifier on real images and write a report.",
        epilog="Fashion-MNIST: download its four files, then --data fashion-mnist --data-dir DIR --epochs 2",
    )
    parser.add_argument("--data", choices=["digits", "mnist", "fashion-mnist"], default="digits",
                        help="images: scikit-learn's handwritten digits (default), or files in --data-dir")  # fmt: skip
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder with the IDX files of mnist or fashion-mnist"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="N",
                        help="one training run per seed (default: 1 2 3)")  # fmt: skip
    parser.add_argument("--epochs", type=_positive, default=EPOCHS, metavar="N",
                        help=f"passes over the training images (default: {EPOCHS})")  # fmt: skip
    parser.add_argument(
        "--train-limit", type=_positive, metavar="N", help="use only the first N training images"
    )
    parser.add_argument("--backend", default="statevector", metavar="NAME", help="see 'qstore backends'")
    parser.add_argument("--double", action="store_true", help="compute in double precision")
    parser.add_argument("--choose", action="store_true",
                        help="measure on a part of the training images instead of the test images, for choosing options")  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="where reports go (default: runs)"
    )
    parser.add_argument("--checkpoints", type=Path, metavar="DIR",
                        help="keep checkpoints there, in hybrid-SEED, and go on from them: the same command again after an "
                        "interruption ends with the same model (needs qstore-storage)")  # fmt: skip
    parser.add_argument("--checkpoint-every", type=_positive, default=CHECKPOINT_EVERY, metavar="N",
                        help=f"epochs from one checkpoint to the next (default: {CHECKPOINT_EVERY})")  # fmt: skip
    parser.add_argument("--metrics", type=Path, metavar="DIR",
                        help="log a row per epoch there; 'qstore metrics DIR/hybrid-1' shows it (needs qstore-storage)")  # fmt: skip
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def _run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    import qstore as qs
    import torch
    from qstore_torch.demo.data import load, without_test
    from qstore_torch.demo.model import classical_model, count, hybrid_model
    from qstore_torch.demo.report import new_folder, summary, write
    from qstore_torch.demo.training import Settings

    # The read-out is tiny. Torch's worker threads would only spin on cores that the simulator can use: on a machine
    # that does anything else besides, training takes ten times as long.
    torch.set_num_threads(1)
    data = load(args.data, args.data_dir)
    data = without_test(data) if args.choose else data
    if args.train_limit:
        data = replace(
            data, train_x=data.train_x[: args.train_limit], train_y=data.train_y[: args.train_limit]
        )
    options = {} if args.backend != "statevector" else {"precision": "double" if args.double else "single"}
    backend = qs.get_backend(args.backend, **options)
    n_classes = len(data.classes)

    def hybrid() -> Module:
        return hybrid_model(data.n_qubits, n_classes, backend)

    parameters = {"hybrid": count(hybrid())}
    total = sum(parameters["hybrid"])

    def classical() -> Module:
        return classical_model(data.train_x.shape[1], n_classes, total)

    parameters["classical"] = count(classical())
    settings = {name: Settings(epochs=args.epochs, batch_size=BATCH_SIZE, learning_rate=rate)
                for name, rate in LEARNING_RATES.items()}  # fmt: skip
    quantum, linear = parameters["hybrid"]
    print(
        f"{len(data.train_x)} training and {len(data.test_x)} test images of {n_classes} classes ({data.name})"
    )
    print(
        f"hybrid: {data.n_qubits} qubits, {quantum} quantum + {linear} classical parameters, backend {backend.name!r}"
    )
    print(f"classical, for comparison: {parameters['classical'][1]} parameters\n")

    # A first step by itself: right after installation it compiles the simulator, which is no part of training.
    hybrid()(torch.from_numpy(data.train_x[:2])).sum().backward()
    runs: dict[str, dict[int, Outcome]] = {"hybrid": {}, "classical": {}}
    interrupted = False
    try:
        for name, make in (("hybrid", hybrid), ("classical", classical)):
            for seed in args.seeds:
                runs[name][seed] = _train(name, make, data, seed, settings[name], _keeping(args, name, seed))
    except KeyboardInterrupt:
        interrupted = True
        print("\nInterrupted; what is finished is kept.")
    done = {name: by_seed for name, by_seed in runs.items() if by_seed}
    if "hybrid" not in done:
        return 130
    facts = {
        "data": data.name,
        "backend": backend.name,
        "precision": options.get("precision"),
        "complete": not interrupted,
    }
    numbers = summary(done, parameters, settings, facts)
    folder = new_folder(args.out)
    write(folder, done, numbers, data.classes)
    what = "held-out training" if args.choose else "test"
    print()
    for name, by_seed in done.items():
        seconds, accuracy = numbers[name]["seconds"], 100 * numbers[name]["test_accuracy"]
        print(
            f"{name:>9}: {accuracy:.2f} % of the {what} images right (mean of {len(by_seed)}), "
            f"{seconds:.1f} s of training each, {numbers[name]['samples_per_second']:,.0f} samples/s"
        )
    print(f"\nReport: {folder}/  (summary.json, history.csv, training.png, confusion.png)")
    return 130 if interrupted else 0


def _keeping(args: argparse.Namespace, name: str, seed: int) -> Keeping:
    from qstore_torch.demo.training import Keeping

    def folder(root: Path | None) -> Path | None:
        return None if root is None else root / f"{name}-{seed}"

    return Keeping(
        checkpoints=folder(args.checkpoints), metrics=folder(args.metrics), every=args.checkpoint_every
    )


def _train(
    name: str, make: Callable[[], Module], data: ImageData, seed: int, settings: Settings, keeping: Keeping
) -> Outcome:
    from tqdm import tqdm

    from qstore_torch.demo.training import Epoch, train

    with tqdm(
        total=settings.epochs, desc=f"{name}, seed {seed}", unit="epoch", dynamic_ncols=True, mininterval=0.2
    ) as bar:

        def report(epoch: Epoch) -> None:
            bar.set_postfix_str(f"loss {epoch.loss:.3f}, accuracy {100 * epoch.accuracy:.1f} %, "
                                f"{epoch.samples_per_second:,.0f} samples/s", refresh=False)  # fmt: skip
            bar.update()

        return train(make, data, seed, settings, report, keeping)
