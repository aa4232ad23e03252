# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own parts: cases, our column against Cirq, disagreement, the bar, the document."""

import numpy as np
import pytest

from bench.peers import ours
from bench.report import Timing, bar, rates, replace_section
from bench.single import SHOTS, TABLES, gates
from bench.train import check_agreement
from bench.workload import CASES, WIDE_CASES, Case
from judges import cirq_judge


@pytest.mark.parametrize("case", [*CASES, *WIDE_CASES])
def test_a_label_reads_back_as_its_case(case):
    assert Case.parse(case.label) == case
    inputs = case.inputs_of(0)
    assert len(inputs["g"][0]) == len(case.paulis())
    assert inputs["w"].size == sum(step.source == "w" for step in case.instructions())


@pytest.mark.parametrize(
    "label", ["4,1,1,ring", "4,1,1,linear,outputs=y", "4,1,1,linear,colour=red", "4,1,1"]
)
def test_what_is_no_case_is_refused(label):
    with pytest.raises(ValueError, match=r"Unknown|unpack"):
        Case.parse(label)


@pytest.mark.parametrize(
    "label",
    [
        "3,2,2,full",
        "3,1,2,circular,outputs=xyz,inputs=reupload",
        "2,1,2,linear,inputs=amplitude,entangler=cry",
        "3,1,2,none,outputs=pauli100,rotations=3",
        "3,1,2,linear,entangler=rxx",
    ],
)
def test_our_column_computes_the_case(label):
    case = Case.parse(label)
    arrays = case.inputs_of(3)
    workload = ours.build(case, **arrays)
    values, grad_x, grad_w = workload.step()
    circuit = ours.circuit_of(case, arrays["x"], arrays["w"])
    for row, data in enumerate(arrays["x"]):
        state = cirq_judge.statevector(circuit, {"x": data, "w": arrays["w"].ravel()})
        for k, observable in enumerate(ours.observables(case)):
            assert values[row, k] == pytest.approx(
                cirq_judge.expectation(observable, case.qubits, state), abs=1e-4
            )
    assert grad_x.shape == arrays["x"].shape
    assert grad_w.shape == arrays["w"].shape
    assert workload.flops > 0
    np.testing.assert_allclose(workload.forward(), values, atol=1e-5)


def test_columns_that_disagree_are_named():
    good = {"values": np.ones((2, 2))}
    assert check_agreement("case", {"a": good, "b": {"values": np.ones((2, 2)) + 5e-5}}) == []
    (line,) = check_agreement("case", {"a": good, "b": {"values": np.ones((2, 2)) + 5e-3}})
    assert line.startswith("case: values of b and a differ by 5.0e-03")
    (line,) = check_agreement("case", {"a": good, "b": {"values": np.ones(2)}})
    assert "shape" in line
    (line,) = check_agreement("case", {"a": good, "b": {"values": np.full((2, 2), np.nan)}})
    assert "nan" in line


def test_the_bar_depends_on_the_peers_time_and_on_the_size():
    eight, sixteen = Case.parse("8,1,1,linear"), Case.parse("16,1,1,linear")
    assert [bar(eight, t) for t in (1e-4, 1e-3, 1e-2)] == [1, 3, 10]
    assert bar(sixteen, 1e-2) == 5
    text = rates(
        {eight: {"qstore": Timing(0.1, [1e-3], [1e-3], 2e9), "tensorcircuit": Timing(0.1, [9e-3], [9e-3])}},
        8e12,
    )
    assert "| 2000 | 25 % | 0 % |" in text
    assert "| 9.0 | 10x not met |" in text


def test_a_section_is_replaced_between_its_markers(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("a <!-- bench:x -->old<!-- /bench:x --> b")
    replace_section(document, "x", "new")
    assert document.read_text() == "a <!-- bench:x -->\n\nnew\n\n<!-- /bench:x --> b"
    with pytest.raises(ValueError, match="no markers"):
        replace_section(document, "y", "new")


@pytest.mark.parametrize("task", [*TABLES["big"], *SHOTS])
def test_tasks_are_circuits_on_their_qubits(task):
    n = SHOTS[task][0] if task in SHOTS else int(task.split("-")[1])
    assert {q for _, qubits, _ in gates(task) for q in qubits} == set(range(n))
