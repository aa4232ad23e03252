# SPDX-License-Identifier: Apache-2.0
"""`compile_native`: the way from a circuit to a checked native program.

    operations   runs of CX and of diagonal gates resynthesised, in a few variants (`linear`, `parities`)
    network      rotations about axes, merged and regrouped (`network`, `merging`)
    arrangement  axes and order of blocks that save pulses (`blocks`)
    program      the fewest pulses for that order (`frames`, `pulses`), phases that wait for parameters (`program`)

The variant with the fewest entanglers wins, and among those the one with the fewest pulses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from qstore.circuit import Operation, QuantumCircuit, Template
from qstore.compiler import MAX_CHECKED_QUBITS, lower_initialize
from qstore.errors import OptionError
from qstore_ionq.native.blocks import arranged
from qstore_ionq.native.checking import certified
from qstore_ionq.native.fermions import compressed
from qstore_ionq.native.frames import Wire
from qstore_ionq.native.gates import items_of
from qstore_ionq.native.linear import with_shorter_runs
from qstore_ionq.native.merging import simplified
from qstore_ionq.native.network import Network, NetworkBuilder
from qstore_ionq.native.parities import with_parity_networks
from qstore_ionq.native.program import NativeProgram
from qstore_ionq.native.pulses import ENTANGLERS, lowered, planned
from qstore_ionq.native.rewrites import Audit

_VARIANTS = 32
_CACHED = 512


def compile_native(
    circuit: QuantumCircuit | Template, entangler: str = "ms", *, level: int = 2, verify: bool = True
) -> NativeProgram:
    """Compile a circuit, symbolic parameters and all, to GPi2 pulses and MS or ZZ entanglers.

    Args:
        circuit: unitary gates and `initialize`; final measurements are implied.
        entangler: "ms" (Aria) or "zz" (Forte).
        level: 0 translates gate by gate, 1 merges what meets, 2 tries variants for fewer entanglers and pulses.
        verify: check the result against the circuit; without it the program has no certificate.

    Raises:
        CapabilityError: the circuit holds channels, measurements, resets or conditions.
        CompilationError: the result differs from the circuit; it is not returned.
        OptionError: no such entangler or level.

    Example:
        >>> from qstore import QuantumCircuit
        >>> compile_native(QuantumCircuit(2).h(0).cx(0, 1).rz(1, "t").cx(0, 1))
        <NativeProgram: 2 qubits, 1 MS, 3 GPi2, depth 3, checked>
    """
    if entangler not in ENTANGLERS:
        raise OptionError(f"entangler must be one of {list(ENTANGLERS)}, got {entangler!r}.")
    if level not in {0, 1, 2}:
        raise OptionError(f"level must be 0, 1 or 2, got {level!r}.")
    return _compiled(circuit.freeze(), entangler, level, verify)


@lru_cache(maxsize=_CACHED)
def _compiled(template: Template, entangler: str, level: int, verify: bool) -> NativeProgram:
    source, preparation = template, None
    if "initialize" in template.gates:
        source, preparation = lower_initialize(template)
    # Smaller circuits are checked as a whole, larger ones step by step.
    audit = Audit() if verify and source.n_qubits > MAX_CHECKED_QUBITS else None
    network, wires = _best(source, entangler, level, audit)
    ops = lowered(network, wires, entangler)
    program = NativeProgram.of(template, source, preparation, network, ops, entangler)
    if not verify:
        return program
    return replace(program, certificate=certified(program, network, audit))


def _best(source: Template, entangler: str, level: int, audit: Audit | None) -> tuple[Network, list[Wire]]:
    """The network with the fewest entanglers and then pulses, and the plans of its wires."""
    if level == 0:
        network = _network(source.n_qubits, source.operations, audit)
        return network, planned(network, entangler)
    best: tuple[tuple[int, int], Network, list[Wire]] | None = None
    for operations in _variants(source.operations, level, audit):
        network = simplified(_network(source.n_qubits, operations, audit), audit)
        if level == 2:
            shorter = compressed(network, audit)
            network = simplified(shorter, audit) if shorter is not network else network
        if best is not None and network.n_entanglers > best[0][0]:
            continue
        options = [network]
        if level == 2:
            other = arranged(network, entangler == "zz", audit)
            options += [other] if other is not network else []
        for option in options:
            wires = planned(option, entangler)
            price = (option.n_entanglers, sum(wire.pulses for wire in wires))
            if best is None or price < best[0]:
                best = price, option, wires
    assert best is not None
    return best[1], best[2]


def _variants(
    operations: Sequence[Operation], level: int, audit: Audit | None
) -> Iterator[Sequence[Operation]]:
    # CX RZ CX by a symbol is one entangler, which the network, where a symbol is a rotation of its own, does not see.
    if any(not angle.is_constant for op in operations for angle in op.angles):
        operations = with_parity_networks(operations, width=2, audit=audit) or operations
    yield operations
    if level < 2:
        return
    shorter = with_shorter_runs(operations, audit)
    if shorter is not None:
        yield shorter
    seen: set[tuple[Operation, ...]] = set()
    for seed in range(_VARIANTS):
        made = with_parity_networks(operations, seed, audit=audit)
        if made is None:
            return
        if tuple(made) not in seen:
            seen.add(tuple(made))
            yield made


def _network(n_qubits: int, operations: Sequence[Operation], audit: Audit | None) -> Network:
    builder = NetworkBuilder(n_qubits)
    for op in operations:
        items = items_of(op)
        if audit is not None:
            audit.compare_gate(op, items)
        for item in items:
            builder.add(item)
    return builder.network()
