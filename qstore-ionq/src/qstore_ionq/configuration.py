# SPDX-License-Identifier: Apache-2.0
"""Where the key and the address come from: an option, `configure`, the environment, the keyring.

Nothing is read at import, and no key is kept longer than its backend.
"""

from __future__ import annotations

import importlib
import ipaddress
import logging
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from qstore.errors import AuthenticationError, OptionError
from qstore_ionq.secret import Secret

__all__ = ["DEFAULT_URL", "Address", "configure", "resolve_key", "resolve_url"]

DEFAULT_URL = "https://api.ionq.co/v0.4"
KEY_VARIABLE = "IONQ_API_KEY"
URL_VARIABLE = "QSTORE_IONQ_URL"
_DEFAULT_PORTS = {"http": 80, "https": 443}
KEYRING_SERVICE, KEYRING_USER = "qstore-ionq", "api_key"

_configured_key: Secret | None = None
_configured_url: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service listens.

    Attributes:
        url: scheme, host in lower case, port unless it is the scheme's own, and version path, no slash at the end.
        loopback: whether that is this machine, as with the emulator.
    """

    url: str
    loopback: bool

    def machine(self, target: str) -> str:
        """A machine's name in the journal: jobs of another service than IonQ's own carry its address."""
        return target if self.url == DEFAULT_URL else f"{target}@{self.url}"


def machine_and_address(name: str) -> tuple[str, Address]:
    """What `Address.machine` made a name of."""
    target, _, url = name.partition("@")
    return target, _address(url or DEFAULT_URL)


def configure(*, api_key: str | Secret | None = None, url: str | None = None) -> None:
    """Set the key and the address of the service for backends made from now on in this process.

    Raises:
        AuthenticationError: the key cannot be one.
        OptionError: the address cannot be one.
    """
    global _configured_key, _configured_url  # defaults of the process are the point
    key = None if api_key is None else _secret(api_key)
    address = None if url is None else _address(url).url
    _configured_key, _configured_url = key or _configured_key, address or _configured_url


def resolve_key(option: str | Secret | None) -> Secret:
    """The key from the option, `configure`, IONQ_API_KEY or the keyring, in that order.

    Raises:
        AuthenticationError: there is none; says how to give one.
    """
    if option is not None:
        return _secret(option)
    if _configured_key is not None:
        return _configured_key
    found = os.environ.get(KEY_VARIABLE) or _from_keyring()
    if not found:
        msg = (
            f"No IonQ API key. Set the environment variable {KEY_VARIABLE}, call qstore_ionq.configure(api_key=...), or "
            f"store one with `keyring set {KEYRING_SERVICE} {KEYRING_USER}` (extra 'keyring'). The emulator takes any."
        )
        raise AuthenticationError(msg)
    return Secret(found)


def resolve_url(option: str | None) -> Address:
    """The address from the option, `configure`, QSTORE_IONQ_URL, or IonQ's own.

    Raises:
        OptionError: not an address that a key may be sent to.
    """
    return _address(option or _configured_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL)


def _secret(given: str | Secret) -> Secret:
    return given if isinstance(given, Secret) else Secret(given)


def _from_keyring() -> str | None:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
    except Exception as exc:  # noqa: BLE001  # a keyring without a desktop fails in ways of its own; then there is no key in it
        logging.getLogger("qstore.ionq").info("The keyring did not answer: %s", type(exc).__name__)
        return None
    return found


def _address(url: str) -> Address:
    if not isinstance(url, str):
        raise OptionError(f"url must be a string such as {DEFAULT_URL!r}, got {type(url).__name__}.")
    try:
        parts = urlsplit(url.strip().rstrip("/"))
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise OptionError(f"url {url!r} cannot be read: {exc}.") from None
    if parts.username or parts.password:
        raise OptionError(
            "A url with a user or a password in it is not taken; keys travel in the header only."
        )
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise OptionError(f"url must look like {DEFAULT_URL!r}, got {url!r}.")
    loopback = _is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise OptionError(f"url {url!r} is not encrypted: a key is sent over https, or to this machine only.")
    # One service has one address, however it is written: jobs' tags and machines' names carry it.
    where = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        where += f":{port}"
    return Address(f"{parts.scheme}://{where}{parts.path}", loopback)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
