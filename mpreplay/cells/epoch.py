"""The Unix epoch, the ends of time, and moments of any class as exact integers since then.

Pure, and a leaf. An object that is no time is set aside; its neighbours are read all the same.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

__all__ = [
    "DAY",
    "EPOCH",
    "FIRST_TIME",
    "LAST_TIME",
    "MILLISECOND",
    "NO_DAY",
    "Part",
    "instants_of",
    "is_aware",
    "microseconds_of",
    "naive_of",
    "parts_of",
]

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
DAY: Final = 86_400_000  # the UTC day of a time is its quotient by this, rounded down [ms]
NO_DAY: Final = -(2**63)  # the day of a time that could not be read
# The years 1 to 9999: no platform, and hardly a library, holds a time beyond them. [ms]
FIRST_TIME: Final = -62_135_596_800_000
LAST_TIME: Final = 253_402_300_799_999
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
# Units of NumPy's datetimes that are multiples of a microsecond, and the parts of one. [us]
_LENGTHS: Final = {
    "W": 604_800_000_000, "D": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000,
    "s": 1_000_000, "ms": 1_000, "us": 1,
}  # fmt: skip
_PARTS: Final = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}
_INT64: Final = np.iinfo(np.int64)
_MOST_YEARS: Final = 200_000  # since the epoch: what lies beyond is far in any case


def is_aware(moment: dt.datetime) -> bool:
    """Return True if a datetime names an instant."""
    if moment.tzinfo is None:
        return False
    try:
        return moment.utcoffset() is not None
    except Exception:  # a far time of pandas, and a zone of a user's own, may raise anything
        return True


def microseconds_of(moment: Any) -> int:
    """Return a time of any class in microseconds since the epoch, rounded down.

    A naive time is counted as if it were UTC.

    Examples
    --------
    >>> microseconds_of(pd.Timestamp("1969-12-31T23:59:59.999999999"))
    -1
    """
    if isinstance(moment, pd.Period):
        moment = moment.to_timestamp()
    if isinstance(moment, pd.Timestamp):  # its own subtraction overflows, and so do its datetimes
        moment = moment.asm8
    if isinstance(moment, np.datetime64):
        return _of_numpy(moment)
    if not isinstance(moment, dt.datetime):
        return (int(moment.toordinal()) - EPOCH.toordinal()) * _LENGTHS["D"]
    since: dt.timedelta = moment - (EPOCH if is_aware(moment) else _NAIVE_EPOCH)
    return since // _MICROSECOND


def _of_numpy(moment: np.datetime64) -> int:
    unit, count = np.datetime_data(moment.dtype)
    ticks = int(moment.astype(np.int64)) * count
    if unit in {"Y", "M"}:
        years, months = (ticks, 0) if unit == "Y" else divmod(ticks, 12)
        if abs(years) > _MOST_YEARS:
            raise OverflowError
        moment, unit = np.datetime64(years * 12 + months, "M").astype("datetime64[D]"), "D"
        ticks = int(moment.astype(np.int64))
    if unit in _PARTS:
        return ticks // _PARTS[unit]
    return ticks * _LENGTHS[unit]


@dataclass(frozen=True, slots=True)
class Part:
    """Objects of one kind in a column.

    Parameters
    ----------
    positions : ndarray of int64, shape (n,)
        Their positions in the column.
    values : Array, shape (n,), optional
        The objects as Arrow; None if they are no times.
    """

    positions: NDArray[np.int64]
    values: pa.Array | None


def parts_of(column: NDArray[Any], absent: NDArray[np.bool_]) -> Iterator[Part]:
    """Yield the objects of a column that are not absent, kind by kind.

    Examples
    --------
    >>> column = np.array(["noon", 7, dt.time(12), None], object)
    >>> parts = parts_of(column, np.array([False, False, False, True]))
    >>> [(part.positions.tolist(), part.values and str(part.values.type)) for part in parts]
    [([0], 'string'), ([1], 'int64'), ([2], None)]
    """
    kinds: dict[str, list[int]] = {}
    values = column.tolist()
    for position in np.flatnonzero(~absent).tolist():
        kinds.setdefault(_kind_of(values[position]), []).append(position)
    strange = kinds.pop("", [])
    for kind, positions in kinds.items():
        made, refused = _converted([values[p] for p in positions], _KINDS[kind])
        strange += [positions[n] for n in refused]
        taken = set(refused)
        kept = [p for n, p in enumerate(positions) if n not in taken] if taken else positions
        if kept:
            yield Part(np.array(kept, np.int64), made)
    if strange:
        yield Part(np.array(sorted(strange), np.int64), None)


def _kind_of(value: Any) -> str:
    """Return the kind of an object, a key of ``_KINDS``; the empty text if it is no time."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return ""
    if isinstance(value, int | np.integer) and not isinstance(value, np.timedelta64):
        return "whole"
    if isinstance(value, float | np.floating):
        return "float"
    if isinstance(value, decimal.Decimal):
        return "decimal"
    if isinstance(value, dt.datetime):
        return "aware" if is_aware(value) else "naive"
    return "naive" if isinstance(value, dt.date | np.datetime64 | pd.Period) else ""


class _Kind(NamedTuple):
    """A kind of objects.

    Parameters
    ----------
    type : DataType
        Its Arrow type.
    number_of : callable
        Returns what Arrow keeps of an object; raises if the object is no time.
    plain : type, optional
        The class whose objects Arrow itself converts, or refuses.
    """

    type: pa.DataType
    number_of: Callable[[Any], Any]
    plain: type | None = None


def _converted(values: list[Any], kind: _Kind) -> tuple[pa.Array, list[int]]:
    """Return objects of a kind as Arrow, and the places of those that cannot be converted."""
    if kind.plain is not None and set(map(type, values)) == {kind.plain}:
        with suppress(pa.ArrowException, OverflowError, UnicodeError):
            return pa.array(values, kind.type), []
    numbers: list[Any] = []
    refused: list[int] = []
    for place, value in enumerate(values):
        try:
            numbers.append(kind.number_of(value))
        except Exception:  # an object of any class may fail in any way
            refused.append(place)
    if kind is _KINDS["decimal"]:
        return _decimals(numbers), refused
    is_time = pa.types.is_timestamp(kind.type)
    array = pa.array(numbers, pa.int64() if is_time else kind.type)
    return array.view(kind.type) if is_time else array, refused


def _text(value: str) -> str:
    value.encode()  # a lone surrogate is in no text of Arrow
    return value


def _whole(value: Any) -> int:
    number = int(value)
    if not _INT64.min <= number <= _INT64.max:
        raise OverflowError
    return number


def _decimal(value: decimal.Decimal) -> decimal.Decimal:
    if not value.is_finite():
        raise ValueError
    return value


def _decimals(numbers: list[decimal.Decimal]) -> pa.Array:
    try:
        return pa.array(numbers)
    except pa.ArrowException:  # more digits than Arrow has: none of them is a time in any unit
        return pa.array([_short(number) for number in numbers], pa.decimal256(76, 30))


def _short(number: decimal.Decimal) -> decimal.Decimal:
    most = decimal.Decimal(10) ** 40
    with decimal.localcontext(prec=76, rounding=decimal.ROUND_FLOOR):
        return min(max(number, -most), most).quantize(decimal.Decimal(1).scaleb(-30))


def _in_64_bits(moment: Any) -> int:
    """Return a moment in microseconds, or an end of 64 bits, which is far in any case."""
    if isinstance(moment, pd.Timestamp):
        moment = moment.asm8
    if isinstance(moment, np.datetime64) and moment.astype(np.int64) == _INT64.max:
        raise OverflowError  # it means "no time", like the least number of 64 bits, NaT
    number = microseconds_of(moment)
    return max(_INT64.min + 1, min(number, _INT64.max - 1))  # far either way


def instants_of(moments: Iterable[dt.datetime]) -> pa.Array:
    """Return datetimes with zones as Arrow, in UTC.

    The microseconds are computed here because pyarrow ignores the offset of such objects after
    certain other conversions in the same process.
    """
    microseconds = pa.array([_in_64_bits(moment) for moment in moments], pa.int64())
    return microseconds.view(pa.timestamp("us", tz="UTC"))


def naive_of(moments: list[Any]) -> pa.Array:
    """Return naive times of pandas or NumPy as Arrow, to the nanosecond where that can be.

    Arrow itself takes those beyond Python's own datetimes for others, near 1970.
    """
    is_fine = all(isinstance(one, pd.Timestamp) and one.unit == "ns" for one in moments)
    if is_fine:
        return pa.array([int(one.asm8.astype(np.int64)) for one in moments]).view(
            pa.timestamp("ns")
        )
    return pa.array([_in_64_bits(one) for one in moments]).view(pa.timestamp("us"))


_KINDS: Final = {
    "text": _Kind(pa.string(), _text, str),
    "whole": _Kind(pa.int64(), _whole, int),
    "float": _Kind(pa.float64(), float, float),
    "decimal": _Kind(pa.decimal256(76, 30), _decimal),
    "aware": _Kind(pa.timestamp("us", "UTC"), _in_64_bits),
    "naive": _Kind(pa.timestamp("us"), _in_64_bits, dt.datetime),
}
