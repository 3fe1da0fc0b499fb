"""The readings of one measurement point, in its type.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..model.measurepoint import Measurepoint
from .absent import is_present
from .arrays import python_of, without
from .misfits import Misfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Converted",
    "Converter",
    "Mismatch",
    "TypedColumn",
    "a_kind",
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
        What they are.
    values : Array, shape (n,)
        Null where absent or a misfit.
    quality : Array of int64, shape (n,), optional
        Null where a value has none.
    misfits : list of Misfit
        Values that do not fit their type; positions are into ``values``.
    at : ndarray of int64, shape (n,)
        The position in the readings of each value.
    """

    point: Measurepoint
    values: pa.Array
    quality: pa.Array | None
    misfits: list[Misfit]
    at: NDArray[np.int64]

    def present(self) -> NDArray[np.bool_]:
        """Return where there is a value, misfits included."""
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
        """Return the values at some positions, in their order."""
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
        Null where absent or a misfit.
    misfits : list of Misfit
        What does not fit; few, as a rule.
    quality : Array of int64, shape (n,), optional
        The quality of each value that has one.
    """

    values: pa.Array
    misfits: list[Misfit] = field(default_factory=list)
    quality: pa.Array | None = None


Converter = Callable[[pa.Array, Measurepoint], Converted]
Mismatch = tuple["NDArray[np.bool_]", str, str]  # which values, the check, the reason


def a_kind(point: Measurepoint) -> str:
    """Return what a value of a point is, in words."""
    return point.facts.a_value


def all_misfit(column: pa.Array, point: Measurepoint, reason: str | None = None) -> Converted:
    """Return a column none of whose values fits."""
    reason = reason or f"a value of type {column.type} is not {a_kind(point)}"
    nothing = pa.nulls(len(column), point.arrow_type())
    return with_misfits(nothing, column, [(is_present(column), "type", reason)])


def with_misfits(values: pa.Array, column: pa.Array, faults: list[Mismatch]) -> Converted:
    """Return converted values without those under a mask, which become misfits."""
    misfits: list[Misfit] = []
    taken = np.zeros(len(values), bool)
    for mask, check, reason in faults:
        positions = np.flatnonzero(mask & ~taken)
        taken |= mask
        for position, value in zip(
            positions.tolist(), python_of(column.take(pa.array(positions))), strict=True
        ):
            misfits.append(Misfit.of(position, value, check, reason))
    if taken.any():
        values = without(values, taken)
    return Converted(values, sorted(misfits))


def replaced(converted: Converted, misfits: dict[int, Misfit]) -> Converted:
    """Return converted values of which some are misfits for another reason."""
    if not misfits:
        return converted
    taken = np.zeros(len(converted.values), bool)
    taken[list(misfits)] = True
    values = without(converted.values, taken)
    rest = [o for o in converted.misfits if o.position not in misfits]
    return Converted(values, sorted([*misfits.values(), *rest]), converted.quality)
