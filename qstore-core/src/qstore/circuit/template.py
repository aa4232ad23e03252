# SPDX-License-Identifier: Apache-2.0
"""The frozen circuit: immutable, hashable, named by a fingerprint of its content. Caches and journals hold only this."""

from __future__ import annotations

from collections.abc import Iterable

from qstore.circuit.angles import Parameter
from qstore.circuit.operation import Operation
from qstore.circuit.view import CircuitView
from qstore.errors import CircuitError

__all__ = ["Template"]


class Template(CircuitView):
    """An immutable circuit with a content `fingerprint`; made by `QuantumCircuit.freeze()`."""

    __slots__ = ("_facts", "_fingerprint", "_hash", "_n_qubits", "_operations", "_parameters")

    def __init__(self, n_qubits: int, operations: Iterable[Operation]) -> None:
        self._n_qubits = n_qubits
        self._operations = tuple(operations)
        self._parameters = _by_name(self._operations)
        self._fingerprint: str | None = None
        self._hash: int | None = None
        # Every run asks these; a template cannot change, so they are answered once.
        self._facts = (super().gates, super().is_noisy, super().has_feedback)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._n_qubits

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in order."""
        return self._operations

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the circuit uses, in order of their names."""
        return self._parameters

    @property
    def gates(self) -> frozenset[str]:
        """Names of the gates that occur."""
        return self._facts[0]

    @property
    def is_noisy(self) -> bool:
        """Whether a channel (noise or reset) acts, so that there is no statevector."""
        return self._facts[1]

    @property
    def has_feedback(self) -> bool:
        """Whether there are measurements inside the circuit, or gates that depend on them."""
        return self._facts[2]

    @property
    def fingerprint(self) -> str:
        """Thirty-two hexadecimal digits of BLAKE2 over the circuit's JSON: equal circuits have equal ones, anywhere."""
        if self._fingerprint is None:
            import hashlib  # 3 ms that most imports of qstore never need

            self._fingerprint = hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()
        return self._fingerprint

    def freeze(self) -> Template:
        """Itself."""
        return self

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Template):
            return NotImplemented
        same = self._n_qubits == other._n_qubits and self._operations == other._operations
        if same:
            # Caches compare a copy with what they keep in every call: from now on by identity, entry by entry.
            other._operations = self._operations
        return same

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self._n_qubits, self._operations))
        return self._hash

    def __len__(self) -> int:
        return len(self._operations)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Template {self.fingerprint[:8]}: {self._n_qubits} qubits, {len(self)} operations>"

    def __getstate__(self) -> tuple[int, tuple[Operation, ...]]:
        return self._n_qubits, self._operations

    def __setstate__(self, state: tuple[int, tuple[Operation, ...]]) -> None:
        self.__init__(*state)  # type: ignore[misc]  # the constructor is the only way to a consistent template


def _by_name(operations: tuple[Operation, ...]) -> tuple[Parameter, ...]:
    found: dict[str, Parameter] = {}
    for op in operations:
        for parameter in op.parameters:
            if found.setdefault(parameter.name, parameter) != parameter:
                msg = f"Parameter {parameter.name!r} has the shapes {found[parameter.name].shape} and {parameter.shape}."
                raise CircuitError(msg)
    return tuple(found[name] for name in sorted(found))
