# SPDX-License-Identifier: Apache-2.0
"""The core's own plugin: it comes in through the same door as everybody's."""

from __future__ import annotations

from qstore.plugins.hookspecs import hookimpl
from qstore.plugins.specs import CommandSpec, ConverterSpec, GradientSpec

__all__ = ["qstore_commands", "qstore_converters", "qstore_gradient_methods"]

_API = (1, 0)


@hookimpl
def qstore_gradient_methods() -> tuple[GradientSpec, ...]:
    """The gradient methods of the core."""
    return (
        GradientSpec(name="adjoint", summary="the backend's own reverse sweep, exact, cost of about three runs",
                     factory="qstore.gradients.adjoint:Adjoint", api_version=_API),
        GradientSpec(name="parameter_shift", summary="exact from shifted circuits, on any backend, with or without shots",
                     factory="qstore.gradients.parameter_shift:ParameterShift", api_version=_API),
        GradientSpec(name="finite_difference", summary="central differences of the parameters, approximate",
                     factory="qstore.gradients.finite_difference:FiniteDifference", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_converters() -> tuple[ConverterSpec, ...]:
    """The text formats of the core."""
    return (
        ConverterSpec(name="qasm2", summary="OpenQASM 2 text", matches="qstore.circuit.qasm2:matches",
                      to_qstore="qstore.circuit.qasm2:loads", from_qstore="qstore.circuit.qasm2:dumps", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_commands() -> tuple[CommandSpec, ...]:
    """The commands of the core."""
    return (
        CommandSpec(name="backends", summary="list the backends that are installed",
                    factory="qstore.cli.backends:add", api_version=_API),
        CommandSpec(name="jobs", summary="list, show, resume and cancel jobs at services",
                    factory="qstore.cli.jobs:add", api_version=_API),
        CommandSpec(name="doctor", summary="show what is installed, what is broken and why",
                    factory="qstore.cli.doctor:add", api_version=_API),
    )  # fmt: skip
