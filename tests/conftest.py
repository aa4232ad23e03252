# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders share: kernels that are compiled before a clock runs against them."""

import os

import pytest

os.environ.setdefault("QSTORE_CONFIG", os.devnull)  # a developer's own settings do not reach the tests
SIMULATING = ("emulator", "ionq", "clients", "faults")


@pytest.fixture(scope="session")
def _compiled_kernels():
    """On a fresh machine the first run compiles for half a minute, which a job's deadline would not survive."""
    import qstore as qs

    qs.run(qs.QuantumCircuit(1).h(0), outputs=qs.Probabilities())


def pytest_collection_modifyitems(items):
    """The tests that run jobs on the emulator start with compiled kernels."""
    for item in items:
        if item.path.parent.name in SIMULATING:
            item.fixturenames.insert(0, "_compiled_kernels")
