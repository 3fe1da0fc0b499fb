"""The roles of a history's columns: time, device, point, member, quality.

Pure: names in, names out. A column that the caller has not named must be in the thing model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Argument, HistoryError, Message, message
from ..errors.nearest import nearest
from ..model.measurepoint import Measurepoint
from ..values.forms import check_forms, forms_of
from .roles import Columns, listed, readable, spelled
from .wanted import MEMBER_MARKS, check_there, is_mapped, known_point, left_out, taken

if TYPE_CHECKING:
    from ..cells.form import Form
    from ..model.thing_model import ThingModel

__all__ = ["Columns", "Layout", "check_some", "forms_in", "point_named", "resolve"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one source, resolved against the thing models.

    Parameters
    ----------
    points : dict of str to str
        Column to the identifier of its measurement point.
    members : dict of str to dict
        Identifier of a struct to the columns of its members.
    quality : dict of str to str
        Identifier of a point to the column of its quality.
    needed : list of str
        Columns to read, in the order of the source.
    left_out : list of str
        Columns that ``only=True`` leaves out, as people spell them.
    forms : dict of str to Form
        Column to how its cells are written; without columns that are taken literally.
    """

    columns: Columns
    points: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    needed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    forms: dict[str, Form] = field(default_factory=dict)


def resolve(
    names: Iterable[Any],
    columns: Columns,
    models: Iterable[ThingModel],
    *,
    source: str,
    partitions: Iterable[str] = (),
    elsewhere: Iterable[str] = (),
    is_text: bool = False,
) -> Layout:
    """Return the role of each column of a source.

    Parameters
    ----------
    names : iterable of str
        The source's columns.
    columns : Columns
        Roles given by the caller.
    models : iterable of ThingModel
        A column must be in a model, unless a model passes unknown identifiers through.
    source : str
        For messages.
    partitions : iterable of str, optional
        Names taken from folders (``year=2014``); left out unless named or in a model.
    elsewhere : iterable of str, optional
        Columns of the history's other sources; such a column may be missing here if mapped.
    is_text : bool, optional
        True if every cell is a text, whatever it means.

    Raises
    ------
    HistoryError
        If a named column is missing, or a column is neither named nor in a model.
    """
    models = list(models)
    given, folders = list(names), set(partitions)
    names = readable(taken(given, columns, models, source), columns, source)
    gone = [spelled(one) for one in left_out(given, columns, models) if one not in folders]
    check_there(names, columns, source, set(elsewhere))
    if columns.is_long:
        wanted = {*columns.named, columns.time_text}
        needed = [name for name in names if name in wanted]
        return Layout(columns, needed=needed, forms=forms_in(columns, needed, is_text=is_text))
    places = _Places(columns)
    skipped = set(columns.named) - set(columns.points or {})
    strangers = [
        name
        for name in names
        if name not in skipped and not _place(name, places, models) and name not in folders
    ]
    if strangers:
        raise HistoryError(_stranger(strangers, columns, source, models))
    for name, column in (columns.quality or {}).items():
        identifier = (columns.points or {}).get(name, name)
        if name in names and column in names:
            other = places.quality.setdefault(identifier, column)
            if other != column:
                told = _two(column, other, f"{identifier}.quality")
                raise HistoryError(message(f"{source}: ", told))
    _check_once(places, source)
    for identifier, column in places.quality.items():
        _check_quality(identifier, column, places, models, source)
    placed = {
        *places.points,
        *(column for members in places.members.values() for column in members.values()),
        *places.quality.values(),
        *columns.named,
    }
    needed = [name for name in names if name in placed]
    check_forms(columns.forms, places.points, places.members, models, columns.text)
    forms = forms_in(columns, needed, is_text=is_text)
    return Layout(columns, places.points, places.members, places.quality, needed, gone, forms)


def forms_in(columns: Columns, needed: Iterable[str], *, is_text: bool) -> dict[str, Form]:
    """Return the forms of columns; rejects are texts in a form of their own."""
    if columns.check is not None:
        return {}
    return forms_of(needed, columns.text, columns.forms, is_text=is_text)


def check_some(layouts: Iterable[Layout], columns: Columns, models: Iterable[ThingModel]) -> None:
    """Raise if no column of a history is read: a replay of nothing would succeed.

    Raises
    ------
    HistoryError
        With what was left out, and the points that the models list.
    """
    layouts = list(layouts)
    if columns.is_long or any(one.points or one.members for one in layouts):
        return
    names = list(dict.fromkeys(name for one in layouts for name in one.left_out))
    known = sorted({point for model in models for point in model.measurepoints})
    raise HistoryError(
        message(
            Argument("only", True),
            f" leaves no column to read: {listed(names) or 'no column'} of the history, and "
            f"{listed(known) or 'no point'} of the thing model; name the columns in ",
            Argument("points"),
        ),
        argument="only",
        value=True,
    )


@dataclass(slots=True)
class _Places:
    """The places of columns, as far as they are known."""

    columns: Columns
    points: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)


def point_named(identifier: str, model: ThingModel) -> Measurepoint | None:
    """Return a model's point, or a point of type ANY if the model passes the identifier through."""
    point = model.measurepoints.get(identifier)
    if point is None and model.pass_through:
        return Measurepoint(identifier, "ANY")
    return point


def _place(name: str, places: _Places, models: list[ThingModel]) -> bool:
    """Find the place of a column and note it; return False if no model has it."""
    identifier = (places.columns.points or {}).get(name, name)
    if found := known_point(identifier, models):
        if not found.travels:
            raise HistoryError(
                message(
                    f"column {name!r}: {identifier} is a FILE, which travels over the platform's "
                    "HTTP channel only; leave it out with ",
                    Argument("ignore", [name]),
                )
            )
        places.points[name] = identifier
        return True
    # An exact identifier wins over a member: identifiers may contain dots.
    head, dot, member = identifier.rpartition(".")
    if dot and (struct := known_point(head, models)):
        if struct.is_struct and any(m.identifier == member for m in struct.members):
            other = places.members.setdefault(head, {}).setdefault(member, name)
            if other != name:
                raise HistoryError(_two(other, name, identifier))
            return True
        if struct.has_quality and member in MEMBER_MARKS:
            if member == "value":
                places.points[name] = head
            else:
                places.quality[head] = name
            return True
    if identifier and any(model.pass_through for model in models):
        places.points[name] = identifier
        return True
    return False


def _check_once(places: _Places, source: str) -> None:
    """Raise if two columns hold the same point: the choice is the caller's."""
    members = {next(iter(names.values())): one for one, names in places.members.items()}
    holders: dict[str, str] = {}
    for name, identifier in (places.points | members).items():
        other = holders.setdefault(identifier, name)
        if other != name:
            raise HistoryError(message(f"{source}: ", _two(other, name, identifier)))


def _two(one: str, other: str, what: str) -> Message:
    return message(
        f"the columns {one!r} and {other!r} both hold {what}; leave one out with ",
        Argument("ignore", [other]),
    )


def _check_quality(
    identifier: str, column: str, places: _Places, models: list[ThingModel], source: str
) -> None:
    point = known_point(identifier, models)
    if point is not None and not point.has_quality:
        raise HistoryError(
            f"{source}: column {column!r} is named as the quality of {identifier}, but the thing "
            f"model says that {identifier} has no quality"
        )
    if identifier not in places.points.values() and identifier not in places.members:
        raise HistoryError(
            message(
                f"{source}: column {column!r} is the quality of {identifier}, but no column has "
                f"the values of {identifier}; add it, or name {column!r} in ",
                Argument("ignore"),
            )
        )


def _stranger(names: list[str], columns: Columns, source: str, models: list[ThingModel]) -> Message:
    known = sorted({identifier for model in models for identifier in model.measurepoints})
    first, *others = names
    if point := (columns.points or {}).get(first):
        told = Argument("points", {first: point})
        return message(
            f"{source}: ", told, f": {point!r} is not in the thing model{nearest(point, known)}"
        )
    more = f", nor {'is' if len(others) == 1 else 'are'} {listed(others)}" if others else ""
    rest = "named columns" if is_mapped(columns) else "columns of the model"
    return message(
        f"{source}: column {first!r} is not in the thing model{nearest(first, known)}{more}; "
        "name it in ",
        Argument("points"),
        " if it is called otherwise there, or in ",
        Argument("ignore"),
        " if it is no reading",
        *((f"; to read the {rest} alone, give ", Argument("only", True)) if others else ()),
    )


INDEX = "(index)"
