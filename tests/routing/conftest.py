# SPDX-License-Identifier: Apache-2.0
"""A state folder for every test: no ledger and no memory but its own."""

import pytest


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_HOME", str(tmp_path / "state"))
    for name in ("QSTORE_BUDGET_USD", "QSTORE_BACKEND", "QSTORE_RUN", "QSTORE_CONFIG", "IONQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
