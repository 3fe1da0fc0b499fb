"""Consecutive rows of one source: as they were read, and as readings. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..display.facts import Detail
    from ..model.device import Device
    from ..values.typed_column import TypedColumn
    from .columns import Layout

__all__ = ["RawSlab", "Readings"]


@dataclass(frozen=True, slots=True)
class RawSlab:
    """Consecutive rows of one source, as they were read."""

    number: int
    source: str
    first_row: int
    columns: dict[str, Any]
    layout: Layout

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.columns.values()))) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one product in one slab.

    Parameters
    ----------
    slab : int
        The slab's number in the history.
    source : str
        Where they came from.
    rows : ndarray of int64, shape (n,)
        Row in the source.
    time : ndarray of int64, shape (n,)
        When. [ms]
    device : ndarray of int64, shape (n,)
        Which: index into ``devices``, -1 where it cannot be told.
    unreadable : dict of int to (str, Detail)
        Positions whose time or device cannot be told: check and reason.
    columns : list of TypedColumn
        What.
    """

    slab: int
    source: str
    rows: NDArray[np.int64]
    time: NDArray[np.int64]
    device: NDArray[np.int64]
    devices: list[Device]
    unreadable: dict[int, tuple[str, Detail]]
    columns: list[TypedColumn] = field(default_factory=list)
    given: Any = None  # the model or schema of this product

    @property
    def n_values(self) -> int:
        """How many values it holds."""
        return sum(column.n_present for column in self.columns)
