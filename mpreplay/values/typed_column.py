"""The readings of one measurement point, in its type.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..cells.absent import is_present, valid_in
from ..cells.arrays import without
from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .misfits import Cells, Misfit, Misfits, Unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Converted",
    "Converter",
    "Mismatch",
    "TypedColumn",
    "all_misfit",
    "replaced",
    "unfit_at",
    "with_misfits",
]


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """The readings of one measurement point.

    Parameters
    ----------
    point : Measurepoint
        The measurement point.
    values : Array, shape (n,)
        Values; null if absent or a misfit.
    quality : Array of int64, shape (n,), optional
        Quality of each value; null without a quality.
    misfits : Misfits
        Values that do not fit their type; positions are into ``values``.
    at : ndarray of int64, shape (n,)
        Position of each value in the readings.
    """

    point: Measurepoint
    values: pa.Array
    quality: pa.Array | None
    misfits: Misfits
    at: NDArray[np.int64]
    _present: NDArray[np.bool_] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take any misfits."""
        object.__setattr__(self, "misfits", Misfits.of(self.misfits))

    def present(self) -> NDArray[np.bool_]:
        """Return a mask, True for present values, misfits included; not to be written to."""
        if self._present is not None:
            return self._present
        mask = valid_in(self.values)
        if self.misfits:
            mask[self.misfits.positions] = True
        mask.flags.writeable = False
        object.__setattr__(self, "_present", mask)
        return mask

    @property
    def n_present(self) -> int:
        """Number of values, misfits included."""
        if self.misfits:
            return int(self.present().sum())
        return len(self.values) - int(self.values.null_count)

    def taken(self, positions: NDArray[np.int64]) -> TypedColumn:
        """Return the values at the given positions, in the order of the positions."""
        chosen = pa.array(positions)
        quality = None if self.quality is None else self.quality.take(chosen)
        misfits = self.misfits
        if misfits:
            place = np.full(len(self.values), -1, np.int64)
            place[positions] = np.arange(len(positions))
            misfits = misfits.placed(place)
        return TypedColumn(
            self.point, self.values.take(chosen), quality, misfits, self.at[positions]
        )


@dataclass(frozen=True, slots=True)
class Converted:
    """A column in its measurement point's type.

    Parameters
    ----------
    values : Array, shape (n,)
        Values; null if absent or a misfit.
    misfits : Misfits
        Values that do not fit; few, as a rule.
    quality : Array of int64, shape (n,), optional
        Quality of each value; null without a quality.
    """

    values: pa.Array
    misfits: Misfits = field(default_factory=Misfits)
    quality: pa.Array | None = None

    def __post_init__(self) -> None:
        """Take any misfits."""
        object.__setattr__(self, "misfits", Misfits.of(self.misfits))


Converter = Callable[[pa.Array, Measurepoint], Converted]
# A mask of values, the failed check, and the reason.
Mismatch = tuple["NDArray[np.bool_]", str, Detail]


def all_misfit(column: pa.Array, point: Measurepoint, why: Detail | None = None) -> Converted:
    """Return a column in which every value is a misfit."""
    why = why or Detail("arrow_type", (str(column.type), point.type))
    nothing = pa.nulls(len(column), point.arrow_type())
    return with_misfits(nothing, column, [(is_present(column), "type", why)])


def with_misfits(values: pa.Array, column: Any, mismatches: list[Mismatch]) -> Converted:
    """Return converted values, with misfits instead of the values under each mask.

    ``column`` has the values as read: an Arrow array, or an array of Python objects.
    """
    groups: list[Unfit] = []
    taken = np.zeros(len(values), bool)
    for mask, check, why in mismatches:
        positions = np.flatnonzero(mask & ~taken)
        if len(positions):
            taken |= mask
            groups.append(unfit_at(column, positions, check, why))
    if groups:
        values = without(values, taken)
    return Converted(values, Misfits(groups))


def unfit_at(column: Any, positions: NDArray[np.int64], check: str, why: Detail) -> Unfit:
    """Return the values at some positions of a column, as read, as values that fail a check."""
    is_objects = isinstance(column, np.ndarray)
    cells = column[positions] if is_objects else column.take(pa.array(positions))
    return Unfit(positions, check, why, Cells(cells), np.arange(len(positions)))


def replaced(converted: Converted, misfits: Misfits | dict[int, Misfit]) -> Converted:
    """Return converted values with further misfits instead of the values at their positions."""
    if not misfits:
        return converted
    more = Misfits.of(misfits.values() if isinstance(misfits, dict) else misfits)
    taken = np.zeros(len(converted.values), bool)
    taken[more.positions] = True
    values = without(converted.values, taken)
    rest = converted.misfits.without(taken)
    return Converted(values, Misfits.joined([more, rest]), converted.quality)
