# SPDX-License-Identifier: Apache-2.0
"""An emulator for the real clients, keys for them, and no way to any other computer."""

import socket

import pytest

from qstore_ionq.emulator import Emulator

ALLOWED = {"127.0.0.1", "localhost", "::1"}
KEYS = (
    "IONQ_API_KEY", "CIRQ_IONQ_API_KEY", "QISKIT_IONQ_API_TOKEN", "IONQ_API_TOKEN", "PENNYLANE_IONQ_API_KEY",
)  # fmt: skip


@pytest.fixture(autouse=True)
def only_this_computer(monkeypatch):
    """A client that looks up or connects to another computer fails its test, whatever it makes of the error."""
    strayed = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def checked_connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ALLOWED:
            strayed.append(address)
            raise ConnectionRefusedError(f"tests do not leave this computer: {address}")
        return connect(self, address)

    def checked_look_up(host, *args, **kwargs):
        if host not in ALLOWED:
            strayed.append(host)
            raise socket.gaierror(f"tests do not leave this computer: {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket, "getaddrinfo", checked_look_up)
    yield
    assert not strayed


@pytest.fixture
def emulator(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IONQ_API_KEY", "test-key")
    with Emulator(seed=11) as running:
        yield running
