"""Conversion of structs and arrays, from the columns of their members and items.

Pure. ``convert`` converts a member's or an item's column.
"""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import is_present
from ..cells.arrays import objects_of, python_of, without
from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .misfits import Cells, Misfit, Misfits, Unfit, longest_json
from .quality import text_of
from .typed_column import Converted, all_misfit, replaced, unfit_at, with_misfits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .typed_column import Converter

__all__ = ["Structs", "convert_array", "convert_lists", "convert_struct", "struct_of"]


def convert_struct(column: pa.Array, point: Measurepoint, convert: Converter) -> Converted:
    """Convert a column of structs or maps, member by member."""
    if pa.types.is_map(column.type):
        return convert(objects_of(python_of(column)), point)
    if not pa.types.is_struct(column.type):
        return all_misfit(column, point)
    names = [f.name for f in column.type]
    known = {m.identifier for m in point.members}
    fields = {name: pc.struct_field(column, [n]) for n, name in enumerate(names)}
    converted = struct_of({n: fields[n] for n in names if n in known}, point, len(column), convert)
    strangers: list[Unfit] = []
    seen = np.zeros(len(column), bool)
    for name in (n for n in names if n not in known):
        positions = np.flatnonzero(is_present(fields[name]) & ~seen)
        if len(positions):
            seen[positions] = True
            strangers.append(unfit_at(column, positions, "type", Detail("stranger", (name,))))
    return replaced(converted, Misfits(strangers))


def struct_of(
    members: dict[str, Any], point: Measurepoint, length: int, convert: Converter
) -> Converted:
    """Return a struct from its members' raw columns.

    A struct whose members are all absent is absent. A misfit among the members makes the whole
    value a misfit.
    """
    parts = {
        m.identifier: convert(members[m.identifier], m)
        if m.identifier in members
        else Converted(pa.nulls(length, m.arrow_type()))
        for m in point.members
    }
    struct = pa.StructArray.from_arrays(
        [part.values for part in parts.values()], fields=list(point.arrow_type())
    )
    present = np.zeros(length, bool)
    for part in parts.values():
        present |= part.values.is_valid().to_numpy(zero_copy_only=False)
    misfits = _misfit_structs(parts, struct)
    gone = ~present
    gone[misfits.positions] = True
    return Converted(without(struct, gone) if gone.any() else struct, misfits)


def _misfit_structs(parts: dict[str, Converted], struct: pa.StructArray) -> Misfits:
    """Return the structs with a misfit among the members.

    Of several, the first that cannot travel at all names the reason, otherwise the first.
    """
    found = [
        (name, one, one.travels()) for name, part in parts.items() for one in part.misfits.groups
    ]
    if not found:
        return Misfits()
    groups: list[Unfit] = []
    maker = Structs(parts, struct)
    seen = np.zeros(len(struct), bool)
    for travels in (False, True):
        for name, one, mask in found:
            positions = one.positions[(mask == travels) & ~seen[one.positions]]
            if len(positions):
                seen[positions] = True
                maker.travelling[positions] = travels
                why = Detail("member", (name,), of=one.why)
                groups.append(Unfit(positions, one.check, why, maker, positions))
    return Misfits(groups)


class Structs:
    """Structs with misfits among the members, by their positions in the column."""

    def __init__(self, parts: dict[str, Converted], struct: pa.StructArray) -> None:
        self._parts, self._struct = parts, struct
        self.travelling = np.zeros(len(struct), bool)

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        """Return a misfit for each place."""
        found: dict[int, dict[str, Misfit]] = {place: {} for place in places.tolist()}
        for name, part in self._parts.items():
            for one in part.misfits.at(places):
                found[one.position][name] = one
        return [self._made(place, found[place], check, why) for place in places.tolist()]

    def _made(self, place: int, misfits: dict[str, Misfit], check: str, why: Detail) -> Misfit:
        pieces = []
        for n, member in enumerate(self._struct.type):
            value = self._struct.field(n)[place]
            one = misfits.get(member.name)
            if one is not None or value.is_valid:
                text = text_of(value) or b"null" if one is None else one.text or one.told.encode()
                pieces.append(orjson.dumps(member.name) + b":" + text)
        whole = b"{" + b",".join(pieces) + b"}"
        if self.travelling[place]:
            return Misfit(place, whole, check, why, whole.decode())
        return Misfit(place, None, check, why, misfits[why.facts[0]].shown, whole.decode())

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of the places with a JSON text."""
        return self.travelling[places]

    def texts(self, places: NDArray[np.int64], member: str) -> pa.Array:
        """Return the misfits of a member at some places, as far as they are texts."""
        found = [pa.array([], pa.string())]
        for one in self._parts[member].misfits.groups:
            if isinstance(one.maker, Cells):
                found.append(one.maker.texts(one.places[np.isin(one.positions, places)]))
        return pa.concat_arrays(found)

    def longest(self) -> int:
        """Return an upper bound of the lengths of the JSON texts."""
        return longest_json(self._struct) + sum(
            part.misfits.longest() for part in self._parts.values()
        )


def convert_array(column: pa.Array, point: Measurepoint, convert: Converter) -> Converted:
    """Convert a column of lists, all items of all lists at once."""
    if not pa.types.is_list(column.type):
        return all_misfit(column, point)
    item = Measurepoint(point.identifier, str(point.item_type))
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    absent = column.is_null().to_numpy(zero_copy_only=False)
    return _array_of(convert(column.flatten(), item), lengths, column, absent, point)


def convert_lists(objects: NDArray[Any], point: Measurepoint, convert: Converter) -> Converted:
    """Convert lists, tuples or arrays of Python, all items of all lists at once.

    Arrow is not shown the lists, but the items of each class by themselves.
    """
    item = Measurepoint(point.identifier, str(point.item_type))
    lists: list[Any] = objects.tolist()
    if not all(type(value) is list for value in lists):
        lists = [_items_of(value) for value in lists]
    lengths = np.array([len(items or ()) for items in lists], np.int64)
    flat = objects_of([one for items in lists if items for one in items])
    absent = np.array([items is None for items in lists], bool)
    converted = _array_of(convert(flat, item), lengths, objects, absent, point)
    why = Detail("wrong_items", (str(point.item_type),))
    of_type = [one.positions for one in converted.misfits.groups if one.check == "type"]
    unlike = absent.copy()
    for n in np.concatenate([np.zeros(0, np.int64), *of_type]).tolist():
        unlike[n] = _are_unlike(lists[n] or [])
    if not unlike.any():
        return converted
    return replaced(converted, Misfits([unfit_at(objects, np.flatnonzero(unlike), "type", why)]))


def _items_of(value: Any) -> list[Any] | None:
    """Return the items of a list; None for an array of no or of several dimensions."""
    if not isinstance(value, np.ndarray):
        return list(value)
    if value.ndim != 1:
        return None
    # Else NumPy makes integers of times.
    return list(value.tolist() if value.dtype.kind in "biufOU" else value)


def _are_unlike(items: list[Any]) -> bool:
    """Return True if an array's items are of several kinds, or of one that no array holds."""
    families = {_family(one) for one in items if one is not None}
    return len(families) > 1 or families == {None}


def _family(item: Any) -> str | None:
    if isinstance(item, np.timedelta64):
        return None
    return next((name for kind, name in _FAMILIES if isinstance(item, kind)), None)


_FAMILIES: Final = (
    (bool | np.bool_, "truth value"),
    (int | float | decimal.Decimal | np.integer | np.floating, "number"),
    (str, "text"),
)


def _array_of(
    items: Converted,
    lengths: NDArray[Any],
    column: Any,
    absent: NDArray[np.bool_],
    point: Measurepoint,
) -> Converted:
    """Return arrays from all their items in one column, and the length of each array."""
    parents = np.repeat(np.arange(len(column)), lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = pa.ListArray.from_arrays(
        pa.array(offsets, mask=np.append(absent, False)), items.values
    )
    missing = ~is_present(items.values)
    wrong: dict[tuple[str, Detail], NDArray[np.bool_]] = {}
    for one in items.misfits.groups:
        missing[one.positions] = False
        key = (one.check, Detail("item", of=one.why))
        wrong.setdefault(key, np.zeros(len(column), bool))[parents[one.positions]] = True
    absent_items = ("items", Detail("absent_item"))
    wrong.setdefault(absent_items, np.zeros(len(column), bool))[parents[missing]] = True
    mismatches = [(mask, check, why) for (check, why), mask in sorted(wrong.items(), key=_gravity)]
    return with_misfits(values.cast(point.arrow_type()), column, mismatches)


def _gravity(item: tuple[tuple[str, Detail], Any]) -> tuple[bool, bool, str, str]:
    """Return the rank of a reason among those of one array, whatever stands in other arrays."""
    check, why = item[0]
    # The first two keep the array from travelling; an absent item is the least.
    return check not in {"finite", "text"}, check == "items", check, why.as_text()
