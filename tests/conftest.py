# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders share: kernels that are compiled before a clock runs against them."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("QSTORE_CONFIG", os.devnull)  # a developer's own settings do not reach the tests
SIMULATING = ("emulator", "ionq", "clients", "faults")


def _compile():
    """On a fresh machine the first run of each precision compiles, for up to a minute."""
    import qstore as qs

    circuit = qs.QuantumCircuit(1).rx(0, "t")
    for precision in ("double", "single"):
        backend = qs.get_backend("statevector", precision=precision)
        qs.value_and_vjp(circuit, {"t": 0.1}, qs.Expectations([qs.Z(0)]), backend=backend)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Before several processes start: they would all compile, and the timeouts of their first tests would run."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        _compile()


@pytest.fixture(scope="session")
def _compiled_kernels():
    """No deadline of a job survives a compilation."""
    _compile()


def pytest_collection_modifyitems(items):
    """The tests that run jobs on the emulator start with compiled kernels."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent in [here / name for name in SIMULATING]:
            item.fixturenames.insert(0, "_compiled_kernels")
