"""Comparison of sent values with values that a platform gives back, according to their types.

Pure. A value that comes back is converted into the type of its point like a value of a history,
and so both have the same text: two FLOATs are equal as 32-bit floats, and ``"7.5"`` is a number
where the point has numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..cells.arrays import objects_of, python_of
from ..cells.object_json import read_json
from ..model.measurepoint import Measurepoint
from ..values.column_json import texts_of
from ..values.conversion import convert
from ..values.plain_text import plain_texts
from ..values.typed_column import TypedColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DIFFERENT", "MISSING", "STORED", "Held", "compare", "held_together"]

STORED: Final = "stored"
DIFFERENT: Final = "different"
MISSING: Final = "missing"
_KEY: Final = ["device", "time"]


@dataclass(frozen=True, slots=True)
class Held:
    """Values on a platform, one row a value.

    Parameters
    ----------
    device : ndarray of int64
        Device of each row, as a number chosen by the caller.
    time : ndarray of int64
        Time of each row. [ms]
    point : ndarray of objects
        Identifier of the measurement point of each row.
    values : Array or ndarray of objects
        Values as the platform gave them.
    """

    device: NDArray[np.int64]
    time: NDArray[np.int64]
    point: NDArray[Any]
    values: Any

    def where(self, mask: NDArray[np.bool_]) -> Held:
        """Return the rows under a mask."""
        values = self.values
        chosen = values[mask] if isinstance(values, np.ndarray) else values.filter(pa.array(mask))
        return Held(self.device[mask], self.time[mask], self.point[mask], chosen)


def held_together(parts: Sequence[Held]) -> Held:
    """Return several answers as one; all values keep their types."""
    columns = [part.values for part in parts]
    kinds = {None if isinstance(column, np.ndarray) else column.type for column in columns}
    if len(kinds) == 1 and None not in kinds:
        values = pa.concat_arrays(columns)
    else:  # in a common array of numbers, integers would become floats and lose digits
        objects = [c if isinstance(c, np.ndarray) else objects_of(python_of(c)) for c in columns]
        values = np.concatenate([objects_of([]), *objects])
    nothing = np.zeros(0, np.int64)
    return Held(
        np.concatenate([nothing, *(part.device for part in parts)]),
        np.concatenate([nothing, *(part.time for part in parts)]),
        np.concatenate([objects_of([]), *(part.point for part in parts)]),
        values,
    )


def compare(
    column: TypedColumn,
    positions: NDArray[np.int64],
    device: NDArray[np.int64],
    time: NDArray[np.int64],
    held: Held,
) -> tuple[NDArray[Any], list[str | None]]:
    """Return the state of each sent value of a column, and the text found on the platform.

    Parameters
    ----------
    column : TypedColumn
        The readings of a point.
    positions : ndarray of int64
        Positions of the sent values in the column.
    device, time : ndarray of int64
        Device and time of each sent value; times in milliseconds.
    held : Held
        Values of this point on the platform, in any order.

    Returns
    -------
    tuple of (ndarray of objects, list of str)
        ``stored``, ``different`` or ``missing``; and the value found as people read it, or None
        where nothing was found.

    Notes
    -----
    A platform holds one value of a device, point and time. Where an answer gives two different
    values, neither counts as stored.
    """
    point = column.point
    converted = convert(_parsed(held.values, point), point)
    read = TypedColumn(point, converted.values, None, converted.misfits, np.arange(len(held.time)))
    found = _by_place(read, held)
    sent = pd.DataFrame({"device": device, "time": time})
    met = sent.merge(found, how="left", on=_KEY)
    texts = texts_of(replace(column, quality=None)).array().take(pa.array(positions))
    wanted = np.array(texts.to_pylist(), object)
    at = met["at"].fillna(-1).to_numpy(np.int64)
    is_there = at >= 0
    is_one = met["others"].isna().to_numpy()
    is_same = is_there & is_one & np.asarray(met["text"].to_numpy(object) == wanted, bool)
    # A platform that keeps values as sent leaves few of these, so that a loop is fast enough.
    for n in np.flatnonzero(is_there & is_one & ~is_same).tolist():
        is_same[n] = _means(met["text"].iloc[n], held.values[int(at[n])], wanted[n])
    shown = np.full(len(sent), None, object)
    shown[is_there] = plain_texts(read, at[is_there])
    for n in np.flatnonzero(~is_one).tolist():
        shown[n] = " / ".join(plain_texts(read, met["others"].iloc[n]))
    state = np.where(is_there, np.where(is_same, STORED, DIFFERENT), MISSING).astype(object)
    return state, list(shown)


def _by_place(read: TypedColumn, held: Held) -> pd.DataFrame:
    """Return one row a device and time: position and text of the value, and any other values."""
    texts = pd.Series(texts_of(read).array().to_pylist(), dtype=object).fillna("")
    table = pd.DataFrame(
        {"device": held.device, "time": held.time, "at": np.arange(len(texts)), "text": texts}
    )
    table = table[read.present()].drop_duplicates([*_KEY, "text"])
    clashes = table.duplicated(_KEY, keep=False)
    others = pd.Series(None, table.index, dtype=object)
    if clashes.any():
        table = table.sort_values([*_KEY, "text"], kind="stable")
        groups = table[clashes.reindex(table.index)].groupby(_KEY)["at"]
        others = others.reindex(table.index)
        for _, group in groups:
            others.loc[group.index[0]] = group.to_numpy()
    return table.assign(others=others).drop_duplicates(_KEY)


def _means(found: str, raw: Any, wanted: str | None) -> bool:
    """Return True if two JSON texts are equal as values: 1 and 1.0, members in any order."""
    if not found or wanted is None:
        return False
    value = json.loads(wanted)
    raw = raw.as_py() if isinstance(raw, pa.Scalar) else raw
    # A text sent where the point has numbers comes back as the same text.
    return bool(json.loads(found) == value) or (isinstance(raw, str) and raw == value)


def _parsed(values: Any, point: Measurepoint) -> Any:
    """Return values with texts parsed as numbers, unless the point has texts."""
    if _is_textual(point):
        return values
    if not isinstance(values, np.ndarray):
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return values
        values = objects_of(values.to_pylist())
    return objects_of([_read(value, point) for value in values])


def _read(value: Any, point: Measurepoint) -> Any:
    match value:
        case str() if not _is_textual(point):
            text = value.lower() if point.is_bool else value
            try:
                parsed = read_json(text) if text else None
            except ValueError:
                return value
            return _read(parsed, point) if isinstance(parsed, list | dict) else parsed
        case list() if point.is_array:
            item = Measurepoint(point.identifier, str(point.item_type))
            return [_read(one, item) for one in value]
        case dict() if point.is_struct:
            members = {member.identifier: member for member in point.members}
            return {k: _read(v, members[k]) if k in members else v for k, v in value.items()}
    return value


def _is_textual(point: Measurepoint) -> bool:
    return point.is_text or point.is_any
