# SPDX-License-Identifier: Apache-2.0
"""What a framework's layer is called with: several inputs, each with the same leading axes, which are the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qstore.errors import BindingError

__all__ = ["Input", "leading_axes"]

Shape = tuple[int | None, ...]
"""Of a tensor; None where a size is not known yet."""


class Input(NamedTuple):
    """A name and the shape of one sample."""

    name: str
    shape: tuple[int, ...]


def leading_axes(shapes: Sequence[Shape], inputs: Sequence[Input]) -> Shape:
    """The leading axes, which all inputs share; none where there are no inputs.

    Raises:
        BindingError: number or shape of the inputs do not fit.

    Example:
        >>> leading_axes([(8, 32, 4)], [Input("x", (4,))])
        (8, 32)
    """
    check_number(len(shapes), inputs)
    leads = []
    for given, (name, shape) in zip(shapes, inputs, strict=True):
        split = len(given) - len(shape)
        if split < 0 or (given[split:] != shape and not _fits(given[split:], shape)):
            wanted = ", ".join(["...", *map(str, shape)])
            raise BindingError(f"Input {name!r} has shape {tuple(given)}, this layer takes ({wanted}).")
        leads.append(tuple(given[:split]))
    if not leads:
        return ()
    for other in leads[1:]:
        if len(other) != len(leads[0]) or not _fits(leads[0], other):
            names = [each.name for each in inputs]
            raise BindingError(f"The inputs {names} have the different batch axes {leads}.")
    return leads[0]


def check_number(given: int, inputs: Sequence[Input]) -> None:
    """Refuse another number of inputs.

    Raises:
        BindingError: it is another.
    """
    if given != len(inputs):
        names = [each.name for each in inputs]
        raise BindingError(f"This layer takes {len(names)} input(s) {names}, got {given}.")


def _fits(given: Shape, wanted: Shape) -> bool:
    return all(None in {a, b} or a == b for a, b in zip(given, wanted, strict=True))
