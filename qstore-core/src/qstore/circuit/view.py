# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a circuit without changing it; shared by the builder and the frozen template."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from qstore.circuit.angles import Parameter
from qstore.circuit.gates import GateKind
from qstore.circuit.operation import Operation

if TYPE_CHECKING:
    from qstore.circuit.circuit import QuantumCircuit

__all__ = ["CircuitView"]


class CircuitView(ABC):
    """Read-only facts of a circuit."""

    __slots__ = ()

    @property
    @abstractmethod
    def n_qubits(self) -> int:
        """Number of qubits."""

    @property
    @abstractmethod
    def operations(self) -> tuple[Operation, ...]:
        """The operations in order."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the circuit uses, in order of their names."""

    @property
    def n_bits(self) -> int:
        """Number of classical bits that measurements write or conditions read."""
        bits = [op.bit for op in self.operations if op.bit is not None]
        bits += [op.condition.bit for op in self.operations if op.condition is not None]
        return max(bits, default=-1) + 1

    @property
    def gates(self) -> frozenset[str]:
        """Names of the gates that occur."""
        return frozenset(op.gate for op in self.operations)

    @property
    def is_noisy(self) -> bool:
        """Whether a channel (noise or reset) acts, so that there is no statevector."""
        return any(op.spec.kind is GateKind.CHANNEL for op in self.operations)

    @property
    def has_feedback(self) -> bool:
        """Whether there are measurements inside the circuit, or gates that depend on them."""
        return any(op.spec.kind is GateKind.MEASUREMENT or op.condition is not None for op in self.operations)

    def depth(self) -> int:
        """Length of the longest path: operations that share no qubit and no classical bit count as one layer."""
        return max((layer + 1 for layer in self.layers()), default=0)

    def layers(self) -> list[int]:
        """For each operation, the earliest layer it fits into."""
        free: dict[tuple[str, int], int] = {}
        result = []
        for op in self.operations:
            wires = [("q", qubit) for qubit in op.qubits]
            wires += [("b", op.bit)] if op.bit is not None else []
            wires += [("b", op.condition.bit)] if op.condition is not None else []
            layer = max(free.get(wire, 0) for wire in wires)
            free.update(dict.fromkeys(wires, layer + 1))
            result.append(layer)
        return result

    def gate_counts(self) -> dict[str, int]:
        """How often each gate occurs, the most frequent first."""
        return dict(Counter(op.gate for op in self.operations).most_common())

    def count_two_qubit_gates(self) -> int:
        """Number of unitaries on exactly two qubits."""
        return sum(len(op.qubits) == 2 and op.spec.kind is GateKind.UNITARY for op in self.operations)

    def to_json(self) -> str:
        """The circuit as versioned JSON text; `QuantumCircuit.from_json` reads it."""
        from qstore.circuit.json_format import to_json  # the format knows circuits, not the other way round

        return to_json(self)

    def to_qasm2(self, *, bindings: Mapping[str, ArrayLike] | None = None, measure: bool = False) -> str:
        """The circuit as OpenQASM 2 text; see `qstore.circuit.qasm2.dumps`.

        Raises:
            CircuitError: there are parameters and no bindings, or an operation that the format does not have.
            BindingError: the bindings do not fit the circuit.
        """
        from qstore.circuit.qasm2 import dumps

        return dumps(self, bindings=bindings, measure=measure)

    def to_qasm3(
        self,
        *,
        bindings: Mapping[str, ArrayLike] | None = None,
        measure: bool = False,
        arrays: bool = False,
    ) -> str:
        """The circuit as OpenQASM 3 text, parameters as inputs; see `qstore.circuit.qasm3.dumps`.

        Raises:
            CircuitError: an operation or a name that the format does not have.
            BindingError: the bindings do not fit the circuit.
        """
        from qstore.circuit.qasm3 import dumps

        return dumps(self, bindings=bindings, measure=measure, arrays=arrays)

    def draw(self, *, max_width: int = 120) -> str:
        """A text drawing, qubit 0 on top, broken into blocks of at most `max_width` characters."""
        from qstore.circuit.drawing import draw_text  # needed only where a person looks

        return draw_text(self, max_width=max_width)

    def to(self, format: str, **options: Any) -> Any:
        """Convert to another library's circuit or text format by the name of an installed converter.

        Raises:
            BackendUnavailable: no installed distribution converts to that format.
        """
        from qstore.circuit.interchange import convert_to

        return convert_to(self, format, options)

    def inverse(self) -> QuantumCircuit:
        """The circuit that undoes this one.

        Raises:
            CircuitError: it measures, resets, prepares or has noise, which cannot be undone.
        """
        from qstore.circuit.transform import inverse

        return inverse(self)

    def controlled(self) -> QuantumCircuit:
        """This circuit with one control qubit more: the new qubit `n_qubits`, the last one.

        Raises:
            CircuitError: it measures, resets, prepares, has noise, or a unitary on three qubits.
        """
        from qstore.circuit.transform import controlled

        return controlled(self)

    def __str__(self) -> str:
        return self.draw()
