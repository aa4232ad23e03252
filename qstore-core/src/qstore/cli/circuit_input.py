# SPDX-License-Identifier: Apache-2.0
"""What the commands about one circuit have in common: its file, bindings, observables, shots."""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qstore.errors import (
    BackendUnavailable,
    BindingError,
    CircuitError,
    CircuitFormatError,
    OptionError,
    nearest_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qstore.batch import CircuitBatch
    from qstore.circuit import QuantumCircuit

__all__ = ["add_circuit_arguments", "batch_of", "read_circuit"]

MAX_BYTES = 64 * 2**20
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PI = re.compile(rf"(?P<factor>{_NUMBER}(?=\*)|[+-]?)\*?pi(?:/(?P<divisor>{_NUMBER}))?")


def add_circuit_arguments(parser: argparse.ArgumentParser) -> None:
    """The circuit, and what is to be run of it."""
    parser.add_argument("circuit", metavar="CIRCUIT",
                        help="a file of OpenQASM or of qstore's JSON; - for standard input")  # fmt: skip
    parser.add_argument("--shots", type=int, metavar="N", help="measurements; without, exact results")
    parser.add_argument("--seed", type=int, metavar="N", help="makes the outcomes of shots repeat")
    parser.add_argument("--bind", action="append", default=[], metavar="NAME=1,2,3",
                        help="values of a parameter; several times its size makes a batch; pi/2 is understood")  # fmt: skip
    parser.add_argument("--observable", action="append", default=[], metavar="'Z0 Z1'",
                        help="ask for an expectation value, such as '0.5*X0 - Z0 Z1'; may be given several times; one that "
                        "begins with a minus goes after an equals sign: --observable=-Z0")  # fmt: skip


def batch_of(args: argparse.Namespace) -> CircuitBatch:
    """The batch that the arguments ask for.

    Raises:
        QStoreError: the file cannot be read, or what is asked does not go with the circuit.
    """
    from qstore.batch import CircuitBatch, Expectations
    from qstore.cli.observable_text import parse_observable

    circuit = read_circuit(args.circuit)
    observables = [parse_observable(text) for text in args.observable]
    bindings = _bindings(circuit, args.bind)
    outputs = Expectations(observables) if observables else None
    return CircuitBatch.of(circuit, bindings, outputs, shots=args.shots, seed=args.seed)


def read_circuit(path: str) -> QuantumCircuit:
    """The circuit in a file, or in standard input for "-".

    Raises:
        OptionError: the file cannot be read.
        CircuitFormatError: what is in it is no circuit.
    """
    from qstore.circuit import QuantumCircuit

    shown = "standard input" if path == "-" else path
    content = _content(path, shown)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise CircuitFormatError(f"{shown}: no text in UTF-8 ({exc.reason} at byte {exc.start}).") from None
    if not text.strip():
        raise CircuitFormatError(f"{shown} is empty.")
    try:
        if text.lstrip().startswith("{"):
            return QuantumCircuit.from_json(text)
        return QuantumCircuit.from_any(text)
    except BackendUnavailable as exc:
        msg = (
            f"{shown}: neither a circuit of qstore's JSON nor a text that an installed converter reads; OpenQASM begins with "
            "a line such as 'OPENQASM 2.0;'."
        )
        raise CircuitFormatError(msg) from exc
    except CircuitError as exc:
        raise CircuitFormatError(f"{shown}: {exc}") from exc


def _content(path: str, shown: str) -> bytes:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:  # ValueError: a null character in the path
        reason = getattr(exc, "strerror", None) or str(exc)
        raise OptionError(f"{shown} cannot be read: {reason}.") from exc
    if len(content) > MAX_BYTES:
        raise CircuitFormatError(f"{shown} has more than {MAX_BYTES} bytes.")
    return content


def _bindings(circuit: QuantumCircuit, given: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    parameters = {parameter.name: parameter for parameter in circuit.parameters}
    bindings: dict[str, NDArray[np.float64]] = {}
    for text in given:
        name, separator, values = text.partition("=")
        name = name.strip()
        if not separator:
            raise OptionError(f"--bind takes NAME=VALUES such as theta=0.1,0.2, got {text[:80]!r}.")
        if name not in parameters:
            hint = nearest_names(name, list(parameters))
            raise BindingError(
                f"{name!r} is not a parameter of the circuit.{hint} It has {list(parameters) or 'none'}."
            )
        if name in bindings:
            raise OptionError(f"--bind gives {name!r} twice; several rows go into one, as in {name}=0.1,0.2.")
        numbers = np.array([_real(value, name) for value in values.split(",")])
        shape = parameters[name].shape
        rows, left = divmod(len(numbers), math.prod(shape))
        if left:
            raise BindingError(
                f"{name!r} has {len(numbers)} values, the circuit needs {math.prod(shape)} (shape {shape}) or a multiple, for "
                "a batch."
            )
        bindings[name] = numbers.reshape(shape if rows == 1 else (rows, *shape))
    return bindings


def _real(text: str, name: str) -> float:
    compact = text.replace(" ", "").lower()
    match = _PI.fullmatch(compact)
    try:
        if match is None:
            return float(compact)
        factor = match["factor"]
        factor = float(f"{factor}1") if factor in {"", "+", "-"} else float(factor)
        return factor * math.pi / float(match["divisor"] or 1)
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"--bind {name}: {text[:40]!r} is no number; 0.5, 1e-3, pi/2 and -3*pi/4 are."
        ) from None
