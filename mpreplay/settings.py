"""Settings of a replay: ``Connection``, ``Limits`` and ``Policy``.

A shell: reads secrets from the environment and from files.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from .errors import ConfigError
from .errors.arguments import FLAG, check_kinds, one_of, shown_briefly
from .protocol.messages import MAX_PUBLISH_BYTES, envelope

__all__ = ["PLAIN_PORT", "Connection", "Limits", "Policy", "reveal"]

PLAIN_PORT: Final = 11_883  # EnOS Device Connection 3.0, MQTT: secret-based sign-in
TLS_PORT: Final = 18_883  # the same page: certificate-based
MAX_CLIENT_ID: Final = 64  # EnOS Device Connection 3.0, "Connecting without an SDK" [characters]
MOST: Final = 2**53  # of any limit: beyond it, JSON and floats lose numbers
ENVIRONMENT: Final = "MPREPLAY_CONNECTION"
_FORM: Final = "mqtt://{device_key}:{secret}@{host}:{port}/{product_key}"
# Options of a URI, behind its "?".
_OPTIONS: Final = {
    "ca": "ca_file",
    "cert": "cert_file",
    "key": "key_file",
    "client_id": "client_id",
}


def reveal(secret: str) -> str:
    """Return a secret, following a reference: ``env:NAME`` or ``file:PATH``.

    Raises
    ------
    ConfigError
        If the variable is not set or the file cannot be read.
    """
    kind, _, name = secret.partition(":")
    if kind == "env" and name:
        if not (value := os.environ.get(name)):
            raise ConfigError(f"the secret refers to env:{name}, but {name} is not set; set it")
        return value
    if kind == "file" and name:
        return _secret_in_file(name)
    return secret


def _secret_in_file(name: str) -> str:
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: not a possible file name
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the secret refers to file:{name!r}, which cannot be read ({why})"
        ) from error
    # A decoding error would carry the bytes: replace them, and reject the secret.
    if not (value := content.decode(errors="replace").strip()) or "\ufffd" in value:
        raise ConfigError(f"the secret refers to file:{name!r}, which holds no text in UTF-8")
    return value


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """Address of the platform, and the device that signs in.

    Parameters
    ----------
    host : str
        The MQTT host of the environment, as the console shows it.
    port : int, optional
        11883 (default) without TLS, 18883 with it.
    product_key, device_key : str
        The device, often a gateway, that holds the connection.
    device_secret : str
        The device's secret, or a reference: ``env:NAME`` or ``file:PATH``. Never shown.
    tls : bool, optional
        Encrypt; implied by any of the three files.
    ca_file, cert_file, key_file : str, optional
        PEM files: trusted authorities, and the client's certificate with its key.
    client_id : str, optional
        At most 64 characters; the device key by default.

    Examples
    --------
    >>> Connection("mqtt.example.com", product_key="gateway", device_key="gw-1",
    ...            device_secret="env:GW_SECRET")
    Connection('mqtt://gw-1:***@mqtt.example.com:11883/gateway')
    """

    host: str
    port: int | None = None
    product_key: str = ""
    device_key: str = ""
    device_secret: str = ""
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    client_id: str | None = None

    def __post_init__(self) -> None:
        """Fill in derived fields; raise if a field is missing or wrong."""
        if self.ca_file or self.cert_file or self.key_file:
            object.__setattr__(self, "tls", True)
        if self.port is None:
            object.__setattr__(self, "port", TLS_PORT if self.tls else PLAIN_PORT)
        for name in ("host", "product_key", "device_key", "device_secret"):
            if not getattr(self, name):
                raise ConfigError(f"a connection needs a {name}; as a URI: {_FORM}")
        is_port = isinstance(self.port, int) and not isinstance(self.port, bool)
        if not is_port or not 0 < int(self.port or 0) < 65_536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port!r}")
        if self.client_id is not None and not 0 < len(self.client_id) <= MAX_CLIENT_ID:
            raise ConfigError(f"client_id must have 1 to {MAX_CLIENT_ID} characters")
        if self.key_file and not self.cert_file:
            raise ConfigError("key_file is given without cert_file; give both")

    @classmethod
    def from_uri(cls, uri: str) -> Connection:
        """Read a connection from a URI.

        Parameters
        ----------
        uri : str
            ``mqtt://{device_key}:{secret}@{host}:{port}/{product_key}``, each part
            percent-encoded; ``mqtts`` for TLS. ``?ca=…&cert=…&key=…&client_id=…`` may follow.

        Raises
        ------
        ConfigError
            If a part is missing. The message never holds the secret.

        Examples
        --------
        >>> Connection.from_uri("mqtts://gw-1:env%3AGW@example.com/gateway").port
        18883
        """
        # An error of the standard library may quote a piece of the secret: none is shown or chained
        # here. An unencoded "/", "?" or "#" cuts the secret in two.
        parts = _split(uri)
        if parts is None:
            raise ConfigError(
                f"not a connection; expected {_FORM}, each part percent-encoded (in a secret, "
                "%2F stands for '/', %3F for '?', %23 for '#', %40 for '@')"
            )
        if parts.scheme not in {"mqtt", "mqtts"}:
            raise ConfigError(
                f"a connection begins with mqtt:// or mqtts://, not {parts.scheme or 'nothing'!r}; "
                f"expected {_FORM}"
            )
        options = dict(parse_qsl(parts.query))
        if set(options) - set(_OPTIONS):
            raise ConfigError(
                f"unknown option behind the '?'; known: {', '.join(_OPTIONS)}. A '?' in a secret "
                "is written %3F"
            )
        return cls(
            host=parts.hostname or "",
            port=parts.port,
            product_key=unquote(parts.path.strip("/")),
            device_key=unquote(parts.username or ""),
            device_secret=unquote(parts.password or ""),
            tls=parts.scheme == "mqtts",
            **{_OPTIONS[key]: value for key, value in options.items()},
        )

    @classmethod
    def from_environment(cls) -> Connection:
        """Read a connection from the URI in ``MPREPLAY_CONNECTION``."""
        if not (uri := os.environ.get(ENVIRONMENT)):
            raise ConfigError(f"no connection: pass one, or set {ENVIRONMENT} to {_FORM}")
        return cls.from_uri(uri)

    @property
    def device(self) -> tuple[str, str]:
        """The product and device key of the connection's own device."""
        return self.product_key, self.device_key

    def to_uri(self, *, reveal_secret: bool = False) -> str:
        """Return the connection as a URI, with ``***`` instead of the secret."""
        secret = quote(self.device_secret, safe="") if reveal_secret else "***"
        options = {key: getattr(self, name) for key, name in _OPTIONS.items()}
        query = urlencode({key: value for key, value in options.items() if value})
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"{'mqtts' if self.tls else 'mqtt'}://{quote(self.device_key, safe='')}:{secret}"
            f"@{host}:{self.port}/{quote(self.product_key, safe='')}"
            f"{'?' if query else ''}{query}"
        )

    def __repr__(self) -> str:
        return f"Connection({self.to_uri()!r})"


def _split(uri: str) -> SplitResult | None:
    """Return the parts of a URI, or None if there are none or its port is not a number."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises if it is not a number
    except (ValueError, TypeError, AttributeError):
        return None
    return parts if isinstance(parts, SplitResult) else None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a replay; None switches a limit off.

    Parameters
    ----------
    max_bytes : int
        Size that every request stays below; the platform rejects 524,288 and more. [bytes]
    max_entries, max_values : int, optional
        Largest number in one request.
    window : int
        Largest number of requests in flight.
    bytes_per_second, values_per_second : float, optional
        Largest rate of one connection. The platform's default is 1 MB/s; points per second are part
        of an organisation's contract.
    reply_timeout : float
        Wait for a reply before a retry. [s]
    attempts : int
        Largest number of times that a request is published.
    connects, connect_period : int, float
        Largest number of connects in any period, and the length of the period. [s]
    keepalive : int
        Keepalive of MQTT; the platform takes 60 to 300. [s]
    give_up_after : int, optional
        Number of requests from the start of a run that end the run if all are declined with the
        same code.
    extra_requests : int, optional
        Largest number of extra requests to take one declined request apart; the rest of it is then
        declined as a group.

    Examples
    --------
    >>> Limits(window=1).max_bytes
    480000
    """

    max_bytes: int = 480_000
    max_entries: int | None = None
    max_values: int | None = None
    window: int = 16
    bytes_per_second: float | None = 1_000_000
    values_per_second: float | None = None
    reply_timeout: float = 30.0
    attempts: int = 5
    connects: int | None = 4
    connect_period: float = 120.0
    keepalive: int = 60
    give_up_after: int | None = 20
    extra_requests: int | None = 1_000

    def __post_init__(self) -> None:
        """Raise if nothing could be sent under these limits."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and "None" in str(field.type):
                continue
            least = 256 if field.name == "max_bytes" else 1 if "int" in str(field.type) else 1e-9
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or (str(field.type).startswith("int") and not isinstance(value, int))
                or not least <= value <= MOST
            ):
                hint = "; None switches it off" if "None" in str(field.type) else ""
                kind = "a whole number of" if str(field.type).startswith("int") else ""
                raise ConfigError(
                    f"{field.name} must be {kind}{' ' if kind else ''}at least {least:g}, "
                    f"got {shown_briefly(value)}{hint}",
                    argument=field.name,
                    value=value,
                )
        if self.max_bytes > MAX_PUBLISH_BYTES:  # a request stays below max_bytes
            raise ConfigError(
                f"max_bytes is {self.max_bytes}, but the platform refuses publishes of "
                f"{MAX_PUBLISH_BYTES} bytes and more"
            )

    @classmethod
    def of(cls, given: Any) -> Limits:
        """Return given limits, or the default ones for None; raise ConfigError for others."""
        if given is not None and not isinstance(given, cls):
            raise ConfigError(
                f"limits must be mp.Limits(...), got {shown_briefly(given)}",
                argument="limits",
                value=given,
            )
        return given or cls()

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as plain values."""
        return dataclasses.asdict(self)


_POLICIES: Final = {
    "allow_offline_sub_device": FLAG,
    "skip_invalid_measurepoints": FLAG,
    "on_invalid": one_of("raise", "withhold", "send"),
    "duplicates": one_of("raise", "first", "last"),
}
# A request's id is the milliseconds of the run's start and a six-digit number: 19 or 20 digits.
WIDEST_ID: Final = "9" * 20


@dataclass(frozen=True, slots=True)
class Policy:
    """Flags and policies that decide the values to send, and their requests."""

    allow_offline_sub_device: bool = False
    skip_invalid_measurepoints: bool = False
    on_invalid: Literal["raise", "withhold", "send"] = "raise"
    duplicates: Literal["raise", "first", "last"] = "raise"

    def __post_init__(self) -> None:
        """Refuse a policy that does not exist."""
        check_kinds({name: (getattr(self, name), kind) for name, kind in _POLICIES.items()})

    @property
    def withholds(self) -> bool:
        """True if violations of the model are withheld."""
        return self.on_invalid != "send"

    @property
    def keep(self) -> Literal["first", "last"]:
        """Reading to send, of two different values of one device, time and point."""
        return "first" if self.duplicates == "first" else "last"

    def overhead(self) -> int:
        """Return the length of a request without its entries, in bytes."""
        head, tail = self.envelope(WIDEST_ID)
        return len(head) + len(tail)

    def envelope(self, request_id: str) -> tuple[bytes, bytes]:
        """Return the text before and after the entries of a request."""
        return envelope(
            request_id,
            allow_offline_sub_device=self.allow_offline_sub_device,
            skip_invalid_measurepoints=self.skip_invalid_measurepoints,
        )
