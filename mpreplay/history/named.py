"""Columns that the caller names; one that no source has is told with the nearest names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import Argument, HistoryError, message
from ..errors.nearest import nearest
from .roles import ARGUMENTS, Columns, label_of, spelled

__all__ = ["check_named", "check_there"]


def check_named(sources: Sequence[tuple[str, Iterable[Any]]], columns: Columns) -> None:
    """Raise unless every column that the caller names is in a source, and a key in each.

    Parameters
    ----------
    sources : sequence of (str, iterable)
        Name and columns of each source.
    columns : Columns
        Roles given by the caller.

    Raises
    ------
    HistoryError
        With the nearest names: a column that nobody has is a typo.
    """
    everywhere = {label_of(name) for _, names in sources for name in names}
    for source, names in sources:
        texts = [name for name in names if isinstance(name, str)]
        check_there(texts, columns, source, everywhere)
    if absent := [name for name in columns.ignore if label_of(name) not in everywhere]:
        name = absent[0]
        known = [spelled(one) for one in everywhere]
        raise HistoryError(
            message(
                Argument("ignore"),
                f" names {spelled(name)!r}, but {_where(sources)} no such column"
                f"{nearest(spelled(name), sorted(known))}",
            ),
            argument="ignore",
            value=name,
        )


def _where(sources: Sequence[tuple[str, Any]]) -> str:
    if len(sources) == 1:
        return f"{sources[0][0]} has"
    return f"the {len(sources)} files have"


def check_there(names: Sequence[str], columns: Columns, source: str, elsewhere: set[Any]) -> None:
    """Raise unless a source has the columns named as keys, and any source those of points."""
    there = set(names)
    for argument, name, is_key in _named(columns):
        if name in there or (not is_key and name in elsewhere):
            continue
        known = (
            names if is_key else [*names, *sorted(one for one in elsewhere if isinstance(one, str))]
        )
        told = Argument(argument)
        raise HistoryError(
            message(
                f"{source}: there is no column {name!r}{nearest(name, known)}; it is named in ",
                told,
            ),
            argument=argument,
            value=name if is_key else getattr(columns, argument),
        )


def _named(columns: Columns) -> Iterator[tuple[str, str, bool]]:
    """Yield each column that the caller names: argument, name, and True for a key."""
    quality = columns.quality or {}
    mapped = {*(columns.points or {}), *quality, *quality.values()}
    for argument, field, _ in ARGUMENTS:
        name = getattr(columns, field)
        if argument.endswith("_column") and name is not None and name not in mapped:
            yield argument, name, True
    if columns.check is not None:
        yield "check", columns.check, True
    for name in columns.points or {}:
        yield "points", name, False
    for pair in quality.items():
        for name in pair:
            yield "quality", name, False
