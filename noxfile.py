# SPDX-License-Identifier: Apache-2.0
"""Every task of this repository: `python -m nox -l` lists them, `python -m nox -s NAME` sets up and runs one.

Versions come from `constraints.txt` everywhere, Pythons from the classifiers of `qstore-core`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import nox

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typecheck", "tests", "docs"]


class Dist(NamedTuple):
    """A distribution; `extras` maps each extra to the modules that only it brings, `needs` names its siblings."""

    name: str
    path: str
    module: str
    extras: dict[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()


DISTS = {
    dist.name: dist
    for dist in (
        Dist("qstore-core", "qstore-core", "qstore", {"viz": ("matplotlib",), "progress": ("tqdm",)}),
        Dist(
            "qstore-sim",
            "qstore-sim",
            "qstore_sim",
            {
                "cirq": ("cirq",),
                "qiskit": ("qiskit",),
                "pennylane": ("pennylane",),
                "lightning": ("pennylane", "pennylane_lightning"),
                "braket": ("braket",),
                "qsim": ("qsimcirq",),
                "aer": ("qiskit_aer",),
                "dask": ("distributed",),
            },
            needs=("qstore-core",),
        ),
        Dist(
            "qstore-ionq",
            "qstore-ionq",
            "qstore_ionq",
            {"emulator": ("starlette", "uvicorn", "qstore_sim"), "keyring": ("keyring",)},
            needs=("qstore-core",),
        ),
        Dist(
            "qstore-torch",
            "qstore-torch",
            "qstore_torch",
            {"tensorboard": ("tensorboard",), "demo": ("matplotlib", "sklearn", "tqdm", "qstore_sim")},
            needs=("qstore-core",),
        ),
        Dist(
            "qstore-tf",
            "qstore-tf",
            "qstore_tf",
            {
                "tensorboard": ("tensorboard",),
                "torch": ("torch",),
                "jax": ("jax",),
                "demo": ("sklearn", "qstore_sim"),
            },
            needs=("qstore-core",),
        ),
        Dist(
            "qstore-storage",
            "qstore-storage",
            "qstore_storage",
            {
                "remote": ("fsspec",),
                "safetensors": ("safetensors",),
                "pinecone": ("pinecone",),
                "lancedb": ("lancedb",),
                "tensorboard": ("tensorboard",),
                "plots": ("matplotlib",),
            },
            needs=("qstore-core",),
        ),
    )
}

PYTHONS = nox.project.python_versions(nox.project.load_toml("qstore-core/pyproject.toml"))
CONSTRAINTS = ("-c", str(Path("constraints.txt").resolve()))
BUILD_TOOLS = ("hatchling", "editables", "build")
TEST_TOOLS = (
    "pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "cirq-core", "cirq-ionq", "pennylane",
    "duckdb", "pandas", "polars",
)  # fmt: skip
CLIENTS = ("qiskit", "qiskit-ionq", "qiskit-qasm3-import", "pennylane-ionq", "amazon-braket-sdk", "ply")
TEST_EXTRAS = (
    "viz", "progress", "demo", "emulator", "tensorboard", "torch", "jax", "remote", "safetensors", "pinecone", "lancedb", "plots",
)  # fmt: skip
"""Extras that the tests, the types and the documents need."""
SIMULATORS = ("cirq", "qiskit", "pennylane", "lightning", "braket", "qsim", "aer", "dask")
"""Extras of qstore-sim that bring another simulator or converter."""
BENCH_PEERS = (
    *CLIENTS, "cirq-ionq", "jax", "tensorcircuit-ng", "pennylane", "pennylane-lightning", "qulacs", "torch", "cirq-core", "qsimcirq", "qiskit-aer",
)  # fmt: skip
BENCH_PARTS = (
    ("train",), ("train", "--wide"), ("single", "--table", "big"), ("single", "--table", "shots"),
    ("layers",), ("torch_citizen",), ("gradient_matrix",), ("ddp",), ("keras_workers",), ("checkpoints",),
)  # fmt: skip
TFQ = "tensorflow-quantum==0.7.6"


def install(session: nox.Session, *tools: str, extras: tuple[str, ...] = (), deps: bool = True) -> None:
    """Install the tools and, editable, all distributions with those of the extras that they have."""
    session.install(*CONSTRAINTS, *BUILD_TOOLS, *tools)
    targets = []
    for dist in DISTS.values():
        chosen = ",".join(extra for extra in extras if extra in dist.extras)
        targets += ["-e", f"{dist.path}[{chosen}]" if chosen else dist.path]
    # Without isolation the build tools are installed once, not once for each distribution.
    session.install(*CONSTRAINTS, "--no-build-isolation", *(() if deps else ("--no-deps",)), *targets)


def build_wheels(session: nox.Session, folder: Path) -> dict[str, str]:
    """Build every distribution's sdist and, from it, its wheel; the wheel's path by distribution."""
    session.install(*CONSTRAINTS, *BUILD_TOOLS)
    for old in folder.glob("qstore_*"):
        old.unlink()
    for dist in DISTS.values():
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(folder), dist.path)
    return {name: str(next(folder.glob(f"{name.replace('-', '_')}-*.whl"))) for name in DISTS}


def run_tests(session: nox.Session) -> None:
    """All distributions in one environment; a `-m` of the user's replaces ours, as pytest keeps the last."""
    install(session, *TEST_TOOLS, extras=(*TEST_EXTRAS, *SIMULATORS))
    session.run("python", "-m", "pytest", "-n", "2", "-m", "not slow", "tests", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the Python that runs nox; arguments after `--` go to pytest."""
    run_tests(session)


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """Run the tests on every Python that the classifiers promise."""
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    install(session, "ruff", "import-linter", deps=False)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session, "mypy", extras=TEST_EXTRAS)
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every docstring example and every Python block of the documents, and follow their relative links."""
    install(session, *TEST_TOOLS, extras=TEST_EXTRAS)
    sources = [f"{dist.path}/src" for dist in DISTS.values()]
    session.run(
        "python",
        "-m",
        "pytest",
        "--doctest-modules",
        "--doctest-ignore-import-errors",
        *sources,
        "tests/docs",
        *session.posargs,
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel of every distribution into `dist/`."""
    build_wheels(session, Path("dist"))


@nox.session
def wheels(session: nox.Session) -> None:
    """Install every built wheel, with its siblings' wheels, into an empty environment and import all of it."""
    folder = Path(session.create_tmp()).resolve()
    built = build_wheels(session, folder)
    for dist in DISTS.values():
        environment = folder / dist.name
        session.run("python", "-m", "venv", "--clear", str(environment))
        python = str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        # By path, so that no index can slip in a namesake.
        paths = [built[name] for name in (dist.name, *dist.needs)]
        session.run(python, "-m", "pip", "install", "-q", *CONSTRAINTS, *paths, external=True)
        optional = {module for modules in dist.extras.values() for module in modules}
        check = Path("tests/packaging/check_installed.py").resolve()
        session.run(python, "-I", str(check), dist.name, dist.module, *sorted(optional), external=True)


@nox.session
def third_party(session: nox.Session) -> None:
    """Install somebody else's plugin and a broken one from wheels, beside ours; run the kit on it and `qstore doctor`."""
    folder = Path(session.create_tmp()).resolve()
    built = build_wheels(session, folder)
    for name in ("qstore-acme", "qstore-broken"):
        session.run(
            "python",
            "-m",
            "build",
            "--no-isolation",
            "--wheel",
            "--outdir",
            str(folder),
            f"tests/third_party/{name}",
        )
    others = [str(next(folder.glob(f"{name}-*.whl"))) for name in ("qstore_acme", "qstore_broken")]
    session.install(*CONSTRAINTS, *TEST_TOOLS, built["qstore-core"], built["qstore-sim"])
    session.install(*CONSTRAINTS, "--no-deps", "--force-reinstall", *others)
    session.run("qstore", "doctor")
    session.run("qstore", "doctor", "--strict", success_codes=[1])
    kit = (
        "--qstore-backend",
        "acme.dice",
        "--qstore-compiler",
        "swaps_as_cx",
        "--qstore-gradient",
        "five_points",
    )
    session.run(
        "python",
        "-m",
        "pytest",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "--pyargs",
        "qstore.testing",
        *kit,
    )
    session.run("python", "-m", "pytest", "tests/third_party", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Print the report card of everything that is installed, and how many planted faults the kit catches."""
    install(session, *TEST_TOOLS, extras=("emulator",))
    session.chdir("tests")
    session.run("python", "-m", "conformance", *session.posargs)


@nox.session
def guests(session: nox.Session) -> None:
    """Run PennyLane's own device test suite on our device, and the tests of our backends inside other people's SDKs."""
    install(session, *TEST_TOOLS, "flaky", "pytest-mock", extras=("pennylane", "qiskit", "cirq"))
    session.run("python", "-m", "pytest", "tests/guests", *session.posargs)
    suite = session.run(
        "python", "-c", "from pennylane.devices.tests import get_device_tests as at; print(at())", silent=True
    )
    for shots in ("None", "20000"):
        options = ("--device=qstore.statevector", f"--shots={shots}", "--skip-ops", "--no-flaky-report")
        session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite).strip(), *options)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Compare 2,000 random circuits, 1,000 compiled ones and 500 converted ones with their judges; `-- --count N`."""
    install(session, *TEST_TOOLS, *CLIENTS)
    session.chdir("tests")
    session.run("python", "-m", "fuzz.run", *session.posargs)
    session.run("python", "-m", "fuzz.native", *session.posargs)
    session.run("python", "-m", "fuzz.converters", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Kill, lose, delay and lie, and count what was billed; about half an hour."""
    install(session, *TEST_TOOLS, extras=("emulator",))
    session.chdir("tests")
    session.run("python", "-m", "faults.core")
    session.run("python", "-m", "faults.service")


@nox.session
def torture(session: nox.Session) -> None:
    """Kill, starve and damage every store and count what was lost: nothing; `-- checkpoints --kills N` for a part."""
    install(session, *TEST_TOOLS, extras=TEST_EXTRAS)
    session.chdir("tests")
    session.run("python", "-m", "torture", *session.posargs)


@nox.session
def load(session: nox.Session) -> None:
    """Run 100,000 circuits through the executor, in this process and through HTTP; what it takes of memory and loops."""
    install(session, *TEST_TOOLS, extras=("emulator",))
    session.chdir("tests")
    session.run("python", "-m", "load.executor", *session.posargs)
    session.run("python", "-m", "bench.executor")


@nox.session
def clients(session: nox.Session) -> None:
    """Run the other IonQ clients, as they are, against the emulator, and the converters against their libraries."""
    install(session, *TEST_TOOLS, *CLIENTS, extras=("emulator",))
    session.run(
        "python",
        "-m",
        "pytest",
        "tests/clients",
        "tests/converters",
        "tests/judges/test_qasm2_against_qiskit.py",
        *session.posargs,
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Train the hybrid model on handwritten digits; arguments after `--` go to the demo."""
    install(session, extras=("demo",))
    session.run("python", "-m", "qstore_torch.demo", *session.posargs)


@nox.session(name="bench-tfq")
def bench_tfq(session: nox.Session) -> None:
    """Prepare TensorFlow Quantum's own environment; where it has no wheel, its column stays empty."""
    session.install("-c", "tests/bench/tfq-constraints.txt", TFQ, success_codes=[0, 1])


@nox.session(requires=["bench-tfq"])
def bench(session: nox.Session) -> None:
    """Measure side by side with other simulators and write docs/benchmarks.md; a part with `-- train|single ...`."""
    install(session, *BENCH_PEERS, extras=("emulator", "dask"))
    tfq = Path(session.virtualenv.location).resolve().parent / "bench-tfq" / "bin" / "python"
    session.chdir("tests")
    parts = [session.posargs] if session.posargs else BENCH_PARTS
    for module, *arguments in parts:
        session.run("python", "-m", f"bench.{module}", *arguments, env={"TFQ_PYTHON": str(tfq)})
