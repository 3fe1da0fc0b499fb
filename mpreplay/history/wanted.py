"""The columns that are wanted: those the caller names, and those that ``only=True`` takes. Pure.

With ``points=`` or ``quality=`` these are the columns that the caller names; without them, the
columns that a thing model lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Argument, HistoryError, message
from ..errors.nearest import nearest, plainly, twins
from .roles import ARGUMENTS, Columns, label_of, listed, spelled

if TYPE_CHECKING:
    from ..model.measurepoint import Measurepoint
    from ..model.thing_model import ThingModel

__all__ = [
    "MEMBER_MARKS",
    "check_named",
    "check_points",
    "check_there",
    "is_mapped",
    "known_point",
    "left_out",
    "listed_points",
    "taken",
]

MEMBER_MARKS = ("value", "quality")  # members of a point with a quality


def taken(
    names: Iterable[Any], columns: Columns, models: list[ThingModel], source: str
) -> list[Any]:
    """Return the columns of a source that are looked at.

    Raises
    ------
    HistoryError
        If a column would be left out that a model lists in another spelling.
    """
    names = list(names)
    if not columns.only or columns.is_long:
        return names
    gone = set(left_out(names, columns, models))
    if not is_mapped(columns):
        _refuse_twins(names, gone, columns, models, source)
    return [name for name in names if label_of(name) not in gone]


def is_mapped(columns: Columns) -> bool:
    """Return True if the caller names the columns of readings."""
    return bool(columns.points or columns.quality)


def left_out(
    names: Iterable[Any], columns: Columns, models: Iterable[ThingModel] = ()
) -> list[Any]:
    """Return the columns left out by ``only=True``, without the columns in ``ignore=``.

    Without a mapping they depend on the models.
    """
    if not columns.only or columns.is_long:
        return []
    kept = {*columns.named, *map(label_of, columns.ignore)}
    kept |= {*(columns.points or {}), *(columns.quality or {})}
    models = list(models)
    by_model = not is_mapped(columns)
    return [
        name
        for name in dict.fromkeys(map(label_of, names))
        if name not in kept
        and not (by_model and isinstance(name, str) and _is_listed(name, models))
    ]


def listed_points(models: Iterable[ThingModel]) -> set[str]:
    """Return the points that the models list."""
    return {point for model in models for point in model.measurepoints}


def check_points(found: Iterable[str], models: Iterable[ThingModel]) -> None:
    """Raise if ``only=True`` would leave out all points of a long form, or one for its spelling.

    Raises
    ------
    HistoryError
        With the point that the models list.
    """
    names, known = set(found), listed_points(models)
    if names and not names & known:
        raise HistoryError(
            message(
                Argument("only", True),
                f" leaves no point to read: {listed(sorted(names))} of the history, and "
                f"{listed(sorted(known)) or 'no point'} of the thing model",
            ),
            argument="only",
            value=True,
        )
    for name, point in twins(sorted(names - known), known - names).items():
        raise HistoryError(
            message(
                f"the point {name!r} is not in the thing model, which has {plainly(point)}, so "
                "that ",
                Argument("only", True),
                " would leave it out; give one of the two the name of the other",
            ),
            argument="only",
            value=True,
        )


def _is_listed(name: str, models: Iterable[ThingModel]) -> bool:
    """Return True if a model lists a point, or a member of a point, of this name."""
    models = list(models)
    if known_point(name, models):
        return True
    head, dot, member = name.rpartition(".")
    point = known_point(head, models) if dot else None
    if point is None:
        return False
    members = {one.identifier for one in point.members} if point.is_struct else set()
    return member in members or (point.has_quality and member in MEMBER_MARKS)


def known_point(identifier: str, models: Iterable[ThingModel]) -> Measurepoint | None:
    """Return the first model's point of this name."""
    return next(
        (m.measurepoints[identifier] for m in models if identifier in m.measurepoints), None
    )


def _refuse_twins(
    names: list[Any], gone: set[Any], columns: Columns, models: list[ThingModel], source: str
) -> None:
    """Raise if a column is left out for its case, blanks or umlauts: it would not be missed."""
    missing = {point for model in models for point in model.measurepoints} - set(names)
    found = twins([name for name in names if isinstance(name, str) and name in gone], missing)
    for name, point in found.items():
        raise HistoryError(
            message(
                f"{source}: column {spelled(name)!r} is not in the thing model, which has "
                f"{plainly(point)}, so that ",
                Argument("only", True),
                " would leave it out; give ",
                Argument("points", {name: point}),
                " with the other columns to read, or name it in ",
                Argument("ignore"),
            ),
            argument="only",
            value=True,
        )


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
        With the nearest names: an unknown column is a typo.
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
