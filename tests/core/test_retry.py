# SPDX-License-Identifier: Apache-2.0
"""Retries: the quota, the jitter, and every form of Retry-After."""

import random
import threading
import time

import pytest

from qstore.errors import OptionError
from qstore.execution.clock import SYSTEM_CLOCK, Deadline
from qstore.execution.retry import MAX_RETRY_AFTER_S, Backoff, RetryQuota, retry_after_s

DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


def chances(number=1000):
    return (random.Random(seed) for seed in range(number))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("0", 0.0),
        ("2", 2.0),
        (" 2 ", 2.0),
        ("2.5", 2.5),
        ("+3", 3.0),
        ("-5", 0.0),
        ("-1e9", 0.0),
        ("1e9", 300.0),
        ("300", 300.0),
        ("301", 300.0),
        ("9" * 400, 300.0),
        ("9" * 5000, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("0x10", None),
        ("1_000", None),
        ("12;drop", None),
        ("٣", None),
        ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0),
        ("Friday, 20-Nov-26 10:00:30 GMT", 30.0),
        ("Fri Nov 20 10:00:30 2026", 30.0),
        ("Fri, 20 Nov 2026 12:00:30 +0200", 30.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2099 10:00:00 GMT", 300.0),
        ("Fri, 99 Nov 2026 10:00:00 GMT", None),
        ("Fri, 20 Nov 99999999999 10:00:00 GMT", None),
        ("Fri, 20 Nov", None),
    ],
)
def test_every_form_of_retry_after(header, seconds):
    assert retry_after_s(header, date=DATE) == seconds


def test_a_date_is_read_against_the_services_clock_and_else_against_ours(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_795_168_800.0)  # the same moment as DATE, as it happens
    assert retry_after_s("Fri, 20 Nov 2026 10:00:30 GMT") == 30.0
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert retry_after_s("Fri, 20 Nov 2026 10:00:30 GMT", date=DATE) == 30.0
    assert retry_after_s("Fri, 20 Nov 2026 10:00:30 GMT", date="garbage") == 300.0


@pytest.mark.parametrize("asked", [0.1, 2.0, 30.0, 250.0, 299.0, 300.0, 1e9])
def test_what_is_asked_for_is_waited_and_at_most_a_fifth_more(asked):
    waits = [Backoff().wait_s(3, chance, retry_after_s=asked) for chance in chances()]
    least = min(asked, MAX_RETRY_AFTER_S)
    assert all(least <= wait <= min(1.2 * asked, MAX_RETRY_AFTER_S) for wait in waits)
    assert asked >= 300 or max(waits) > 1.1 * least or max(waits) == MAX_RETRY_AFTER_S


@pytest.mark.parametrize("said_nothing", [None, 0.0, -3.0])
@pytest.mark.parametrize(
    ("attempt", "throttled", "bound"),
    [(0, False, 0.05), (1, False, 0.1), (5, False, 1.6), (30, False, 20.0), (10_000, False, 20.0), (0, True, 1.0), (3, True, 8.0), (9, True, 20.0)],
)  # fmt: skip
def test_jitter_is_full_and_bounded(attempt, throttled, bound, said_nothing):
    waits = [
        Backoff().wait_s(attempt, chance, throttled=throttled, retry_after_s=said_nothing)
        for chance in chances()
    ]
    assert 0 <= min(waits) < 0.1 * bound
    assert 0.9 * bound < max(waits) <= bound
    # The mean of 1,000 uniform numbers lies within five standard errors of a half, but for one in two million.
    assert sum(waits) / len(waits) == pytest.approx(bound / 2, abs=5 * bound / (12 * 1000) ** 0.5)


def spend(quota, *costs):
    return [quota.spend(timeout=cost == "timeout") for cost in costs]


VECTORS = [
    # what happens, tokens left: as in the AWS SDKs' own vectors
    ((), 500),
    (("retry",), 495),
    (("timeout",), 490),
    (("retry", "success 5"), 500),
    (("retry", "retry", "success 5"), 495),
    (("retry", "success 0"), 496),
    (("success 0",), 500),
    (("timeout", "success 10"), 500),
    (("retry",) * 100, 0),
    (("retry",) * 101, 0),
    (("timeout",) * 51, 0),
]


@pytest.mark.parametrize(("happens", "left"), VECTORS)
def test_tokens(happens, left):
    quota = RetryQuota()
    for each in happens:
        if each.startswith("success"):
            quota.succeeded(int(each.split()[1]))
        else:
            quota.spend(timeout=each == "timeout")
    assert quota.left == left


def test_a_retry_that_cannot_be_paid_takes_nothing():
    quota = RetryQuota(7)
    assert spend(quota, "retry", "retry", "timeout") == [5, 0, 0]
    assert quota.left == 2
    assert quota.spend(divisor=5) == 1
    assert RetryQuota(0).spend() == 0


def test_threads_share_the_tokens():
    quota = RetryQuota()
    taken = []

    def take():
        taken.extend(quota.spend() for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 500


@pytest.mark.parametrize(
    "options", [{"capacity": -1}, {"retry_cost": 0}, {"timeout_cost": 0}, {"refund": -1}]
)
def test_a_quota_checks_its_numbers(options):
    with pytest.raises(OptionError, match="A retry quota is made of numbers from 0 up"):
        RetryQuota(**options)


def test_deadlines_go_by_the_clock_they_are_given():
    class Clock:
        now = 10.0

        def monotonic(self):
            return self.now

    clock = Clock()
    deadline = Deadline(clock, 5)
    assert deadline.left_s() == 5
    clock.now = 12.0
    assert deadline.left_s() == 3
    clock.now = 100.0
    assert deadline.left_s() == 0
    assert Deadline(SYSTEM_CLOCK, None).left_s() == float("inf")
