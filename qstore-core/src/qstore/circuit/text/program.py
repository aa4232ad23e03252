# SPDX-License-Identifier: Apache-2.0
"""The circuit of a program while it is read: its registers, operations and conditions, and what measurements mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qstore.circuit.arguments import MAX_BITS
from qstore.circuit.circuit import MAX_QUBITS, QuantumCircuit
from qstore.circuit.operation import Condition, Operation
from qstore.errors import CircuitFormatError

__all__ = ["NEVER", "Program", "Register", "without_final_measurements"]


@dataclass(frozen=True, slots=True)
class Register:
    """A register: `size` qubits or classical bits from number `start` on."""

    name: str
    start: int
    size: int
    quantum: bool

    @property
    def members(self) -> range:
        """The numbers of its qubits or bits."""
        return range(self.start, self.start + self.size)


NEVER = Condition(-1)
"""The condition of an operation that is never applied."""


class Program:
    """Operations in order, with qubits and bits numbered through all registers.

    Attributes:
        registers: by name.
    """

    __slots__ = ("_bits", "_n", "_operations", "_touched", "_written", "registers")

    def __init__(self) -> None:
        self.registers: dict[str, Register] = {}
        self._operations: list[Operation] = []
        self._n = {True: 0, False: 0}
        self._touched: set[int] = set()
        self._bits: list[Register] = []
        self._written: dict[str, int] = {}

    def declare(self, name: str, size: int, *, quantum: bool) -> None:
        """Add a register behind those there are.

        Raises:
            CircuitFormatError: it is empty, or there are more qubits or bits than a circuit may have.
        """
        kind, limit = ("qubits", MAX_QUBITS) if quantum else ("classical bits", MAX_BITS)
        start = self._n[quantum]
        if size < 1:
            raise CircuitFormatError(f"A register has at least one of its {kind}.")
        if start + size > limit:
            raise CircuitFormatError(f"That makes {start + size} {kind}; a circuit has at most {limit}.")
        self.registers[name] = register = Register(name, start, size, quantum)
        self._bits += [] if quantum else [register] * size
        self._n[quantum] += size

    def append(self, op: Operation) -> None:
        """Append a unitary."""
        self._operations.append(op)
        self._touched.update(op.qubits)

    def reset(self, qubit: int, condition: Condition | None) -> None:
        """Append a reset; one of a qubit that nothing has touched is the identity and left out."""
        if qubit in self._touched:
            self.append(Operation("reset", (qubit,), condition=condition))

    def measure(self, qubit: int, bit: int, condition: Condition | None) -> None:
        """Append a measurement into a bit of a register."""
        self.append(Operation("measure", (qubit,), bit=bit, condition=condition))
        register = self._bits[bit]
        self._written[register.name] = self._written.get(register.name, 0) | 1 << bit - register.start

    def condition(self, register: Register, value: int) -> Condition | None:
        """What `if (register == value)` depends on: one bit, nothing (None), or `NEVER`.

        Bits that no measurement has written yet are 0, so most conditions on whole registers come down to that.

        Raises:
            CircuitFormatError: it depends on several bits.
        """
        written = self._written.get(register.name, 0)
        if value & ~written:
            return NEVER
        if written.bit_count() > 1:
            msg = (
                f"A condition on {written.bit_count()} measured bits of {register.name!r}: an operation can depend on "
                f"one bit. Measure into registers of one bit each and compare these."
            )
            raise CircuitFormatError(msg)
        if not written:
            return None
        position = written.bit_length() - 1
        return Condition(register.start + position, value >> position)

    def bit_condition(self, register: Register, position: int, value: int) -> Condition | None:
        """What a comparison of one bit of a register depends on: likewise."""
        if self._written.get(register.name, 0) >> position & 1:
            return Condition(register.start + position, value)
        return NEVER if value else None

    def circuit(self) -> QuantumCircuit:
        """The circuit, without measurements that end it.

        A measurement behind which nothing happens to its qubit, and whose bit no condition reads, changes no outcome:
        `Counts()` and `Samples()` measure every qubit by themselves.

        Raises:
            CircuitFormatError: no qubits were declared.
        """
        if not self._n[True]:
            raise CircuitFormatError("The program declares no qubits.")
        made = QuantumCircuit(self._n[True])
        for op in without_final_measurements(self._operations):
            made._add(op)  # its qubits were checked against the text already
        return made


def without_final_measurements(operations: Iterable[Operation]) -> list[Operation]:
    """The operations without measurements that end them: nothing happens to the qubit behind, no condition reads the bit."""
    kept: list[Operation] = []
    used: set[int] = set()
    read: set[int] = set()
    for op in reversed(list(operations)):
        if op.gate == "measure" and op.bit not in read and not used & {*op.qubits}:
            continue
        kept.append(op)
        used.update(op.qubits)
        if op.condition is not None:
            read.add(op.condition.bit)
    return kept[::-1]
