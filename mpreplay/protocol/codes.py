"""The platform's return codes: meaning, action asked of the sender, and source.

Pure.

References
----------
.. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch".
.. [3] EnOS Device Connection 3.0, "Common Parameters" and "Limitations".
.. [4] EnOS Device Connection 2.1 to 3.0, "Sub-Device Login".
.. [5] EnOS device SDK for Python 0.1.1, ``ResponseCode``.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = [
    "ACCEPTED",
    "CODES",
    "INVALID_VALUE",
    "NO_SUB_DEVICE",
    "RETURN_CODES",
    "About",
    "Asks",
    "ReturnCode",
    "return_code",
]

Asks = Literal["accepted", "isolate", "split", "sign_in", "retry", "stop"]
About = Literal["value", "device", "request"]


class ReturnCode(NamedTuple):
    """A return code of the platform.

    Parameters
    ----------
    code : int
        The number on the wire.
    meaning : str
        The meaning in words.
    asks : {"accepted", "isolate", "split", "sign_in", "retry", "stop"}
        The step that the sender takes next.
    source : str
        The document that names the code.
    about : {"value", "device", "request"}
        The part of a request to which the code applies; "request" is the request as a whole.
    advice : str
        The key of the advice to users, where the code has one of its own.
    """

    code: int
    meaning: str
    asks: Asks
    source: str
    about: About = "request"
    advice: str = ""


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
    ReturnCode(1008, "the message is too large and was discarded", "split", _COMMON, advice="size"),
    ReturnCode(
        1009,
        "no permission to publish: unknown topic or not signed in",
        "sign_in",
        _COMMON,
    ),
    ReturnCode(1200, "the request could not be parsed, or its sender may not ask", "stop", _COMMON),
    ReturnCode(
        1204,
        "model validation failed: invalid fields among the points",
        "isolate",
        _PAGE,
        "value",
        "model",
    ),
    ReturnCode(1206, "format error in the data of a point", "isolate", _PAGE, "value", "format"),
    ReturnCode(
        1212,
        "no permission: sub-device offline or not on this gateway",
        "isolate",
        _PAGE,
        "device",
        "permission",
    ),
    ReturnCode(1220, "the payload is not valid JSON or has the wrong shape", "stop", _COMMON),
    ReturnCode(1251, "the payload is empty", "stop", _COMMON),
    ReturnCode(1260, "the method does not fit the topic", "stop", _COMMON),
    ReturnCode(6205, "the platform timed out", "retry", _SDK),
)
CODES: Final = {entry.code: entry for entry in RETURN_CODES}
ACCEPTED: Final = next(entry.code for entry in RETURN_CODES if entry.asks == "accepted")
INVALID_VALUE: Final = next(entry.code for entry in RETURN_CODES if entry.about == "value")
NO_SUB_DEVICE: Final = next(entry.code for entry in RETURN_CODES if entry.about == "device")


def return_code(code: int) -> ReturnCode:
    """Return the entry of a code; an unknown code is retried, then counts as declined.

    Examples
    --------
    >>> return_code(1204).asks
    'isolate'
    >>> return_code(1215).meaning
    'not documented'
    """
    return CODES.get(code) or ReturnCode(code, "not documented", "retry", "none")
