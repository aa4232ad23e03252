# SPDX-License-Identifier: Apache-2.0
"""A hundred of the random circuits that `nox -s fuzz` compares with Cirq, and proof that a fault would be found."""

import dataclasses

import pytest

import qstore as qs
from fuzz import native
from fuzz.case import DisagreementError, check, make

COUNT, SHARE = 100, 10


@pytest.mark.parametrize("share", range(SHARE))
def test_random_circuits_agree_with_cirq(share):
    for number in range(share, COUNT, SHARE):
        check(make(1, number))


class _Wrong:
    """The simulator with one fault, in the values or in the gradients."""

    def __init__(self, part, precision):
        self._part, self._true = part, qs.get_backend("statevector", precision=precision)

    name, capabilities, estimate = "wrong", property(lambda self: self._true.capabilities), None

    async def run(self, batch):
        return self._true.run_sync(batch)

    async def vjp(self, batch, cotangent, wrt=None):
        result, gradients = self._true.vjp_sync(batch, cotangent, wrt)
        if self._part == "values":
            return dataclasses.replace(result, values=result.values[:, ::-1] * 1.001), gradients
        return result, {name: -gradient for name, gradient in gradients.items()}


@pytest.mark.parametrize("part", ["values", "gradients"])
def test_a_planted_fault_is_found(part):
    found = 0
    for number in range(5):
        case = make(2, number)
        try:
            check(case, _Wrong(part, case.precision))
        except DisagreementError:
            found += 1
    assert found >= 2  # some derivatives are zero


@pytest.mark.parametrize("number", range(20))
def test_a_compiled_circuit_agrees(number):
    assert native.deviation(5, number) < native.ALLOWED
