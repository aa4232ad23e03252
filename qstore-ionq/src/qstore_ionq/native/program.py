# SPDX-License-Identifier: Apache-2.0
"""A compiled circuit: native operations whose phases wait for the parameters, bound for a whole batch at once.

What is virtual on a wire is kept as F = X^f Rz(d), pending after what the hardware has done. An operation at azimuth a
of the frame is sent with the phase (-1)^f a - d. A virtual Z rotation by t changes d by (-1)^f t. A symbolic entangler
is folded into the native range by half turns, each of which leaves a Pauli on both wires: for MS sigma(a), which flips
f and changes d by -2 (-1)^f a; for ZZ a Z, which changes d by a half turn. So f and d differ from sample to sample, and
the flips that are left at the end are undone in the outcomes. Everything is done for all samples at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import Angle, BindingMap, Operation, QuantumCircuit, Template
from qstore.compiler import Certificate, PreparationMap
from qstore.errors import BindingError
from qstore_ionq.native.network import Network
from qstore_ionq.native.pulses import Entangler, Lowered, NativeOp, Pulse, VirtualZ
from qstore_ionq.native.quaternions import Z_AXIS, matrix, turned
from qstore_ionq.native.runs import swaps_into

Array = NDArray[np.float64]
TURN = 2 * math.pi
_DIGITS = 12  # decimals of a phase in turns that are sent: 6e-12 rad, far below what a laser can tell


@dataclass(frozen=True, slots=True)
class BoundOp:
    """A native gate for every sample, in turns: phases[k] and angle are (1,) where all samples share them, else (B,)."""

    gate: str
    wires: tuple[int, ...]
    phases: tuple[Array, ...]
    angle: Array | None = None


@dataclass(frozen=True, slots=True)
class BoundProgram:
    """Native gates with numbers for every sample of a batch.

    Attributes:
        n_qubits: number of qubits.
        size: number of samples.
        ops: in order.
        wire_of: for each qubit of the circuit, the wire whose outcome is its.
        flips: for each wire, whether its outcome is to be flipped: bool, (1,) or (B,).
        virtual: for each wire the pending phase of Z, radians, which no measurement sees.
    """

    n_qubits: int
    size: int
    ops: tuple[BoundOp, ...]
    wire_of: tuple[int, ...]
    flips: tuple[NDArray[np.bool_], ...]
    virtual: tuple[Array, ...]

    def circuit(self, row: int) -> list[dict[str, Any]]:
        """The native gates of one sample as the service takes them: phases and angles in turns.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= row < self.size:
            raise IndexError(f"Row {row} of a program bound for {self.size}.")
        made: list[dict[str, Any]] = []
        for op in self.ops:
            phases = [_sent(phase, row) for phase in op.phases]
            if op.gate == "gpi2":
                made.append({"gate": "gpi2", "target": op.wires[0], "phase": phases[0]})
            elif op.gate == "ms":
                angle = _sent(op.angle, row)
                made.append({"gate": "ms", "targets": list(op.wires), "phases": phases, "angle": angle})
            else:
                made.append({"gate": "zz", "targets": list(op.wires), "angle": _sent(op.angle, row)})
        return made

    def outcomes(self, row: int, outcomes: NDArray[np.integer[Any]] | list[int]) -> NDArray[np.int64]:
        """What the hardware counted as outcomes of the circuit: relabelled and with the pending flips undone."""
        counted = np.asarray(outcomes, dtype=np.int64)
        result = np.zeros_like(counted)
        for qubit, wire in enumerate(self.wire_of):
            flip = self.flips[wire]
            result |= ((counted >> wire & 1) ^ int(flip[row if len(flip) > 1 else 0])) << qubit
        return result

    def as_circuit(self, row: int) -> QuantumCircuit:
        """One sample as a circuit of the core that equals the source exactly, what is virtual included."""
        made = QuantumCircuit(self.n_qubits)
        for op in self.ops:
            angles = [TURN * _value(phase, row) for phase in op.phases]
            if op.angle is not None:
                angles.append(TURN * _value(op.angle, row))
            made.append(op.gate, op.wires, angles)
        for wire in range(self.n_qubits):
            if _value(self.flips[wire], row):
                made.x(wire)
            made.rz(wire, _value(self.virtual[wire], row))
        for qubit, other in swaps_into(self.wire_of):
            made.swap(qubit, other)
        return made


@dataclass(frozen=True, eq=False)
class NativeProgram:
    """A circuit compiled for one entangler; made by `compile_native`.

    Attributes:
        source: the circuit that was compiled.
        entangler: "ms" or "zz".
        ops: native operations in the frames of their wires.
        wire_of: for each qubit of the circuit, the wire that holds it at the end.
        certificate: the evidence that it equals its source.
    """

    source: Template
    entangler: str
    ops: tuple[NativeOp, ...]
    rests: tuple[tuple[float, float, float, float], ...]
    wire_of: tuple[int, ...]
    lowered_source: Template
    preparation: PreparationMap | None = None
    certificate: Certificate | None = None

    @classmethod
    def of(
        cls, source: Template, lowered_source: Template, preparation: PreparationMap | None, network: Network,
        lowered: Lowered, entangler: str,
    ) -> NativeProgram:  # fmt: skip
        """Put the parts together."""
        return cls(
            source, entangler, lowered.ops, lowered.rests, network.wire_of, lowered_source, preparation
        )

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.source.n_qubits

    @cached_property
    def gate_counts(self) -> tuple[int, int]:
        """Number of one-qubit pulses and of entanglers."""
        pulses = sum(isinstance(op, Pulse) for op in self.ops)
        return pulses, sum(isinstance(op, Entangler) for op in self.ops)

    @cached_property
    def depth(self) -> int:
        """Length of the longest path: pulses and entanglers on different wires are done side by side."""
        free = [0] * self.n_qubits
        for op in self.ops:
            if isinstance(op, Pulse):
                free[op.wire] += 1
            elif isinstance(op, Entangler):
                free[op.wires[0]] = free[op.wires[1]] = max(free[op.wires[0]], free[op.wires[1]]) + 1
        return max(free)

    @cached_property
    def _slots(self) -> tuple[list[int], BindingMap]:
        """Per operation the number of its slot or -1, and the map from bindings to the angles of the slots."""
        numbers: list[int] = []
        carriers: list[Operation] = []
        for op in self.ops:
            symbolic = isinstance(op, (VirtualZ, Entangler)) and isinstance(op.angle, Angle)
            numbers.append(len(carriers) if symbolic else -1)
            if symbolic:
                assert not isinstance(op, Pulse)
                assert isinstance(op.angle, Angle)
                carriers.append(Operation("rz", (0,), (op.angle,)))
        return numbers, BindingMap(Template(1, carriers))

    def bind(
        self, bindings: Mapping[str, Array], per_sample: Collection[str] = (), size: int = 1
    ) -> BoundProgram:
        """Numbers for a batch.

        Args:
            bindings: arrays of exactly the parameters' shapes, or with one more leading axis for those per sample.
            per_sample: which ones those are.
            size: number of samples.

        Raises:
            BindingError: an array is missing, unknown, of another shape or not finite.
        """
        self._check_bindings(bindings, per_sample, size)
        if self.preparation is not None:
            bindings = self.preparation.bindings(bindings, per_sample, size)
            per_sample = [p.name for p in self.lowered_source.parameters if bindings[p.name].ndim > p.ndim]
        return self._bound(bindings, per_sample, size)

    def _check_bindings(self, bindings: Mapping[str, Array], per_sample: Collection[str], size: int) -> None:
        shapes = {p.name: p.shape for p in self.source.parameters}
        if unknown := sorted({*bindings, *per_sample} - set(shapes)):
            raise BindingError(
                f"{unknown[0]!r} is not a parameter of the circuit; it has {sorted(shapes) or 'none'}."
            )
        for name, shape in shapes.items():
            if name not in bindings:
                raise BindingError(f"No array for parameter {name!r}; the circuit needs {shape}.")
            wanted = (size, *shape) if name in per_sample else shape
            if np.shape(bindings[name]) != wanted:
                raise BindingError(f"{name!r} has shape {np.shape(bindings[name])}, expected {wanted}.")
            if not np.isfinite(bindings[name]).all():
                raise BindingError(f"{name!r} has entries that are NaN or infinite.")

    def bind_lowered(self, values: Mapping[str, Array]) -> BoundProgram:
        """Numbers for one sample of the parameters of `lowered_source`."""
        return self._bound(values, (), 1)

    def _bound(self, bindings: Mapping[str, Array], per_sample: Collection[str], size: int) -> BoundProgram:
        numbers, binding_map = self._slots
        columns = _columns(binding_map, bindings, per_sample, size)
        binder = _Binder(self.n_qubits)
        for op, number in zip(self.ops, numbers, strict=True):
            binder.add(op, columns[number] if number >= 0 else None)
        return binder.bound(self, size)

    def __repr__(self) -> str:
        pulses, entanglers = self.gate_counts
        return (
            f"<NativeProgram: {self.n_qubits} qubits, {entanglers} {self.entangler.upper()}, {pulses} GPi2, "
            f"depth {self.depth}, {'checked' if self.certificate else 'UNCHECKED'}>"
        )


class _Binder:
    """Goes through the operations once, with the pending frame of every wire for all samples."""

    def __init__(self, n_wires: int) -> None:
        self._shift: list[Array] = [np.zeros(1)] * n_wires  # d
        self._sign: list[Array | None] = [None] * n_wires  # (-1)^f, None for 1
        self._ops: list[BoundOp] = []

    def add(self, op: NativeOp, angle: Array | None) -> None:
        if isinstance(op, Pulse):
            self._ops.append(BoundOp("gpi2", (op.wire,), (self._phase(op.wire, op.azimuth),)))
        elif isinstance(op, VirtualZ):
            assert angle is not None
            turn = angle if op.sign > 0 else -angle
            sign = self._sign[op.wire]
            self._shift[op.wire] = self._shift[op.wire] + (turn if sign is None else sign * turn)
        elif angle is None:
            assert isinstance(op.angle, float)
            self._fixed(op, op.angle)
        else:
            self._folded(op, angle)

    def _phase(self, wire: int, azimuth: float | Array) -> Array:
        sign = self._sign[wire]
        return ((azimuth if sign is None else sign * azimuth) - self._shift[wire]) / TURN

    def _fixed(self, op: Entangler, angle: float) -> None:
        if op.azimuths is None:
            value = np.array([angle / TURN])
            for wire in op.wires:
                sign = self._sign[wire]
                value = value if sign is None else value * sign
            self._ops.append(BoundOp("zz", op.wires, (), value))
            return
        phases = tuple(self._phase(w, a) for w, a in zip(op.wires, op.azimuths, strict=True))
        self._ops.append(BoundOp("ms", op.wires, phases, np.array([angle / TURN])))

    def _folded(self, op: Entangler, angle: Array) -> None:
        half_turns = np.rint(angle / math.pi)
        rest = angle - half_turns * math.pi
        odd = half_turns % 2 != 0
        if op.azimuths is None:
            for wire in op.wires:
                sign = self._sign[wire]
                rest = rest if sign is None else rest * sign
            self._ops.append(BoundOp("zz", op.wires, (), rest / TURN))
            if odd.any():
                for wire in op.wires:
                    self._shift[wire] = self._shift[wire] + np.where(odd, math.pi, 0.0)
            return
        # A negative angle is a positive one about the opposite axis of the first wire.
        first = op.azimuths[0] + np.where(rest < 0, math.pi, 0.0)
        phases = (self._phase(op.wires[0], first), self._phase(op.wires[1], op.azimuths[1]))
        self._ops.append(BoundOp("ms", op.wires, phases, np.abs(rest) / TURN))
        if odd.any():
            for wire, azimuth in zip(op.wires, op.azimuths, strict=True):
                sign = self._sign[wire]
                old = 1.0 if sign is None else sign
                self._shift[wire] = self._shift[wire] - np.where(odd, 2 * azimuth, 0.0) * old
                self._sign[wire] = np.where(odd, -1.0, 1.0) * old

    def bound(self, program: NativeProgram, size: int) -> BoundProgram:
        flips, virtual = [], []
        for wire, rest in enumerate(program.rests):
            # rest Rz(g) X^f is what is pending, with X^f Rz(d) = Rz((-1)^f d) X^f; rest is Rz(r) or Rz(r) X.
            flipped = turned(rest, Z_AXIS)[2] < 0
            unitary = matrix(rest)
            if flipped:
                phase = float(np.angle(unitary[1, 0] / unitary[0, 1]))
            else:
                phase = float(np.angle(unitary[1, 1] / unitary[0, 0]))
            sign = self._sign[wire]
            shift = self._shift[wire] if sign is None else sign * self._shift[wire]
            virtual.append(phase + (-shift if flipped else shift))
            flip = np.array([flipped]) if sign is None else (sign < 0) ^ flipped
            flips.append(np.asarray(flip, dtype=bool))
        return BoundProgram(
            program.n_qubits, size, tuple(self._ops), program.wire_of, tuple(flips), tuple(virtual)
        )


def _columns(
    binding_map: BindingMap, bindings: Mapping[str, Array], per_sample: Collection[str], size: int
) -> list[Array]:
    """The angle of every slot: (1,) where it is shared, else (size,)."""
    plan = binding_map.plan(per_sample)
    shared, sample = plan.evaluate({name: np.asarray(a, dtype=float) for name, a in bindings.items()}, size)
    columns: list[Array] = [np.zeros(1)] * len(binding_map.slots)
    for place, number in enumerate(plan.shared_slots):
        columns[number] = shared[place : place + 1]
    by_slot = np.ascontiguousarray(sample.T)
    for place, number in enumerate(plan.sample_slots):
        columns[number] = by_slot[place]
    return columns


def _value(values: NDArray[Any], row: int) -> float:
    return float(values[row if len(values) > 1 else 0])


def _sent(values: Array | None, row: int) -> float:
    assert values is not None
    turns = float(values[row if len(values) > 1 else 0])
    return round(turns - round(turns), _DIGITS) + 0.0
