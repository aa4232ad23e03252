# SPDX-License-Identifier: Apache-2.0
"""The machines: qubits, native gates, times and fidelities, from the service where it was asked, else dated figures.

Times are seconds, fidelities averages of one operation. Figures of the service replace ours one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from qstore.batch import Capabilities
from qstore.errors import BackendUnavailable, nearest_names
from qstore_ionq.qis import QIS_GATES

__all__ = ["DEVICES", "NOISE_QUBITS", "SIMULATOR", "Device", "device_for", "read_device", "target_of"]

SIMULATOR = "simulator"
VENDOR = "ionq"
QPU = "qpu."

NOISE_QUBITS: Mapping[str, int] = MappingProxyType(
    {"ideal": 29, "harmony": 11, "harmony-1": 11, "harmony-2": 11, "aria-1": 25, "aria-2": 25, "forte-1": 29,
     "forte-enterprise-1": 29}
)  # fmt: skip
"""The simulator's noise models and the most qubits with each. Source: docs.ionq.com and OpenAPI v0.4 of 2026-09-02."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One machine of the service.

    Attributes:
        target: the service's name of it, as in a job's `backend`.
        qubits: how many it has.
        entanglers: its native gates on two qubits, the preferred one first.
        max_shots: most shots of a job.
        gate_1q_s, gate_2q_s, readout_s: how long each takes.
        fidelity_1q, fidelity_2q, fidelity_readout: None where nothing is known.
        queue_s: how long a job waits; None where nothing is known.
        status: the service's word; "available" as long as it was not asked.
        source: where the figures come from.
        as_of: when they were read there.
    """

    target: str
    qubits: int
    entanglers: tuple[str, ...] = ("ms",)
    max_shots: int = 10_000
    gate_1q_s: float = 0.0
    gate_2q_s: float = 0.0
    readout_s: float = 0.0
    fidelity_1q: float | None = None
    fidelity_2q: float | None = None
    fidelity_readout: float | None = None
    queue_s: float | None = None
    status: str = "available"
    source: str = ""
    as_of: date | None = None

    @property
    def is_simulator(self) -> bool:
        """Whether its jobs are simulated, free of charge."""
        return self.target == SIMULATOR

    @property
    def name(self) -> str:
        """Our name of it."""
        return f"{VENDOR}.{self.target.removeprefix(QPU)}"

    def capabilities(self, noise: str = "ideal") -> Capabilities:
        """What it can do, with a noise model if it is the simulator."""
        exact = self.is_simulator and noise == "ideal"
        return Capabilities(
            max_qubits=min(self.qubits, NOISE_QUBITS[noise]) if self.is_simulator else self.qubits,
            gates=QIS_GATES | {"initialize"},
            exact_outputs=frozenset({"Expectations", "Variance", "Probabilities"} if exact else ()),
            shot_outputs=frozenset({"Counts", "Expectations", "Probabilities", "Samples", "Variance"}),
            max_shots=self.max_shots,
            paid=not self.is_simulator,
            local=False,
            fidelity_1q=self.fidelity_1q,
            fidelity_2q=self.fidelity_2q,
            fidelity_readout=self.fidelity_readout,
        )


_READ = date(2026, 11, 20)


def _aria(target: str) -> Device:
    return Device(target=target, qubits=25, entanglers=("ms",), gate_1q_s=135e-6, gate_2q_s=600e-6, readout_s=300e-6,
                  fidelity_1q=0.9998, fidelity_2q=0.9872, fidelity_readout=0.9937, as_of=_READ,
                  source="MQT Bench 2026, devices/ionq.py, Aria-1; 25 qubits: Azure provider page 2025")  # fmt: skip


def _forte(target: str, note: str = "") -> Device:
    return Device(target=target, qubits=36, entanglers=("zz",), gate_1q_s=130e-6, gate_2q_s=970e-6, readout_s=150e-6,
                  fidelity_1q=0.9998, fidelity_2q=0.9932, fidelity_readout=0.9959, as_of=_READ,
                  source=f"MQT Bench 2026, devices/ionq.py, Forte-1{note}")  # fmt: skip


DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        device.target: device
        for device in (
            Device(
                target=SIMULATOR,
                qubits=29,
                entanglers=("ms", "zz"),
                max_shots=1_000_000,  # OpenAPI v0.4 of 2026-09-02
                source="OpenAPI v0.4 of 2026-09-02",
                as_of=_READ,
            ),
            _aria("qpu.aria-1"),
            _forte("qpu.forte-1"),
            _forte("qpu.forte-enterprise-1", " (no figures of its own are published)"),
        )
    }
)
"""What is known without asking. The 10,000 shots of a QPU job are what qiskit-ionq 1.1.1 advertises."""


def target_of(name: str) -> str:
    """The service's name for ours, or for its own: "ionq.aria-1", "aria-1" and "qpu.aria-1" are one machine."""
    bare = name.removeprefix(f"{VENDOR}.").removeprefix(QPU)
    return bare if bare == SIMULATOR else QPU + bare


def device_for(name: str, asked: Mapping[str, Device] | None = None) -> Device:
    """The machine of a name.

    Args:
        name: ours or the service's.
        asked: what the service listed; None if it was not asked.

    Raises:
        BackendUnavailable: unknown, or retired.
    """
    target = target_of(name)
    known = {**DEVICES, **(asked or {})}
    found = known.get(target)
    if found is None:
        names = sorted(device.name for device in known.values())
        hint = nearest_names(f"{VENDOR}.{target.removeprefix(QPU)}", names)
        raise BackendUnavailable(f"IonQ has no backend {name!r}.{hint} Known: {', '.join(names)}.")
    if found.status == "retired":
        raise BackendUnavailable(f"IonQ has retired {name!r}.")
    return found


def read_device(
    entry: Mapping[str, Any], characterization: Mapping[str, Any] | None, read: date
) -> Device | None:
    """A machine from an entry of GET /backends and its newest characterization; None for an entry without a name.

    What is missing, or no number, or absurd, stays as our own figures have it: facts about a machine are a service to
    the user, and never a reason for a job to fail.
    """
    target = entry.get("backend")
    if not isinstance(target, str) or not target:
        return None
    base = DEVICES.get(target) or Device(target=target, qubits=1)
    qubits = entry.get("qubits")
    native = entry.get("supported_native_gates")
    # The order is ours: the first is what circuits are compiled to.
    known = (*base.entanglers, "zz", "ms")
    found = tuple(gate for gate in dict.fromkeys(known) if isinstance(native, list) and gate in native)
    queue_ms = _number(entry, "average_queue_time")
    facts = characterization or {}
    return replace(
        base,
        qubits=qubits if isinstance(qubits, int) and 0 < qubits < 10_000 else base.qubits,
        entanglers=found or base.entanglers,
        status=str(entry.get("status") or base.status),
        queue_s=base.queue_s if queue_ms is None else queue_ms / 1000,
        fidelity_1q=_fidelity(facts, "1q", base.fidelity_1q),
        fidelity_2q=_fidelity(facts, "2q", base.fidelity_2q),
        fidelity_readout=_fidelity(facts, "spam", base.fidelity_readout),
        gate_1q_s=_time(facts, "1q", base.gate_1q_s),
        gate_2q_s=_time(facts, "2q", base.gate_2q_s),
        readout_s=_time(facts, "readout", base.readout_s),
        source="GET /backends",
        as_of=read,
    )


def _number(document: Any, name: str) -> float | None:
    value = document.get(name) if isinstance(document, Mapping) else None
    return (
        float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
        else None
    )


def _fidelity(facts: Mapping[str, Any], name: str, otherwise: float | None) -> float | None:
    entry = (facts.get("fidelity") or {}) if isinstance(facts.get("fidelity"), Mapping) else {}
    value = _number(entry.get(name), "median")
    return value if value is not None and 0 < value <= 1 else otherwise


def _time(facts: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = _number(facts.get("timing"), name)
    return value if value is not None and value < 1 else otherwise
