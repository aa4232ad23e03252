# SPDX-License-Identifier: Apache-2.0
"""What an answer means for money: every status, in both directions, against a table written down by hand."""

import json

import pytest

from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BudgetExceeded,
    CapabilityError,
    ExecutionError,
    QStoreError,
    ServiceError,
)
from qstore.execution.jobs import NotAccepted, Unclear
from qstore_ionq.outcome import check_read, check_write, undelivered
from qstore_ionq.transport import DeliveryError, Response

AGAIN, OPEN, FINE = "again", "open", "fine"
STATUSES = [*range(100, 104), *range(200, 209), 226, *range(300, 309), *range(400, 419), 421, 422, 423, 424, 425, 426, 428,
            429, 431, 451, 499, *range(500, 512), *range(520, 531), 598, 599, 999]  # fmt: skip
REFUSED = {401: AuthenticationError, 402: BudgetExceeded, 403: AuthenticationError, 404: BackendUnavailable}


def meaning_of_a_submission(status):
    """From reliability: safe is only what was certainly not accepted."""
    if 200 <= status < 300:
        return FINE
    if status in (408, 425, 429):
        return AGAIN
    if 400 <= status < 500:
        return REFUSED.get(status, CapabilityError)
    return OPEN


def meaning_of_reading(status):
    if 200 <= status < 300 or status == 404:
        return FINE
    if status in (408, 425, 429) or status >= 500:
        return AGAIN
    return AuthenticationError if status in (401, 403) else ServiceError


def response(status, document=None, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document or {}).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def found(check, status):
    try:
        check(response(status, {"message": "because"}), "POST /jobs", str)
    except NotAccepted as exc:
        return AGAIN if exc.retryable else exc
    except Unclear:
        return OPEN
    except QStoreError as exc:
        return type(exc)
    return FINE


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_a_submission_has_its_meaning(status):
    assert found(check_write, status) == meaning_of_a_submission(status)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_reading_has_its_meaning(status):
    assert found(check_read, status) == meaning_of_reading(status)


def test_a_refusal_never_leaves_open_whether_a_job_was_accepted():
    """The core takes an ExecutionError from `submit` for an answer that says nothing."""
    for status in STATUSES:
        refusal = found(check_write, status)
        assert refusal in (AGAIN, OPEN, FINE) or not issubclass(refusal, ExecutionError)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"statusCode": 400, "error": "Bad Request", "message": "no shots", "validation": {"keys": ["shots", "input"]}},
         "no shots (fields shots, input)"),
        ({"code": "InvalidInput", "message": "no shots"}, "no shots"),
        ({"error": {"type": "x", "message": "no shots"}}, "no shots"),
        ({"error": "Bad Request"}, "Bad Request"),
    ],
)  # fmt: skip
def test_the_services_own_words_are_in_the_message(document, words):
    with pytest.raises(CapabilityError) as caught:
        check_write(response(400, document), "POST /jobs", str)
    assert str(caught.value) == f"POST /jobs: IonQ answered 400 Bad Request: {words}."


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"message": null}', b'{"error": {"message": null}}', b"\xff"]
)
def test_a_body_without_words_still_makes_a_message(body):
    with pytest.raises(CapabilityError) as caught:
        check_write(response(418, body), "POST /jobs", str)
    assert str(caught.value) == "POST /jobs: IonQ answered 418 I'm a Teapot."


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("1000000000", 300.0), ("soon", None), ("", None), (None, None),
     ("Fri, 20 Nov 2026 10:00:07 GMT", 7.0)],
)  # fmt: skip
def test_retry_after_is_read_in_every_form(header, seconds):
    headers = {} if header is None else {"retry_after": header}
    with pytest.raises(NotAccepted) as caught:
        check_write(response(429, **headers, date="Fri, 20 Nov 2026 10:00:00 GMT"), "POST /jobs", str)
    assert caught.value.retry_after_s == seconds
    assert caught.value.throttled


def test_only_a_request_of_which_no_byte_left_may_be_sent_again():
    assert isinstance(undelivered(DeliveryError("refused", sent=False)), NotAccepted)
    late = undelivered(DeliveryError("late", sent=True, timeout=True))
    assert isinstance(late, Unclear)
    assert late.timeout


def test_a_redirect_is_never_followed_and_says_where_it_led():
    with pytest.raises(Unclear, match=r"a redirect to 'http://evil\.example/', which is not followed"):
        check_write(response(307, location="http://evil.example/"), "POST /jobs", str)
