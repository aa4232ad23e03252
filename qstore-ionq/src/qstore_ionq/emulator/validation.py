# SPDX-License-Identifier: Apache-2.0
"""The body of POST /jobs, read and checked.

Tolerant by default: what the real clients send beyond the schema is accepted (a string for `shots`, a null seed, keys
nobody knows). `schema.py` adds what `--strict` refuses. A circuit that is well-formed but cannot run is not refused
here: it fails its job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_ionq.emulator.devices import DEVICES, NOISE_MODELS, Device, NoiseRates, device_named
from qstore_ionq.emulator.schema import strict_complaints
from qstore_ionq.emulator.wire import ApiError

__all__ = ["MULTI", "QASM3", "SINGLE", "CircuitInput", "Submission", "read_submission"]

SINGLE, MULTI, QASM3 = "ionq.circuit.v1", "ionq.multi-circuit.v1", "ionq.qasm3.v1"
_ELSEWHERE = ("qctrl.qaoa.v1", "quantum-function")
MAX_SHOTS = 1_000_000
DEFAULT_SHOTS = 100
MAX_CIRCUITS = 5_000
MAX_GATES = 150_000
MAX_SEED = 2**31 - 1
MIN_DEBIASED_SHOTS = 500
_QUBITS = 1_000_000
"""More declared qubits are a mistake of the sender, not a circuit that is too large."""


@dataclass(frozen=True, slots=True)
class CircuitInput:
    """One circuit as submitted: its gates are JSON objects that have a string under `gate`."""

    gates: list[Mapping[str, Any]]
    native: bool
    qubits: int | None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job as submitted; see the job object for the fields."""

    type: str
    device: Device
    circuits: tuple[CircuitInput, ...] = ()
    program: str = ""
    shots: int
    name: str | None
    metadata: Mapping[str, str] | None
    noise: Mapping[str, Any] | None
    noise_model: str
    noise_seed: int | None
    settings: Mapping[str, Any]
    debiasing: bool | None
    session_id: str | None
    dry_run: bool
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def rates(self) -> NoiseRates:
        """The noise that it runs with."""
        return NOISE_MODELS[self.noise_model]


class Complaints:
    """What is wrong with a body, field by field."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, key: str, message: str) -> None:
        """Note that a field is wrong."""
        self.found.append((key, message))

    def raise_any(self) -> None:
        """Raise ApiError if there are any."""
        if self.found:
            keys = tuple(dict.fromkeys(key for key, _ in self.found))
            text = "; ".join(f'"{key}" {message}' for key, message in self.found[:10])
            raise ApiError(400, f"Invalid request payload input: {text}", keys=keys)


def read_submission(body: Any, *, strict: bool, content_type: str) -> Submission:
    """Read and check.

    Raises:
        ApiError: 400 with the wrong fields.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid request payload input: a job is a JSON object.", keys=("",))
    wrong = Complaints()
    if strict:
        for key, message in strict_complaints(body, content_type):
            wrong.add(key, message)
    kind = _word(body, "type", (SINGLE, MULTI, QASM3), wrong)
    device = device_named(body["backend"]) if isinstance(body.get("backend"), str) else None
    if device is None:
        wrong.add("backend", f"must be one of {', '.join(DEVICES)}")
    raw = body.get("input")
    if not isinstance(raw, dict):
        wrong.add("input", "is required and must be an object")
        raw = {}
    circuits: list[CircuitInput] = []
    if kind in {SINGLE, MULTI}:
        circuits = _circuits(kind, raw, wrong)
    elif kind == QASM3 and not (isinstance(raw.get("data"), str) and raw["data"]):
        wrong.add("input.data", "is required: the text of the program")
    shots = _shots(body.get("shots"), wrong)
    noise = _optional(body, "noise", dict, wrong)
    model, seed = _noise(noise or {}, device, wrong)
    settings: Mapping[str, Any] = _optional(body, "settings", dict, wrong) or {}
    debiasing = _debiasing(settings, wrong)
    submission = {
        "shots": shots,
        "name": _optional(body, "name", str, wrong),
        "metadata": _metadata(body, wrong),
        "noise": noise,
        "noise_model": model,
        "noise_seed": seed,
        "settings": settings,
        "debiasing": debiasing,
        "session_id": _optional(body, "session_id", str, wrong),
        "dry_run": bool(_optional(body, "dry_run", bool, wrong)),
        "program": raw.get("data", "") if kind == QASM3 else "",
    }
    wrong.raise_any()
    assert device is not None
    return Submission(type=kind, device=device, circuits=tuple(circuits), raw=body, **submission)


def _word(body: Mapping[str, Any], key: str, known: tuple[str, ...], wrong: Complaints) -> str:
    value = body.get(key)
    if value in known:
        return str(value)
    if value in _ELSEWHERE:
        wrong.add(key, f"{value!r} is a type of the real service that this emulator does not run")
    else:
        wrong.add(key, f"must be one of {', '.join(known)}")
    return ""


def _optional(body: Mapping[str, Any], key: str, kind: type, wrong: Complaints) -> Any:
    value = body.get(key)
    if value is None or isinstance(value, kind):
        return value
    wrong.add(key, f"must be {_NAMES[kind]}")
    return None


_NAMES: Mapping[type, str] = {dict: "an object", str: "a string", bool: "true or false"}


def _shots(value: Any, wrong: Complaints) -> int:
    """cirq-ionq sends a string."""
    if value is None:
        return DEFAULT_SHOTS
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SHOTS:
        wrong.add("shots", f"must be an integer from 1 to {MAX_SHOTS}")
        return DEFAULT_SHOTS
    return value


def _metadata(body: Mapping[str, Any], wrong: Complaints) -> Mapping[str, str] | None:
    found: Mapping[str, str] | None = _optional(body, "metadata", dict, wrong)
    for key, value in (found or {}).items():
        if not isinstance(value, str):
            wrong.add(f"metadata.{key}", "must be a string")
    return found


def _noise(noise: Mapping[str, Any], device: Device | None, wrong: Complaints) -> tuple[str, int | None]:
    """The model's name and the seed; qiskit-ionq sends a null seed."""
    model = noise.get("model")
    if model is not None and (not isinstance(model, str) or model not in NOISE_MODELS):
        wrong.add("noise.model", f"must be one of {', '.join(NOISE_MODELS)}")
    seed = noise.get("seed")
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED
    ):
        wrong.add("noise.seed", f"must be an integer from 0 to {MAX_SEED}")
        seed = None
    if device is not None and not device.is_simulator:
        return device.noise, seed  # a machine is as noisy as it is
    return model if isinstance(model, str) and model in NOISE_MODELS else "ideal", seed


def _debiasing(settings: Mapping[str, Any], wrong: Complaints) -> bool | None:
    mitigation = settings.get("error_mitigation")
    if mitigation is None:
        return None
    if not isinstance(mitigation, dict):
        wrong.add("settings.error_mitigation", "must be an object")
        return None
    value = mitigation.get("debiasing")
    if isinstance(value, dict):  # the spec of May 2026 also had the settings of the variants here
        return True
    if value is not None and not isinstance(value, bool):
        wrong.add("settings.error_mitigation.debiasing", "must be true or false")
        return None
    return value


def _circuits(kind: str, raw: Mapping[str, Any], wrong: Complaints) -> list[CircuitInput]:
    qubits = _qubits(raw.get("qubits"), "input.qubits", wrong)
    if kind == SINGLE:
        if "circuits" in raw:
            wrong.add("input.circuits", f"belongs to {MULTI}")
        native = _gateset(raw.get("gateset"), "input.gateset", wrong)
        return [CircuitInput(_gates(raw.get("circuit"), "input.circuit", wrong), native, qubits)]
    if "circuit" in raw:
        wrong.add("input.circuit", 'is not allowed next to "circuits"')
    listed = raw.get("circuits")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_CIRCUITS:
        wrong.add("input.circuits", f"must be a list of 1 to {MAX_CIRCUITS} circuits")
        return []
    found = []
    for index, each in enumerate(listed):
        path = f"input.circuits.{index}"
        if not isinstance(each, dict):
            wrong.add(path, "must be an object")
            continue
        own = each.get("gateset")
        native = _gateset(own if own is not None else raw.get("gateset"), f"{path}.gateset", wrong)
        width = _qubits(each.get("qubits"), f"{path}.qubits", wrong)
        name = _optional(each, "name", str, wrong)
        gates = _gates(each.get("circuit"), f"{path}.circuit", wrong)
        found.append(CircuitInput(gates, native, qubits if width is None else width, name))
    if sum(len(each.gates) for each in found) > MAX_GATES:
        wrong.add("input.circuits", f"have more than {MAX_GATES} gates")
    return found


def _gateset(value: Any, key: str, wrong: Complaints) -> bool:
    if not isinstance(value, str) or value not in {"qis", "native"}:
        wrong.add(key, "must be 'qis' or 'native'")
    return bool(value == "native")


def _qubits(value: Any, key: str, wrong: Complaints) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _QUBITS:
        wrong.add(key, "must be an integer from 1 up")
        return None
    return value


def _gates(value: Any, key: str, wrong: Complaints) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        wrong.add(key, "is required and must be a list of gates")
        return []
    for index, gate in enumerate(value):
        if not isinstance(gate, dict) or not isinstance(gate.get("gate"), str):
            wrong.add(f"{key}.{index}", 'must be an object with a string under "gate"')
            return []
    return value
