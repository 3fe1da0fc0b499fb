"""The roles of columns as the caller gives them, and the names that columns may have. Pure.

A name that no column has is a typo, and an error; a column that is left out may have any name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from ..cells.column import Column
from ..cells.text_format import TextFormat
from ..errors import Argument, HistoryError, message
from ..errors.arguments import (
    FLAG,
    OPTIONAL_TEXT,
    TEXTS_BY_TEXT,
    Kind,
    check_kinds,
    optional,
    shown_briefly,
)
from ..times.time_numbers import NANOSECONDS

__all__ = [
    "Columns",
    "check_roles",
    "label_of",
    "listed",
    "readable",
    "spelled",
]

_RENAMED: Final = Kind(
    "a dict of column to identifier, both texts",
    lambda value: value is None or TEXTS_BY_TEXT.holds(value),
)
_MARKED: Final = Kind(
    "a dict of column to the column of its quality, both texts",
    lambda value: value is None or TEXTS_BY_TEXT.holds(value),
)
# Argument of read_history, its field in Columns, and its kind.
ARGUMENTS: Final = (
    ("time_column", "time", OPTIONAL_TEXT),
    ("tz", "tz", OPTIONAL_TEXT),
    ("time_unit", "time_unit", OPTIONAL_TEXT),
    ("device_column", "device", OPTIONAL_TEXT),
    ("device_key", "device_key", OPTIONAL_TEXT),
    ("product_column", "product", OPTIONAL_TEXT),
    ("product_key", "product_key", OPTIONAL_TEXT),
    ("points", "points", _RENAMED),
    ("quality", "quality", _MARKED),
    ("point_column", "point", OPTIONAL_TEXT),
    ("text", "text", optional(TextFormat, "an mp.TextFormat")),
    ("value_column", "value", OPTIONAL_TEXT),
    ("quality_column", "value_quality", OPTIONAL_TEXT),
    ("only", "only", FLAG),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles of columns as given by the caller; the arguments of ``read_history``."""

    time: str | None = None
    tz: str | None = None
    time_unit: str | None = None
    device: str | None = None
    device_key: str | None = None
    product: str | None = None
    product_key: str | None = None
    points: Mapping[str, str] | None = None
    quality: Mapping[str, str] | None = None
    ignore: tuple[Hashable, ...] = ()  # of a DataFrame, a name may be any object with a hash
    point: str | None = None
    value: str | None = None
    value_quality: str | None = None
    # Of rejects: the check that each value failed. The values are then texts, as in rejects.
    check: str | None = None
    # Of rejects: the text of a time that could not be read, which may have been corrected.
    time_text: str | None = None
    # How cells are written, and which of them are read.
    text: TextFormat | None = None
    forms: Mapping[str, Column] | None = None  # column to how its cells become values
    only: bool = False
    devices: tuple[Any, ...] | None = None
    time_format: str | None = None
    ambiguous: str = "raise"
    nonexistent: str = "raise"
    # As texts, perhaps relative to the run's beginning; of a slab's layout, in milliseconds.
    plausible: tuple[Any, Any] | None = None

    @property
    def is_long(self) -> bool:
        """True if a row is a single value, with the name of its point in a column."""
        return self.point is not None

    @property
    def named(self) -> list[str]:
        """Columns named for a purpose other than a reading."""
        named = [
            self.time,
            self.device,
            self.product,
            self.point,
            self.value,
            self.value_quality,
            self.check,
        ]
        return [name for name in named if name is not None] + list((self.quality or {}).values())

    @property
    def keys(self) -> list[str]:
        """Columns that every source must have: those named for a purpose other than a reading."""
        quality = self.quality or {}
        mapped = {*(self.points or {}), *quality, *quality.values()}
        return [name for name in self.named if name not in mapped]


def check_roles(columns: Columns) -> None:
    """Raise HistoryError if the roles given by the caller cannot be, whatever the source."""
    check_kinds({name: (getattr(columns, f), kind) for name, f, kind in ARGUMENTS}, HistoryError)
    _check_zone(columns.tz)
    if columns.time_unit not in {None, *NANOSECONDS}:
        raise HistoryError(
            f"time_unit must be one of {', '.join(NANOSECONDS)}, got {columns.time_unit!r}",
            argument="time_unit",
            value=columns.time_unit,
        )
    if columns.device and columns.device_key:
        raise HistoryError(
            message(
                "give ", Argument("device_column"), " or ", Argument("device_key"), ", not both"
            )
        )
    if columns.product and columns.product_key:
        raise HistoryError("give product_column or product_key, not both")
    names_device = bool(columns.device or columns.device_key)
    names_product = bool(columns.product or columns.product_key)
    if names_device != names_product:
        missing = "product" if names_device else "device"
        raise HistoryError(
            message(
                "a device is named by its product key and its device key: give ",
                Argument(f"{missing}_key"),
                " or ",
                Argument(f"{missing}_column"),
                " as well, or neither, for the connection's own device",
            )
        )
    _check_long_form(columns)
    _check_once_named(columns)


def _check_long_form(columns: Columns) -> None:
    """Raise HistoryError if the long form's arguments are incomplete or mixed with others."""
    if (columns.point is None) != (columns.value is None):
        raise HistoryError(
            message(
                "the long form needs both ",
                Argument("point_column"),
                " and ",
                Argument("value_column"),
            )
        )
    if columns.value_quality and not columns.is_long:
        raise HistoryError(
            message(
                "quality_column belongs to the long form; in the wide form use ",
                Argument("quality"),
            )
        )
    if columns.is_long and (columns.points or columns.quality):
        raise HistoryError(
            message(
                Argument("points"),
                " and ",
                Argument("quality"),
                f" belong to the wide form: in the long form the column {columns.point!r} names "
                "the points as the thing model does. Where it has other names, change them before, "
                f"as with frame[{columns.point!r}].map({{name: point}}), or bring the rows into "
                "the wide form with frame.pivot",
            )
        )


def _check_zone(tz: str | None) -> None:
    """Raise unless a zone is known, also where every time has a zone of its own."""
    if tz is None:
        return
    try:
        pd.Timestamp(0, tz=tz)
    except Exception as error:  # pandas raises whatever its zone library does
        raise HistoryError(
            message(
                Argument("tz", tz),
                f" cannot be used ({_line(error)}); expected a zone like 'Europe/Paris'",
            ),
            argument="tz",
            value=tz,
        ) from error


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _check_once_named(columns: Columns) -> None:
    """Raise if a column has two roles; only ``points`` may name a key for a second time."""
    roles = {name: getattr(columns, f) for name, f, kind in ARGUMENTS if name.endswith("_column")}
    holders: dict[str, str] = {}
    for argument, column in roles.items():
        if column is not None and (other := holders.setdefault(column, argument)) != argument:
            raise HistoryError(
                message(
                    f"the column {column!r} is named both in ",
                    Argument(other),
                    " and in ",
                    Argument(argument),
                    "; it has one meaning only",
                ),
                argument=argument,
                value=column,
            )
    for name, column in (columns.quality or {}).items():
        if column == name or column in holders:
            told = Argument(holders[column]) if column in holders else "that reading itself"
            raise HistoryError(
                message(
                    Argument("quality", {name: column}),
                    f": the column {column!r} is also ",
                    *(("named in ",) if column in holders else ()),
                    told,
                ),
                argument="quality",
                value=columns.quality,
            )
    for argument, mapping in (("points", columns.points), ("quality", columns.quality)):
        if both := [name for name in mapping or {} if name in columns.ignore]:
            raise HistoryError(
                message(
                    f"the column {both[0]!r} is named both in ",
                    Argument(argument),
                    " and in ",
                    Argument("ignore"),
                    "; it is read or left out, not both",
                ),
                argument="ignore",
                value=both[0],
            )


def readable(names: list[Any], columns: Columns, source: str) -> list[str]:
    """Return the names of the columns that may be read, each a text and there once.

    A column that is left out may have any name, and as many namesakes as it likes.
    """
    ignored = set(map(label_of, columns.ignore))
    named = {*columns.named, columns.time_text}
    kept = [
        name
        for name in names
        if _is_own(name, named) or not (columns.is_long or label_of(name) in ignored)
    ]
    for name in kept:
        if not isinstance(name, str):
            told = spelled(name)
            raise HistoryError(
                message(
                    f"{source}: column names must be text, got {told}; rename it, for example "
                    "with frame.columns.map(str), or frame.columns.map('.'.join) for a header of "
                    "several levels, or leave it out with ",
                    Argument("ignore"),
                )
            )
    if len(set(kept)) < len(kept):
        doubled = min(name for name, n in Counter(kept).items() if n > 1)
        raise HistoryError(
            message(
                f"{source}: the column {doubled!r} occurs twice; rename one, or leave both out "
                "with ",
                Argument("ignore", [doubled]),
            )
        )
    return kept


def _is_own(name: Any, named: set[str | None]) -> bool:
    """Return True if a column is named as the time, a key or a quality, so that it is read."""
    return isinstance(name, str) and name in named


def label_of(name: Any) -> Any:
    """Return a name so that it equals its like: NaN is no equal of itself."""
    return math.nan if isinstance(name, float) and name != name else name  # noqa: PLR0124


def spelled(name: Any) -> str:
    """Return the name of a column for people; the name itself if it is a text.

    Examples
    --------
    >>> spelled("P"), spelled(7), spelled(("P", "mean"))
    ('P', '7 (int)', "('P', 'mean') (tuple)")
    """
    return name if isinstance(name, str) else shown_briefly(name)


def listed(names: Sequence[str]) -> str:
    """Return names in quotes, the first few.

    Examples
    --------
    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


_SHOWN: Final = 6
