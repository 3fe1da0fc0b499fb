"""Settings of a replay: ``Connection``, ``Limits`` and ``Policy``.

A shell: reads a connection from the environment.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from .errors import Argument, ConfigError, message
from .errors.arguments import FLAG, OPTIONAL_TEXT, Kind, check_kinds, kind_of, one_of, shown_briefly
from .protocol.addresses import FAULTS, FORM, OPTIONS, fields_of
from .protocol.messages import MAX_PUBLISH_BYTES, envelope
from .secret import HIDDEN, Secret, sealed

__all__ = ["PLAIN_PORT", "Connection", "Limits", "Policy"]

PLAIN_PORT: Final = 11_883  # EnOS Device Connection 3.0, MQTT: secret-based sign-in
TLS_PORT: Final = 18_883  # the same page: certificate-based
MAX_CLIENT_ID: Final = 64  # EnOS Device Connection 3.0, "Connecting without an SDK" [characters]
MOST: Final = 2**53  # of any limit: beyond it, JSON and floats lose numbers
ENVIRONMENT: Final = "MPREPLAY_CONNECTION"


@dataclass(frozen=True, slots=True, repr=False, init=False)
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
    device_secret : str or Secret
        The device's secret, or a reference: ``env:NAME`` or ``file:PATH``. Never shown; the
        attribute is a :class:`Secret`.
    tls : bool, optional
        Encrypt; implied by any of the three files.
    ca_file, cert_file, key_file : str, optional
        PEM files: trusted authorities, and the client's certificate with its key.
    client_id : str, optional
        At most 64 characters; the device key by default.
    compression : {None, "gzip"}, optional
        Experimental: every message travels packed. The platform's documents do not mention it.

    Examples
    --------
    >>> Connection("mqtt.example.com", product_key="gateway", device_key="gw-1",
    ...            device_secret="env:GW_SECRET")
    Connection('mqtt://gw-1:***@mqtt.example.com:11883/gateway')
    """

    host: str
    port: int | None
    product_key: str
    device_key: str
    device_secret: Secret
    tls: bool
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    client_id: str | None
    compression: Literal["gzip"] | None

    def __init__(
        self,
        host: str,
        port: int | None = None,
        product_key: str = "",
        device_key: str = "",
        device_secret: str | Secret = "",
        tls: bool = False,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        client_id: str | None = None,
        compression: Literal["gzip"] | None = None,
    ) -> None:
        # First of all: an error tracker prints the arguments of a call that fails.
        is_text, secret = isinstance(device_secret, str | Secret), Secret.sealed(device_secret)
        device_secret = HIDDEN
        if not is_text:
            secret.check("device_secret")
        _check_kinds({"tls": (tls, FLAG)})
        more = (ca_file, cert_file, key_file, client_id, compression)
        texts = (host, product_key, device_key, *more)
        _check_kinds(dict(zip(FAULTS, ((text, _FIELD) for text in texts), strict=True)))
        tls = bool(tls or ca_file or cert_file or key_file)
        port = (TLS_PORT if tls else PLAIN_PORT) if port is None else port
        given = (host, port, product_key, device_key, secret, tls, *more)
        for field, value in zip(dataclasses.fields(self), given, strict=True):
            object.__setattr__(self, field.name, value)
        self._check()

    def _check(self) -> None:
        """Raise if a field is missing or wrong."""
        for name in ("host", "product_key", "device_key"):
            if not getattr(self, name):
                raise _wrong(name, f"a connection needs a {name}; as a URI: {FORM}")
        if self.device_secret.as_given() == "":
            raise _wrong("device_secret", f"a connection needs a device_secret; as a URI: {FORM}")
        self.device_secret.check("device_secret")
        for name, fault_in in FAULTS.items():
            value = getattr(self, name)
            if value is not None and (fault := fault_in(value) or ("" if value else "is empty")):
                raise _wrong(name, f"{name} {fault}")
        if type(self.port) is not int or not 0 < self.port < 65_536:
            raise _wrong(
                "port", f"port must be between 1 and 65535, got {shown_briefly(self.port)}"
            )
        if self.client_id is not None and len(self.client_id) > MAX_CLIENT_ID:
            raise _wrong("client_id", f"client_id must have 1 to {MAX_CLIENT_ID} characters")
        if self.key_file and not self.cert_file:
            raise _wrong("key_file", "key_file is given without cert_file; give both")

    @classmethod
    def of(cls, given: Any) -> Connection:
        """Return a connection from what a caller gave, sealed: None is that of the environment."""
        if isinstance(given, Connection):
            return given
        if given is None:
            return cls.from_environment()
        if not isinstance(given, Secret):
            raise _wrong(
                "connection",
                f"connection must be a Connection or a URI, got {type(given).__name__}",
            )
        return cls.from_uri(given.as_given())

    @classmethod
    def from_uri(cls, uri: str) -> Connection:
        """Read a connection from a URI.

        Parameters
        ----------
        uri : str
            ``mqtt://{device_key}:{secret}@{host}:{port}/{product_key}``, percent-encoded; ``mqtts``
            for TLS. ``?ca=…&cert=…&key=…&client_id=…&compress=…`` may follow.

        Raises
        ------
        ConfigError
            If a part is missing. The message never holds the secret.

        Examples
        --------
        >>> Connection.from_uri("mqtts://gw-1:env%3AGW@example.com/gateway").port
        18883
        """
        fields = fields_of(uri, Secret.sealed)
        uri = HIDDEN
        if isinstance(fields, str):
            raise _wrong("connection", fields)
        return cls(**fields)

    @classmethod
    def from_environment(cls) -> Connection:
        """Read a connection from the URI in ``MPREPLAY_CONNECTION``."""
        given = sealed(os.environ.get(ENVIRONMENT) or None)
        if given is None:
            raise ConfigError(f"no connection: pass one, or set {ENVIRONMENT} to {FORM}")
        return cls.of(given)

    @property
    def device(self) -> tuple[str, str]:
        """The product and device key of the connection's own device."""
        return self.product_key, self.device_key

    def to_uri(self, *, reveal_secret: bool = False) -> str:
        """Return the connection as a URI, with ``***`` instead of the secret."""
        secret = quote(self.device_secret.as_given(), safe="") if reveal_secret else HIDDEN
        options = {key: getattr(self, name) for key, name in OPTIONS.items()}
        query = urlencode({key: value for key, value in options.items() if value})
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"{'mqtts' if self.tls else 'mqtt'}://{quote(self.device_key, safe='')}:{secret}"
            f"@{host}:{self.port}/{quote(self.product_key, safe='')}"
            f"{'?' if query else ''}{query}"
        )

    def __repr__(self) -> str:
        try:
            return f"Connection({self.to_uri()!r})"
        except (AttributeError, TypeError, ValueError):  # refused, and printed by a traceback
            return "Connection(…)"


def _check_kinds(given: Mapping[str, tuple[Any, Kind]]) -> None:
    """Raise unless each field is of its kind; none is shown, since it may be a secret misplaced."""
    for name, (value, kind) in given.items():
        if not kind.holds(value):
            raise _wrong(name, f"{name} must be {kind.words}, got {kind_of(value)}")


def _wrong(argument: str, text: str) -> ConfigError:
    return ConfigError(text, argument=argument)


_FIELD: Final = Kind("a text", OPTIONAL_TEXT.holds)  # None: absent


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
        of an organisation's contract. Bytes are counted as they travel, packed or not.
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
                whole = str(field.type).startswith("int")
                kind = f"a whole number of at least {least:g}" if whole else "a number above 0"
                told = f" must be {kind}, got {shown_briefly(value)}{hint}"
                named = Argument(field.name, is_named=True)
                raise ConfigError(message(named, told), argument=field.name, value=value)
        if self.max_bytes > MAX_PUBLISH_BYTES:  # a request stays below max_bytes
            told = f"the platform refuses publishes of {MAX_PUBLISH_BYTES} bytes and more"
            named = Argument("max_bytes", is_named=True)
            raise ConfigError(message(named, f" is {self.max_bytes}, but {told}"))

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
