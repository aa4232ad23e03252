# SPDX-License-Identifier: Apache-2.0
"""The statements of OpenQASM 2 (Cross, Bishop, Smolin, Gambetta, arXiv:1707.03429, appendix A).

Registers are concatenated in the order of their declarations. Gates of the text are expanded down to the gate table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from qstore.circuit.angles import Angle
from qstore.circuit.circuit import QuantumCircuit
from qstore.circuit.operation import Condition, Operation
from qstore.circuit.qasm2.definitions import Definitions
from qstore.circuit.qasm2.expressions import evaluate
from qstore.circuit.qasm2.gates import expand
from qstore.circuit.qasm2.tokens import tokens_of
from qstore.circuit.text import END, NEVER, Program, Register, Source, Token, listed
from qstore.circuit.text.gates import broadcast, check_number
from qstore.errors import CircuitFormatError, nearest_names

__all__ = ["MAX_OPERATIONS", "MAX_STEPS", "loads", "matches"]

MAX_OPERATIONS = 1_000_000
"""Most operations of the circuit, after expansion."""
MAX_STEPS = 20_000_000
"""Most calls and steps of angles while gates are expanded."""
_HEADER_WITHIN = 4096
_MAX_DIGITS = 1500

T = TypeVar("T")


def loads(text: str | bytes) -> QuantumCircuit:
    """Read an OpenQASM 2 program.

    Args:
        text: the program; `include "qelib1.inc"` is built in and no file is ever opened.

    Returns:
        The circuit, without barriers, and without measurements at the end because outputs measure by themselves.

    Raises:
        CircuitFormatError: it cannot be read; with line, column and the place in the text.

    Example:
        >>> print(loads('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0], q[1];'))
        q0: ─H─●─
               │
        q1: ───X─
    """
    return _Reader(Source(text, "OpenQASM 2")).read()


def matches(source: object) -> bool:
    """Whether this is text that starts like OpenQASM 2: comments and blank lines, then the word and the version."""
    if isinstance(source, bytes):
        source = source[:_HEADER_WITHIN].decode(errors="replace")
    if not isinstance(source, str):
        return False
    for line in source[:_HEADER_WITHIN].removeprefix("\ufeff").splitlines():
        words = line.partition("//")[0].split()
        if words:
            return words[0] == "OPENQASM" and (len(words) == 1 or words[1].startswith("2"))
    return False


class _Argument(NamedTuple):
    """A whole register, or a single member of it, as a statement names it."""

    members: Sequence[int]
    single: bool


class _Reader:
    """Reads one program from its first token to its last."""

    def __init__(self, source: Source) -> None:
        self.tokens = tokens_of(source)
        self.program = Program()
        self.definitions = Definitions(self.tokens)
        self.operations = 0
        self.steps = 0
        self.statements: dict[str, Callable[[], None]] = {
            "include": self.definitions.include,
            "gate": self.definitions.define,
            "opaque": self.definitions.opaque,
            "qreg": lambda: self._register(quantum=True),
            "creg": lambda: self._register(quantum=False),
            "barrier": self._barrier,
            "if": self._if,
            "measure": lambda: self._measure(None),
            "reset": lambda: self._reset(None),
        }

    def read(self) -> QuantumCircuit:
        self._header()
        while self.tokens.next.kind != END:
            statement = self.statements.get(self.tokens.next.text)
            if statement is not None:
                statement()
            else:
                self._gate(None)
        return self._at(self.tokens.next, self.program.circuit)

    def _header(self) -> None:
        tokens = self.tokens
        tokens.expect("OPENQASM", " as the first word of the program")
        version = tokens.take()
        if version.kind not in {"real", "integer"} or version.text not in {"2.0", "2"}:
            raise tokens.error(f"This reads OpenQASM 2.0, not {version.text[:40]!r}.", version)
        tokens.expect(";")

    def _register(self, *, quantum: bool) -> None:
        tokens = self.tokens
        tokens.take()
        name = tokens.name("the name of a register")
        tokens.expect("[")
        position = tokens.next
        size = tokens.integer("the size of the register")
        tokens.expect("]")
        tokens.expect(";")
        if name.text in self.program.registers:
            raise tokens.error(f"There is a register {name.text!r} already.", name)
        self._at(position, lambda: self.program.declare(name.text, size, quantum=quantum))

    def _barrier(self) -> None:
        self.tokens.take()
        listed(self.tokens, lambda: self._argument(quantum=True))
        self.tokens.expect(";")

    def _if(self) -> None:
        tokens = self.tokens
        first = tokens.take()
        tokens.expect("(")
        register = self._named(tokens.name("the name of a classical register"), quantum=False)
        tokens.expect("==")
        if tokens.next.kind != "integer":
            raise tokens.unexpected("a whole number")
        # 4,096 bits are 1,234 digits: what is cut off belongs to a number that no register reaches.
        value = int("0" + tokens.take().text.lstrip("0")[:_MAX_DIGITS])
        tokens.expect(")")
        condition = self._at(first, lambda: self.program.condition(register, value))
        kinds = {"measure": self._measure, "reset": self._reset}
        kinds.get(tokens.next.text, self._gate)(condition)

    def _reset(self, condition: Condition | None) -> None:
        first = self.tokens.take()
        argument = self._argument(quantum=True)
        self.tokens.expect(";")
        self._count(first, len(argument.members), len(argument.members))
        for qubit in argument.members if condition is not NEVER else ():
            self.program.reset(qubit, condition)

    def _measure(self, condition: Condition | None) -> None:
        tokens = self.tokens
        first = tokens.take()
        source = self._argument(quantum=True)
        tokens.expect("->")
        target = self._argument(quantum=False)
        tokens.expect(";")
        if len(source.members) != len(target.members):
            msg = f"{len(source.members)} qubit(s) cannot be measured into {len(target.members)} bit(s)."
            raise tokens.error(msg, first)
        if condition is not None and condition.bit in target.members[:-1]:
            raise tokens.error("A measurement of a register cannot change the bit that it depends on.", first)
        self._count(first, len(source.members), len(source.members))
        pairs = zip(source.members, target.members, strict=True)
        for qubit, bit in pairs if condition is not NEVER else ():
            self.program.measure(qubit, bit, condition)

    def _gate(self, condition: Condition | None) -> None:
        name, gate = self.definitions.callee()
        angles = [evaluate(angle, ()) for angle in self.definitions.angles(name, gate, {})]
        arguments = listed(self.tokens, lambda: self._argument(quantum=True))
        self.tokens.expect(";")
        check_number(self.tokens, name, "qubit", gate.n_qubits, len(arguments))

        def emit(row: str, angles: tuple[float, ...], qubits: tuple[int, ...]) -> None:
            made = tuple(Angle((), angle + 0.0) for angle in angles)
            self.program.append(Operation(row, qubits, made, condition=condition))

        for qubits in broadcast(self.tokens, name, arguments):
            if len(set(qubits)) < len(qubits):
                raise self.tokens.error(f"{name.text!r} acts on a qubit twice.", name)
            self._count(name, gate.n_rows, gate.n_steps)
            if condition is NEVER:
                continue
            try:
                expand(gate, angles, qubits, emit)
            except (ArithmeticError, ValueError) as exc:
                raise self.tokens.error(f"An angle of {name.text!r} has no value: {exc}.", name) from exc

    def _argument(self, *, quantum: bool) -> _Argument:
        tokens = self.tokens
        name = tokens.name(f"the name of a {'quantum' if quantum else 'classical'} register")
        register = self._named(name, quantum=quantum)
        if not tokens.accept("["):
            return _Argument(register.members, single=False)
        position = tokens.next
        index = tokens.integer("the number of a qubit" if quantum else "the number of a bit")
        if index >= register.size:
            last = register.size - 1
            raise tokens.error(
                f"{name.text}[{index}]: {name.text!r} ends with {name.text}[{last}].", position
            )
        tokens.expect("]")
        return _Argument((register.start + index,), single=True)

    def _named(self, name: Token, *, quantum: bool) -> Register:
        register = self.program.registers.get(name.text)
        if register is None or register.quantum is not quantum:
            fitting = [each.name for each in self.program.registers.values() if each.quantum is quantum]
            kind = "quantum" if quantum else "classical"
            hint = nearest_names(name.text, fitting)
            raise self.tokens.error(f"No {kind} register named {name.text!r}.{hint}", name)
        return register

    def _count(self, token: Token, operations: int, steps: int) -> None:
        """Refuse what would become too long before it is made."""
        self.operations += operations
        self.steps += steps
        if self.operations > MAX_OPERATIONS:
            raise self.tokens.error(f"The circuit has more than {MAX_OPERATIONS} operations.", token)
        if self.steps > MAX_STEPS:
            raise self.tokens.error(f"Expanding the gates takes more than {MAX_STEPS} steps.", token)

    def _at(self, token: Token, action: Callable[[], T]) -> T:
        """Do something whose errors do not know where in the text they are."""
        try:
            return action()
        except CircuitFormatError as exc:
            raise self.tokens.error(str(exc), token) from None
