"""The readings of one measurement point, in its type.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..display.facts import Detail
from ..model.measurepoint import Measurepoint
from .absent import is_present
from .arrays import objects_taken, without
from .misfits import Misfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Converted",
    "Converter",
    "Mismatch",
    "TypedColumn",
    "all_misfit",
    "replaced",
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
    misfits : list of Misfit
        Values that do not fit their type; positions are into ``values``.
    at : ndarray of int64, shape (n,)
        Position of each value in the readings.
    """

    point: Measurepoint
    values: pa.Array
    quality: pa.Array | None
    misfits: list[Misfit]
    at: NDArray[np.int64]

    def present(self) -> NDArray[np.bool_]:
        """Return a mask, True for present values, misfits included."""
        mask = np.array(self.values.is_valid().to_numpy(zero_copy_only=False), bool)
        if self.misfits:
            mask[[o.position for o in self.misfits]] = True
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
        place = {p: n for n, p in enumerate(positions.tolist())} if self.misfits else {}
        misfits = [
            o._replace(position=place[o.position]) for o in self.misfits if o.position in place
        ]
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
    misfits : list of Misfit
        Values that do not fit; few, as a rule.
    quality : Array of int64, shape (n,), optional
        Quality of each value; null without a quality.
    """

    values: pa.Array
    misfits: list[Misfit] = field(default_factory=list)
    quality: pa.Array | None = None


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
    misfits: list[Misfit] = []
    taken = np.zeros(len(values), bool)
    for mask, check, why in mismatches:
        positions = np.flatnonzero(mask & ~taken)
        taken |= mask
        for position, value in zip(
            positions.tolist(), objects_taken(column, positions), strict=True
        ):
            misfits.append(Misfit.of(position, value, check, why))
    if taken.any():
        values = without(values, taken)
    return Converted(values, sorted(misfits))


def replaced(converted: Converted, misfits: dict[int, Misfit]) -> Converted:
    """Return converted values with further misfits instead of the values at their positions."""
    if not misfits:
        return converted
    taken = np.zeros(len(converted.values), bool)
    taken[list(misfits)] = True
    values = without(converted.values, taken)
    rest = [o for o in converted.misfits if o.position not in misfits]
    return Converted(values, sorted([*misfits.values(), *rest]), converted.quality)
