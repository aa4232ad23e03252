# SPDX-License-Identifier: Apache-2.0
"""What this distribution registers; importing it imports neither Zarr nor Arrow."""

from __future__ import annotations

from qstore.plugins import CommandSpec, StoreSpec, hookimpl

_API = (1, 0)
_STORES = (
    StoreSpec(
        name="checkpoints.zarr",
        summary="states of training by step: atomic, verified, written in the background, without pickle",
        factory="qstore_storage.checkpoints:CheckpointManager",
        api_version=_API,
        aliases=("checkpoints",),
    ),
    StoreSpec(
        name="metrics.parquet",
        summary="rows of training metrics: SQLite first, Parquet parts later; acknowledged rows are never lost",
        factory="qstore_storage.metrics:AsyncMetricsLogger",
        api_version=_API,
        aliases=("metrics",),
    ),
    StoreSpec(
        name="states.embedded",
        summary="quantum states by id and by fidelity, exactly: a SQLite file and NumPy",
        factory="qstore_storage.states.factories:embedded",
        api_version=_API,
        aliases=("states",),
    ),
    StoreSpec(
        name="states.lancedb",
        summary="quantum states by id and by fidelity, exactly: a LanceDB folder, for more than a million",
        factory="qstore_storage.states.factories:lancedb",
        api_version=_API,
    ),
    StoreSpec(
        name="states.pinecone",
        summary="quantum states by id and by fidelity: an index at Pinecone, ranked again from the amplitudes",
        factory="qstore_storage.states.factories:pinecone",
        api_version=_API,
    ),
)
_COMMANDS = (
    CommandSpec(
        name="checkpoints",
        summary="look at the checkpoints of a training run: list, verify, show one",
        factory="qstore_storage.checkpoints.command:add",
        api_version=_API,
    ),
    CommandSpec(
        name="states",
        summary="look into a database of quantum states: list, show one, find similar ones, verify",
        factory="qstore_storage.states.command:add",
        api_version=_API,
    ),
    CommandSpec(
        name="metrics",
        summary="look at the metrics of a training run: a table, a plot, JSON, CSV",
        factory="qstore_storage.commands.metrics:add",
        api_version=_API,
    ),
    CommandSpec(
        name="report",
        summary="write a training run as one HTML page: curves, cost, backends",
        factory="qstore_storage.commands.report:add",
        api_version=_API,
    ),
)


@hookimpl
def qstore_stores() -> tuple[StoreSpec, ...]:
    """Places for what training makes."""
    return _STORES


@hookimpl
def qstore_commands() -> tuple[CommandSpec, ...]:
    """Sub-commands that look at it."""
    return _COMMANDS
