"""Values that do not fit their measurement point, with the JSON text on the wire.

Pure. A whole column may not fit: values are kept as read, together for each reason, and a
:class:`Misfit` is made of one only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.arrays import objects_taken
from ..cells.object_json import json_text, shown, told
from ..display.facts import Detail

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cells", "Maker", "Misfit", "Misfits", "Unfit", "longest_json"]


class Misfit(NamedTuple):
    """A value that does not fit: its position, its JSON text, the check and the reason.

    ``text`` is None for a value without a JSON text; the last field then has extended JSON, see
    :mod:`.object_json`. ``shown`` is the value for people to read.
    """

    position: int
    text: bytes | None
    check: str
    why: Detail
    shown: str = ""
    told: str = ""

    @classmethod
    def of(cls, position: int, value: Any, check: str, why: Detail) -> Misfit:
        """Return the misfit of a value as read, with the failed check and the reason."""
        text = json_text(value)
        untold = told(value) if text is None else ""
        return cls(position, text, check, why, shown(value), untold)


class Maker(Protocol):
    """Source of misfits, by their places in it."""

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        """Return a misfit for each place, whatever its position."""
        ...

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of the places with a JSON text."""
        ...

    def longest(self) -> int:
        """Return an upper bound of the lengths of the JSON texts, in bytes."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Unfit:
    """Values that fail the same check for the same reason.

    Parameters
    ----------
    positions : ndarray of int64, shape (n,)
        Positions of the values in their column.
    check : str
        The failed check.
    why : Detail
        The reason.
    maker : Maker
        What the misfits are made of.
    places : ndarray of int64, shape (n,)
        Place of each value in the maker.
    """

    positions: NDArray[np.int64]
    check: str
    why: Detail
    maker: Maker
    places: NDArray[np.int64]

    def made(self) -> list[Misfit]:
        """Return a misfit for each value."""
        found = self.maker.made(self.places, self.check, self.why)
        both = zip(found, self.positions.tolist(), strict=True)
        return [one._replace(position=position) for one, position in both]

    def travels(self) -> NDArray[np.bool_]:
        """Return a mask of the values with a JSON text."""
        return self.maker.travels(self.places)

    def placed(self, positions: NDArray[np.int64]) -> Unfit:
        """Return the values at their new positions, by the old ones; without those below 0."""
        moved = positions[self.positions]
        kept = moved >= 0
        return replace(self, positions=moved[kept], places=self.places[kept])


class Misfits(Sequence[Misfit]):
    """The misfits of a column.

    Parameters
    ----------
    groups : iterable of Unfit
        Values by their reasons; a position occurs once.

    Examples
    --------
    >>> cells = Cells(np.array([True, "7"], object))
    >>> misfits = Misfits([Unfit(np.arange(2), "type", Detail("not_integer"), cells, np.arange(2))])
    >>> len(misfits), misfits[1].text
    (2, b'"7"')
    """

    def __init__(self, groups: Iterable[Unfit] = ()) -> None:
        self.groups = tuple(one for one in groups if len(one.positions))

    @classmethod
    def of(cls, misfits: Iterable[Misfit]) -> Misfits:
        """Return misfits that are made already."""
        if isinstance(misfits, Misfits):
            return misfits
        listed = list(misfits)
        places: dict[tuple[str, Detail], list[int]] = {}
        for place, one in enumerate(listed):
            places.setdefault((one.check, one.why), []).append(place)
        positions = np.array([one.position for one in listed], np.int64)
        return cls(
            Unfit(positions[at], check, why, _Listed(listed), np.array(at, np.int64))
            for (check, why), at in places.items()
        )

    @classmethod
    def joined(cls, parts: Iterable[Iterable[Misfit]]) -> Misfits:
        """Return the misfits of several together."""
        return cls(group for part in parts for group in cls.of(part).groups)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions of the misfits, in no order."""
        nothing = np.zeros(0, np.int64)
        return np.concatenate([nothing, *(one.positions for one in self.groups)])

    def at(self, positions: NDArray[np.int64]) -> list[Misfit]:
        """Return the misfits at some positions only."""
        found = []
        for one in self.groups:
            kept = np.isin(one.positions, positions)
            if kept.any():
                part = replace(one, positions=one.positions[kept], places=one.places[kept])
                found += part.made()
        return found

    def placed(self, positions: NDArray[np.int64]) -> Misfits:
        """Return the misfits at their new positions, by the old ones; without those below 0."""
        return Misfits(one.placed(positions) for one in self.groups)

    def without(self, mask: NDArray[np.bool_]) -> Misfits:
        """Return the misfits except those under a mask."""
        return self.placed(np.where(mask, -1, np.arange(len(mask))))

    def longest(self) -> int:
        """Return an upper bound of the lengths of their JSON texts, in bytes."""
        return max((one.maker.longest() for one in self.groups), default=0)

    @cached_property
    def _made(self) -> list[Misfit]:
        return sorted(one for group in self.groups for one in group.made())

    def __len__(self) -> int:
        return sum(len(one.positions) for one in self.groups)

    def __iter__(self) -> Iterator[Misfit]:
        return iter(self._made)

    @overload
    def __getitem__(self, index: int) -> Misfit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Misfit]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._made[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Misfits | list) and self._made == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._made)


class _Listed:
    """Misfits that are made already."""

    def __init__(self, misfits: list[Misfit]) -> None:
        self._misfits = misfits

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        del check, why
        return [self._misfits[place] for place in places.tolist()]

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([self._misfits[place].text is not None for place in places], bool)

    def longest(self) -> int:
        return max((len(one.text) for one in self._misfits if one.text is not None), default=0)


class Cells:
    """Values as they were read: an Arrow array, or an array of Python objects."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        """Return a misfit for each place."""
        values = objects_taken(self._column, places)
        return [Misfit.of(0, value, check, why) for value in values]

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of the places with a JSON text."""
        if self._infinite is not None:
            return ~self._infinite[places]
        return np.array([self._texts[place] is not None for place in places.tolist()], bool)

    def texts(self, places: NDArray[np.int64]) -> pa.Array:
        """Return the values at some places, as far as they are texts."""
        if isinstance(self._column, pa.Array) and pa.types.is_string(self._column.type):
            return self._column.take(pa.array(places))
        values = objects_taken(self._column, places)
        return pa.array([v for v in values if type(v) is str and v.isprintable()], pa.string())

    def longest(self) -> int:
        """Return an upper bound of the lengths of the JSON texts."""
        if self._infinite is not None:
            return longest_json(self._column)
        return max((len(text) for text in self._texts if text is not None), default=0)

    @cached_property
    def _infinite(self) -> NDArray[np.bool_] | None:
        return None if isinstance(self._column, np.ndarray) else _infinite_in(self._column)

    @cached_property
    def _texts(self) -> list[bytes | None]:
        values = objects_taken(self._column, np.arange(len(self._column)))
        return [json_text(value) for value in values]


# Types whose values have a short JSON text; infinite floats have none.
_SIMPLE: Final = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_timestamp,
)


def _infinite_in(values: pa.Array) -> NDArray[np.bool_] | None:
    """Return a mask of the values that are or hold an infinity, which has no JSON text.

    None for types of which a value may lack a JSON text for another reason.
    """
    kind = values.type
    if pa.types.is_floating(kind):
        return np.asarray(np.isinf(values.to_numpy(zero_copy_only=False)), bool)
    if any(is_simple(kind) for is_simple in _SIMPLE):
        return np.zeros(len(values), bool)
    if pa.types.is_struct(kind) and len({field.name for field in kind}) == kind.num_fields:
        fields = [_infinite_in(pc.struct_field(values, [n])) for n in range(kind.num_fields)]
        known = [mask for mask in fields if mask is not None]
        if len(known) < len(fields):
            return None
        mask = np.zeros(len(values), bool)
        for one in known:
            mask |= one
        return mask
    if not pa.types.is_list(kind):
        return None
    items = _infinite_in(values.flatten())
    if items is None:
        return None
    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    mask = np.zeros(len(values), bool)
    mask[np.repeat(np.arange(len(values)), lengths)[items]] = True
    return mask


def longest_json(values: pa.Array) -> int:
    """Return an upper bound of the JSON texts' lengths, in bytes, without writing the texts."""
    kind = values.type
    if pa.types.is_string(kind):  # six bytes a character at most: \\u001f
        return 6 * (pc.max(pc.binary_length(values)).as_py() or 0) + 2
    if pa.types.is_list(kind):
        items = pc.max(pc.list_value_length(values)).as_py() or 0
        return items * (longest_json(values.flatten()) + 1) + 2
    if pa.types.is_struct(kind):
        fields = [longest_json(pc.struct_field(values, [n])) for n in range(kind.num_fields)]
        return sum(fields) + sum(6 * len(f.name) + 4 for f in kind) + 2
    # The longest number, with quotes; or a date of far away.
    return 48 if pa.types.is_timestamp(kind) else 26
