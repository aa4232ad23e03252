# SPDX-License-Identifier: Apache-2.0
"""Names for the entries of parameters, for formats whose symbols are scalars, and the way back from names to arrays.

Two styles. Where a symbol may be called anything, the entry of `Parameter("w", (3, 2))` is `w[0,1]`; where it must be
an identifier, `w__0_1`. A scalar parameter keeps its name. On the way back, names of either style become entries of
the smallest array that holds all of them; where the names contradict each other (`w` and `w[0]`, or `w[0]` and
`w[0,1]`) or ask for an array that is too large, each one stays a scalar of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from qstore.circuit.angles import MAX_PARAMETER_ENTRIES, Angle, Parameter
from qstore.circuit.constants import checked_bindings
from qstore.circuit.view import CircuitView
from qstore.errors import CircuitError

__all__ = ["EntryNames", "angles_by_name", "entry_angle", "entry_name", "entry_values"]

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_INDEXED = re.compile(rf"(?P<name>.+)\[(?P<index>{_NUMBER}(?:, ?{_NUMBER})*)\]", re.DOTALL)
_IDENTIFIER = re.compile(rf"(?P<name>.+)__(?P<index>{_NUMBER}(?:_{_NUMBER})*)", re.DOTALL)


def entry_name(parameter: Parameter, entry: int, *, identifier: bool = False) -> str:
    """The name of one entry, given by its flat index.

    Example:
        >>> w = Parameter("w", (3, 2))
        >>> entry_name(w, 1), entry_name(w, 1, identifier=True)
        ('w[0,1]', 'w__0_1')
    """
    if not parameter.shape:
        return parameter.name
    index = [str(int(i)) for i in np.unravel_index(entry, parameter.shape)]
    return f"{parameter.name}__{'_'.join(index)}" if identifier else f"{parameter.name}[{','.join(index)}]"


class EntryNames:
    """Gives entries their names, and no two entries the same one.

    Args:
        identifier: names must be identifiers.
        spelled: how the format spells a name that it keeps for itself.
    """

    def __init__(self, *, identifier: bool = False, spelled: Callable[[str], str] = str) -> None:
        self._identifier, self._spelled = identifier, spelled
        self._owners: dict[str, tuple[Parameter, int]] = {}
        self._names: dict[tuple[Parameter, int], str] = {}

    def __call__(self, parameter: Parameter, entry: int) -> str:
        """The entry's name.

        Raises:
            CircuitError: it is no identifier where it must be one, or another entry's.
        """
        key = (parameter, entry)
        if key not in self._names:
            name = self._spelled(entry_name(parameter, entry, identifier=self._identifier))
            if self._identifier and not name.isidentifier():
                raise CircuitError(
                    f"The format cannot call a symbol {name!r}; rename the parameter {parameter.name!r}."
                )
            if self._owners.setdefault(name, key) != key:
                raise CircuitError(
                    f"Two parameters would both be called {name!r}; rename {parameter.name!r}."
                )
            self._names[key] = name
        return self._names[key]


def angles_by_name(
    names: Iterable[str], shapes: Mapping[str, Sequence[int]] | None = None, taken: Collection[str] = ()
) -> dict[str, Angle]:
    """The angle that each name stands for.

    Args:
        names: of scalars and of entries, in either style.
        shapes: of arrays that are known, by their names.
        taken: names of other parameters, which no array may have.

    Example:
        >>> angles_by_name(["theta", "w[0,1]", "w[2,0]"])["w[0,1]"].terms[0].parameter
        Parameter(name='w', shape=(3, 2))
    """
    given = list(dict.fromkeys(names))
    parts = {name: found for name in given if (found := _parts(name)) is not None}
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, (base, index) in parts.items():
        groups.setdefault(base, {})[name] = index
    angles = {name: +Parameter(name) for name in given if name not in parts}
    for base, members in groups.items():
        array = (
            None
            if base in angles or base in parts or base in taken
            else _array(base, members.values(), shapes or {})
        )
        for name, index in members.items():
            angles[name] = +Parameter(name) if array is None else array[index]
    return angles


def entry_angle(parameter: Parameter, entry: int) -> Angle:
    """One entry, by its flat index, as an angle."""
    return (
        parameter[tuple(int(i) for i in np.unravel_index(entry, parameter.shape))]
        if parameter.shape
        else +parameter
    )


def entry_values(
    circuit: CircuitView, bindings: Mapping[str, ArrayLike], *, identifier: bool = False
) -> dict[str, float]:
    """The number for each named entry, for binding the converted circuit: `{"w[0,1]": 0.3, ...}`.

    Args:
        circuit: the circuit that was converted.
        bindings: an array for each of its parameters, for one sample.
        identifier: whether the format names entries `w__0_1`.

    Raises:
        BindingError: the bindings do not fit the circuit.
    """
    values = checked_bindings(circuit, bindings)
    used = {
        (term.parameter, term.entry)
        for op in circuit.operations
        for angle in op.angles
        for term in angle.terms
    }
    ordered = sorted(used, key=lambda each: (each[0].name, each[1]))
    return {
        entry_name(parameter, entry, identifier=identifier): float(values[parameter.name].flat[entry])
        for parameter, entry in ordered
    }


def _parts(name: str) -> tuple[str, tuple[int, ...]] | None:
    """The array's name and the index, if this is an entry's name."""
    for pattern, separator in ((_INDEXED, ","), (_IDENTIFIER, "_")):
        found = pattern.fullmatch(name)
        if found is not None:
            return found["name"], tuple(int(number) for number in found["index"].split(separator))
    return None


def _array(
    base: str, indices: Iterable[tuple[int, ...]], shapes: Mapping[str, Sequence[int]]
) -> Parameter | None:
    """The parameter that holds all indices, if there can be one."""
    indices = list(indices)
    n_axes = len(indices[0])
    if any(len(index) != n_axes for index in indices):
        return None
    shape = tuple(max(sizes) + 1 for sizes in zip(*indices, strict=True))
    known = tuple(shapes.get(base, ()))
    if len(known) == n_axes and all(large >= size for large, size in zip(known, shape, strict=True)):
        shape = known
    return Parameter(base, shape) if math.prod(shape) <= MAX_PARAMETER_ENTRIES else None
