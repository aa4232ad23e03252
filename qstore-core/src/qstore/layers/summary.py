# SPDX-License-Identifier: Apache-2.0
"""What a model is made of and what a step of it costs, as a table for people and as data."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore.batch import CircuitBatch
from qstore.errors import QStoreError
from qstore.execution import default_backend_name, resolve_backend
from qstore.gradients.differentiation import prepared
from qstore.gradients.options import integer
from qstore.layers.circuit_layer import CircuitLayer, wanted_names
from qstore.layers.stage import Values
from qstore.plugins import Backend, expands

if TYPE_CHECKING:
    from qstore.layers.sequential import Sequential

__all__ = ["LayerSummary", "Summary", "summarized"]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One row.

    Attributes:
        name: of the layer.
        parameters: trainable numbers.
        qubits, depth, two_qubit_gates: of the circuit that it is part of; None for a classical layer and for layers that
            share the circuit of the row above.
        circuits_per_step: circuits of a training step; None as above.
        usd_per_epoch: estimated; None as above, or where nothing is known.
        starts_circuit: whether numbers come in here: a boundary.
    """

    name: str
    parameters: int
    qubits: int | None = None
    depth: int | None = None
    two_qubit_gates: int | None = None
    circuits_per_step: int | None = None
    usd_per_epoch: Decimal | None = None
    starts_circuit: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A model's rows and totals; `print` shows the table.

    Attributes:
        rows: one per layer.
        backend: whose gradients and prices are meant.
        batch_size, samples: of a step and of an epoch.
        quantum_share: trainable numbers that are angles of circuits, of all.
        notes: why circuits and dollars of a row are unknown.
    """

    rows: tuple[LayerSummary, ...]
    backend: str
    batch_size: int
    samples: int
    quantum_share: float
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Trainable numbers of all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def usd_per_epoch(self) -> Decimal | None:
        """Dollars of all circuits; None where one is unknown."""
        known = [row.usd_per_epoch for row in self.rows if row.starts_circuit]
        return None if None in known else sum((usd for usd in known if usd is not None), Decimal(0))

    def __str__(self) -> str:
        head = ("layer", "parameters", "qubits", "depth", "2q gates", "circuits/step", "$/epoch")
        body = [
            (row.name, str(row.parameters), *(_shown(value) for value in (row.qubits, row.depth, row.two_qubit_gates,
                                                                row.circuits_per_step, row.usd_per_epoch)))
            for row in self.rows
        ]  # fmt: skip
        widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                 for line in (head, *body)]  # fmt: skip
        total = "" if self.usd_per_epoch is None else f", ${self.usd_per_epoch} per epoch"
        end = (
            f"{self.parameters} parameters, {self.quantum_share:.0%} of them in circuits; steps of {self.batch_size} samples "
            f"on {self.backend!r}{total}"
        )
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], end, *self.notes])


def summarized(model: Sequential, backend: Backend | str | None, batch_size: int, samples: int) -> Summary:
    """The summary of a model; behind `Sequential.summary`.

    Raises:
        OptionError: `batch_size` or `samples` is no integer from 1 up.
    """
    batch_size, samples = integer("batch_size", batch_size, least=1), integer("samples", samples, least=1)
    rows: list[LayerSummary] = []
    notes: list[str] = []
    quantum = 0
    layers = iter(model.layers)
    used = backend
    for part in model.parts:
        if not isinstance(part, CircuitLayer):
            rows.append(LayerSummary(type(next(layers)).__name__, part.n_parameters))
            continue
        quantum += part.n_parameters
        target = backend if backend is not None else part.execution.backend
        used = target if used is None else used
        # The data in front of the first part has no gradient that anybody asks for; what `Sequential` asks of the others.
        facts, unknown = _facts(part, target, batch_size, samples, features=part is not model.parts[0])
        for index, prefix in enumerate(part.circuit.prefixes):
            own = sum(array.size for name, array in part.weights.items() if name.startswith(prefix))
            name = type(next(layers)).__name__
            if index == 0:
                title = f"[{part.circuit.encoding.name}] {name}"
                rows.append(LayerSummary(title, own, starts_circuit=True, **facts))
                if unknown:
                    notes.append(f"Circuits and dollars of {title} are unknown: {unknown}")
            else:
                rows.append(LayerSummary(f"  + {name}", own))
    share = quantum / model.n_parameters if model.n_parameters else 0.0
    name = used if isinstance(used, str) else used.name if used is not None else default_backend_name()
    return Summary(tuple(rows), name, batch_size, samples, share, tuple(notes))


def _facts(
    part: CircuitLayer, backend: Backend | str | None, batch_size: int, samples: int, *, features: bool
) -> tuple[dict[str, Any], str]:
    """The numbers of a row, and why some are unknown."""
    resolved = resolve_backend(backend)
    circuit = part.circuit
    built = circuit.built(resolved.capabilities)
    ones = np.full((batch_size, circuit.n_features), 0.5)
    bindings = circuit.bindings(built, Values(ones, part.weights, {}))
    batch = CircuitBatch.of(
        built.template, bindings, built.reading.outputs, shots=part.execution.shots, seed=0
    )
    template = built.template
    facts = {
        "qubits": template.n_qubits,
        "depth": template.depth(),
        "two_qubit_gates": sum(1 for op in template.operations if len(op.qubits) == 2),
    }
    try:
        circuits = _circuits(batch, resolved, part, wanted_names(built, features=features))
        each = resolved.estimate(batch).usd / batch_size
    except QStoreError as exc:
        # The backend cannot run this; the rest of the table is of use all the same.
        return facts, str(exc)
    steps = -(-samples // batch_size)
    return facts | {"circuits_per_step": circuits, "usd_per_epoch": each * circuits * steps}, ""


def _circuits(batch: CircuitBatch, backend: Backend, part: CircuitLayer, wanted: list[str]) -> int:
    """Circuits of a forward and a backward pass."""
    method, names, _ = prepared(batch, backend, None, part.execution.gradient_method, wanted)
    if not expands(method):
        return 2 * batch.size  # once forwards; the backend's own reverse sweep runs it again
    return sum(each.size for each in method.expand(batch, wrt=names, step=0))


def _shown(value: object) -> str:
    return "" if value is None else str(value)
