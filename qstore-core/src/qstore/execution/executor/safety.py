# SPDX-License-Identifier: Apache-2.0
"""What may be sent once more: tables of errors, by what they say about money and about the others in a request.

A backend that pays keeps its own journal and repeats what is safe itself (`qstore.execution.jobs`); here nothing that may
have been paid for is ever repeated. The kind of an error is about what failed; of what else was in the request, its
`perhaps_paid` tells.
"""

from __future__ import annotations

from qstore.errors import (
    AuthenticationError,
    BackendUnavailable,
    BindingError,
    BudgetExceeded,
    CapabilityError,
    CircuitError,
    CompilationError,
    JobAmbiguous,
    JobCancelled,
    OptionError,
    QStoreError,
    StillRunning,
    TransportError,
)

__all__ = ["may_divide", "may_repeat", "nothing_sent"]

NOTHING_SENT = (
    BindingError, BudgetExceeded, CapabilityError, CircuitError, CompilationError, OptionError,
)  # fmt: skip
"""Raised before it leaves, or by a service that refuses it: the rest of the request can be sent apart, even where it is
paid for."""

CONCERNS_ALL = (
    AuthenticationError, BackendUnavailable, JobAmbiguous, JobCancelled, StillRunning, TransportError,
)  # fmt: skip
"""Trouble with the service or with the whole job: it is no better for a part of it."""

REFUSED = (*NOTHING_SENT, AuthenticationError, BackendUnavailable)
"""What failed with these was not accepted."""

TEMPORARY = (TransportError,)
"""May be gone in a moment."""


def may_repeat(error: BaseException, *, paid: bool) -> bool:
    """Whether the same request may be sent again.

    Example:
        >>> may_repeat(TransportError("refused"), paid=False), may_repeat(TransportError("refused"), paid=True)
        (True, False)
    """
    return isinstance(error, TEMPORARY) and not paid and not error.perhaps_paid


def nothing_sent(error: object) -> bool:
    """Whether a call that ended so has certainly not been paid for.

    Example:
        >>> nothing_sent(BudgetExceeded("too dear")), nothing_sent(TransportError("lost"))
        (True, False)
    """
    return isinstance(error, REFUSED) and not error.perhaps_paid


def may_divide(error: BaseException, *, paid: bool) -> bool:
    """Whether those that shared a request may be sent apart, so that one's failure does not become all the others'.

    Example:
        >>> may_divide(BindingError("a row of zeros"), paid=True), may_divide(AuthenticationError("no key"), paid=False)
        (True, False)
    """
    if isinstance(error, QStoreError) and error.perhaps_paid:
        return False
    if isinstance(error, NOTHING_SENT):
        return True
    return isinstance(error, Exception) and not paid and not isinstance(error, CONCERNS_ALL)
