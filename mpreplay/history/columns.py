"""The roles of a history's columns: time, device, point, member, quality.

Pure: names in, names out. A column that the caller has not named must be in the thing model.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import Argument, HistoryError, Message, message
from ..model.measurepoint import Measurepoint

if TYPE_CHECKING:
    from ..model.thing_model import ThingModel

__all__ = ["Columns", "Layout", "point_named", "resolve"]


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
    ignore: tuple[str, ...] = ()
    point: str | None = None
    value: str | None = None
    value_quality: str | None = None
    # Of rejects: the check that each value failed. The values are then texts, as in rejects.
    check: str | None = None

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
    """

    columns: Columns
    points: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    needed: list[str] = field(default_factory=list)


def resolve(
    names: Iterable[str],
    columns: Columns,
    models: Iterable[ThingModel],
    *,
    source: str,
    partitions: Iterable[str] = (),
    elsewhere: Iterable[str] = (),
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

    Raises
    ------
    HistoryError
        If a named column is missing, or a column is neither named nor in a model.
    """
    names = list(names)
    models = list(models)
    _check_names(names, columns, source, set(elsewhere))
    if columns.is_long:
        wanted = set(columns.named)
        return Layout(columns, needed=[name for name in names if name in wanted])
    places = _Places(columns)
    skipped = (set(columns.ignore) | set(columns.named)) - set(columns.points or {})
    folders = set(partitions)
    strangers = [
        name
        for name in names
        if name not in skipped and not _place(name, places, models) and name not in folders
    ]
    if strangers:
        given = {name: point for name, point in (columns.points or {}).items() if name in names}
        raise HistoryError(_stranger(strangers, given, source, models))
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
    return Layout(columns, places.points, places.members, places.quality, needed)


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
    if found := _known(identifier, models):
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
    if dot and (struct := _known(head, models)):
        if struct.is_struct and any(m.identifier == member for m in struct.members):
            other = places.members.setdefault(head, {}).setdefault(member, name)
            if other != name:
                raise HistoryError(_two(other, name, identifier))
            return True
        if struct.has_quality and member in {"value", "quality"}:
            if member == "value":
                places.points[name] = head
            else:
                places.quality[head] = name
            return True
    if identifier and any(model.pass_through for model in models):
        places.points[name] = identifier
        return True
    return False


def _known(identifier: str, models: list[ThingModel]) -> Measurepoint | None:
    return next(
        (m.measurepoints[identifier] for m in models if identifier in m.measurepoints), None
    )


def _check_names(names: list[str], columns: Columns, source: str, elsewhere: set[str]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise HistoryError(
                f"{source}: column names must be text, got {name!r}; a multi-level header has to "
                "be flattened first, for example with frame.columns.map('.'.join)"
            )
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise HistoryError(f"{source}: the column {doubled[0]!r} occurs twice; rename one")
    quality = columns.quality or {}
    mapped = [*(columns.points or {}), *quality, *quality.values()]
    keys = [name for name in columns.named if name not in mapped]
    for name in [*keys, *(name for name in mapped if name not in elsewhere)]:
        if name not in names:
            raise HistoryError(f"{source}: there is no column {name!r}{_nearest(name, names)}")


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
    point = _known(identifier, models)
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


def _stranger(
    names: list[str], given: dict[str, str], source: str, models: list[ThingModel]
) -> Message:
    known = sorted({identifier for model in models for identifier in model.measurepoints})
    first, *others = names
    if point := given.get(first):
        told = Argument("points", {first: point})
        return message(
            f"{source}: ", told, f": {point!r} is not in the thing model{_nearest(point, known)}"
        )
    more = f", nor {'is' if len(others) == 1 else 'are'} {', '.join(map(repr, others))}"
    return message(
        f"{source}: column {first!r} is not in the thing model{_nearest(first, known)}"
        f"{more if others else ''}; name it in ",
        Argument("points"),
        " if it is called otherwise there, or in ",
        Argument("ignore"),
        " if it is no reading",
    )


def _nearest(name: str, known: list[str]) -> str:
    lowered = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    if near:
        return f" (nearest: {', '.join(lowered[n] for n in near)})"
    shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return f" (known: {shown})" if known else ""


INDEX = "(index)"
