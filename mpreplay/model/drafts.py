"""Drafts of points, column by column and part by part, joined into a thing model. Pure.

A history is drafted a slab at a time: the type of a point is the narrowest one that accepts its
values in all slabs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from ..errors import Argument, ConfigError, message
from ..errors.arguments import shown_briefly
from .drafting import Drafted, NoDraft, draft
from .measurepoint import Measurepoint

__all__ = ["Drafts", "check_ranges"]

OBSERVED: Final = "observed"


def check_ranges(ranges: Any) -> None:
    """Raise unless an argument ``ranges=`` can be.

    Raises
    ------
    ConfigError
        If it is neither None nor "observed".
    """
    if ranges is not None and not (isinstance(ranges, str) and ranges == OBSERVED):
        raise ConfigError(
            message(
                Argument("ranges"),
                f" must be {OBSERVED!r}, for the least and the largest value seen, or None, got "
                f"{shown_briefly(ranges)}",
            ),
            argument="ranges",
            value=ranges,
        )


@dataclass(slots=True)
class Drafts:
    """The points drafted so far, and the columns without one.

    Parameters
    ----------
    ranges : {None, "observed"}
        Whether numbers get the range of the values seen.
    is_text : bool
        True if numbers are texts that look like numbers, so that a point of texts may follow.
    """

    ranges: str | None = None
    is_text: bool = False
    points: dict[str, Measurepoint] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    ends: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def see(self, name: str, column: Any, column_name: str | None = None) -> None:
        """Add a column, or a part of one.

        Raises
        ------
        ConfigError
            If no draft can accept its values, together with those seen before.
        """
        try:
            found = draft(name, column)
            if found.point is None:
                self._leave_out(name, found.why)
                return
            known = self.points.get(name)
            point = found.point if known is None else self._joined(known, found.point)
        except NoDraft as error:
            raise ConfigError(
                message(
                    f"column {column_name or name!r} holds {error}; name it in ",
                    Argument("ignore"),
                    " or convert it",
                )
            ) from error
        self.points[name] = point
        self._widen(name, found)

    def _leave_out(self, name: str, why: str) -> None:
        known = self.why.setdefault(name, why)
        if len(why) > len(known):  # to be empty is the shortest reason, and the least
            self.why[name] = why

    def _widen(self, name: str, found: Drafted) -> None:
        if found.low is None:
            return
        low, high = self.ends.get(name, (found.low, found.high))
        self.ends[name] = (min(low, found.low), max(high, found.high))

    def _joined(self, one: Measurepoint, other: Measurepoint) -> Measurepoint:
        """Return the point that accepts the values of two."""
        if one.type != other.type:
            if one.is_number and other.is_number:
                return Measurepoint(one.identifier, _WIDE)
            if self.is_text:
                return _of_text(one, other)
            raise NoDraft(f"values of several kinds ({one.type} and {other.type})")
        if one.is_struct:
            return replace(one, members=tuple(self._members(one, other)))
        if one.is_array and one.item_type != other.item_type:
            return replace(one, item_type=_item(str(one.item_type), str(other.item_type)))
        lengths = [point.max_bytes for point in (one, other)]
        return one if lengths[0] >= lengths[1] else other

    def _members(self, one: Measurepoint, other: Measurepoint) -> list[Measurepoint]:
        mine = {member.identifier: member for member in one.members}
        theirs = {member.identifier: member for member in other.members}
        return [
            self._joined(mine[name], theirs[name])
            if name in mine and name in theirs
            else mine.get(name) or theirs[name]
            for name in [*mine, *(name for name in theirs if name not in mine)]
        ]

    def result(self) -> dict[str, Measurepoint]:
        """Return the points, with their ranges if these were asked for."""
        return {name: self._ranged(point) for name, point in self.points.items()}

    def _ranged(self, point: Measurepoint) -> Measurepoint:
        if self.ranges is None or not point.is_number or point.identifier not in self.ends:
            return point
        low, high = (_bound(end) for end in self.ends[point.identifier])
        return replace(point, minimum=low, maximum=high)

    def left_out(self) -> Mapping[str, str]:
        """Return the columns without a point, and why."""
        return {name: why for name, why in self.why.items() if name not in self.points}


def _bound(value: Any) -> int | float:
    """Return a number of any class as one of Python's, as it will travel."""
    return int(value) if isinstance(value, int | np.integer) else float(value)


# Holds the numbers of any two types; texts.
_WIDE: Final = "DOUBLE"
_TEXT: Final = "STRING"


def _item(one: str, other: str) -> str:
    if _TEXT in {one, other}:
        raise NoDraft("arrays of numbers, and arrays of texts")
    return _WIDE


def _of_text(one: Measurepoint, other: Measurepoint) -> Measurepoint:
    """Return the point of texts, some of which look like numbers."""
    texts = [point for point in (one, other) if point.is_text]
    return texts[0] if texts else Measurepoint(one.identifier, _TEXT)
