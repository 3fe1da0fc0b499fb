"""Compressed payloads: packed and unpacked within bounds.

Pure: bytes in, bytes out. The vendor's Java client can switch compression on for a whole
connection, by a mark in its client id. The payload of every message then travels packed, both
ways, each message on its own; the platform's documents do not mention it.

References
----------
.. [1] EnOS device SDK for Java 2.2.16, ``BaseProfile`` and its codecs.
.. [2] RFC 1952, "GZIP file format specification version 4.3".
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any, Final

__all__ = [
    "GZIP",
    "MAX_UNPACKED_BYTES",
    "PLAIN",
    "PackError",
    "UnpackedTooLarge",
    "is_packed",
    "pack",
    "pack_fast",
    "packs_with",
    "unpack",
]

GZIP: Final = "GZIP"
PLAIN: Final = "DEFAULT"  # the Java client's word for no compression [1]_
MAX_UNPACKED_BYTES: Final = 16_777_216  # 32 times the largest publish that the platform takes
_LEVEL: Final = 6  # the Java client's [1]_
_FAST_LEVEL: Final = 1  # readings become hardly smaller at a higher one, at many times the cost
_MAGIC: Final = b"\x1f\x8b"  # no JSON begins like this
_GZIP_WINDOW: Final = 31  # zlib's number for a window of 32 KB with the header of GZIP
# A payload of empty members would otherwise cost more time than its size suggests.
_MAX_MEMBERS: Final = 100


class PackError(ValueError):
    """A payload that is not in the form of GZIP."""


class UnpackedTooLarge(PackError):
    """A payload that would unpack to more than its bound."""


def pack(payload: bytes, level: int = _LEVEL) -> bytes:
    """Return a payload as one member of GZIP [2]_; the same bytes for the same payload.

    Examples
    --------
    >>> pack(b"x" * 500_000).hex()[:20], len(pack(b"x" * 500_000)) < 1_000
    ('1f8b0800000000000003', True)
    """
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(payload) + packer.flush()


def pack_fast(payload: bytes) -> bytes:
    """Return a payload as one member of GZIP, packed by ``isal`` where it is installed, else zlib.

    The two pack the same payload into other bytes; either unpacks to the same.

    Examples
    --------
    >>> unpack(pack_fast(b"abc"))
    b'abc'
    """
    packer = _fastest().compressobj(_FAST_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    packed: bytes = packer.compress(payload) + packer.flush()
    return packed


@cache
def _fastest() -> Any:
    """Return the module that packs: ``isal`` has zlib's functions, at a fraction of their cost."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def packs_with() -> str:
    """Return the name of the library that packs for speed."""
    return "zlib" if _fastest() is zlib else "isal"


def is_packed(payload: bytes) -> bool:
    """Return True if a payload begins as GZIP does, and no JSON.

    Examples
    --------
    >>> is_packed(pack(b"{}")), is_packed(b"{}")
    (True, False)
    """
    return payload.startswith(_MAGIC)


def unpack(packed: bytes, max_bytes: int = MAX_UNPACKED_BYTES) -> bytes:
    """Return the payload in one or more members of GZIP.

    Parameters
    ----------
    packed : bytes
        The payload as it travelled.
    max_bytes : int
        Bound of the unpacked size; no more than this is ever held in memory. [bytes]

    Raises
    ------
    UnpackedTooLarge
        If the payload would unpack to more.
    PackError
        If the bytes are not GZIP, damaged, cut short or followed by others.

    Examples
    --------
    >>> unpack(pack(b"abc") + pack(b"def"))
    b'abcdef'
    """
    members: list[bytes] = []
    rest, left = packed, max_bytes
    for _ in range(_MAX_MEMBERS):
        member, rest = _first_member(rest, left, len(packed), max_bytes)
        members.append(member)
        left -= len(member)
        if not rest:
            return b"".join(members)
    raise PackError(f"a payload has more than {_MAX_MEMBERS} members of GZIP")


def _first_member(data: bytes, left: int, n_packed: int, max_bytes: int) -> tuple[bytes, bytes]:
    """Return the first member, unpacked, and the bytes after it."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        # A byte more than allowed tells too much from just enough; 0 would mean no bound.
        member = unpacker.decompress(data, left + 1)
    except zlib.error as error:
        raise PackError(f"a payload of {n_packed:,} bytes is not GZIP ({error})") from error
    if len(member) > left:
        raise UnpackedTooLarge(
            f"a payload of {n_packed:,} bytes unpacks to more than {max_bytes:,} bytes"
        )
    if not unpacker.eof:
        raise PackError(f"a payload of {n_packed:,} bytes ends before its GZIP does")
    return member, unpacker.unused_data
