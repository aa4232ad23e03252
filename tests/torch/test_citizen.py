# SPDX-License-Identifier: Apache-2.0
"""Our layers do what torch expects of a module; `bench.torch_checks` is the table of what that is."""

import pytest

from bench.torch_checks import CHECKS
from bench.torch_citizen import OURS, verdict


@pytest.mark.parametrize("subject", OURS)
@pytest.mark.parametrize("name", CHECKS)
def test_a_layer_is_a_good_torch_citizen(subject, name):
    found = verdict(CHECKS[name], OURS[subject])
    if found.startswith("("):
        pytest.skip(found)
    assert found == "yes"
