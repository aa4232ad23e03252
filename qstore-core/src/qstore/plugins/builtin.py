# SPDX-License-Identifier: Apache-2.0
"""The core's own plugin: it comes in through the same door as everybody's."""

from __future__ import annotations

from qstore.plugins.hookspecs import hookimpl
from qstore.plugins.specs import (
    BackendSpec,
    CacheSpec,
    CommandSpec,
    CompilerSpec,
    ConverterSpec,
    GradientSpec,
)

__all__ = [
    "qstore_backends",
    "qstore_caches",
    "qstore_commands",
    "qstore_compilers",
    "qstore_converters",
    "qstore_gradient_methods",
]

_API = (1, 0)


@hookimpl
def qstore_backends() -> tuple[BackendSpec, ...]:
    """The router."""
    return (
        BackendSpec(name="auto", summary="chooses among the other backends by cost, speed and accuracy, within a budget",
                    factory="qstore.routing.factory:auto", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_gradient_methods() -> tuple[GradientSpec, ...]:
    """The gradient methods of the core."""
    return (
        GradientSpec(name="adjoint", summary="the backend's own reverse sweep, exact, cost of about three runs",
                     factory="qstore.gradients.adjoint:Adjoint", api_version=_API),
        GradientSpec(name="parameter_shift", summary="exact from shifted circuits, on any backend, with or without shots",
                     factory="qstore.gradients.parameter_shift:ParameterShift", api_version=_API),
        GradientSpec(name="finite_difference", summary="central or forward differences of the parameters, approximate",
                     factory="qstore.gradients.finite_difference:FiniteDifference", api_version=_API),
        GradientSpec(name="spsa", summary="random directions, two circuits each whatever the number of parameters, approximate",
                     factory="qstore.gradients.spsa:Spsa", api_version=_API),
        GradientSpec(name="natural", summary="parameter shift, shared parameters preconditioned by the Fubini-Study metric",
                     factory="qstore.gradients.natural:Natural", api_version=_API),
        GradientSpec(name="adaptive", summary="spsa early, parameter shift near the end, natural when progress stalls",
                     factory="qstore.gradients.adaptive:Adaptive", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_compilers() -> tuple[CompilerSpec, ...]:
    """The compiler passes of the core."""
    return (
        CompilerSpec(name="merge_rotations", summary="adds up rotations about one axis that meet, symbolic or not",
                     factory="qstore.compiler.passes:MergeRotations", api_version=_API),
        CompilerSpec(name="cancel_inverses", summary="drops neighbours that undo each other",
                     factory="qstore.compiler.passes:CancelInverses", api_version=_API),
        CompilerSpec(name="drop_identities", summary="drops identities and rotations by nothing",
                     factory="qstore.compiler.passes:DropIdentities", api_version=_API),
        CompilerSpec(name="decompose_into", summary="rewrites gates into those of a basis: basis={'rz', 'ry', 'cx'}",
                     factory="qstore.compiler.passes:DecomposeInto", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_converters() -> tuple[ConverterSpec, ...]:
    """The text formats of the core."""
    return (
        ConverterSpec(name="qasm2", summary="OpenQASM 2 text", matches="qstore.circuit.qasm2:matches",
                      to_qstore="qstore.circuit.qasm2:loads", from_qstore="qstore.circuit.qasm2:dumps", api_version=_API),
        ConverterSpec(name="qasm3", summary="OpenQASM 3 text", matches="qstore.circuit.qasm3:matches",
                      to_qstore="qstore.circuit.qasm3:loads", from_qstore="qstore.circuit.qasm3:dumps", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_caches() -> tuple[CacheSpec, ...]:
    """What the core keeps on disk to save time."""
    return (
        CacheSpec(name="throughput", summary="how long backends really took, for the router's choice",
                  factory="qstore.cli.cache:throughput_files", api_version=_API),
    )  # fmt: skip


@hookimpl
def qstore_commands() -> tuple[CommandSpec, ...]:
    """The commands of the core."""
    return (
        CommandSpec(name="backends", summary="list the backends that are installed",
                    factory="qstore.cli.backends:add", api_version=_API),
        CommandSpec(name="run", summary="run the circuit of a file",
                    factory="qstore.cli.run:add", api_version=_API),
        CommandSpec(name="estimate", summary="what a circuit would cost on each backend: dollars, seconds, error",
                    factory="qstore.cli.estimate:add", api_version=_API),
        CommandSpec(name="explain", summary="which backend the router would choose for a circuit, and why",
                    factory="qstore.cli.explain:add", api_version=_API),
        CommandSpec(name="costs", summary="what was spent, by budget, day, backend and run",
                    factory="qstore.cli.costs:add", api_version=_API),
        CommandSpec(name="cache", summary="what is kept on disk to save time, and how to clear it",
                    factory="qstore.cli.cache:add", api_version=_API),
        CommandSpec(name="config", summary="every setting, what it is now and where that came from",
                    factory="qstore.cli.config:add", api_version=_API),
        CommandSpec(name="jobs", summary="list, show, resume, cancel and prune jobs at services",
                    factory="qstore.cli.jobs:add", api_version=_API),
        CommandSpec(name="doctor", summary="show what is installed, what is broken and why",
                    factory="qstore.cli.doctor:add", api_version=_API),
    )  # fmt: skip
