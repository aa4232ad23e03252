# SPDX-License-Identifier: Apache-2.0
"""`initialize` as rotations, whose angles are computed from the amplitudes for the whole batch at once.

The lowered template has one parameter of angles in place of each pair of amplitude parameters, so that it is a
template of rotations like any other; `PreparationMap` takes the user's bindings to the lowered template's, and
gradients of those back. What is prepared is x / |x| up to a global phase; real amplitudes take RY only and no phase
is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore.circuit import CircuitView, Operation, Parameter, Template
from qstore.circuit.synthesis import (
    amplitude_angles,
    amplitude_cotangents,
    multiplexed_angles,
    multiplexed_cotangent,
    prepared,
    rotation_level,
)
from qstore.errors import BindingError, CapabilityError

__all__ = ["MAX_PREPARED_QUBITS", "Preparation", "PreparationMap", "lower_initialize"]

Array = NDArray[np.float64]

MAX_PREPARED_QUBITS = 16
"""Most qubits of one `initialize` that is lowered: any state of 16 takes 65,535 RY, and as many RZ if it is complex."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """Which amplitudes become which angles.

    Attributes:
        real, imag: the amplitude parameters of shape (2**n,); no `imag` for real amplitudes.
        angles: of the rotations; one entry each, levels root first, all of RY before all of RZ.
    """

    real: Parameter
    imag: Parameter | None
    angles: Parameter

    @property
    def n_levels(self) -> int:
        """Number of qubits."""
        return self.real.size.bit_length() - 1

    def level(self, number: int, *, phases: bool = False) -> slice:
        """Where the angles of RY (or, with `phases`, of RZ) of one level stand."""
        start = (1 << number) - 1 + (self.real.size - 1 if phases else 0)
        return slice(start, start + (1 << number))


@dataclass(frozen=True, slots=True)
class PreparationMap:
    """From the bindings of a circuit to those of its lowered template, and back.

    Bindings have exactly their parameter's shape (shared) or one more leading axis (per sample), as everywhere.

    Attributes:
        preparations: one for every different pair of amplitude parameters.
        parameters: the names of all parameters of the lowered template.
    """

    preparations: tuple[Preparation, ...]
    parameters: frozenset[str]

    def angles(
        self, bindings: Mapping[str, Array], per_sample: Collection[str], size: int
    ) -> dict[str, Array]:
        """The new parameters' bindings: per sample, (size, number), as soon as one of the amplitudes is.

        Raises:
            BindingError: a row of amplitudes has no direction, because all of them are zero.
        """
        result: dict[str, Array] = {}
        for preparation in self.preparations:
            real, imag, _ = _scaled(preparation, bindings)
            lead = (size,) if _varies(preparation, per_sample) else ()
            flat = np.empty((*lead, preparation.angles.size))
            for phases, levels in enumerate(amplitude_angles(real, imag)):
                for number, level in enumerate(levels):
                    flat[..., preparation.level(number, phases=bool(phases))] = multiplexed_angles(level)
            result[preparation.angles.name] = flat
        return result

    def bindings(
        self, bindings: Mapping[str, Array], per_sample: Collection[str], size: int
    ) -> dict[str, Array]:
        """All bindings of the lowered template: the new ones, and the old ones that it still uses."""
        kept = {name: array for name, array in bindings.items() if name in self.parameters}
        return kept | self.angles(bindings, per_sample, size)

    def pull_back(
        self,
        gradients: Mapping[str, Array],
        bindings: Mapping[str, Array],
        per_sample: Collection[str],
        wrt: Collection[str],
    ) -> dict[str, Array]:
        """Gradients of the circuit's parameters from those of the lowered template's.

        Args:
            gradients: by name, shaped like `bindings(...)`; what is missing counts as zero.
            bindings: the circuit's own.
            per_sample: which of these are per sample.
            wrt: names of the circuit's parameters that are wanted.

        Returns:
            Shaped like the circuit's bindings: summed over the batch for a shared one. The derivative along x itself is
            zero. Where all amplitudes of a branch of the tree vanish its angles do not matter and say nothing about the
            gradient: the real part of its first entry gets the right one, everything else in the branch gets 0.
        """
        result = {name: array.copy() for name, array in gradients.items() if name in wrt}
        for preparation in self.preparations:
            cotangent = gradients.get(preparation.angles.name)
            wanted = [p for p in (preparation.real, preparation.imag) if p is not None and p.name in wrt]
            if cotangent is None or not wanted:
                continue
            for parameter, part in zip(
                (preparation.real, preparation.imag), _pulled(preparation, bindings, cotangent), strict=True
            ):
                if parameter is None or part is None or parameter.name not in wrt:
                    continue
                shared = parameter.name not in per_sample and part.ndim > 1
                piece = part.sum(axis=0) if shared else part
                known = result.get(parameter.name)
                result[parameter.name] = piece if known is None else known + piece
        return result


def lower_initialize(circuit: CircuitView) -> tuple[Template, PreparationMap]:
    """Rotations and CX gates in place of every `initialize`.

    Args:
        circuit: a builder or a template; everything else in it stays as it is.

    Returns:
        The lowered template, in which `initialize(x)` has become rotations by the entries of a parameter "x.angles",
        and the map to its bindings. Constant amplitudes become constant angles.

    Raises:
        CapabilityError: an `initialize` has more than `MAX_PREPARED_QUBITS` qubits.

    Example:
        >>> from qstore.circuit import QuantumCircuit
        >>> template, preparations = lower_initialize(QuantumCircuit(2).initialize(Parameter("x", (4,))))
        >>> template.gate_counts()
        {'ry': 3, 'cx': 2}
        >>> preparations.angles({"x": np.array([0.0, 0.0, 0.0, 2.0])}, (), 1)["x.angles"].round(4).tolist()
        [3.1416, 1.5708, -1.5708]
    """
    made: dict[tuple[Parameter, Parameter | None], Preparation] = {}
    taken = {parameter.name for parameter in circuit.parameters}
    operations: list[Operation] = []
    for op in circuit.operations:
        if op.amplitudes is None:
            operations.append(op)
            continue
        if len(op.qubits) > MAX_PREPARED_QUBITS:
            raise CapabilityError(
                f"initialize on {len(op.qubits)} qubits would become up to {2 ** (len(op.qubits) + 1)} rotations; at most "
                f"{MAX_PREPARED_QUBITS} qubits are lowered. Use a backend that prepares states itself, such as 'statevector'."
            )
        if op.amplitudes.real is None:
            operations += prepared(op.amplitudes.constant, op.qubits)
            continue
        key = (op.amplitudes.real, op.amplitudes.imag)
        if key not in made:
            made[key] = _named(*key, taken)
        operations += _rotations(made[key], op.qubits)
    template = Template(circuit.n_qubits, operations)
    return template, PreparationMap(tuple(made.values()), frozenset(p.name for p in template.parameters))


def _named(real: Parameter, imag: Parameter | None, taken: set[str]) -> Preparation:
    name = f"{real.name}.angles"
    while name in taken:
        name += "'"
    taken.add(name)
    number = (real.size - 1) * (1 if imag is None else 2)
    return Preparation(real, imag, Parameter(name, (number,)))


def _rotations(preparation: Preparation, qubits: tuple[int, ...]) -> list[Operation]:
    angles = list(preparation.angles)
    made: list[Operation] = []
    for level in range(preparation.n_levels):
        split = len(qubits) - 1 - level
        phases = angles[preparation.level(level, phases=True)] if preparation.imag is not None else []
        made += rotation_level(qubits[split], qubits[split + 1 :], angles[preparation.level(level)], phases)
    return made


def _varies(preparation: Preparation, per_sample: Collection[str]) -> bool:
    return any(p is not None and p.name in per_sample for p in (preparation.real, preparation.imag))


def _scaled(preparation: Preparation, bindings: Mapping[str, Array]) -> tuple[Array, Array | None, Array]:
    """Real parts, imaginary parts and what both were divided by, so that no square over- or underflows."""
    real = bindings[preparation.real.name]
    imag = None if preparation.imag is None else bindings[preparation.imag.name]
    if imag is not None:
        real, imag = np.broadcast_arrays(real, imag)
    largest = np.abs(real).max(axis=-1, keepdims=True)
    if imag is not None:
        largest = np.maximum(largest, np.abs(imag).max(axis=-1, keepdims=True))
    bad = np.flatnonzero(~((largest > 0) & np.isfinite(largest)))
    if len(bad):
        raise BindingError(
            f"{preparation.real.name!r} has no direction in row {bad[0]}: a state needs finite amplitudes that are not "
            f"all zero. Drop such samples or give them a constant entry."
        )
    return real / largest, None if imag is None else imag / largest, largest


def _pulled(
    preparation: Preparation, bindings: Mapping[str, Array], cotangent: Array
) -> tuple[Array, Array | None]:
    real, imag, largest = _scaled(preparation, bindings)
    levels = [
        [
            multiplexed_cotangent(cotangent[..., preparation.level(number, phases=phases)])
            for number in range(preparation.n_levels)
        ]
        for phases in ((False,) if imag is None else (False, True))
    ]
    own, other = amplitude_cotangents(real, imag, levels[0], levels[-1] if imag is not None else [])
    return own / largest, None if other is None else other / largest
