"""Texts in ISO 8601, as found in data: date, time to the minute at least, offset. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.arrays import without
from ..display.facts import Detail
from .time_numbers import NO_TIME, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["END_OF_DAY", "LEAP_SECOND", "is_aware", "is_naive", "parsed_iso", "quoted", "refused"]

END_OF_DAY: Final = Detail("end_of_day")
LEAP_SECOND: Final = Detail("leap_second")
_ISO: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_OFFSET: Final = r" ?(Z|z|[+-]\d{2}(:?\d{2})?)"
_ISO_AWARE: Final = f"{_ISO}{_OFFSET}$"
_ISO_NAIVE: Final = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?$"
# A time of day and an offset that exist; the date is looked up apart.
_POSSIBLE: Final = (
    r"^.{10}(.([01]\d|2[0-3])(:[0-5]\d)*(\.\d*)?( ?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?))?)?$"
)
# Times of day that only seem to be valid, with the name of each.
_ODD: Final = (
    (END_OF_DAY, rf"^.{{10}}[T ]24:00(:00([.,]0*)?)?({_OFFSET})?$"),
    (LEAP_SECOND, rf"^.{{10}}[T ]\d{{2}}:\d{{2}}:60([.,]\d*)?({_OFFSET})?$"),
)


def is_aware(column: pa.Array) -> NDArray[np.bool_]:
    """Return a mask of the texts with a date, a time of day and an offset."""
    return _matches(column, _ISO_AWARE)


def is_naive(column: pa.Array) -> NDArray[np.bool_]:
    """Return a mask of the texts with a date, and no offset."""
    return _matches(column, _ISO_NAIVE)


def parsed_iso(texts: pa.Array, aware: bool) -> pa.Array:
    """Return ISO 8601 texts as times; null where a date or a time of day does not exist."""
    texts = pc.replace_substring(pc.utf8_upper(texts), ",", ".")
    # Nanoseconds would narrow the range of years, and are cut off in any case.
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    kind = pa.timestamp("us", tz="UTC" if aware else None)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:  # a text is no time, such as 30 February: find it
        days = pc.utf8_slice_codeunits(texts, 0, 10).dictionary_encode()
        exists = np.array([_is_date(day) for day in days.dictionary.to_pylist()], bool)
        possible = exists[days.indices.to_numpy()] & _matches(texts, _POSSIBLE)
        return without(texts, ~possible).cast(kind)


def _is_date(day: str) -> bool:
    try:
        np.datetime64(day, "D")
    except ValueError:
        return False
    return True


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def refused(column: pa.Array, positions: NDArray[np.int64]) -> Iterator[Unread]:
    """Yield the texts at positions of a column as no times, by reason."""
    given = column.take(pa.array(positions))
    there = np.asarray(given.is_valid().to_numpy(zero_copy_only=False), bool)
    if not there.all():
        yield Unread(NO_TIME, positions[~there])
    for why, pattern in (*_ODD, (Detail("not_iso"), "")):
        chosen = there & _matches(given, pattern) if pattern else there
        if chosen.any():
            yield Unread(why, positions[chosen], quoted(given.filter(pa.array(chosen))))
            there = there & ~chosen


def quoted(texts: pa.Array) -> pa.Array:
    """Return texts in quotes, as Python shows them."""
    if pc.all(pc.match_substring_regex(texts, r"^[ -&(-\[\]-~]*$")).as_py():
        return pc.binary_join_element_wise("'", texts, "'", "")
    return pa.array(list(map(repr, texts.to_pylist())), pa.string())
