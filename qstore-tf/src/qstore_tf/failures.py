# SPDX-License-Identifier: Apache-2.0
"""What failed inside a compiled program, as it was raised.

TensorFlow and JAX turn an exception of Python code that their programs call into one of their own, with the text of the
original. The original is remembered here, and `original_errors` raises it instead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

__all__ = ["original_errors", "recorded"]

Function = TypeVar("Function", bound=Callable[..., Any])
_lock = threading.Lock()
_last: list[Exception] = []


def recorded(function: Function) -> Function:
    """The function; what it raises is remembered."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as exc:
            with _lock:
                _last[:] = [exc]
            raise

    return call  # type: ignore[return-value]  # the same signature


@contextmanager
def original_errors() -> Iterator[None]:
    """Inside, a failure of circuits is the exception that qstore raised, with its type and what it knows.

    Without it, TensorFlow and JAX raise an error of theirs with its text where they run compiled programs, as in `fit`.
    Errors that do not come from circuits pass as they are.

    Example:
        >>> with original_errors():
        ...     pass  # model.fit(x, y), with `except BudgetExceeded` around it
    """
    with _lock:
        _last.clear()
    try:
        yield
    except Exception as exc:
        with _lock:
            found = _last.pop() if _last else None
            _last.clear()
        if found is None or found is exc or type(found).__name__ not in str(exc):
            raise
        raise found from exc
