# SPDX-License-Identifier: Apache-2.0
"""The circuit builder.

Qubit 0 is the least significant bit of every integer outcome. Methods append in place and return the circuit, so
that calls chain. A builder compares by content and is not hashable; `freeze()` gives the immutable template.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike

from qstore.circuit.angles import Angle, AngleLike, Parameter, as_angle
from qstore.circuit.arguments import (
    as_tuple,
    checked_bit,
    checked_kraus,
    checked_qubits,
    checked_state,
    checked_unitary,
)
from qstore.circuit.channel_methods import ChannelMethods
from qstore.circuit.gate_methods import GateMethods
from qstore.circuit.gates import GateKind, gate_spec
from qstore.circuit.operation import Amplitudes, Condition, Operation
from qstore.circuit.template import Template
from qstore.circuit.view import CircuitView
from qstore.errors import CircuitError, nearest_names

__all__ = ["MAX_QUBITS", "QuantumCircuit"]

MAX_QUBITS = 1024
MAX_INITIALIZED_QUBITS = 26

_ELSEWHERE = {
    "measure_all": " Leave it out: outputs=qs.Counts() and qs.Samples() measure every qubit.",
    "add_gate": " Use append(gate, qubits, angles) or the gate's own method.",
    "bind_data": " Bindings go to qs.run(circuit, bindings), not into the circuit.",
    "assign_parameters": " Bindings go to qs.run(circuit, bindings), not into the circuit.",
    "num_qubits": " It is called n_qubits.",
    "hash": " freeze().fingerprint names a circuit by its content.",
}
"""Names that people look for, and where the thing is."""


class QuantumCircuit(GateMethods, ChannelMethods, CircuitView):
    """Operations on `n_qubits` qubits with named parameters.

    Args:
        n_qubits: number of qubits, at least 1. All start in |0>.

    Raises:
        CircuitError: `n_qubits` is not an integer from 1 to 1024.

    Example:
        >>> circuit = QuantumCircuit(2).h(0).cx(0, 1).rx(1, "theta")
        >>> print(circuit)
        q0: ─H─●───────────
               │
        q1: ───X─RX(theta)─
    """

    __slots__ = ("_condition", "_frozen", "_n_qubits", "_operations", "_parameters")
    __hash__ = None  # type: ignore[assignment]  # mutable, compares by content

    def __init__(self, n_qubits: int) -> None:
        if (
            isinstance(n_qubits, bool)
            or not isinstance(n_qubits, (int, np.integer))
            or not 1 <= n_qubits <= MAX_QUBITS
        ):
            raise CircuitError(f"n_qubits must be an integer from 1 to {MAX_QUBITS}, got {n_qubits!r}.")
        self._n_qubits = int(n_qubits)
        self._operations: list[Operation] = []
        self._parameters: dict[str, Parameter] = {}
        self._condition: Condition | None = None
        self._frozen: Template | None = None

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._n_qubits

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in order."""
        return tuple(self._operations)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the circuit uses, in order of their names."""
        return tuple(self._parameters[name] for name in sorted(self._parameters))

    def append(self, gate: str, qubits: int | tuple[int, ...], angles: Sequence[AngleLike] = ()) -> Self:
        """Append a gate of the table by name.

        Args:
            gate: a name of `qstore.circuit.GATES`.
            qubits: which qubits, controls first.
            angles: as many as the gate takes, radians.

        Raises:
            CircuitError: no such gate, wrong number of qubits or angles, a qubit out of range or named twice, or an
                angle that is not affine in the parameters.
        """
        spec = gate_spec(gate)
        if spec.n_qubits == 0 or spec.kind is GateKind.MEASUREMENT:
            raise CircuitError(f"{gate!r} takes more than qubits and angles; call circuit.{gate}(...).")
        on = checked_qubits(gate, qubits, spec.n_qubits, self._n_qubits)
        angles = (
            (angles,) if isinstance(angles, (str, float, int, np.number, Parameter, Angle)) else tuple(angles)
        )
        if len(angles) != spec.n_angles:
            raise CircuitError(f"{gate!r} takes {spec.n_angles} angle(s), got {len(angles)}: {angles!r}.")
        return self._add(
            Operation(gate, on, tuple(as_angle(angle) for angle in angles), condition=self._condition)
        )

    def append_operation(self, operation: Operation) -> Self:
        """Append an operation of another circuit on the same qubits and classical bits.

        Raises:
            CircuitError: a qubit is out of range, or it initializes qubits that are in use.
        """
        checked_qubits(operation.gate, operation.qubits, len(operation.qubits), self._n_qubits)
        self._adopt(operation, tuple(range(self._n_qubits)), 0)
        return self

    def unitary(self, matrix: ArrayLike, qubits: int | tuple[int, ...]) -> Self:
        """Append any unitary on one to three qubits.

        Args:
            matrix: (2**k, 2**k) complex, the first of `qubits` the least significant bit of its index.
            qubits: the k qubits.

        Raises:
            CircuitError: the matrix has the wrong shape or is not unitary to 1e-8.
        """
        n = len(as_tuple(qubits))
        if not 1 <= n <= 3:
            raise CircuitError(f"A unitary acts on 1 to 3 qubits, got {n}; split larger ones into gates.")
        on = checked_qubits("unitary", qubits, n, self._n_qubits)
        entries = checked_unitary(matrix, n)
        return self._add(Operation("unitary", on, unitary=entries, condition=self._condition))

    def initialize(
        self,
        amplitudes: ArrayLike | Parameter,
        qubits: int | tuple[int, ...] | None = None,
        *,
        imag: Parameter | None = None,
    ) -> Self:
        """Prepare qubits that nothing has touched yet in a given state.

        Args:
            amplitudes: the 2**k constant amplitudes, normalised to 1e-8; or a Parameter of shape (2**k,), whose
                binding x (any length but zero) prepares x / |x|.
            qubits: the k qubits, all of them by default; the first is the least significant bit of the index.
            imag: a second Parameter of the same shape for the imaginary parts.

        Raises:
            CircuitError: wrong shape, not normalised, or not the first operation on its qubits.
        """
        on = tuple(range(self._n_qubits)) if qubits is None else qubits
        n = len(as_tuple(on))
        on = checked_qubits("initialize", on, n, self._n_qubits)
        touched = sorted({q for op in self._operations for q in op.qubits} & set(on))
        if self._condition is not None:
            raise CircuitError("initialize prepares fresh qubits and cannot depend on a classical bit.")
        if touched:
            raise CircuitError(
                f"initialize prepares fresh qubits, but qubit(s) {touched} have operations already."
            )
        if n > MAX_INITIALIZED_QUBITS:
            raise CircuitError(f"initialize takes at most {MAX_INITIALIZED_QUBITS} qubits, got {n}.")
        if isinstance(amplitudes, Parameter):
            for parameter in (amplitudes, imag):
                if parameter is not None and parameter.shape != (1 << n,):
                    msg = (
                        f"initialize on {n} qubits needs a parameter of shape ({1 << n},), {parameter.name!r} has shape "
                        f"{parameter.shape}. Pad or reduce the data to {1 << n} entries first."
                    )
                    raise CircuitError(msg)
            if amplitudes == imag:
                raise CircuitError(
                    f"Real and imaginary parts need two parameters, both are {amplitudes.name!r}."
                )
            return self._add(Operation("initialize", on, amplitudes=Amplitudes(real=amplitudes, imag=imag)))
        if imag is not None:
            raise CircuitError(
                "imag= goes with a Parameter; constant amplitudes are given as one complex array."
            )
        return self._add(
            Operation("initialize", on, amplitudes=Amplitudes(constant=checked_state(amplitudes, n)))
        )

    def measure(self, qubit: int, bit: int | None = None) -> Self:
        """Measure a qubit in the computational basis inside the circuit and write a classical bit.

        Not needed at the end of a circuit: `Counts()` and `Samples()` measure all qubits by themselves.

        Args:
            qubit: which qubit.
            bit: which classical bit, by default the first unused one.

        Raises:
            CircuitError: the qubit or the bit is out of range.
        """
        on = checked_qubits("measure", qubit, 1, self._n_qubits)
        target = self.n_bits if bit is None else bit
        return self._add(Operation("measure", on, bit=checked_bit(target), condition=self._condition))

    @contextmanager
    def when(self, bit: int, value: int = 1) -> Iterator[Self]:
        """Apply what is appended inside the block only where the measured classical bit has this value.

        Raises:
            CircuitError: no measurement has written that bit, or the blocks are nested.

        Example:
            >>> circuit = QuantumCircuit(2).h(0).measure(0, bit=0)
            >>> with circuit.when(0):
            ...     _ = circuit.x(1)
        """
        if self._condition is not None:
            raise CircuitError("Conditions cannot be nested: an operation depends on one classical bit.")
        if bit not in {op.bit for op in self._operations if op.bit is not None}:
            raise CircuitError(f"No measurement has written classical bit {bit!r} yet.")
        if value not in (0, 1):
            raise CircuitError(f"A classical bit is 0 or 1, got {value!r}.")
        self._condition = Condition(checked_bit(bit), int(value))
        try:
            yield self
        finally:
            self._condition = None

    def kraus(self, operators: ArrayLike, qubits: int | tuple[int, ...]) -> Self:
        """Append any channel on one or two qubits, by its Kraus operators.

        Args:
            operators: (number, 2**k, 2**k) complex, the first of `qubits` the least significant bit of their indices.
            qubits: the k qubits.

        Raises:
            CircuitError: wrong shape, or the sum of K^dagger K differs from the identity by more than 1e-8.

        Example:
            >>> import numpy as np
            >>> half = 0.5**0.5
            >>> print(QuantumCircuit(1).kraus([half * np.eye(2), half * np.diag([1, -1])], 0))
            q0: ─Kraus─
        """
        n = len(as_tuple(qubits))
        if n not in {1, 2}:
            raise CircuitError(f"A channel acts on 1 or 2 qubits, got {n}.")
        on = checked_qubits("kraus", qubits, n, self._n_qubits)
        entries = checked_kraus(operators, n)
        return self._add(Operation("kraus", on, unitary=entries, condition=self._condition))

    def compose(self, other: CircuitView, qubits: Sequence[int] | None = None) -> Self:
        """Append another circuit's operations.

        Args:
            other: the circuit to append; left as it is.
            qubits: onto which qubits its qubits 0, 1, ... go; by default the same numbers. Its classical bits become
                new bits behind this circuit's.

        Raises:
            CircuitError: the qubits do not fit, or `other` initializes qubits that are in use.
        """
        if self._condition is not None:
            raise CircuitError("compose inside a when() block is not supported: append the gates one by one.")
        onto = checked_qubits(
            "compose", range(other.n_qubits) if qubits is None else qubits, other.n_qubits, self._n_qubits
        )
        first_bit = self.n_bits
        fresh = self.copy()  # all or nothing: a clash half way leaves this circuit as it was
        for op in other.operations:
            fresh._adopt(op, onto, first_bit)
        self._operations, self._parameters, self._frozen = fresh._operations, fresh._parameters, None
        return self

    def copy(self) -> QuantumCircuit:
        """An independent copy."""
        twin = QuantumCircuit(self._n_qubits)
        twin._operations = list(self._operations)
        twin._parameters = dict(self._parameters)
        return twin

    __copy__ = copy  # the default would share the list of operations

    def freeze(self) -> Template:
        """The immutable, hashable template of the circuit as it is now."""
        if self._frozen is None:
            # Kept until the next change: a training loop that passes the builder freezes and hashes it once.
            self._frozen = Template(self._n_qubits, self.operations)
        return self._frozen

    @classmethod
    def from_json(cls, text: str | bytes) -> QuantumCircuit:
        """Read what `to_json` wrote.

        Raises:
            CircuitFormatError: damaged, too large, or written by a format this release does not read.
        """
        from qstore.circuit.json_format import from_json

        return from_json(text)

    @classmethod
    def from_qasm2(cls, text: str | bytes) -> QuantumCircuit:
        """Read an OpenQASM 2 program; see `qstore.circuit.qasm2.loads`.

        Raises:
            CircuitFormatError: it cannot be read; with line, column and the place in the text.
        """
        from qstore.circuit.qasm2 import loads

        return loads(text)

    @classmethod
    def from_qasm3(cls, text: str | bytes) -> QuantumCircuit:
        """Read an OpenQASM 3 program; see `qstore.circuit.qasm3.loads`.

        Raises:
            CircuitFormatError: it cannot be read; with line, column and the place in the text.
        """
        from qstore.circuit.qasm3 import loads

        return loads(text)

    @classmethod
    def from_any(cls, source: Any) -> QuantumCircuit:
        """Convert another library's circuit or a text format through the installed converters.

        Raises:
            BackendUnavailable: no installed converter recognises it.
        """
        from qstore.circuit.interchange import convert_from

        return convert_from(source)

    def __getattr__(self, name: str) -> NoReturn:
        # Only called for names that do not exist: people arrive with other libraries' habits.
        public = [known for known in dir(type(self)) if not known.startswith("_")]
        hint = _ELSEWHERE.get(name) or nearest_names(name, public)
        raise AttributeError(f"A QuantumCircuit has no {name!r}.{hint}", name=name, obj=self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantumCircuit):
            return NotImplemented
        return self._n_qubits == other._n_qubits and self._operations == other._operations

    def __len__(self) -> int:
        return len(self._operations)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        names = ", ".join(f"{p.name}{list(p.shape)}" for p in self.parameters)
        return (
            f"<QuantumCircuit: {self._n_qubits} qubits, {len(self)} operations, parameters {names or 'none'}>"
        )

    def _add(self, op: Operation) -> Self:
        new: dict[str, Parameter] = {}
        for parameter in op.parameters:
            known = self._parameters.get(parameter.name) or new.setdefault(parameter.name, parameter)
            if known != parameter:
                msg = f"Parameter {parameter.name!r} has shape {known.shape} here, and now shape {parameter.shape}."
                raise CircuitError(msg)
        self._parameters |= new
        self._operations.append(op)
        self._frozen = None
        return self

    def _adopt(self, op: Operation, onto: tuple[int, ...], first_bit: int) -> None:
        qubits = tuple(onto[q] for q in op.qubits)
        if op.amplitudes is not None and {q for mine in self._operations for q in mine.qubits} & set(qubits):
            raise CircuitError(
                f"The appended circuit initializes qubits {qubits}, which have operations already."
            )
        bit = None if op.bit is None else checked_bit(op.bit + first_bit)
        condition = op.condition and Condition(op.condition.bit + first_bit, op.condition.value)
        self._add(Operation(op.gate, qubits, op.angles, op.unitary, op.amplitudes, bit, condition))
