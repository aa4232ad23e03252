# SPDX-License-Identifier: Apache-2.0
"""Metrics of training runs: rows that are never lost once they are acknowledged, kept as plain Parquet files.

A run is a folder:

    RUN/schema.json                                     its columns: names, types, units; pinned by the first row
    RUN/journal/rank-0.sqlite                           rows that are in no part yet (SQLite, write-ahead log)
    RUN/journal/rank-0.lock                             held by the process that logs as this rank
    RUN/parts/rank-0-000000000001-000000010000.parquet  the other rows; the name has the first and the last `seq`
    RUN/quarantine/                                     what lay among the parts and is none of ours, or is damaged

(`rank`, `seq`) names a row. What `RUN/parts` holds is one dataset for any reader of Parquet; `read_metrics` adds the rows that
are still in the journals.
"""

from typing import TYPE_CHECKING

from qstore.lazy import loader as _loader

if TYPE_CHECKING:
    from qstore_storage.metrics.collecting import quantum_metrics_of
    from qstore_storage.metrics.compaction import Compacted, compact
    from qstore_storage.metrics.logger import AsyncMetricsLogger
    from qstore_storage.metrics.reader import MetricsReader, read_metrics
    from qstore_storage.metrics.rows import QuantumMetrics, TrainingMetrics
    from qstore_storage.metrics.schema import Column, Schema

__all__ = [
    "AsyncMetricsLogger",
    "Column",
    "Compacted",
    "MetricsReader",
    "QuantumMetrics",
    "Schema",
    "TrainingMetrics",
    "compact",
    "quantum_metrics_of",
    "read_metrics",
]

_HOMES = {
    "AsyncMetricsLogger": "logger",
    "Column": "schema",
    "Compacted": "compaction",
    "MetricsReader": "reader",
    "QuantumMetrics": "rows",
    "Schema": "schema",
    "TrainingMetrics": "rows",
    "compact": "compaction",
    "quantum_metrics_of": "collecting",
    "read_metrics": "reader",
}
__getattr__ = _loader(__name__, {name: f"{__name__}.{module}" for name, module in _HOMES.items()})
"""Describing a row must not import Arrow."""
