# SPDX-License-Identifier: Apache-2.0
"""A folder of a run, and journals in it that are closed at the end."""

import pytest

from qstore.execution.journal import Journal
from qstore.execution.runs_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder("run", tmp_path)


@pytest.fixture
def opened(folder):
    made = []

    def make():
        made.append(Journal(folder))
        return made[-1]

    yield make
    for journal in made:
        journal.close()
