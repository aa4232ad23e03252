# SPDX-License-Identifier: Apache-2.0
"""The seeds of dropout in layers that become one circuit."""

import numpy as np
import pytest

from qstore.errors import OptionError
from qstore.layers import QuantumDropout, QuantumFeatureExtractor, Sequential

X = np.linspace(0.1, 2.0, 24).reshape(8, 3)


def _values(first, second):
    model = Sequential(
        [
            QuantumFeatureExtractor(3, 1, dropout=QuantumDropout(qubit=0.4, seed=first), weights_seed=1),
            QuantumFeatureExtractor(
                3, 1, encoding=None, dropout=QuantumDropout(qubit=0.4, seed=second), weights_seed=2
            ),
        ]
    )
    assert len(model.parts) == 1
    return model.call_sync(X, training=True)


def test_every_seed_counts():
    values = _values(1, 2)
    np.testing.assert_array_equal(values, _values(1, 2))
    for other in ((1, 3), (3, 2), (2, 1)):
        assert not np.array_equal(values, _values(*other))


def test_one_seed_of_several_repeats_the_masks():
    for seeds in ((1, None), (None, 1)):
        np.testing.assert_array_equal(_values(*seeds), _values(*seeds))
    assert not np.array_equal(_values(None, None), _values(None, None))


@pytest.mark.parametrize("seed", [-1, True, 1.5, "a"])
def test_a_seed_is_a_number_that_can_be_one(seed):
    with pytest.raises(OptionError, match="seed must be an integer"):
        QuantumDropout(qubit=0.1, seed=seed)
