# SPDX-License-Identifier: Apache-2.0
"""What PennyLane does to a tape before it reaches the device: defer measurements, decompose, validate, split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pennylane as qml
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    no_sampling,
    validate_adjoint_trainable_params,
    validate_device_wires,
    validate_measurements,
)
from pennylane.exceptions import DecompositionUndefinedError, DeviceError

from qstore_sim.guests.pennylane.accepted import TARGET_GATES, accepts, accepts_exact, accepts_shots, is_plain
from qstore_sim.guests.pennylane.readout import is_differentiable

__all__ = ["differentiable", "pipeline"]

Transformed = tuple[Sequence[Any], Callable[[Any], Any]]


def pipeline(config: Any, wires: Any, name: str) -> Any:
    """The transforms for a configuration that has been filled in."""
    made = qml.CompilePipeline()
    made.add_transform(qml.defer_measurements, allow_postselect=False)
    _add_common(made, wires, name)
    made.add_transform(
        validate_measurements,
        analytic_measurements=accepts_exact,
        sample_measurements=accepts_shots,
        name=name,
    )
    made.add_transform(_expanded)
    made.add_transform(_measured_together)
    if config.use_device_gradient:
        _add_gradient(made, name)
        if not config.use_device_jacobian_product:
            made.add_transform(qml.transforms.broadcast_expand)
    return made


def differentiable(circuit: Any, wires: Any, name: str) -> bool:
    """Whether a circuit, once preprocessed, has a gradient on the device."""
    if circuit.shots:
        return False
    checks = qml.CompilePipeline()
    checks.add_transform(qml.defer_measurements, allow_postselect=False)
    _add_common(checks, wires, name)
    _add_gradient(checks, name)
    try:
        checks((circuit,))
    except (DecompositionUndefinedError, DeviceError, AttributeError, qml.exceptions.QuantumFunctionError):
        return False
    return True


def _add_common(made: Any, wires: Any, name: str) -> None:
    made.add_transform(
        decompose, stopping_condition=accepts, device_wires=wires, target_gates=TARGET_GATES, name=name
    )
    made.add_transform(device_resolve_dynamic_wires, wires=wires, allow_resets=False)
    made.add_transform(validate_device_wires, wires, name=name)


def _add_gradient(made: Any, name: str) -> None:
    made.add_transform(no_sampling, name=f"gradients on {name}")
    made.add_transform(_with_gradient, name=name)
    made.add_transform(validate_adjoint_trainable_params)


def _only(results: Any) -> Any:
    return results[0]


@qml.transform  # type: ignore[untyped-decorator]  # ships no annotations
def _expanded(tape: Any) -> Transformed:
    """Broadcast tapes one by one where something else than angles and first amplitudes is broadcast."""
    if tape.batch_size is None:
        return (tape,), _only
    for position, op in enumerate(tape.operations):
        inner = op
        while isinstance(inner, (qml.ops.Controlled, qml.ops.Adjoint)) and not is_plain(inner):
            inner = inner.base
        if (
            op.batch_size is not None
            and not is_plain(inner)
            and not (position == 0 and type(op) is qml.StatePrep)
        ):
            expanded: Transformed = qml.transforms.broadcast_expand(tape)
            return expanded
    return (tape,), _only


@qml.transform  # type: ignore[untyped-decorator]  # ships no annotations
def _measured_together(tape: Any) -> Transformed:
    """Tapes with shots split into those whose measurements can be made together."""
    if not tape.shots or all(process.obs is None for process in tape.measurements):
        return (tape,), _only
    split: Transformed = qml.transforms.split_non_commuting(tape)
    return split


@qml.transform  # type: ignore[untyped-decorator]  # ships no annotations
def _with_gradient(tape: Any, name: str) -> Transformed:
    """Refuse what the engine does not differentiate."""
    if any(isinstance(op, qml.operation.Channel) for op in tape.operations):
        raise DeviceError(f"Gradients of noisy tapes are not supported on {name}; use 'parameter-shift'.")
    for process in tape.measurements:
        if process.obs is not None and any(qml.math.requires_grad(each) for each in process.obs.data):
            raise DeviceError(
                f"Gradients of an observable's coefficients are not supported on {name}; use 'parameter-shift'."
            )
    if not is_differentiable(tape):
        raise DeviceError(
            f"On {name} expectations, variances and probabilities without an observable have gradients, not all of "
            f"{tape.measurements}."
        )
    return (tape,), _only
