# SPDX-License-Identifier: Apache-2.0
"""Random circuits through every converter, as `nox -s fuzz` does with more, and proof that faults would be found."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import qstore as qs
from converters.formats import FORMATS, read, write
from fuzz.converters import TWELFTH, DisagreementError, check, make
from qstore.circuit import Angle, Operation

pytestmark = pytest.mark.filterwarnings("ignore")  # other libraries' own
SEED = 11


def needs(name):
    missing = FORMATS[name].missing()
    if missing:
        pytest.skip(f"{missing} is not installed")


@pytest.mark.parametrize("name", FORMATS)
def test_random_circuits_survive_the_round_trip_and_mean_the_same_to_the_library(name):
    needs(name)
    for number in range(8):
        check(make(SEED, number), name)


# Faults of converters, planted in front of the true ones


def rebuilt(circuit, change):
    made = qs.QuantumCircuit(circuit.n_qubits)
    for index, op in enumerate(circuit.operations):
        changed = change(op, index)
        if changed is not None:
            made.append_operation(changed)
    return made


def angled(function):
    """A fault of the constants of angles."""

    def change(op, _):
        return replace(op, angles=tuple(Angle(a.terms, function(a.constant)) for a in op.angles))

    return lambda circuit: rebuilt(circuit, change)


def moved(function):
    """A fault of the numbers of qubits."""
    return lambda circuit: rebuilt(
        circuit, lambda op, _: op.moved(tuple(function(q, circuit.n_qubits) for q in op.qubits))
    )


def coefficients(function):
    def change(op, _):
        return replace(
            op, angles=tuple(
                Angle(tuple(t._replace(coefficient=function(t.coefficient)) for t in a.terms), a.constant) for a in op.angles
            ),
        )  # fmt: skip

    return lambda circuit: rebuilt(circuit, change)


def entries(op, _):
    terms = [tuple(t._replace(entry=0) if t.parameter.name == "v" else t for t in a.terms) for a in op.angles]
    return replace(op, angles=tuple(Angle(t, a.constant) for t, a in zip(terms, op.angles, strict=True)))


def swapped_halves(q, n):
    return (q + (n + 1) // 2) % n


BOTH = {
    "angles rounded to multiples of pi/12": angled(lambda a: TWELFTH * round(a / TWELFTH)),
    "angles kept in single precision": angled(lambda a: float(np.float32(a))),
    "angles folded into [0, 2 pi) of a rotation": angled(lambda a: a % (2 * np.pi) if a < 0 else a),
    "small angles dropped": angled(lambda a: a if abs(a) > 1e-3 else 0.0),
    "bits reversed": moved(lambda q, n: n - 1 - q),
    "bits rotated": moved(lambda q, n: (q + 1) % n),
    "halves of the register swapped": moved(swapped_halves),
    "control and target swapped": lambda c: rebuilt(
        c, lambda op, _: op.moved(op.qubits[::-1]) if op.gate == "cx" else op
    ),
    "the sign of a rotation": lambda c: rebuilt(
        c, lambda op, _: replace(op, angles=(op.angles[0].scaled(-1.0),)) if op.gate == "rz" else op
    ),
    "a phase for a rotation under control": lambda c: rebuilt(
        c, lambda op, _: Operation("cp", op.qubits, op.angles) if op.gate == "crz" else op
    ),
    "the last gate lost": lambda c: rebuilt(c, lambda op, i: op if i < len(c.operations) - 1 else None),
    "the first gate lost": lambda c: rebuilt(c, lambda op, i: op if i else None),
    "coefficients lost": coefficients(lambda c: 1.0),
    "one entry for all": lambda c: rebuilt(c, entries),
}
ENOUGH = 12
"""Within so many circuits each fault must show."""


def faulty_write(fault):
    return lambda circuit, name, **options: write(fault(circuit), name, **options)


def faulty_read(fault):
    return lambda theirs: fault(read(theirs))


def is_found(name, **faults):
    for number in range(ENOUGH):
        try:
            check(make(SEED, number), name, **faults)
        except DisagreementError:
            return True
    return False


# These two faults change global phases and controlled rotations; what these formats give back has none of the latter.
UNSEEN = {"angles folded into [0, 2 pi) of a rotation", "a phase for a rotation under control"}
ONLY_UNDER_CONTROL = {"braket": UNSEEN, "ionq": UNSEEN}
SYMBOLIC = {"coefficients lost", "one entry for all"}


@pytest.mark.parametrize("fault", BOTH)
@pytest.mark.parametrize("name", ["cirq", "qiskit", "qasm3"])
def test_a_planted_fault_is_found_in_each_direction_alone_and_in_both(name, fault):
    needs(name)
    wrong = BOTH[fault]
    assert is_found(name, to=faulty_write(wrong)), "writing"
    assert is_found(name, back=faulty_read(wrong)), "reading"
    assert is_found(name, to=faulty_write(wrong), back=faulty_read(wrong)), (
        "both: a round trip alone would not see it"
    )


@pytest.mark.parametrize("fault", [fault for fault in BOTH if fault not in SYMBOLIC])
@pytest.mark.parametrize("name", ["pennylane", "braket", "qasm2", "ionq"])
def test_a_planted_fault_is_found_with_numbers(name, fault):
    needs(name)
    assert is_found(name, to=faulty_write(BOTH[fault]))
    assert fault in ONLY_UNDER_CONTROL.get(name, ()) or is_found(name, back=faulty_read(BOTH[fault]))


def test_the_checks_do_not_cry_wolf():
    for name in FORMATS:
        if not FORMATS[name].missing():
            assert not is_found(name, to=write, back=read)
            break


def test_matching_imports_no_library():
    code = (
        "import sys, qstore as qs\n"
        "try: qs.QuantumCircuit.from_any(object())\n"
        "except qs.errors.BackendUnavailable: pass\n"
        "heavy = {'cirq', 'qiskit', 'pennylane', 'braket', 'sympy', 'numba', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", ["cirq", "qiskit", "pennylane", "braket"])
def test_a_missing_library_is_named_with_what_to_install(name, monkeypatch):
    from qstore_sim.converters import registered

    known = registered._LIBRARIES[name]
    monkeypatch.setitem(registered._LIBRARIES, name, known._replace(module="no_such_module"))
    with pytest.raises(qs.errors.BackendUnavailable, match=rf"pip install 'qstore-sim\[{name}\]'"):
        qs.QuantumCircuit(1).h(0).to(name)


def test_options_that_do_not_exist_are_refused():
    needs("cirq")
    with pytest.raises(qs.errors.OptionError, match="does not take"):
        qs.QuantumCircuit(1).h(0).to("cirq", colour="red")
    with pytest.raises(qs.errors.BackendUnavailable, match="No converter to 'quil'"):
        qs.QuantumCircuit(1).h(0).to("quil")
    with pytest.raises(qs.errors.BindingError, match="dict from names"):
        qs.QuantumCircuit(1).rx(0, "t").to("cirq", bindings=[0.5])
