# SPDX-License-Identifier: Apache-2.0
"""The check that every compile passes is not vacuous: planted mistakes and random mutants do not get through it."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import qstore as qs
from qstore.compiler import require_equivalent
from qstore.errors import CompilationError
from qstore_ionq.native import compile as compiling
from qstore_ionq.native import compile_native, gates
from qstore_ionq.native.checking import certified
from qstore_ionq.native.pulses import Entangler, Pulse
from qstore_ionq.native.quaternions import X_AXIS, Y_AXIS, Z_AXIS
from qstore_ionq.native.rewrites import Audit

sys.path.insert(0, str(Path(__file__).parent))
import native_judge as judge

PI = math.pi
MUTANTS = 1000

WRONG_RULES = {
    # The rules of early sketches of this project: about the wrong axis, by the wrong angle, or nothing at all.
    "ry": lambda t: (gates.Turn(0, X_AXIS, t),),
    "rz": lambda t: (),
    "rx": lambda t: (gates.Turn(0, Y_AXIS, t * 0.5),),
    "h": lambda: (gates.Turn(0, Y_AXIS, PI / 2),),
    "cx": lambda: (gates.Pair(X_AXIS, X_AXIS, PI / 2),),
    "cz": lambda: (gates.Pair(Z_AXIS, Z_AXIS, PI / 2),),
    "swap": lambda: (),
}


@pytest.mark.parametrize("gate", WRONG_RULES)
@pytest.mark.parametrize("entangler", ["ms", "zz"])
@pytest.mark.parametrize("n_qubits", [3, 14], ids=["simulated", "audited"])
def test_a_wrong_rule_is_refused(gate, entangler, n_qubits, monkeypatch):
    circuit = (
        qs.QuantumCircuit(n_qubits)
        .h(0)
        .rx(1, 0.7)
        .ry(2, "t")
        .rz(0, 1.1)
        .cx(0, 1)
        .cz(1, 2)
        .swap(0, 2)
        .rx(0, 0.3)
    )
    monkeypatch.setitem(gates._STEPS, gate, WRONG_RULES[gate])
    compiling._compiled.cache_clear()
    with pytest.raises(CompilationError, match="differs from its source"):
        compile_native(circuit, entangler)
    compiling._compiled.cache_clear()


def test_a_wrong_pulse_in_a_large_circuit_is_refused():
    circuit = qs.QuantumCircuit(14)
    for q in range(14):
        circuit.ry(q, 0.3 + q)
    for q in range(13):
        circuit.cx(q, q + 1)
    program = compile_native(circuit)
    network, _ = compiling._best(program.lowered_source, "ms", 2, Audit())
    assert certified(program, network, Audit()).method == "local rewrites"
    place = next(i for i, op in enumerate(program.ops) if isinstance(op, Pulse))
    wrong = list(program.ops)
    wrong[place] = wrong[place]._replace(azimuth=wrong[place].azimuth + 1e-4)
    with pytest.raises(CompilationError, match="rewriting step"):
        certified(replace(program, ops=tuple(wrong)), network, Audit())


def _mutated(random, ops):
    """One random change of a list of native operations."""
    made = list(ops)
    place = int(random.integers(len(made)))
    kind = int(random.integers(6))
    op = made[place]
    size = float(random.choice([PI, PI / 2, 0.1, 1e-3, 1e-5, 2 * PI]))
    if kind == 0:
        del made[place]
    elif kind == 1:
        made.insert(place, op)
    elif kind == 2 and place + 1 < len(made):
        made[place], made[place + 1] = made[place + 1], op
    elif isinstance(op, Pulse):
        made[place] = op._replace(azimuth=op.azimuth + size)
    elif isinstance(op, Entangler):
        changes = [{"angle": op.angle + size}, {"wires": op.wires[::-1]}]
        if op.azimuths is not None:
            changes.append({"azimuths": (op.azimuths[0] + size, op.azimuths[1])})
        made[place] = op._replace(**changes[int(random.integers(len(changes)))])
    return made


def test_random_mutants_are_judged_as_cirq_judges_them(record_property):
    random = np.random.default_rng(11)
    equivalent = 0
    for trial in range(MUTANTS // 50):
        circuit = judge.random_circuit(random, 3, 12, 0.0)
        program = compile_native(circuit, "ms" if trial % 2 else "zz")
        source = judge.source_unitary(circuit, {})
        for _ in range(50):
            mutant = replace(program, ops=tuple(_mutated(random, program.ops)) if program.ops else ())
            differs = judge.deviation(mutant.bind({}), 0, source) > 1e-6
            try:
                require_equivalent(program.lowered_source, mutant.bind({}).as_circuit(0))
                accepted = True
            except CompilationError:
                accepted = False
            # Phases before the measurement are no difference to Cirq's view here; the check is the stricter one.
            assert not (accepted and differs)
            equivalent += not differs
    record_property("equivalent_mutants", equivalent)
    assert equivalent < MUTANTS / 2
