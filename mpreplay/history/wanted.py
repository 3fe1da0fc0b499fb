"""The columns that ``only=True`` takes; others are left out, and named as left out. Pure.

With ``points=`` or ``quality=`` these are the columns that the caller names; without them, the
columns that a thing model lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import Argument, HistoryError, message
from ..errors.nearest import plainly, twins
from .roles import Columns, label_of, listed, spelled

if TYPE_CHECKING:
    from ..model.measurepoint import Measurepoint
    from ..model.thing_model import ThingModel

__all__ = [
    "MEMBER_MARKS",
    "check_points",
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
    """Return the columns that ``only=True`` leaves out, those in ``ignore=`` not among them.

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
    """Raise if a column is left out for its case, blanks or umlauts: nobody would miss it."""
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
