"""The signature with which a device signs in.

Pure.

References
----------
.. [2] EnOS Device Connection 3.0, "Connecting without an SDK" (sign-in, signature).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

__all__ = ["SIGN_METHOD", "SignIn", "sign", "sign_in"]

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
    product_key: str, device_key: str, secret: str, *, client_id: str, timestamp: int
) -> SignIn:
    """Return the fields that sign a device in with its secret [2]_.

    Examples
    --------
    >>> sign_in("p", "d", "s", client_id="d", timestamp=1).client_id
    'd|securemode=2,signmethod=sha256,timestamp=1|'
    """
    return SignIn(
        f"{client_id}|securemode={SECURE_MODE},signmethod={SIGN_METHOD},timestamp={timestamp}|",
        f"{device_key}&{product_key}",
        sign(client_id, device_key, product_key, timestamp, secret),
    )
