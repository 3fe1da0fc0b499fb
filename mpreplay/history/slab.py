"""Consecutive rows of a source, raw and as readings. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..model.pairing import Pairing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..display.facts import Detail
    from ..model.device import Device
    from ..values.typed_column import TypedColumn
    from .columns import Layout

__all__ = ["RawSlab", "Readings", "Unreadable"]


@dataclass(frozen=True, slots=True)
class RawSlab:
    """Consecutive rows of a source, as read.

    Parameters
    ----------
    number : int
        The slab's number in the history.
    source : str
        Name of the source.
    first_row : int
        Row of the first position in the source.
    columns : dict of str to Array or ndarray
        Values of each column.
    layout : Layout
        Meaning of the columns.
    is_last : bool
        True for the last slab of a source.
    folds : ndarray of int8, shape (n_rows,), optional
        Of rows whose time occurs twice: the first or the second one, as far as the rows show.
    pairing : Pairing
        The numbering of devices, which goes on from slab to slab.
    """

    number: int
    source: str
    first_row: int
    columns: dict[str, Any]
    layout: Layout
    is_last: bool = True
    folds: NDArray[np.int8] | None = None
    pairing: Pairing = field(default_factory=Pairing, compare=False, repr=False)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows whose time, device or product is unreadable, all for the same reason.

    Parameters
    ----------
    check : str
        The check that they fail: ``time``, ``device`` or ``product``.
    why : Detail
        The reason, without the facts of a single row.
    positions : ndarray of int64, shape (n,)
        Their positions in the readings.
    shown : Array of str, shape (n,), optional
        The cell of each row as its reason names it; None if the reason says all.
    texts : Array of str, shape (n,), optional
        The text of each time as the source has it.
    """

    check: str
    why: Detail
    positions: NDArray[np.int64]
    shown: pa.Array | None = None
    texts: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one product in one slab.

    Parameters
    ----------
    slab : int
        The slab's number in the history.
    source : str
        Name of the source.
    rows : ndarray of int64, shape (n,)
        Row of each position in the source.
    time : ndarray of int64, shape (n,)
        Time of each row. [ms]
    device : ndarray of int64, shape (n,)
        Device of each row, as an index into ``devices``; -1 if unknown.
    devices : sequence of Device
        Devices of the slab, sorted.
    unreadable : tuple of Unreadable
        Rows whose time, device or product is unreadable, by reason; a position occurs once.
    columns : list of TypedColumn
        Values, a column for each point.
    given : ThingModel or DataFrameSchema
        The model or schema of this product.
    implausible : Unreadable, optional
        Other rows whose time is read, and lies outside the plausible times.
    """

    slab: int
    source: str
    rows: NDArray[np.int64]
    time: NDArray[np.int64]
    device: NDArray[np.int64]
    devices: Sequence[Device]
    unreadable: tuple[Unreadable, ...] = ()
    columns: list[TypedColumn] = field(default_factory=list)
    given: Any = None
    implausible: Unreadable | None = None

    @property
    def n_values(self) -> int:
        """Number of values, misfits included."""
        return sum(column.n_present for column in self.columns)

    def is_unreadable(self, check: str | None = None) -> NDArray[np.bool_]:
        """Return a mask of the unreadable rows; of a single check, if given."""
        mask = np.zeros(len(self.rows), bool)
        for one in self.unreadable:
            if check is None or one.check == check:
                mask[one.positions] = True
        return mask

    def is_untimed(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of some rows, True where the time cannot be read."""
        found = [one.positions for one in self.unreadable if one.check == "time"]
        return np.isin(rows, np.concatenate(found)) if found else np.zeros(len(rows), bool)

    def time_texts(self, rows: NDArray[np.int64]) -> pa.Array:
        """Return the texts of the unreadable times of rows; null where a time can be read."""
        parts = [one for one in self.unreadable if one.texts is not None]
        if not parts:
            return pa.nulls(len(rows), pa.string())
        positions = np.concatenate([one.positions for one in parts])
        order = np.argsort(positions, kind="stable")
        at = np.minimum(np.searchsorted(positions, rows, sorter=order), len(order) - 1)
        chosen = order[at]
        texts = pa.concat_arrays([one.texts for one in parts])
        return texts.take(pa.array(chosen, mask=positions[chosen] != rows))
