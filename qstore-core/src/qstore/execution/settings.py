# SPDX-License-Identifier: Apache-2.0
"""Settings of the process, and backends made once per name.

A setting comes from the first of these that says something: `configured` around the code, `configure`, the
environment, the settings file, the default. The environment is looked at each time, the file once per process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict, Unpack

from qstore.accounting import Budget
from qstore.errors import ConfigurationError, OptionError, nearest_names
from qstore.execution.settings_fields import BY_NAME, FIELDS
from qstore.execution.settings_file import read_settings_file, settings_path
from qstore.plugins import Backend, get_backend

__all__ = [
    "Setting",
    "Settings",
    "configure",
    "configured",
    "current_settings",
    "default_backend_name",
    "explained_settings",
    "reload_settings",
    "resolve_backend",
    "settings_told",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds now; made by `current_settings`.

    Attributes:
        default_backend: the registered name that `backend=None` means.
        budget_usd: dollars that may be spent under `budget_name` in all; None: nothing that is paid is chosen.
        daily_budget_usd: dollars that may be spent on one day; None for no such limit.
        budget_name: what the money is counted under in the ledger.
        budget_time_zone: whose midnight ends a day.
        preferences: weights of "cost", "speed" and "accuracy" in the router's choice; at least 0, not all 0.
        max_concurrent: most circuits that the executor has in flight.
        cache_bytes: most bytes of results that the executor keeps in memory.
        fallback: what follows when a backend is down or the budget is spent: "simulation" (a free backend), "next" (the
            next best, even if it is paid) or "none" (the error).
    """

    default_backend: str
    budget_usd: Decimal | None
    daily_budget_usd: Decimal | None
    budget_name: str
    budget_time_zone: str
    preferences: Mapping[str, float]
    max_concurrent: int
    cache_bytes: int
    fallback: str

    @property
    def budget(self) -> Budget | None:
        """The budget that these settings mean; None where none is set, and then nothing paid may be chosen."""
        if self.budget_usd is None:
            return None
        return Budget(self.budget_usd, self.daily_budget_usd, self.budget_name, self.budget_time_zone)


class Changes(TypedDict, total=False):
    """What `configure` and `configured` take: settings by name, None for "as if never set"."""

    default_backend: str | None
    budget_usd: Decimal | float | str | None
    daily_budget_usd: Decimal | float | str | None
    budget_name: str | None
    budget_time_zone: str | None
    preferences: Mapping[str, float] | None
    max_concurrent: int | None
    cache_bytes: int | str | None
    fallback: str | None


class Setting(NamedTuple):
    """One setting with where it came from, in words.

    Example:
        >>> Setting("fallback", "none", "environment variable QSTORE_FALLBACK").value
        'none'
    """

    name: str
    value: Any
    source: str


_lock = threading.RLock()  # a backend's factory may ask for another backend
_made: dict[str, Backend] = {}
_said: dict[str, Any] = {}
"""What `configure` was told; replaced whole, never changed in place."""
_scope: ContextVar[Mapping[str, Any]] = ContextVar("qstore_settings", default={})  # noqa: B039  # never changed in place
_file: Mapping[str, Any] | None = None
_latest: tuple[tuple[object, ...], object, object, object, Settings] | None = None
"""The last answer of `current_settings`, behind what it was made from: environment, `_said`, scope, file."""


def configure(**settings: Unpack[Changes]) -> None:
    """Set process-wide defaults; what is not given stays as it is, and either all of it is set or nothing.

    None takes back what an earlier call set: the environment, the settings file or the default decide again.

    Args:
        default_backend: the registered name that `backend=None` means from now on.
        budget_usd: dollars that may be spent in all; "none" for no budget whatever the file says, so that nothing paid
            is ever chosen.
        daily_budget_usd: dollars that may be spent on one day by UTC; "none" for no such limit.
        budget_name: what the money is counted under in the ledger.
        budget_time_zone: whose midnight ends a day, such as "Europe/Berlin".
        preferences: weights of "cost", "speed" and "accuracy" for the router.
        max_concurrent: most circuits that the executor has in flight.
        cache_bytes: most bytes of results that the executor keeps in memory; "256MiB" is understood.
        fallback: "simulation", "next" or "none": what follows when a backend is down or the budget is spent.

    Raises:
        OptionError: an unknown setting, or a value that it cannot have.
        BackendUnavailable: no such backend.

    Example:
        >>> import qstore as qs
        >>> qs.configure(default_backend="statevector", preferences={"accuracy": 1})
        >>> qs.configure(default_backend=None, preferences=None)  # as if never set
    """
    global _said  # noqa: PLW0603  # defaults of the process are the point
    read = _read(settings)
    with _lock:
        _said = {name: value for name, value in {**_said, **read}.items() if value is not _UNSET}


@contextmanager
def configured(**settings: Unpack[Changes]) -> Iterator[Settings]:
    """Settings for the code inside: for this thread or task and what is awaited in it.

    Takes what `configure` takes. None means what would hold if `configure` had said nothing.

    Raises:
        OptionError: an unknown setting, or a value that it cannot have.
        BackendUnavailable: no such backend.

    Example:
        >>> with configured(max_concurrent=8) as settings:
        ...     settings.max_concurrent
        8
    """
    token = _scope.set({**_scope.get(), **_read(settings)})
    try:
        yield current_settings()
    finally:
        _scope.reset(token)


def current_settings() -> Settings:
    """What holds now: the same object as long as nothing has changed.

    Raises:
        ConfigurationError: a variable or the settings file says something that cannot be.

    Example:
        >>> current_settings() is current_settings()
        True
    """
    global _latest  # noqa: PLW0603  # a memory of the last answer
    variables, said, scope, file = _variables(), _said, _scope.get(), _file_values()
    latest = _latest
    if (
        latest is not None
        and latest[0] == variables
        and latest[1] is said
        and latest[2] is scope
        and latest[3] is file
    ):
        return latest[4]
    settings = Settings(**{each.name: each.value for each in explained_settings()})
    _latest = (variables, said, scope, file, settings)
    return settings


def explained_settings() -> tuple[Setting, ...]:
    """Every setting with where it came from.

    Raises:
        ConfigurationError: a variable or the settings file says something that cannot be.

    Example:
        >>> explained_settings()[0].name
        'default_backend'
    """
    said, file = {**_said, **_scope.get()}, _file_values()
    found = []
    for field in FIELDS:
        here = said.get(field.name, _UNSET)
        text = os.environ.get(field.variable)
        if here is not _UNSET:
            found.append(Setting(field.name, here, "configure()"))
        elif text:
            value = _from_environment(field.name, text)
            found.append(Setting(field.name, value, f"environment variable {field.variable}"))
        elif field.name in file:
            found.append(Setting(field.name, file[field.name], f"file {settings_path()}"))
        else:
            found.append(Setting(field.name, field.default, "default"))
    return tuple(found)


def settings_told() -> tuple[object, object]:
    """What `configure` and `configured` have said so far: two objects to compare by identity, for hot paths."""
    return _said, _scope.get()


def reload_settings() -> Settings:
    """Read the settings file again, for instance after editing it beside a notebook.

    Raises:
        ConfigurationError: a variable or the file says something that cannot be.

    Example:
        >>> reload_settings() == current_settings()
        True
    """
    global _file, _said  # once per process, and here
    with _lock:
        _file, _said = None, dict(_said)  # another object, for `settings_told`
    return current_settings()


def default_backend_name() -> str:
    """The registered name that `backend=None` means now.

    Raises:
        ConfigurationError: a variable or the settings file says something that cannot be.

    Example:
        >>> with configured(default_backend="statevector"):
        ...     default_backend_name()
        'statevector'
    """
    return current_settings().default_backend


def resolve_backend(backend: Backend | str | None) -> Backend:
    """The backend meant by an argument: an object as it is, a name made once per process, None the default.

    Raises:
        BackendUnavailable: no backend of that name.
        OptionError: neither a name nor a backend.
    """
    if backend is not None and not isinstance(backend, str):
        # A look at the one method is enough here; a full isinstance check against the Protocol costs microseconds.
        if not hasattr(backend, "run"):
            raise OptionError(f"backend must be a registered name or a Backend, got {backend!r}.")
        return backend
    name = backend or default_backend_name()
    found = _made.get(name)
    if found is None:
        with _lock:
            found = _made.setdefault(name, get_backend(name))
    return found


_ENVIRONMENT: Any = os.environ
_RAW: Any = getattr(os.environ, "_data", None)
_KEYS = [] if _RAW is None else [_ENVIRONMENT.encodekey(field.variable) for field in FIELDS]


def _variables() -> tuple[object, ...]:
    """The environment variables of all settings, to see whether one has changed; raw, so not for reading.

    Every run without `backend=` comes here. `os.environ.get` takes a microsecond for each variable that is not set,
    because it raises and catches inside; the dict behind it, where there is one as in CPython, a twentieth.
    """
    if _RAW is None or os.environ is not _ENVIRONMENT:
        return tuple([os.environ.get(field.variable) for field in FIELDS])
    return tuple([_RAW.get(key) for key in _KEYS])


class _Unset:
    """Nobody says anything."""


_UNSET = _Unset()


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in given.items():
        field = BY_NAME.get(name)
        if field is None:
            hint = nearest_names(name, list(BY_NAME))
            raise OptionError(f"{name!r} is no setting.{hint} There are: {', '.join(BY_NAME)}.")
        read[name] = _UNSET if value is None else field.value(value)
    backend = read.get("default_backend", _UNSET)
    if backend is not _UNSET:
        resolve_backend(backend)
    return read


def _from_environment(name: str, text: str) -> Any:
    field = BY_NAME[name]
    try:
        return field.value(text)
    except OptionError as exc:
        raise ConfigurationError(f"In the environment variable {field.variable}: {exc}") from None


def _file_values() -> Mapping[str, Any]:
    global _file  # noqa: PLW0603  # once per process is the point
    found = _file
    if found is None:
        found = _file = read_settings_file(settings_path())
    return found


def _after_fork() -> None:
    # A thread of the parent may have held the lock at the moment of the fork.
    global _lock  # noqa: PLW0603  # see above
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
