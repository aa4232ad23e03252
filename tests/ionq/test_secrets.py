# SPDX-License-Identifier: Apache-2.0
"""The key: where it comes from, and that nothing but the header ever shows it."""

import asyncio
import copy
import io
import json
import logging
import pickle
import sys
import traceback
import types

import pytest

import qstore as qs
import qstore_ionq
from ionq.fakes import KEY, FakeService, answer
from qstore.errors import AuthenticationError, OptionError, QStoreError
from qstore_ionq import configuration
from qstore_ionq.backend import IonQBackend
from qstore_ionq.configuration import resolve_key, resolve_url
from qstore_ionq.secret import Secret

BELL = qs.QuantumCircuit(2).h(0).cx(0, 1)


@pytest.mark.parametrize(
    "shown",
    [repr, str, "{}".format, lambda s: f"{s!s:>20}", lambda s: f"{s!r}", lambda s: " ".join(map(str, [s]))],
)
def test_no_way_of_printing_shows_a_secret(shown):
    assert KEY not in shown(Secret(KEY))
    assert KEY not in shown([Secret(KEY)])


def test_a_secret_is_written_nowhere():
    secret = Secret(KEY)
    assert not hasattr(secret, "__dict__")
    for write in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            write(secret)
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError):
        hash(secret)


def test_secrets_compare_by_their_text():
    assert Secret(KEY) == Secret(f" {KEY}\n")
    assert Secret(KEY) != Secret("another")
    assert Secret(KEY) != KEY


@pytest.mark.parametrize("bad", ["", "  ", "two words", "line\nbreak: x", "\u00e9", "x" * 5000, 5, None])
def test_a_text_that_cannot_be_a_key_is_refused_without_repeating_it(bad):
    with pytest.raises(AuthenticationError) as caught:
        Secret(bad)
    assert not (isinstance(bad, str) and bad.strip()) or bad not in str(caught.value)


def test_the_option_goes_before_configure_before_the_environment_before_the_keyring(monkeypatch):
    monkeypatch.setattr(configuration, "_configured_key", None)
    monkeypatch.setitem(
        sys.modules, "keyring", types.SimpleNamespace(get_password=lambda service, user: "from-keyring")
    )
    assert resolve_key(None) == Secret(KEY)
    monkeypatch.delenv("IONQ_API_KEY")
    assert resolve_key(None) == Secret("from-keyring")
    qstore_ionq.configure(api_key="configured")
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    assert resolve_key(None) == Secret("configured")
    assert resolve_key("option") == Secret("option")


def test_a_keyring_that_fails_counts_as_empty(monkeypatch):
    def fail(service, user):
        raise RuntimeError("no desktop")

    monkeypatch.delenv("IONQ_API_KEY")
    monkeypatch.setitem(sys.modules, "keyring", types.SimpleNamespace(get_password=fail))
    with pytest.raises(AuthenticationError, match="Set the environment variable IONQ_API_KEY"):
        resolve_key(None)


def test_without_a_key_nothing_is_sent_and_the_error_says_how_to_give_one(monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    service = FakeService()
    with pytest.raises(AuthenticationError, match=r"qstore_ionq\.configure"):
        qs.run(BELL, shots=10, backend=IonQBackend(transport=service.transport))
    assert service.transport.requests == []


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/v0.4", "127.0.0.1:80", "http://example.org/v0.4", "https://user:pw@example.org", "https://x/?key=1",
     "http://[::1", "http://127.0.0.1:99999", 5],
)  # fmt: skip
def test_an_address_that_a_key_must_not_be_sent_to_is_refused(url):
    with pytest.raises(OptionError) as caught:
        resolve_url(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://127.0.0.1:8000/v0.4/", True), ("http://localhost:1/v0.4", True), ("http://[::1]:1/v0.4", True),
     ("https://api.ionq.co/v0.4", False)],
)  # fmt: skip
def test_an_address_is_kept_without_its_last_slash(url, loopback):
    address = resolve_url(url)
    assert not address.url.endswith("/")
    assert address.loopback is loopback


def everything_said_by(failure):
    """The traceback with all local variables, as an error reporter would write it."""
    report = traceback.TracebackException.from_exception(failure, capture_locals=True)
    return "".join(report.format())


@pytest.mark.parametrize("answered", ["nothing", "401", "echo", "hang up"])
def test_the_key_is_in_no_log_traceback_journal_or_repr(answered, emulator, tmp_path, monkeypatch):
    """Through the real HTTP library, with everything logged and every failure reported with its locals."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    faults = {
        "401": {"fault": [{"route": "submit", "kind": "status", "status": 401}]},
        "hang up": {"fault": [{"route": "submit", "kind": "reset", "stage": "after", "attempts": [1]}]},
    }
    try:
        if answered in faults:
            emulator.set_faults(faults[answered])
        backend = qs.get_backend("ionq.simulator", settle_s=0.1, deadline_s=20)
        if answered == "echo":
            service = FakeService()
            service.overrides["POST", "/jobs"] = lambda request: answer({"message": f"bad key {KEY}"}, 401)
            backend = IonQBackend(transport=service.transport)
        try:
            result = qs.run(BELL, shots=10, backend=backend)
            said.write(repr(result) + repr(vars(backend)))
        except QStoreError as exc:
            said.write(everything_said_by(exc))
            assert answered in {"401", "echo"}
    finally:
        logging.getLogger().removeHandler(handler)
    said.write(repr(backend) + repr(vars(backend)) + str(asyncio.run(backend.close())))
    assert "POST" in said.getvalue()
    assert KEY not in said.getvalue()
    written = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert written
    assert not any(KEY.encode() in content for content in written)


def test_a_copy_for_another_process_has_no_key_and_finds_its_own(monkeypatch):
    backend = IonQBackend(api_key="given-as-option", transport=None)
    assert b"given-as-option" not in pickle.dumps(backend)
    assert pickle.loads(pickle.dumps(backend))._key is None
