# SPDX-License-Identifier: Apache-2.0
"""What was rehearsed on one service is neither the result nor the money nor the job of another."""

import copy

import pytest

import qstore as qs
from qstore.accounting import Ledger
from qstore.errors import OptionError
from qstore_ionq.backend import IonQBackend
from qstore_ionq.configuration import DEFAULT_URL, machine_and_address, resolve_url
from qstore_ionq.emulator import Emulator
from qstore_ionq.secret import Secret

COIN = qs.QuantumCircuit(1).h(0)


def test_the_same_run_on_another_service_is_sent_there():
    with (
        Emulator(seed=1, speed=1e6) as one,
        Emulator(seed=2, speed=1e6) as other,
        qs.run_context("rehearsed"),
    ):
        for emulator in (one, other, one):
            qs.run(COIN, shots=100, backend=IonQBackend("ionq.aria-1", url=emulator.url))
        assert (one.stats.posts, other.stats.posts) == (2, 1)


def test_what_the_emulator_charges_is_not_in_the_users_ledger():
    with Emulator(seed=1, speed=1e6) as emulator:
        qs.run(COIN, shots=100, backend=IonQBackend("ionq.aria-1", url=emulator.url, budget=20))
        assert float(emulator.stats.spent_usd) > 0
    assert Ledger().report() == {}


def test_a_journalled_job_is_asked_for_where_it_was_sent(monkeypatch):
    sent = IonQBackend("ionq.aria-1", url="http://127.0.0.1:9/v0.4", api_key="any")
    name = sent._address.machine("qpu.aria-1")
    monkeypatch.setenv("QSTORE_IONQ_URL", "http://127.0.0.1:10/v0.4")
    service = IonQBackend("ionq.aria-1", api_key="any").job_service(name)
    assert "127.0.0.1:9/" in repr(vars(service._api._transport))
    assert machine_and_address("qpu.aria-1")[1].url == DEFAULT_URL


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://api.ionq.co:443/v0.4/", DEFAULT_URL),
        ("HTTPS://API.IonQ.co/v0.4", DEFAULT_URL),
        ("https://api.ionq.co:/v0.4", DEFAULT_URL),
        ("https://api.ionq.co:80/v0.4", "https://api.ionq.co:80/v0.4"),
        ("http://LocalHost:80/v0.4", "http://localhost/v0.4"),
        ("http://[::1]:8000/v0.4", "http://[::1]:8000/v0.4"),
        ("http://[::1]:80/V0.4", "http://[::1]/V0.4"),
    ],
)
def test_a_service_has_one_address_however_it_is_written(written, url):
    """Else its jobs have other tags, and are not found again."""
    assert resolve_url(written).url == url
    assert resolve_url(url).url == url


def test_a_deep_copy_keeps_the_key():
    backend = IonQBackend("ionq.aria-1", url="http://127.0.0.1:9/v0.4", api_key="given")
    assert copy.deepcopy(backend)._key == Secret("given")


@pytest.mark.parametrize(
    "options",
    [
        {"prices": 5},
        {"compilation": ["opt"]},
        {"error_mitigation": ["debiasing"]},
        {"error_mitigation": {"debiasing": "yes"}},
    ],
)
def test_options_of_another_kind_are_refused_at_once(options):
    with pytest.raises(OptionError):
        IonQBackend("ionq.aria-1", url="http://127.0.0.1:9/v0.4", **options)


def test_debiasing_needs_its_shots():
    with Emulator(seed=1, speed=1e6) as emulator:
        backend = IonQBackend("ionq.aria-1", url=emulator.url, debiasing=True)
        with pytest.raises(OptionError, match="at least 500 shots"):
            qs.run(COIN, shots=5, backend=backend)
        assert emulator.stats.posts == 0
