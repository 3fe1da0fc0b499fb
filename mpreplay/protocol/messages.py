"""Messages of the wire: topics, requests with their flags, and replies.

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

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from ..errors import PlatformError, clipped
from .signature import SIGN_METHOD, sign

__all__ = [
    "MAX_PUBLISH_BYTES",
    "MAX_REPLY_BYTES",
    "METHOD",
    "Reply",
    "batch_login",
    "batch_reply_topic",
    "batch_topic",
    "decode_reply",
    "envelope",
    "logout",
    "session_topic",
]

METHOD: Final = "thing.measurepoint.resume.batch"  # [1]_
VERSION: Final = "1.0"  # [1]_
MAX_PUBLISH_BYTES: Final = 524_288  # a publish must stay below it; [3]_
MAX_CODE: Final = 2**31 - 1  # documented codes have at most five digits; journals hold 64 bits
MAX_DIGITS: Final = 11
MAX_REPLY_BYTES: Final = 4_194_304  # eight times the largest request; MQTT carries 64 times as much
MAX_SAID: Final = 500  # of what a reply says [characters]
SHOWN: Final = 40  # of an odd value, in a message [characters]
_ONCE: Final = ("id", "code")


def batch_topic(product_key: str, device_key: str) -> str:
    """Return the topic to which a device publishes its batch requests [1]_."""
    return f"/sys/{product_key}/{device_key}/thing/measurepoint/resume/batch"


def batch_reply_topic(product_key: str, device_key: str) -> str:
    """Return the topic of the platform's replies to batch requests [1]_."""
    return batch_topic(product_key, device_key) + "_reply"


def session_topic(product_key: str, device_key: str, action: str) -> str:
    """Return the topic on which a gateway signs sub-devices in or out [4]_."""
    return f"/ext/session/{product_key}/{device_key}/combine/{action}"


def envelope(
    request_id: str, *, allow_offline_sub_device: bool, skip_invalid_measurepoints: bool
) -> tuple[bytes, bytes]:
    """Return the text before and after the entries of a batch request [1]_.

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

    A code is a whole number, or a text of ASCII digits. Everything else is no code, also where
    Python would take it for a number: a request must not count as accepted by a guess.

    Raises
    ------
    PlatformError
        If the payload is not JSON, is not in the form of a reply, or says two things at once.

    Examples
    --------
    >>> decode_reply(b'{"id":"123","code":200,"data":{}}').code
    200
    """
    try:
        if len(payload) > MAX_REPLY_BYTES:
            raise ValueError(f"more than {MAX_REPLY_BYTES:,} bytes are not read")
        reply = orjson.loads(payload)
        if not isinstance(reply, dict):
            raise TypeError(f"it holds {_kind(reply)}")
        _check_said_once(payload)
        return Reply(
            _id_of(reply), _code_of(reply), _text_of(reply.get("message")), reply.get("data")
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise PlatformError(
            f"a reply of {len(payload)} bytes cannot be read ({error}); expected an object with "
            "'id' and 'code'",
            payload,
        ) from error


def _code_of(reply: dict[str, Any]) -> int:
    if "code" not in reply:
        raise ValueError("it has no code")
    code = reply["code"]
    is_text = isinstance(code, str) and code.isascii() and code.isdigit()
    if not is_text and (isinstance(code, bool) or not isinstance(code, int)):
        raise TypeError(f"code is {_kind(code)}")
    if len(str(code)) > MAX_DIGITS or abs(int(code)) > MAX_CODE:
        raise ValueError(f"code has {len(str(code))} digits")
    return int(code)


def _id_of(reply: dict[str, Any]) -> str:
    """Return the id, or an empty text."""
    request_id = reply.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        raise TypeError(f"id is {_kind(request_id)}")
    return "" if request_id is None else str(request_id)


def _text_of(said: Any) -> str:
    """Return what a reply says as text; it only informs, and may have any shape and length.

    The text goes into the reason of each value of its request.
    """
    try:
        text = said if isinstance(said, str) else orjson.dumps(said).decode() if said else ""
        return clipped(text, MAX_SAID)
    except TypeError:  # nested deeper than the encoder goes
        return ""


def _kind(value: Any) -> str:
    """Return a value in words that are short, whatever its size and depth."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    said = repr(value)
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"


def _check_said_once(payload: bytes) -> None:
    """Raise ValueError if a reply has two ids or two codes, of which a parser takes the last."""
    if all(payload.count(b'"%s"' % name.encode()) < 2 for name in _ONCE) and b"\\u" not in payload:
        return
    names: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names[:] = [name for name, _ in pairs]  # the outermost object is the last to be complete

    json.loads(payload, object_pairs_hook=note)
    if twice := [name for name in _ONCE if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is given twice")
