# SPDX-License-Identifier: Apache-2.0
"""The work that is measured: one training step of a quantum layer, `train(qubits, depth, batch, entanglement)`.

RY(x_q) on every qubit, then `depth` times [RY(w), RZ(w) on every qubit, CNOTs]; outputs <Z_q> on all qubits, loss
sum(outputs * g), gradients with respect to x (per sample) and w (shared). RY(t) = exp(-i t Y/2), radians.
Options vary it, see `OPTIONS`. Needs numpy alone, because it is also imported in the peers' own environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Step = Callable[[], tuple[Any, Any, Any]]
Forward = Callable[[], Any]

OPTIONS: dict[str, tuple[str, ...]] = {
    # Z on every qubit; X, Y and Z on every qubit; one sum of 100 random Pauli strings.
    "outputs": ("z", "xyz", "pauli100"),
    # RY(x) once; before every layer; x as 2**n amplitudes, normalised.
    "inputs": ("angle", "reupload", "amplitude"),
    # CNOTs, or rotations with a weight of their own.
    "entangler": ("cx", "rxx", "ryy", "rzz", "crx", "cry", "crz"),
    # RY and RZ; RX, RY and RZ.
    "rotations": ("2", "3"),
}
PAULI_TERMS = 100


class Instruction(NamedTuple):
    """A gate; its angle is entry `index` of `source`: "x" (per sample), "w" (of all weights) or "" for none."""

    gate: str
    qubits: tuple[int, ...]
    source: str = ""
    index: int = 0


class Case(NamedTuple):
    """One row of the table."""

    qubits: int
    depth: int
    batch: int
    entanglement: str
    outputs: str = "z"
    inputs: str = "angle"
    entangler: str = "cx"
    rotations: str = "2"

    @property
    def label(self) -> str:
        """The case as it is written in the table and on the command line."""
        plain = f"{self.qubits},{self.depth},{self.batch},{self.entanglement}"
        named = [
            f"{name}={getattr(self, name)}"
            for name, known in OPTIONS.items()
            if getattr(self, name) != known[0]
        ]
        return ",".join([plain, *named])

    @classmethod
    def parse(cls, label: str) -> Case:
        """The case written as `qubits,depth,batch,entanglement[,option=value ...]`."""
        qubits, depth, batch, entanglement, *named = label.split(",")
        if entanglement not in ENTANGLERS:
            msg = f"Unknown entanglement {entanglement!r} in case {label!r}; known: {sorted(ENTANGLERS)}."
            raise ValueError(msg)
        options = dict(text.split("=", 1) for text in named)
        for name, value in options.items():
            if value not in OPTIONS.get(name, ()):
                raise ValueError(f"Unknown option {name}={value} in case {label!r}; known: {OPTIONS}.")
        return cls(int(qubits), int(depth), int(batch), entanglement, **options)

    @property
    def is_plain(self) -> bool:
        """Whether no option differs from the first of its list, which is what every peer can do."""
        return all(getattr(self, name) == known[0] for name, known in OPTIONS.items())

    def pairs(self) -> list[tuple[int, int]]:
        """Control and target of each entangler of a layer, in order."""
        return list(ENTANGLERS[self.entanglement](self.qubits))

    def instructions(self) -> list[Instruction]:
        """The circuit behind the preparation of amplitudes."""
        found: list[Instruction] = []
        encode = [Instruction("ry", (q,), "x", q) for q in range(self.qubits)]
        if self.inputs == "angle":
            found += encode
        number = 0
        for _ in range(self.depth):
            if self.inputs == "reupload":
                found += encode
            for q in range(self.qubits):
                for gate in ("ry", "rz") if self.rotations == "2" else ("rx", "ry", "rz"):
                    found.append(Instruction(gate, (q,), "w", number))
                    number += 1
            for pair in self.pairs():
                if self.entangler == "cx":
                    found.append(Instruction("cx", pair))
                else:
                    found.append(Instruction(self.entangler, pair, "w", number))
                    number += 1
        return found

    def paulis(self) -> list[list[tuple[float, str]]]:
        """The outputs as sums of (coefficient, letters of qubits 0 to n - 1)."""
        n = self.qubits
        if self.outputs == "pauli100":
            random = np.random.default_rng(100)
            letters = ["".join(random.choice(list("IXYZ"), n)) for _ in range(PAULI_TERMS)]
            return [list(zip(random.standard_normal(PAULI_TERMS).tolist(), letters, strict=True))]
        kinds = "Z" if self.outputs == "z" else "XYZ"
        return [[(1.0, "I" * q + kind + "I" * (n - 1 - q))] for kind in kinds for q in range(n)]

    def textbook_flops(self) -> float:
        """Operations of a step done the usual way, for plain cases; 0 for others.

        One fused 2 x 2 gate per qubit and layer on 2**(n - 1) pairs: 28 operations forwards, 56 to undo it on state and
        adjoint state, 32 for the 2 x 2 matrix of derivatives. CNOTs are free, the encoding fuses with the first layer.
        """
        if not self.is_plain:
            return 0.0
        return self.batch * self.depth * self.qubits * 2.0 ** (self.qubits - 1) * (28 + 56 + 32)

    def inputs_of(self, seed: int) -> dict[str, Array]:
        """Data x (batch, n or 2**n), weights w (depth, n, 2) or (number,), upstream gradient g (batch, outputs)."""
        random = np.random.default_rng(seed)
        if self.inputs == "amplitude":
            x = random.standard_normal((self.batch, 1 << self.qubits))
        else:
            x = random.uniform(-np.pi, np.pi, (self.batch, self.qubits))
        number = sum(step.source == "w" for step in self.instructions())
        plain = (self.depth, self.qubits, 2)
        w = random.uniform(-np.pi, np.pi, plain if self.is_plain else (number,))
        return {"x": x, "w": w, "g": random.standard_normal((self.batch, len(self.paulis())))}


def _full(n: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(n) for b in range(a + 1, n))


def _linear(n: int) -> Iterator[tuple[int, int]]:
    return ((a, a + 1) for a in range(n - 1))


def _circular(n: int) -> Iterator[tuple[int, int]]:
    return ((a, (a + 1) % n) for a in range(n if n > 2 else n - 1))


ENTANGLERS: dict[str, Callable[[int], Iterator[tuple[int, int]]]] = {
    "full": _full,
    "linear": _linear,
    "circular": _circular,
    "none": lambda _: iter(()),
}

CASES = tuple(
    Case.parse(label)
    for label in (
        "4,3,32,linear",
        "8,4,32,full",
        "8,4,256,full",
        "10,3,64,linear",
        "12,4,32,linear",
        "16,3,8,linear",
    )
)
QUICK_CASES = CASES[:2]
WIDE_CASES = tuple(
    Case.parse(label)
    for label in (
        "2,1,1,linear",
        "2,3,1024,linear",
        "3,2,128,circular,outputs=xyz",
        "4,1,1,linear",
        "4,3,1024,full",
        "5,2,16,circular,inputs=reupload",
        "6,2,1,full",
        "6,2,1024,linear",
        "6,3,64,circular,entangler=rzz",
        "7,3,32,linear,rotations=3",
        "8,1,256,none",
        "8,2,64,linear,inputs=amplitude",
        "8,2,64,full,entangler=crx",
        "8,3,128,circular,inputs=reupload,outputs=xyz",
        "8,4,32,linear,outputs=pauli100",
        "9,3,32,linear,entangler=ryy",
        "10,2,1,linear",
        "10,2,256,circular",
        "10,3,16,full,rotations=3",
        "10,3,32,linear,entangler=crz,outputs=xyz",
        "11,2,32,circular,inputs=amplitude",
        "12,2,4,linear,entangler=cry",
        "12,3,16,full",
        "12,2,16,linear,outputs=pauli100",
        "13,2,8,circular,inputs=reupload",
        "14,2,1,linear",
        "14,2,8,linear,entangler=rxx",
        "15,2,4,linear,rotations=3",
        "16,3,1,linear",
        "16,2,4,linear",
        "18,2,1,linear",
    )
)


class Workload(NamedTuple):
    """What a peer's `build` returns: two callables without arguments.

    `step` returns (values (batch, n), gradient of x, gradient of w) and `forward` the values alone, each as anything
    that `numpy.asarray` takes; both return only when the numbers are really there. `flops` is how many floating-point
    operations a step executes, where that is known.
    """

    step: Step
    forward: Forward
    flops: float = 0.0
