"""What is said on the wire: topics, flags, return codes, the sign-in signature, replies.

Pure: texts and numbers in, texts and numbers out.

References
----------
.. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch".
.. [2] EnOS Device Connection 3.0, "Connecting without an SDK" (sign-in, signature).
.. [3] EnOS Device Connection 3.0, "Common Parameters" and "Limitations".
.. [4] EnOS Device Connection 2.1 to 3.0, "Sub-Device Login".
.. [5] EnOS device SDK for Python 0.1.1, ``ResponseCode``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import orjson

from ..errors import PlatformError

__all__ = [
    "CODES",
    "MAX_PUBLISH_BYTES",
    "METHOD",
    "NO_SUB_DEVICE",
    "RETURN_CODES",
    "Asks",
    "Reply",
    "ReturnCode",
    "SignIn",
    "batch_login",
    "batch_reply_topic",
    "batch_topic",
    "decode_reply",
    "envelope",
    "logout",
    "return_code",
    "session_topic",
    "sign",
    "sign_in",
]

METHOD: Final = "thing.measurepoint.resume.batch"  # [1]_
VERSION: Final = "1.0"  # [1]_
MAX_PUBLISH_BYTES: Final = 524_288  # a publish must stay below it; [3]_
SIGN_METHOD: Final = "sha256"
NO_SUB_DEVICE: Final = 1212  # the code that is about a device, not about a value; [1]_
MAX_CODE: Final = 2**31 - 1  # documented codes have at most five digits; journals hold 64 bits
SECURE_MODE: Final = 2  # static activation: signed with the device secret; [2]_

Asks = Literal["accepted", "isolate", "split", "sign_in", "retry", "stop"]


class ReturnCode(NamedTuple):
    """A return code: what it means, what it asks the sender to do, and who says so."""

    code: int
    meaning: str
    asks: Asks
    source: str


_COMMON: Final = "Device Connection 3.0, Common Parameters"
_PAGE: Final = "Reporting Offline Measurement Points in Batch"
_LOGIN: Final = "Device Connection 3.0, Sub-Device Login"
_SDK: Final = "device SDK for Python 0.1.1, ResponseCode"

RETURN_CODES: Final = (
    ReturnCode(200, "accepted", "accepted", _PAGE),
    ReturnCode(429, "too many requests", "retry", _SDK),
    ReturnCode(500, "server error", "retry", _SDK),
    ReturnCode(503, "service unavailable", "retry", "REST API 2.1, getting started"),
    ReturnCode(520, "session error", "retry", _SDK),
    ReturnCode(705, "the device does not exist", "stop", _LOGIN),
    ReturnCode(723, "the device is disabled", "stop", _LOGIN),
    ReturnCode(740, "the sub-device does not belong to this gateway", "stop", _LOGIN),
    ReturnCode(742, "the signature is wrong", "stop", _LOGIN),
    ReturnCode(746, "the device may sign in over TLS only", "stop", _LOGIN),
    ReturnCode(770, "dynamic activation is not allowed", "stop", _LOGIN),
    ReturnCode(771, "a sub-device may not connect by itself", "stop", _LOGIN),
    ReturnCode(1008, "the message is too large and was discarded", "split", _COMMON),
    ReturnCode(
        1009, "no permission to publish: unknown topic or not signed in", "sign_in", _COMMON
    ),
    ReturnCode(1200, "the request could not be parsed, or its sender may not ask", "stop", _COMMON),
    ReturnCode(1204, "model validation failed: invalid fields among the points", "isolate", _PAGE),
    ReturnCode(1206, "format error in the data of a point", "isolate", _PAGE),
    ReturnCode(1212, "no permission: sub-device offline or not on this gateway", "isolate", _PAGE),
    ReturnCode(1220, "the payload is not valid JSON or has the wrong shape", "stop", _COMMON),
    ReturnCode(1251, "the payload is empty", "stop", _COMMON),
    ReturnCode(1260, "the method does not fit the topic", "stop", _COMMON),
    ReturnCode(6205, "the platform timed out", "retry", _SDK),
)
CODES: Final = {entry.code: entry for entry in RETURN_CODES}


def return_code(code: int) -> ReturnCode:
    """Return what a code means; an unknown one is tried again and then held against the request.

    Examples
    --------
    >>> return_code(1204).asks
    'isolate'
    >>> return_code(1215).meaning
    'not documented'
    """
    return CODES.get(code) or ReturnCode(code, "not documented", "retry", "none")


def batch_topic(product_key: str, device_key: str) -> str:
    """Return the topic to which a device publishes its batch requests [1]_."""
    return f"/sys/{product_key}/{device_key}/thing/measurepoint/resume/batch"


def batch_reply_topic(product_key: str, device_key: str) -> str:
    """Return the topic on which the platform answers them [1]_."""
    return batch_topic(product_key, device_key) + "_reply"


def session_topic(product_key: str, device_key: str, action: str) -> str:
    """Return the topic on which a gateway signs sub-devices in or out [4]_."""
    return f"/ext/session/{product_key}/{device_key}/combine/{action}"


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
        The time that also stands in the client id. [ms]
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
    """Return what a device sends to sign in with its secret [2]_.

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


def envelope(
    request_id: str, *, allow_offline_sub_device: bool, skip_invalid_measurepoints: bool
) -> tuple[bytes, bytes]:
    """Return what stands before and after the entries of a batch request [1]_.

    Examples
    --------
    >>> head, tail = envelope(
    ...     "7", allow_offline_sub_device=True, skip_invalid_measurepoints=False
    ... )
    >>> orjson.loads(head + tail)["allowOfflineSubDevice"]
    True
    """
    fields = {
        "id": request_id,
        "version": VERSION,
        "allowOfflineSubDevice": allow_offline_sub_device,
        "skipInvalidMeasurepoints": skip_invalid_measurepoints,
    }
    head = orjson.dumps(fields)[:-1] + b',"params":['
    return head, b'],"method":"%s"}' % METHOD.encode()


def batch_login(
    request_id: str,
    sub_devices: Iterable[tuple[str, str, str]],
    *,
    client_id: str,
    timestamp: int,
) -> bytes:
    """Return the request that signs sub-devices in through their gateway [4]_.

    ``sub_devices`` are (product key, device key, secret).
    """
    signed = [
        {
            "productKey": product_key,
            "deviceKey": device_key,
            "sign": sign(client_id, device_key, product_key, timestamp, secret),
        }
        for product_key, device_key, secret in sub_devices
    ]
    params = {
        "clientId": client_id,
        "timestamp": str(timestamp),
        "signMethod": SIGN_METHOD,
        "subDevices": signed,
    }
    return _message(request_id, params, "combine.login.batch")


def logout(request_id: str, product_key: str, device_key: str) -> bytes:
    """Return the request that signs one sub-device out [4]_."""
    return _message(
        request_id, {"productKey": product_key, "deviceKey": device_key}, "combine.logout"
    )


def _message(request_id: str, params: dict[str, Any], method: str) -> bytes:
    return orjson.dumps({"id": request_id, "version": VERSION, "params": params, "method": method})


class Reply(NamedTuple):
    """The platform's answer to one request."""

    request_id: str
    code: int
    message: str
    data: Any


def decode_reply(payload: bytes) -> Reply:
    """Return the reply in a payload.

    Raises
    ------
    PlatformError
        If it is not JSON, or has no usable ``code``.

    Examples
    --------
    >>> decode_reply(b'{"id":"123","code":200,"data":{}}').code
    200
    """
    try:
        reply = orjson.loads(payload)
        code = reply["code"]
        if isinstance(code, bool) or not isinstance(code, int | str):
            raise ValueError(f"code is {code!r}")
        if abs(number := int(code)) > MAX_CODE:
            raise ValueError(f"code has {len(str(number))} digits")
        return Reply(
            str(reply.get("id", "")), number, str(reply.get("message") or ""), reply.get("data")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlatformError(
            f"a reply of {len(payload)} bytes cannot be read ({error}); expected an object with "
            "'id' and 'code'",
            payload,
        ) from error
