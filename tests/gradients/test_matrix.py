# SPDX-License-Identifier: Apache-2.0
"""A short version of `python -m bench.gradient_matrix`: our cells are right, or refused before anything runs."""

import pytest

from bench import gradient_matrix
from bench.gradient_matrix import METHODS, cells, table


@pytest.mark.parametrize("method", METHODS)
def test_every_cell_is_right_or_refused_with_the_reason(method):
    found = list(cells("qstore", batches=(1, 3), methods=(method,)))
    assert len(found) == 8
    refused = {cell.shots for cell in found if cell.verdict == "refused"}
    assert refused == ({2000} if method == "adjoint" else set())
    assert all(cell.verdict == "right" for cell in found if cell.shots not in refused), table(found)
    for cell in found:
        assert "shots leave no state" in cell.detail or "largest error" in cell.detail


def test_the_matrix_can_tell_right_from_wrong(monkeypatch):
    def scaled(*arguments):
        found = gradient_matrix.ours(*arguments)
        return (
            found
            if isinstance(found, gradient_matrix.Refusal)
            else found._replace(weights=1.1 * found.weights)
        )

    monkeypatch.setitem(gradient_matrix.PEERS, "qstore", scaled)
    found = list(cells("qstore", batches=(3,), methods=("adjoint",)))
    assert [cell.verdict for cell in found] == ["WRONG", "right", "refused", "refused"]
    assert "WRONG" in table(found)
