"""The address of a device: its URI, and what may stand in keys, which become topics, and hosts.

Pure.

References
----------
.. [1] MQTT 3.1.1, sections 1.5.3 (texts) and 4.7 (topics).
.. [2] EnOS Device Connection 3.0, "Limitations": a device key has 4 to 64 letters, digits, ``-``,
   ``_`` and ``.``.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError

__all__ = [
    "FAULTS",
    "FORM",
    "OPTIONS",
    "check_keys",
    "fault_in_compression",
    "fault_in_host",
    "fault_in_key",
    "fault_in_text",
    "fields_of",
    "is_loopback",
]

FORM: Final = "mqtt://{device_key}:{secret}@{host}:{port}/{product_key}"
_NO_URI: Final = (
    f"not a connection; expected {FORM}, each part percent-encoded (in a secret, %2F stands for "
    "'/', %3F for '?', %23 for '#', %40 for '@')"
)
# Options of a URI, behind its "?", and the fields of a connection.
OPTIONS: Final = {
    "ca": "ca_file",
    "cert": "cert_file",
    "key": "key_file",
    "client_id": "client_id",
    "compress": "compression",
}
LONGEST_KEY: Final = 1_000  # characters; far beyond [2]_, and short enough for a topic
LONGEST_HOST: Final = 253  # of a name in the domain name system
_IN_NO_KEY: Final = "+#/"  # the wildcards of a topic and its separator; [1]_
_IN_NO_HOST: Final = "+#/?@\\[] "


def fault_in_key(key: Any) -> str:
    """Return what is wrong with a product or device key; the empty text for nothing.

    Examples
    --------
    >>> fault_in_key("gw-1"), fault_in_key("gw/1")
    ('', "holds '/', which no topic carries")
    """
    if fault := fault_in_text(key):
        return fault
    if wrong := [character for character in key if character in _IN_NO_KEY]:
        return f"holds {wrong[0]!r}, which no topic carries"
    if len(key) > LONGEST_KEY:
        return f"has {len(key):,} characters; the platform takes 64"
    return ""


def check_keys(where: str, *keys: Any) -> None:
    """Raise ConfigError, with the name of an argument, if a key of a device is wrong."""
    for key in keys:
        if fault := fault_in_key(key):
            raise ConfigError(f"{where}: the key {key!r} {fault}", argument=where)


def fault_in_host(host: Any) -> str:
    """Return what is wrong with a host; the empty text for nothing."""
    if fault := fault_in_text(host):
        return fault
    if wrong := [character for character in host if character in _IN_NO_HOST]:
        return f"holds {wrong[0]!r}: give the bare name or address, as in mqtt.example.com"
    if len(host) > LONGEST_HOST:
        return f"has {len(host):,} characters; a name of a host has at most {LONGEST_HOST}"
    return ""


def fault_in_compression(word: Any) -> str:
    """Return what is wrong with the word for a compression; the empty text for nothing."""
    return "" if word == "gzip" else "must be 'gzip' or None: no other is spoken"


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine, whatever its name service says.

    Examples
    --------
    >>> [is_loopback(host) for host in ("localhost", "127.3.2.1", "::1", "192.168.0.1", "h")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def fault_in_text(text: Any) -> str:
    """Return what is wrong with a text that travels in MQTT; the empty text for nothing."""
    if not isinstance(text, str):
        return f"must be a text, got {type(text).__name__}"
    for character in text:
        code = ord(character)
        if code < 0x20 or 0x7F <= code < 0xA0:
            return f"holds the control character {character!r}"
        if 0xD800 <= code < 0xE000:
            return f"holds {character!r}, a lone surrogate, which UTF-8 cannot carry"
    return ""


# What is wrong with a field of a connection, by its name.
FAULTS: Final[dict[str, Callable[[Any], str]]] = {
    "host": fault_in_host,
    "product_key": fault_in_key,
    "device_key": fault_in_key,
    **dict.fromkeys(["ca_file", "cert_file", "key_file", "client_id"], fault_in_text),
    "compression": fault_in_compression,
}


def fields_of(uri: Any, seal: Callable[[str], Any]) -> dict[str, Any] | str:
    """Return the fields of a connection in a URI, or what is wrong with the URI.

    ``seal`` is called with the secret. Nothing is raised, shown or chained here: an error of the
    standard library may quote a piece of the secret, of which an unencoded "/", "?" or "#" makes
    two.
    """
    try:
        uri = uri.strip()
        parts = urlsplit(uri)
        options = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        fields = {
            "host": parts.hostname or "",
            "port": parts.port,
            "product_key": unquote(parts.path.strip("/"), errors="strict"),
            "device_key": unquote(parts.username or "", errors="strict"),
            "device_secret": seal(unquote(parts.password or "", errors="strict")),
            "tls": parts.scheme == "mqtts",
        }
    except (ValueError, TypeError, AttributeError):
        return _NO_URI
    if parts.fragment or any(ord(character) < 0x20 for character in uri):  # urlsplit drops them
        return _NO_URI
    if parts.scheme not in {"mqtt", "mqtts"}:
        return (
            f"a connection begins with mqtt:// or mqtts://, not {parts.scheme or 'nothing'!r}; "
            f"expected {FORM}"
        )
    names = [name for name, _ in options]
    if set(names) - set(OPTIONS) or len(names) > len(set(names)):
        return (
            f"unknown option behind the '?', or one given twice; known: {', '.join(OPTIONS)}. A "
            "'?' in a secret is written %3F"
        )
    return fields | {OPTIONS[name]: value for name, value in options}
