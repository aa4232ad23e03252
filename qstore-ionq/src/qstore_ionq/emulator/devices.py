# SPDX-License-Identifier: Apache-2.0
"""The machines that the emulator plays, and the published noise models, as data.

Times are seconds, fidelities averages. Queue times are this emulator's own choice: the service publishes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["DEVICES", "NOISE_MODELS", "SIMULATOR", "Device", "NoiseRates", "device_named"]

SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRates:
    """The cloud's depolarising model: behind every gate, Kraus operators sqrt(1 - 3r/4) I and sqrt(r/4) P.

    On two qubits they are sqrt(1 - 15r/16) II and sqrt(r/16) for each of the 15 others.

    Attributes:
        one: r behind a gate on one qubit.
        two: r behind a gate on two qubits.
        max_qubits: the largest circuit that the cloud simulates with it.
    """

    one: float
    two: float
    max_qubits: int

    @property
    def error_1q(self) -> float:
        """Probability that some Pauli acts behind a gate on one qubit."""
        return 3 * self.one / 4

    @property
    def error_2q(self) -> float:
        """The same on two qubits."""
        return 15 * self.two / 16

    @property
    def is_ideal(self) -> bool:
        """Whether nothing is wrong."""
        return self.one == self.two == 0


_ARIA_1 = NoiseRates(one=0.0005, two=0.0133, max_qubits=25)
_ARIA_2 = NoiseRates(one=0.000986 * 2 / 3, two=0.01856, max_qubits=25)
_FORTE_1 = NoiseRates(one=0.0004 * 2 / 3, two=0.003712 * 4 / 3, max_qubits=29)
# Harmony has no published rates; these are its fidelities 0.99717 and 0.9696 (Cirq's documentation) turned round with
# F = 1 - r1/2 and F = 1 - 3 r2/4.
_HARMONY = NoiseRates(one=2 * (1 - 0.99717), two=4 * (1 - 0.9696) / 3, max_qubits=11)

NOISE_MODELS: Mapping[str, NoiseRates] = MappingProxyType(
    {
        "ideal": NoiseRates(one=0.0, two=0.0, max_qubits=29),
        "harmony": _HARMONY,
        "harmony-1": _HARMONY,
        "harmony-2": _HARMONY,
        "aria-1": _ARIA_1,
        "aria-2": _ARIA_2,
        "forte-1": _FORTE_1,
        "forte-enterprise-1": _FORTE_1,  # not published; the same machine type
    }
)
"""By the name that a job gives. Source: docs.ionq.com, "Simulation with noise models", read 2026-11-20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One backend of the service.

    Attributes:
        name: as in a job's `backend`.
        qubits: how many it has.
        entanglers: native gates on two qubits that it takes.
        noise: the noise model that plays it; "ideal" for the simulator, whose jobs choose their own.
        queue_s: how long a job waits before it runs.
        gate_1q_s, gate_2q_s, readout_s, reset_s: how long each takes.
        fidelity_1q, fidelity_2q, fidelity_spam: median fidelities.
        t1_s, t2_s: coherence times.
        usd_per_shot: on Amazon Braket.
    """

    name: str
    qubits: int
    entanglers: tuple[str, ...]
    noise: str = "ideal"
    queue_s: float = 0.0
    gate_1q_s: float = 0.0
    gate_2q_s: float = 0.0
    readout_s: float = 0.0
    reset_s: float = 0.0
    fidelity_1q: float = 1.0
    fidelity_2q: float = 1.0
    fidelity_spam: float = 1.0
    t1_s: float = 0.0
    t2_s: float = 0.0
    usd_per_shot: str = "0"

    @property
    def is_simulator(self) -> bool:
        """Whether jobs are simulated by the service, free of charge."""
        return self.name == SIMULATOR


def _aria(name: str, noise: str) -> Device:
    # Source: MQT Bench 2026, devices/ionq.py; coherence times from the Azure Quantum provider page.
    return Device(name=name, qubits=25, entanglers=("ms",), noise=noise, queue_s=90.0, gate_1q_s=135e-6, gate_2q_s=600e-6,
                  readout_s=300e-6, reset_s=20e-6, fidelity_1q=0.9998, fidelity_2q=0.9872, fidelity_spam=0.9937,
                  t1_s=100.0, t2_s=1.0, usd_per_shot="0.03")  # fmt: skip


def _forte(name: str, noise: str) -> Device:
    # Source: MQT Bench 2026. For Forte Enterprise nothing of its own is published.
    return Device(name=name, qubits=36, entanglers=("zz",), noise=noise, queue_s=120.0, gate_1q_s=130e-6, gate_2q_s=970e-6,
                  readout_s=150e-6, reset_s=50e-6, fidelity_1q=0.9998, fidelity_2q=0.9932, fidelity_spam=0.9959,
                  t1_s=100.0, t2_s=1.0, usd_per_shot="0.08")  # fmt: skip


DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        device.name: device
        for device in (
            Device(name=SIMULATOR, qubits=29, entanglers=("ms", "zz"), queue_s=1.0),
            _aria("qpu.aria-1", "aria-1"),
            _aria("qpu.aria-2", "aria-2"),
            _forte("qpu.forte-1", "forte-1"),
            _forte("qpu.forte-enterprise-1", "forte-enterprise-1"),
        )
    }
)
"""Every backend, by name."""

_DEFAULT_QPU = "qpu.aria-1"
"""What the bare word `qpu` means: what PennyLane's plugin makes of it."""


def device_named(name: str) -> Device | None:
    """The device of that name, None where there is none."""
    return DEVICES.get(_DEFAULT_QPU if name == "qpu" else name)
