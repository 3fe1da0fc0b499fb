"""The signature with which a device signs in.

Pure.

References
----------
.. [2] EnOS Device Connection 3.0, "Connecting without an SDK" (sign-in, signature).
.. [6] EnOS device SDK for Java 2.2.16, ``BaseProfile``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["SIGN_METHOD", "ClientId", "SignIn", "read_client_id", "sign", "sign_in"]

SIGN_METHOD: Final = "sha256"
SECURE_MODE: Final = 2  # static activation: signed with the device secret; [2]_


def sign(
    client_id: str, device_key: str, product_key: str, timestamp: int | str, secret: str
) -> str:
    """Return the sign-in signature: a plain SHA-256 with the secret appended, not an HMAC [2]_.

    Parameters
    ----------
    client_id : str
        The client id without its ``|securemode=…|`` tail.
    device_key, product_key : str
        The device that signs in.
    timestamp : int
        Time of the sign-in, also part of the client id. [ms]
    secret : str
        The device's secret.

    Returns
    -------
    str
        64 hexadecimal digits, upper case.

    Examples
    --------
    The documented example:

    >>> sign("123456", "test", "654321", 1548753362502, "abcdefg")
    'B99032D49C706F7B27B22AB5CD2DD3C56A31E1BCBBC83BA0A2A6BB3272FBB166'
    """
    content = f"clientId{client_id}deviceKey{device_key}productKey{product_key}timestamp{timestamp}"
    return hashlib.sha256((content + secret).encode()).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class SignIn:
    """The three fields of an MQTT CONNECT that sign a device in."""

    client_id: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"SignIn(client_id={self.client_id!r}, username={self.username!r}, password=***)"


def sign_in(
    product_key: str,
    device_key: str,
    secret: str,
    *,
    client_id: str,
    timestamp: int,
    compression: str | None = None,
) -> SignIn:
    """Return the fields that sign a device in with its secret [2]_.

    Compression is asked for in a block in literal braces, which the signature covers [6]_.

    Examples
    --------
    >>> sign_in("p", "d", "s", client_id="d", timestamp=1).client_id
    'd|securemode=2,signmethod=sha256,timestamp=1|'
    >>> sign_in("p", "d", "s", client_id="d", timestamp=1, compression="gzip").client_id
    'd{compress=GZIP}|securemode=2,signmethod=sha256,timestamp=1|'
    """
    if compression is not None:
        client_id += f"{{compress={compression.upper()}}}"
    return SignIn(
        f"{client_id}|securemode={SECURE_MODE},signmethod={SIGN_METHOD},timestamp={timestamp}|",
        f"{device_key}&{product_key}",
        sign(client_id, device_key, product_key, timestamp, secret),
    )


class ClientId(NamedTuple):
    """A client id, taken apart.

    ``signed`` is the text that the signature covers: the name with its block in braces, if any.
    """

    name: str
    signed: str
    block: dict[str, str]
    options: dict[str, str]


def read_client_id(client_id: str) -> ClientId:
    """Take ``{name}{ip=…,version=…,compress=…}|securemode=2,signmethod=sha256,timestamp=…|`` apart.

    The braces around the second part are literal; it is the vendor's Java client that sends it
    [6]_. A page of the documents shows a blank after the first comma, so blanks are accepted.

    Examples
    --------
    >>> parts = read_client_id("gw{compress=GZIP}|securemode=2,timestamp=1|")
    >>> parts.name, parts.signed, parts.block["compress"], parts.options["timestamp"]
    ('gw', 'gw{compress=GZIP}', 'GZIP', '1')
    """
    signed, _, tail = client_id.partition("|")
    name, brace, inner = signed.partition("{")
    if not (brace and inner.endswith("}")):
        name, inner = signed, "}"
    return ClientId(name, signed, _pairs(inner[:-1]), _pairs(tail.removesuffix("|")))


def _pairs(listed: str) -> dict[str, str]:
    pairs = (option.strip().partition("=") for option in listed.split(","))
    return {key: value for key, _, value in pairs}
