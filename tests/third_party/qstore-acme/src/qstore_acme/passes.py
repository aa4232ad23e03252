# SPDX-License-Identifier: Apache-2.0
"""A compiler pass: a callable from Template to Template with a name."""

from dataclasses import replace

from qstore.circuit import Template


class SwapsAsCx:
    """Writes every swap as three cx."""

    name = "swaps_as_cx"

    def __call__(self, circuit):
        """The rewritten circuit."""
        made = []
        for operation in circuit.operations:
            if operation.gate != "swap":
                made.append(operation)
                continue
            a, b = operation.qubits
            made += [replace(operation, gate="cx", qubits=pair) for pair in ((a, b), (b, a), (a, b))]
        return Template(circuit.n_qubits, made)
