# SPDX-License-Identifier: Apache-2.0
"""Killing this very process at a chosen point of the protocol, the n-th time that it gets there.

`arm("sent:3", ...)` kills when the third job's SENT is committed. No code is asked whether it minds: SIGKILL.
"""

import os
import signal
from collections import Counter

POINTS = (
    "claimed", "reserved", "reserved in the ledger", "before sent", "sent", "accepted by the service", "before accepted",
    "accepted", "before poll", "after poll", "before fetch", "after fetch", "before done", "done", "settled",
)  # fmt: skip
"""In the order in which a job passes them."""


def arm(point, journal, service, runner):
    """Wrap what the point lies in; an empty point arms nothing."""
    if not point:
        return
    name, _, number = point.partition(":")
    seen = Counter()

    def passed(here):
        if here == name:
            seen[here] += 1
            if seen[here] == int(number or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    _wrap_journal(journal, passed)
    _wrap_ledger(runner._desk.ledger, passed)
    service.after["accept"] = lambda: passed("accepted by the service")
    for method in ("poll", "fetch"):
        service.before[method] = lambda method=method: passed(f"before {method}")
        service.after[method] = lambda method=method: passed(f"after {method}")


def _wrap_journal(journal, passed):
    claim, reserve, record = journal.claim, journal.reserve, journal.record

    def watched_claim(*arguments, **options):
        future = claim(*arguments, **options)
        future.result()
        passed("claimed")
        return future

    def watched_reserve(*arguments):
        future = reserve(*arguments)
        future.result()
        passed("reserved")
        return future

    def watched_record(tag, state, *arguments, **facts):
        passed(f"before {state.value}")
        future = record(tag, state, *arguments, **facts)
        future.result()
        passed(state.value)
        return future

    journal.claim, journal.reserve, journal.record = watched_claim, watched_reserve, watched_record


def _wrap_ledger(ledger, passed):
    if ledger is None:
        return
    reserve_all, settle = ledger.reserve_all, ledger.settle

    def watched_reserve_all(*arguments, **facts):
        reserve_all(*arguments, **facts)
        passed("reserved in the ledger")

    def watched_settle(*arguments, **facts):
        settle(*arguments, **facts)
        passed("settled")

    ledger.reserve_all, ledger.settle = watched_reserve_all, watched_settle
