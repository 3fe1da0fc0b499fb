"""How to reach the platform, and the limits to keep: ``Connection`` and ``Limits``.

A shell: it reads the environment and the files that secrets are referred to by.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from .errors import ConfigError
from .protocol.messages import MAX_PUBLISH_BYTES, envelope

__all__ = ["PLAIN_PORT", "Connection", "Limits", "Policy", "reveal"]

PLAIN_PORT: Final = 11_883  # EnOS Device Connection 3.0, MQTT: secret-based sign-in
TLS_PORT: Final = 18_883  # the same page: certificate-based
MAX_CLIENT_ID: Final = 64  # EnOS Device Connection 3.0, "Connecting without an SDK" [characters]
ENVIRONMENT: Final = "MPREPLAY_CONNECTION"
_FORM: Final = "mqtt://{device_key}:{secret}@{host}:{port}/{product_key}"
# What a URI may carry behind its "?".
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
    except (OSError, ValueError) as error:  # a ValueError: no name that a file can have
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the secret refers to file:{name!r}, which cannot be read ({why})"
        ) from error
    # An error of decoding would carry the bytes: they are replaced, and the secret refused.
    if not (value := content.decode(errors="replace").strip()) or "\ufffd" in value:
        raise ConfigError(f"the secret refers to file:{name!r}, which holds no text in UTF-8")
    return value


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """Where the platform is and as which device to sign in.

    Parameters
    ----------
    host : str
        The MQTT host of the environment, as the console shows it.
    port : int, optional
        11883 (default) without TLS, 18883 with it.
    product_key, device_key : str
        The device, often a gateway, that holds the connection.
    device_secret : str
        Its secret, or a reference to it: ``env:NAME`` or ``file:PATH``. Never shown.
    tls : bool, optional
        Encrypt; implied by any of the three files.
    ca_file, cert_file, key_file : str, optional
        PEM files: whom to trust, and the client's certificate with its key.
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
        """Fill in what follows from the rest; refuse what is missing."""
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
        # What the standard library objects to may be a piece of the secret: nothing of it is shown
        # or chained here. A "/", "?" or "#" that is not encoded cuts the secret in two.
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
        """Return the connection as a URI, with ``***`` in the place of the secret."""
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
    """Return the parts of a URI, or None if it has none or its port is no number."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises where it is no number
    except (ValueError, TypeError, AttributeError):
        return None
    return parts if isinstance(parts, SplitResult) else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a replay keeps to; None switches a limit off.

    Parameters
    ----------
    max_bytes : int
        A request stays below it; the platform refuses 524,288 and more. [bytes]
    max_entries, max_values : int, optional
        Of one request.
    window : int
        Requests in flight at most.
    bytes_per_second, values_per_second : float, optional
        Of one connection. The platform's default is 1 MB/s; points per second are an
        organisation's contract.
    reply_timeout : float
        How long a reply may take before the request is tried again. [s]
    attempts : int
        How often a request is published at most.
    connects, connect_period : int, float
        At most so many connects in any such period. [s]
    keepalive : int
        The platform takes 60 to 300. [s]
    give_up_after : int, optional
        A run ends when so many requests from its start were all declined with one code.
    extra_requests : int, optional
        Taking one declined request apart may cost so many more; what is then left of it is declined
        as a group.

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
        """Refuse limits under which nothing can be sent."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and "None" in str(field.type):
                continue
            least = 256 if field.name == "max_bytes" else 1 if "int" in str(field.type) else 1e-9
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or (str(field.type).startswith("int") and not isinstance(value, int))
                or not math.isfinite(value)
                or value < least
            ):
                hint = "; None switches it off" if "None" in str(field.type) else ""
                kind = "a whole number of" if str(field.type).startswith("int") else ""
                raise ConfigError(
                    f"{field.name} must be {kind}{' ' if kind else ''}at least {least:g}, "
                    f"got {value!r}{hint}"
                )
        if self.max_bytes > MAX_PUBLISH_BYTES:  # a request stays below max_bytes
            raise ConfigError(
                f"max_bytes is {self.max_bytes}, but the platform refuses publishes of "
                f"{MAX_PUBLISH_BYTES} bytes and more"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as plain values."""
        return dataclasses.asdict(self)


# A request's id is the milliseconds of the run's start and a six-digit number: 19 or 20 digits.
WIDEST_ID: Final = "9" * 20


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides which values are sent, and in which requests."""

    allow_offline_sub_device: bool = False
    skip_invalid_measurepoints: bool = False
    on_invalid: Literal["raise", "withhold", "send"] = "raise"
    duplicates: Literal["raise", "first", "last"] = "raise"

    @property
    def withholds(self) -> bool:
        """Whether violations of the model are withheld."""
        return self.on_invalid != "send"

    @property
    def keep(self) -> Literal["first", "last"]:
        """Which of two different values of one device, time and point is sent."""
        return "first" if self.duplicates == "first" else "last"

    def overhead(self) -> int:
        """Return how long a request is without its entries, in bytes."""
        head, tail = self.envelope(WIDEST_ID)
        return len(head) + len(tail)

    def envelope(self, request_id: str) -> tuple[bytes, bytes]:
        """Return what stands before and after the entries of a request."""
        return envelope(
            request_id,
            allow_offline_sub_device=self.allow_offline_sub_device,
            skip_invalid_measurepoints=self.skip_invalid_measurepoints,
        )
