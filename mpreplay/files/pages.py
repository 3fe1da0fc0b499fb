"""The headers of the pages of a Parquet file, as far as they count values.

Pure: bytes in, numbers out. A page begins with a Thrift struct in the compact protocol
(``PageHeader`` of parquet.thrift); the readers of Parquet hide it, and stop at the count of the
footer: values beyond would be left out in silence.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Page", "read_page"]

# Fields of PageHeader: both sizes of the page, and the headers of data pages of both versions.
_UNPACKED, _STORED, _DATA, _DATA_V2 = 2, 3, 5, 8
# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WIDTHS: Final = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}  # of a field; the type is the boolean
_INTEGERS: Final = frozenset({4, 5, 6})


class Page(NamedTuple):
    """A page: its values, None if it is no data page, and its sizes in bytes."""

    n_values: int | None
    length: int  # with the header, as it is stored
    size: int  # once it is unpacked


def read_page(data: bytes) -> Page | None:
    """Return the page that begins with these bytes, or None if they hold no whole header.

    Examples
    --------
    A data page (type 0) of 100 bytes, 50 when compressed, with 7 values:

    >>> read_page(bytes.fromhex("1500 15c801 1564 2c 150e 1500 1506 1506 00 00"))
    Page(n_values=7, length=68, size=100)
    """
    n_values: int | None = None
    at = number = 0
    sizes = {_UNPACKED: 0, _STORED: 0}
    try:
        while head := data[at]:
            kind = head & 15
            number, at = _field(data, at, number)
            if kind == _STRUCT and number in {_DATA, _DATA_V2}:
                n_values, at = _first_integer(data, at)
            elif number in sizes and kind in _INTEGERS:
                sizes[number], at = _integer(data, at)
            else:
                at = _skipped(data, at, kind)
    except (IndexError, ValueError, RecursionError):
        return None
    if min(sizes.values()) < 0:
        return None
    return Page(n_values, at + 1 + sizes[_STORED], sizes[_UNPACKED])


def _field(data: bytes, at: int, number: int) -> tuple[int, int]:
    """Return the number of a field and the place behind its head."""
    if step := data[at] >> 4:
        return number + step, at + 1
    return _integer(data, at + 1)


def _first_integer(data: bytes, at: int) -> tuple[int | None, int]:
    """Return field 1 of a struct, an integer, and the place behind the struct."""
    found: int | None = None
    number = 0
    while head := data[at]:
        kind = head & 15
        number, at = _field(data, at, number)
        if number == 1 and kind in _INTEGERS:
            found, at = _integer(data, at)
        else:
            at = _skipped(data, at, kind)
    return found, at + 1


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """Return an integer in zigzag form, and the place behind it."""
    value, at = _length(data, at)
    return (value >> 1) ^ -(value & 1), at


def _length(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) & 128:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def _skipped(data: bytes, at: int, kind: int) -> int:
    """Return the place behind a value."""
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    if kind in _INTEGERS:
        return _length(data, at)[1]
    if kind == _BINARY:
        length, at = _length(data, at)
        return at + length
    if kind == _STRUCT:
        return _first_integer(data, at)[1]
    if kind not in {_LIST, _SET}:
        raise ValueError(kind)
    n, inner = data[at] >> 4, data[at] & 15
    at += 1
    if n == 15:
        n, at = _length(data, at)
    for _ in range(n):
        at = at + 1 if inner in {_TRUE, _FALSE} else _skipped(data, at, inner)
        data[at - 1]  # a forged length ends here
    return at
