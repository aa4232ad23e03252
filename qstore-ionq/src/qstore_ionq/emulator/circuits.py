# SPDX-License-Identifier: Apache-2.0
"""From the service's circuit JSON to circuits of the core.

Integer outcomes have qubit 0 as their least significant bit on both sides. Reading is tolerant: `target` or `targets`,
`control` or `controls`, `zz` with `phase` for `angle`, as the real clients send them; what a machine cannot run raises
`PreflightError`, which fails the job. Qubits that no gate touches are left out of the simulation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qstore.errors import QStoreError, nearest_names
from qstore_ionq.emulator.gates import (
    MAX_CONTROLS,
    NATIVE_GATES,
    PAULI_EXPONENTIAL,
    PHASE_GATE,
    QIS_GATES,
    TURN,
    Gate,
    NativeGate,
    QisGate,
)

__all__ = ["PreflightError", "Program", "read_program"]

MAX_TERMS = 1000
MAX_NONCOMMUTING_QUBITS = 3


class PreflightError(QStoreError):
    """A circuit that the machine cannot run: the job fails before it starts, and is not billed.

    Attributes:
        code: the service's word for it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Program:
    """One circuit, read.

    Attributes:
        n_qubits: its declared width.
        gates: in order.
        registers: of an OpenQASM program, each classical register and, bit by bit, the qubit that ends up holding it;
            qubits from `n_qubits` up are copies taken by measurements in the middle. None for a bit never measured.
    """

    n_qubits: int
    gates: tuple[Gate, ...]
    registers: tuple[tuple[str, tuple[int | None, ...]], ...] = ()

    @property
    def active(self) -> tuple[int, ...]:
        """The qubits that a gate touches, ascending."""
        return tuple(sorted({q for gate in self.gates for q in gate.qubits}))

    def costs(self) -> tuple[int, int]:
        """How many gates on one and on two qubits it is billed as."""
        each = [gate.costs() for gate in self.gates]
        return sum(one for one, _ in each), sum(two for _, two in each)


def read_program(
    gates: Sequence[Mapping[str, Any]],
    *,
    native: bool,
    n_qubits: int | None,
    entanglers: Sequence[str],
    limit: int,
) -> Program:
    """Read the gates of one circuit.

    Args:
        gates: JSON objects, each with a string under `gate`.
        native: which gate set.
        n_qubits: the declared width, None for one more than the highest qubit.
        entanglers: the native gates on two qubits that the machine has.
        limit: how many qubits it has.

    Raises:
        PreflightError: the machine cannot run it.
    """
    if not gates:
        raise PreflightError("InvalidInput", "The circuit has no gates.")
    known: Mapping[str, object] = NATIVE_GATES if native else {**QIS_GATES, PAULI_EXPONENTIAL: None}
    read = []
    for index, gate in enumerate(gates):
        name = gate["gate"]
        if name not in known:
            other = "native" if name in NATIVE_GATES and not native else "qis" if name in QIS_GATES else ""
            hint = (
                f" It belongs to the {other} gate set; a circuit cannot mix the two."
                if other
                else nearest_names(name, list(known))
            )
            raise PreflightError(
                "UnsupportedGate",
                f"Gate {index}: {name!r} is not in the {'native' if native else 'qis'} gate set.{hint}",
            )
        try:
            read.append(
                _read_native(name, gate, entanglers) if native else
                _read_exponential(gate) if name == PAULI_EXPONENTIAL else _read_qis(name, gate)
            )  # fmt: skip
        except PreflightError as exc:
            raise PreflightError(exc.code, f"Gate {index} ({name!r}): {exc}") from None
        if not all(math.isfinite(angle) for angle in read[-1].angles):
            raise PreflightError("InvalidInput", f"Gate {index} ({name!r}): its angle overflows.")
    highest = max(q for gate in read for q in gate.qubits)
    width = highest + 1 if n_qubits is None else n_qubits
    if highest >= width:
        raise PreflightError(
            "InvalidInput", f"A gate names qubit {highest}; the circuit has the qubits 0 to {width - 1}."
        )
    if width > limit:
        raise PreflightError("NotEnoughQubits", f"The circuit has {width} qubits, the machine {limit}.")
    return Program(width, tuple(read))


def _read_qis(name: str, gate: Mapping[str, Any]) -> Gate:
    row: QisGate = QIS_GATES[name]
    targets, controls = _qubits(gate, "target", "targets"), _qubits(gate, "control", "controls")
    if row.name == "z" and gate.get("rotation") is not None:
        row = PHASE_GATE
    if len(targets) != row.targets:
        raise PreflightError("InvalidInput", f"it takes {row.targets} target(s), got {list(targets)}.")
    if name == "cnot" and not controls:
        raise PreflightError("InvalidInput", "it needs a control.")
    if len(controls) > MAX_CONTROLS:
        raise PreflightError(
            "TooManyControls", f"it has {len(controls)} controls, at most {MAX_CONTROLS} are supported."
        )
    _check_distinct((*controls, *targets))
    return Gate(row, controls, targets, (_number(gate, "rotation"),) if row.rotates else ())


def _read_native(name: str, gate: Mapping[str, Any], entanglers: Sequence[str]) -> Gate:
    row: NativeGate = NATIVE_GATES[name]
    if row.targets == 2 and name not in entanglers:
        raise PreflightError(
            "UnsupportedGate", f"this machine entangles with {' or '.join(map(repr, entanglers))}."
        )
    targets = _qubits(gate, "target", "targets")
    if len(targets) != row.targets:
        raise PreflightError("InvalidInput", f"it takes {row.targets} target(s), got {list(targets)}.")
    _check_distinct(targets)
    turns = []
    for parameter in row.parameters:
        # cirq-ionq 1.7.0 sends the angle of `zz` under the name `phase`.
        renamed = name == "zz" and "angle" not in gate and "phase" in gate
        key = "phase" if renamed else parameter.name
        value = _number(gate, key, parameter.default)
        if not parameter.least <= value <= parameter.most:
            raise PreflightError(
                "InvalidInput",
                f"{key} is {value} turns, allowed are {parameter.least} to {parameter.most}.",
            )
        turns.append(value * TURN)
    return Gate(row, (), targets, tuple(turns))


def _read_exponential(gate: Mapping[str, Any]) -> Gate:
    targets = _qubits(gate, "target", "targets")
    _check_distinct(targets)
    terms, coefficients, time = gate.get("terms"), gate.get("coefficients"), _number(gate, "time")
    if not isinstance(terms, list) or not isinstance(coefficients, list) or len(terms) != len(coefficients):
        raise PreflightError("InvalidInput", "terms and coefficients are lists of equal length.")
    if not 1 <= len(terms) <= MAX_TERMS:
        raise PreflightError("TooManyGates", f"it has {len(terms)} terms, allowed are 1 to {MAX_TERMS}.")
    if time < 0:
        raise PreflightError("InvalidInput", f"time is {time}, it cannot be negative.")
    strings = []
    for term in terms:
        if not isinstance(term, str) or len(term) != len(targets) or set(term) - set("IXYZ"):
            raise PreflightError(
                "InvalidInput", f"the term {term!r} is not {len(targets)} letters of I, X, Y and Z."
            )
        strings.append(term[::-1])  # the last character acts on the first target
    weights = [_real(c, "coefficients") for c in coefficients]
    commuting = _commute(strings)
    if not commuting and len(targets) > MAX_NONCOMMUTING_QUBITS:
        raise PreflightError(
            "UnsupportedGate",
            f"its terms do not commute; that works on at most {MAX_NONCOMMUTING_QUBITS} qubits. Split it into Trotter "
            "steps.",
        )
    return Gate(None, (), targets, tuple(2 * time * c for c in weights), tuple(strings), commuting)


def _commute(strings: Sequence[str]) -> bool:
    """Whether all Pauli strings commute: each pair differs, beside identities, in an even number of places."""
    masks = [
        (sum(1 << i for i, p in enumerate(each) if p in "XY"), sum(1 << i for i, p in enumerate(each) if p in "ZY"))
        for each in strings
    ]  # fmt: skip
    return all(
        ((x & other_z).bit_count() + (z & other_x).bit_count()) % 2 == 0
        for i, (x, z) in enumerate(masks)
        for other_x, other_z in masks[:i]
    )


def _qubits(gate: Mapping[str, Any], one: str, many: str) -> tuple[int, ...]:
    """The qubits under either spelling; a single number may stand where a list belongs, and the other way round."""
    found: list[Any] = []
    for key in (one, many):
        value = gate.get(key)
        if value is not None:
            found += value if isinstance(value, list) else [value]
    for q in found:
        if isinstance(q, bool) or not isinstance(q, int) or q < 0:
            raise PreflightError("InvalidInput", f"{q!r} is not a qubit.")
    return tuple(found)


def _check_distinct(qubits: tuple[int, ...]) -> None:
    if len(set(qubits)) != len(qubits) or not qubits:
        raise PreflightError("InvalidInput", f"its qubits {list(qubits)} are not different ones.")


def _number(gate: Mapping[str, Any], field: str, default: float | None = None) -> float:
    """A field, or an entry of one: `phases.1`."""
    name, _, index = field.partition(".")
    value = gate.get(name)
    if index and value is not None:
        value = value[int(index)] if isinstance(value, list) and len(value) == 2 else "no pair of numbers"
    if value is None:
        if default is None:
            raise PreflightError("InvalidInput", f"it needs {name!r}.")
        return default
    return _real(value, name)


def _real(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise PreflightError("InvalidInput", f"{name!r} must be a finite number, got {value!r:.80}.")
    return number
