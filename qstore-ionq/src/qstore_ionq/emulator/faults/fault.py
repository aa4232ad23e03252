# SPDX-License-Identifier: Apache-2.0
"""One fault: what goes wrong, on which route, at which attempt; and the table of what can.

Attempts are counted per request: for a submission by its `qstore_tag` (or its content), for anything else by its path,
so that the third attempt is the third try of the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from qstore.errors import OptionError, nearest_names

__all__ = ["KINDS", "ROUTES", "Fault", "Kind", "Phase"]

ROUTES: Mapping[str, str] = MappingProxyType(
    {
        "submit": "POST /jobs, and its clone and move",
        "job": "GET /jobs/{id}",
        "list": "GET /jobs",
        "result": "GET of results, artifacts and variants",
        "cancel": "PUT /jobs/{id}/status/cancel, and of several",
        "delete": "DELETE /jobs/{id}, and of several",
        "cost": "GET /jobs/{id}/cost",
        "estimate": "GET /jobs/estimate",
        "backends": "GET /backends and what is below",
        "sessions": "everything under /sessions",
        "account": "/whoami, /organizations and /schemas",
    }
)
"""The routes that a fault can name; "*" is all of them."""


class Phase(Enum):
    """Where a fault acts."""

    CONNECTION = "connection"
    STATUS = "status"
    JOB = "job"
    PAYLOAD = "payload"
    DELIVERY = "delivery"


class Kind(NamedTuple):
    """What can go wrong: where it acts, which settings it takes, and a line about it."""

    phase: Phase
    takes: tuple[str, ...]
    summary: str


def _table(phase: Phase, rows: Mapping[str, tuple[tuple[str, ...], str]]) -> dict[str, Kind]:
    return {name: Kind(phase, takes, summary) for name, (takes, summary) in rows.items()}


KINDS: Mapping[str, Kind] = MappingProxyType(
    _table(
        Phase.CONNECTION,
        {
            "reset": (
                ("stage",),
                "the connection is reset (RST), before or after the request is carried out",
            ),
            "close": (("stage",), "the connection is closed (FIN) without an answer"),
            "hang": (("stage", "seconds"), "no answer for `seconds` (an hour by default): a read timeout"),
            "refuse": (("seconds",), "it is reset, and connections are refused for `seconds` (1 by default)"),
        },
    )
    | _table(
        Phase.STATUS,
        {
            "status": (
                ("stage", "status", "retry_after", "form"),
                'an HTTP error (503 by default); `retry_after` is sent as it is, "date:+3" as a date',
            ),
            "delay": (("seconds",), "the answer comes `seconds` later (1 by default)"),
        },
    )
    | _table(
        Phase.JOB,
        {
            "fail": (("code", "message"), "the job fails, with a `code` such as QuantumComputerError"),
            "fail_child": (
                ("code", "message", "index"),
                "circuit `index` of a batch fails, the others complete",
            ),
            "cancel": ((), "somebody else cancels the job"),
            "forget": ((), "the job is deleted: 404 from now on"),
        },
    )
    | _table(
        Phase.PAYLOAD,
        {
            "set": (
                ("field", "value"),
                "a `field` has another `value`, such as an unknown or an earlier status",
            ),
            "missing": (("field",), "a `field` is missing (`id` by default)"),
            "extra": ((), "there are fields that nobody knows"),
            "duplicate_key": ((), "the JSON object has its first key twice"),
            "nan": (("field",), "a number is NaN (the first one by default)"),
            "wrong_type": (("value",), "the answer is another JSON `value` (an empty list by default)"),
            "truncated": ((), "the JSON ends in the middle, and Content-Length agrees"),
            "html": ((), "an HTML page with status 200"),
            "empty": ((), "an empty body"),
            "deep": ((), "JSON nested 200,000 times"),
            "bad_sum": ((), "probabilities add up to 1/2"),
            "negative": ((), "one probability is negative"),
            "too_wide": ((), "an outcome has more bits than the circuit has qubits"),
            "child_missing": (("index",), "child `index` is missing"),
            "child_twice": (("index",), "child `index` is there twice: as a key, or in the list of ids"),
            "reordered": ((), "the children come in the reverse order"),
        },
    )
    | _table(
        Phase.DELIVERY,
        {
            "slow": (
                ("part", "seconds"),
                "one byte of the `part` (head or body) every `seconds` (1 by default)",
            ),
            "cut": ((), "the connection closes in the middle of the body"),
            "huge": (("size",), "a body of `size` bytes (1 GiB by default)"),
            "gzip_bomb": (("size",), "a small body that unpacks to `size` bytes (1 GiB by default)"),
            "date": (("seconds",), "the Date header is `seconds` ahead (an hour by default)"),
        },
    )
)
"""Every kind of fault, by name."""

_COMMON = ("kind", "route", "attempts", "probability", "times")
_WORDS = (("stage", ("before", "after")), ("form", ("json", "html", "empty")), ("part", ("head", "body")))
_SECONDS = {"hang": 3600.0, "date": 3600.0}
_MAX_ATTEMPTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: a name of `KINDS`.
        route: a name of `ROUTES`, or "*".
        attempts: which attempts of one request it hits, as numbers or as text ("1-5"); None for all.
        probability: of hitting those; drawn from the plan's seed and the request, never from the order of arrival.
        times: at most so often altogether; None for no limit.
        stage: "before" the request is carried out, or "after".
        status, retry_after, form: of an error; the form of its body is json, html or empty.
        seconds: a duration, or how far a clock is off.
        code, message, index: of a job's failure, and of which child.
        field, value: of a changed answer; a field within a field is written with dots.
        part, size: of a slow or huge answer.

    Raises:
        OptionError: an unknown kind or route, or a setting that the kind does not take.
    """

    kind: str
    route: str = "*"
    attempts: Sequence[int] | str | None = None
    probability: float = 1.0
    times: int | None = None
    stage: str = "before"
    status: int = 503
    retry_after: str | None = None
    form: str = "json"
    seconds: float | None = None
    code: str = "QuantumComputerError"
    message: str = "Injected by the fault plan."
    index: int = 0
    field: str | None = None
    value: Any = None
    part: str = "body"
    size: int = 1 << 30

    def __post_init__(self) -> None:
        for name, known in (("kind", list(KINDS)), ("route", ["*", *ROUTES])):
            value = getattr(self, name)
            if value not in known:
                hint = nearest_names(str(value), known)
                raise OptionError(f"A fault's {name} is one of {', '.join(known)}, not {value!r}.{hint}")
        takes = KINDS[self.kind].takes
        for each in fields(self):
            if each.name not in {*_COMMON, *takes} and getattr(self, each.name) != each.default:
                listed = ", ".join(takes) or "no settings of its own"
                raise OptionError(f"A fault of kind {self.kind!r} has no {each.name!r}; it takes {listed}.")
        for name, words in _WORDS:
            if getattr(self, name) not in words:
                raise OptionError(
                    f"A fault's {name} is one of {', '.join(words)}, not {getattr(self, name)!r}."
                )
        for name, least, most in (("probability", 0, 1), ("status", 100, 599), ("size", 0, 1 << 40)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise OptionError(f"A fault's {name} is a number from {least} to {most}, not {value!r}.")
        object.__setattr__(self, "attempts", _attempts(self.attempts))
        if self.retry_after is not None:
            object.__setattr__(self, "retry_after", str(self.retry_after))

    @property
    def phase(self) -> Phase:
        """Where it acts."""
        return KINDS[self.kind].phase

    @property
    def is_after(self) -> bool:
        """Whether the request is carried out first."""
        return self.stage == "after"

    @property
    def duration_s(self) -> float:
        """`seconds`, or the kind's own."""
        return _SECONDS.get(self.kind, 1.0) if self.seconds is None else self.seconds

    @property
    def label(self) -> str:
        """A word or two for logs."""
        words = (
            self.kind,
            str(self.status) if self.kind == "status" else "",
            "after" if self.is_after else "",
        )
        return " ".join(word for word in words if word)

    def hits(self, route: str, attempt: int) -> bool:
        """Whether it is meant for this attempt, chances and limits aside."""
        return self.route in {"*", route} and (self.attempts is None or attempt in self.attempts)


def _attempts(given: Any) -> tuple[int, ...] | None:
    """Numbers from 1 up, as a sequence or as text such as "1-5" or "1,3"."""
    if given is None:
        return None
    try:
        found: list[int] = []
        for part in given.split(",") if isinstance(given, str) else given:
            first, _, last = str(part).partition("-")
            found += range(int(first), int(last or first) + 1)
            if len(found) > _MAX_ATTEMPTS:
                raise ValueError
    except (TypeError, ValueError) as exc:
        raise OptionError(f'attempts are numbers, such as [1, 3] or "1-5", not {given!r}.') from exc
    if not found or min(found) < 1:
        raise OptionError(f"attempts count from 1, got {given!r}.")
    return tuple(sorted(set(found)))
