"""Words for a connection that fails: the symptom, and its likely meaning.

Pure. A failure that many causes may have names all of them: users search where they are sent.

References
----------
.. [1] OASIS, "MQTT Version 3.1.1", table 3.1 (return codes of a sign-in).
.. [2] OpenSSL 3, "X509_STORE_CTX_get_error" (codes of a verification) and "SSL alerts".
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["Failure", "of_error", "of_loss", "of_refusal"]


class Failure(NamedTuple):
    """A failure in words; final if trying again as things are cannot help."""

    words: str
    is_final: bool = False


# By code [1]_.
_REFUSALS: Final = {
    1: Failure("the broker does not speak MQTT 3.1.1", True),
    2: Failure("the broker refuses the client id", True),
    3: Failure("the platform is not available now"),
    4: Failure(
        "the device secret is wrong, or there is no such device: check product key, device key "
        "and secret",
        True,
    ),
    5: Failure(
        "not authorised: the device is disabled, or blocked for connecting too often (more than "
        "4 times in 2 minutes; wait 5 minutes)"
    ),
}
# By the name of the exception's type, or of a type above it.
_ERRORS: Final = {
    "gaierror": Failure("unknown host: check the host name"),
    "UnicodeError": Failure("not a host name: check the host name", True),
    "ConnectionRefusedError": Failure("nothing listens there: check host and port"),
    "TimeoutError": Failure("no answer: check host, port and firewall"),
}
_AUTHORITY: Final = Failure(
    "no authority trusted here vouches for the server's certificate: if the server is the right "
    "one, give the certificate of its authority as ca_file; a server that does not send its "
    "intermediate certificates looks the same",
    True,
)
_OTHER_HOST: Final = Failure(
    "the server's certificate is for another host name: check host, and connect by the name that "
    "the certificate has",
    True,
)
_WEAK: Final = Failure("the server's certificate is too weak for this machine's settings", True)
# By OpenSSL's code of a verification [2]_.
_CERTIFICATES: Final = {
    2: _AUTHORITY,
    9: Failure("the server's certificate is not valid yet: check this machine's clock", True),
    10: Failure(
        "the server's certificate has expired: have it renewed, or correct this machine's clock",
        True,
    ),
    18: Failure(
        "the server's certificate is self-signed: if the server is the right one, give the "
        "certificate as ca_file",
        True,
    ),
    19: _AUTHORITY,
    20: _AUTHORITY,
    21: _AUTHORITY,
    23: Failure("the server's certificate was revoked", True),
    26: Failure("the server's certificate is not one for servers", True),
    62: _OTHER_HOST,
    64: _OTHER_HOST,
    66: _WEAK,
    67: _WEAK,
    68: _WEAK,
}
_NO_TLS: Final = Failure(
    "what answers there does not speak TLS: check the port (the platform's is 18883 with TLS, "
    "11883 without), or connect without TLS"
)
_VERSION: Final = Failure("server and client have no version of TLS in common", True)
_OWN: Final = Failure(
    "the server rejects the client's certificate: check cert_file and key_file", True
)
_NO_OWN: Final = Failure(
    "the server asks for a client certificate: give cert_file and key_file", True
)
# OpenSSL's words for a version that its own configuration forbids: Python has no name for it.
_LEGACY: Final = "legacy sigalg disallowed"
# By OpenSSL's name of the reason [2]_; an alert is what the server says.
_TLS: Final = {
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"),
        _NO_TLS,
    ),
    **dict.fromkeys(
        (
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "UNSUPPORTED_PROTOCOL",
            "NO_PROTOCOLS_AVAILABLE",
            "VERSION_TOO_LOW",
        ),
        _VERSION,
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _NO_OWN,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Failure(
        "the server ends the TLS handshake: it may ask for a client certificate (cert_file and "
        "key_file), or have no cipher in common with this client",
        True,
    ),
    "TLSV1_UNRECOGNIZED_NAME": Failure("the server does not know this host name: check host", True),
    **dict.fromkeys(
        (
            "TLSV1_ALERT_UNKNOWN_CA",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_DECRYPT_ERROR",
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        ),
        _OWN,
    ),
}
_CLOSED_IN_HANDSHAKE: Final = Failure(
    "the connection was closed during the TLS handshake: the server may have no TLS at this port, "
    "or refuse this client"
)
_SILENT_IN_HANDSHAKE: Final = Failure(
    "no answer to the TLS handshake: the server may have no TLS at this port, or be too busy"
)
_TLS_FAILED: Final = Failure("TLS failed: check the port and the certificates")
_REASON: Final = re.compile(r"\[SSL: (\w+)\]")
_TLS_RECORD: Final = 0x15  # first byte of an alert of TLS


def of_refusal(code: int) -> Failure:
    """Return the failure for the code of a sign-in that was refused.

    Examples
    --------
    >>> of_refusal(2)
    Failure(words='the broker refuses the client id', is_final=True)
    """
    known = _REFUSALS.get(code)
    return known or Failure(f"refused with code {code}, which MQTT 3.1.1 does not have")


def of_error(error: BaseException, *, tls: bool) -> Failure:
    """Return the failure for an exception while the connection was made."""
    known = _of_certificate(error) or _of_tls(str(error)) or (_in_handshake(error) if tls else None)
    if known is None:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        known = next((_ERRORS[kind] for kind in kinds if kind in _ERRORS), None)
    if known is None and isinstance(error, ssl.SSLError):
        known = _TLS_FAILED
    return (
        Failure(str(error))
        if known is None
        else Failure(f"{known.words} ({error})", known.is_final)
    )


def of_loss(said: Iterable[str], *, first_byte: int | None, tls: bool) -> Failure:
    """Return the failure for the end of a connection that had been made.

    Parameters
    ----------
    said : iterable of str
        Errors of the network in the words of its libraries; empty if the end was in order.
    first_byte : int, optional
        First byte of a message that broke the protocol.
    tls : bool
        True if the connection is encrypted.
    """
    text = "; ".join(said)
    if known := _of_tls(text):
        return Failure(f"{known.words} ({text})", known.is_final)
    if first_byte is None:
        return Failure(text or "closed by the other side")
    if first_byte == _TLS_RECORD and not tls:
        return Failure(
            "the answer is one of TLS: connect with TLS (mqtts), or check the port (the platform's "
            "is 18883 with TLS, 11883 without)"
        )
    return Failure(f"a message could not be read as MQTT 3.1.1{f' ({text})' if text else ''}")


def _of_certificate(error: BaseException) -> Failure | None:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    known = _CERTIFICATES.get(getattr(error, "verify_code", 0))
    return known or Failure("the server's certificate cannot be verified", True)


def _of_tls(text: str) -> Failure | None:
    if _LEGACY in text:
        return _VERSION
    found = _REASON.search(text)
    return _TLS.get(found[1]) if found else None


def _in_handshake(error: BaseException) -> Failure | None:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError):
        return _CLOSED_IN_HANDSHAKE
    if isinstance(error, TimeoutError) and "handshake" in str(error):
        return _SILENT_IN_HANDSHAKE
    return None
