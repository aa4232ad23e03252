# SPDX-License-Identifier: Apache-2.0
"""The settings file: where it is, and what it says. `tomllib` is imported only where there is one.

    default_backend = "statevector"
    budget_usd = 25.00

    [preferences]
    cost = 0.3
    speed = 0.5
    accuracy = 0.2

It holds no secrets: keys stay in the environment or the keyring, where the plugin that needs them looks.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qstore.errors import ConfigurationError, OptionError, nearest_names
from qstore.execution.settings_fields import BY_NAME

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PATH_VARIABLE", "read_settings_file", "settings_path"]

PATH_VARIABLE = "QSTORE_CONFIG"
MAX_BYTES = 64 * 1024
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


def settings_path() -> Path | None:
    """Where the settings file is looked for, whether or not there is one; None where this user has no home.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, QSTORE_CONFIG="/etc/qstore.toml"):
        ...     settings_path().as_posix()
        '/etc/qstore.toml'
    """
    from pathlib import Path  # 4 ms that most imports of qstore never need

    try:
        chosen = os.environ.get(PATH_VARIABLE)
        if chosen:
            return Path(chosen).expanduser()
        if sys.platform == "win32":
            base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
        else:
            # The specification of XDG asks for relative paths to be ignored.
            named = Path(os.environ.get("XDG_CONFIG_HOME") or "")
            base = named if named.is_absolute() else Path.home() / ".config"
    except RuntimeError:
        return None  # nobody's home, as in some containers
    return base / "qstore" / "config.toml"


def read_settings_file(path: Path | None) -> Mapping[str, Any]:
    """What the file says, by name of the setting; nothing where there is no file.

    A file that QSTORE_CONFIG names must be there; `/dev/null` stands for none.

    Raises:
        ConfigurationError: the file cannot be read, is no TOML, or has a setting that is unknown or out of range.
    """
    if path is None or str(path) == os.devnull:
        return {}
    content = _content(path)
    if content is None:
        return {}
    import tomllib  # 5 ms, for those who have a file

    try:
        found = tomllib.loads(content, parse_float=_decimal)
    except (ValueError, ArithmeticError, RecursionError) as exc:
        # Not chained: a traceback would show lines of the file, and somebody may have put a secret there.
        reason = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise ConfigurationError(f"The settings file {path} is not valid TOML: {reason}.") from None
    return {name: _value(path, name, given) for name, given in found.items()}


def _content(path: Path) -> str | None:
    try:
        # A pipe or a device could keep its reader waiting for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(f"The settings file {path} is no regular file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if os.environ.get(PATH_VARIABLE):
            msg = f"There is no settings file {path}, which {PATH_VARIABLE} names; correct the variable or unset it."
            raise ConfigurationError(msg) from None
        return None
    except (OSError, ValueError) as exc:  # ValueError: a null character in the path
        raise ConfigurationError(f"The settings file {path} cannot be read: {exc}.") from exc
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"The settings file {path} has more than {MAX_BYTES} bytes.")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(
            f"The settings file {path} is not UTF-8: {exc.reason} at byte {exc.start}."
        ) from None


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)  # so that 0.1 dollars are 0.1 dollars


def _value(path: Path, name: str, given: Any) -> Any:
    field = BY_NAME.get(name)
    shown = name if len(name) <= 60 else f"{name[:60]}..."
    if field is None and _SECRET.search(name):
        msg = (
            f"The settings file {path} has {shown!r}, which looks like a secret. Secrets do not belong there: remove it, and "
            "give the key in the environment or the keyring, as the backend's documents say."
        )
        raise ConfigurationError(msg)
    if field is None:
        hint = nearest_names(name, list(BY_NAME))
        raise ConfigurationError(
            f"The settings file {path} has {shown!r}, which is no setting.{hint} There are: {', '.join(BY_NAME)}."
        )
    try:
        return field.value(given)
    except OptionError as exc:
        raise ConfigurationError(f"In the settings file {path}: {exc}") from None
