# SPDX-License-Identifier: Apache-2.0
"""A bench for each test."""

import pytest
from job_bench import Bench


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(**options):
        made.append(Bench(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
