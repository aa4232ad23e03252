# SPDX-License-Identifier: Apache-2.0
"""One call of a layer, in arrays: what the adapter of each framework runs forwards and backwards.

What a forward pass found is kept for its backward pass, which does not run it again. A program that is traced once and
run often has one call for many passes; there a pass is named by a number that travels through the program.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qstore.errors import ExecutionError
from qstore.layers.agreement import FailureAgreement, agreed

__all__ = ["Arrays", "CircuitCall", "Kept", "Outputs", "Runner"]

Arrays = Sequence[NDArray[Any]]
MOST_PASSES = 1024
"""So many passes of a traced call wait for their backward pass; more are only made by programs that never ask for one."""
MOST_STATES = 4
"""So many of them may keep the states that a backend would have to compute again, which are large."""
MOST_NUMBERS = 2**31
"""A number of a pass is an int32: JAX has no wider one by default."""


class Runner(Protocol):
    """What a call needs of a layer.

    Attributes:
        n_inputs: how many of the arrays are inputs, which have the batch as their first axis.
        n_weights: how many weights follow; what comes after them is remembered state, which has no gradient.
        width: size of the last axis of the values.
        is_complex: whether the values are.
        n_updates: how many new arrays for the state `forward` returns besides the values.
        passes_overflow: whether a cotangent that is not finite gives gradients that are not finite, as loss scaling in
            half precision needs it, instead of an error.
        agreement: with other processes, or None.
    """

    n_inputs: int
    n_weights: int
    width: int
    is_complex: bool
    n_updates: int
    passes_overflow: bool

    @property
    def agreement(self) -> FailureAgreement | None: ...

    def forward(self, arrays: Arrays, wanted: Sequence[bool], *, keeps_states: bool) -> tuple[Outputs, Any]:
        """Values (B, width) and new state, and what `backward` needs; an impossible gradient is refused before a run.

        Args:
            arrays: inputs, weights and state.
            wanted: for each input and each weight, whether its gradient will be.
            keeps_states: whether the backend may keep what saves its backward pass a forward pass.
        """

    def backward(
        self, kept: Any, cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> Sequence[NDArray[Any] | None]:
        """The gradient for each input and each weight, or None where it is not wanted."""


Outputs = tuple[NDArray[Any], ...]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Kept:
    """A forward pass.

    Attributes:
        arrays: inputs and weights.
        passed: what the runner kept; None of an empty batch.
        used: whether a backward pass has used it.
    """

    arrays: Arrays
    passed: Any
    used: bool = False


class CircuitCall:
    """A call of a layer.

    Args:
        runner: what runs.

    Attributes:
        inputs_wanted, weights_wanted: whether gradients of inputs and weights will be asked for.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.inputs_wanted = self.weights_wanted = False
        self._passes: OrderedDict[int, Kept] = OrderedDict()
        self._next = 0
        self._lock = threading.Lock()

    @property
    def differentiable(self) -> bool:
        """Whether any gradient will be asked for."""
        return self.inputs_wanted or self.weights_wanted

    @property
    def wanted(self) -> list[bool]:
        """For each input and each weight, whether its gradient will be asked for."""
        runner = self.runner
        return [self.inputs_wanted] * runner.n_inputs + [self.weights_wanted] * runner.n_weights

    def forward(self, arrays: Arrays, *, keeps_states: bool = True) -> tuple[Outputs, Kept]:
        """Values and new state, and what `gradients` needs."""
        runner = self.runner
        # Copies: a framework may reuse the memory of its tensors before the backward pass.
        taken = [_copied(array) for array in arrays]
        agreement = runner.agreement if self.differentiable else None
        if runner.n_inputs and not len(taken[0]):
            agreed(agreement, _nothing)
            dtype = np.complex128 if runner.is_complex else np.float64
            state = taken[runner.n_inputs + runner.n_weights :][: runner.n_updates]
            return (np.zeros((0, runner.width), dtype), *state), Kept(taken, None)
        outputs, passed = agreed(
            agreement, lambda: runner.forward(taken, self.wanted, keeps_states=keeps_states)
        )
        return outputs, Kept(taken, passed)

    def remembered(self, arrays: Arrays) -> tuple[Outputs, int]:
        """`forward`, with the number of the pass; where no gradient will be asked for, nothing is kept."""
        with self._lock:
            for number in [number for number, each in self._passes.items() if each.used]:
                del self._passes[number]
            waiting = len(self._passes)
        outputs, kept = self.forward(arrays, keeps_states=waiting < MOST_STATES)
        with self._lock:
            self._next = (self._next + 1) % MOST_NUMBERS
            if self.differentiable:
                self._passes[self._next] = kept
                if len(self._passes) > MOST_PASSES:
                    self._passes.popitem(last=False)
            return outputs, self._next

    def numbered(self, number: int) -> Kept:
        """The pass of a number.

        Raises:
            ExecutionError: it is not kept any more.
        """
        with self._lock:
            kept = self._passes.get(number)
        if kept is None:
            raise ExecutionError(
                "The forward pass of this gradient is gone: a later one of the same call began after a first backward pass, or "
                f"more than {MOST_PASSES} came after it. Take all gradients of a pass before the next one."
            )
        return kept

    def all_gradients(self, kept: Kept, cotangent: NDArray[Any]) -> list[NDArray[Any]]:
        """The gradients of all inputs and weights; zeros for those that nobody asks for."""
        found = self.gradients(kept, cotangent, self.wanted)
        return [
            np.zeros(array.shape) if each is None else each
            for each, array in zip(found, kept.arrays, strict=False)
        ]

    def gradients(
        self, kept: Kept, cotangent: NDArray[Any], wanted: Sequence[bool]
    ) -> list[NDArray[Any] | None]:
        """The gradient for each input and each weight, or None where it is not wanted."""
        runner = self.runner
        kept.used = True
        # Also where nothing runs the other processes wait for an answer.
        if kept.passed is None:
            return agreed(runner.agreement, _filled, kept.arrays, wanted, 0.0)
        if runner.passes_overflow and not np.isfinite(cotangent).all():
            return agreed(runner.agreement, _filled, kept.arrays, wanted, np.nan)
        exact = _copied(cotangent)
        return agreed(runner.agreement, lambda: list(runner.backward(kept.passed, exact, wanted)))


def _nothing() -> None:
    """What an empty batch runs."""


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    return np.array(array, dtype=np.complex128 if np.iscomplexobj(array) else np.float64)


def _filled(arrays: Arrays, wanted: Sequence[bool], value: float) -> list[NDArray[Any] | None]:
    return [np.full(array.shape, value) if use else None for array, use in zip(arrays, wanted, strict=False)]
