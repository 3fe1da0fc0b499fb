"""Failed checks on values of a slab. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ..display.facts import SUPERSEDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..values.typed_column import TypedColumn

__all__ = ["Fault", "withheld"]

# Nobody can send these, whatever the caller decides about violations of the model.
NEVER_SENT: Final = frozenset(
    {"finite", "text", "time", "device", "product", "too_large", SUPERSEDED}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One check that values of one column failed.

    Parameters
    ----------
    column : int
        Which column of the readings; -1: rows as a whole, ``positions`` are then rows.
    positions : ndarray of int64
        Which values.
    check, reason : str
        What they failed, and why.
    """

    column: int
    positions: NDArray[np.int64]
    check: str
    reason: str

    @property
    def is_unsendable(self) -> bool:
        """Whether the values cannot travel at all."""
        return self.check in NEVER_SENT

    @property
    def is_violation(self) -> bool:
        """Whether the values are wrong, and not only superseded in an earlier run."""
        return self.check != SUPERSEDED


def row_faults(readings: Readings) -> list[Fault]:
    grouped: dict[tuple[str, str], list[int]] = {}
    for position, why in readings.unreadable.items():
        grouped.setdefault(why, []).append(position)
    return [
        Fault(-1, np.array(sorted(positions), np.int64), check, reason)
        for (check, reason), positions in grouped.items()
    ]


def misfit_faults(number: int, column: TypedColumn) -> list[Fault]:
    grouped: dict[tuple[str, str], list[int]] = {}
    for misfit in column.misfits:
        # Without a JSON text it cannot travel, whatever is wrong with it besides.
        check = misfit.check if misfit.text is not None or misfit.check in NEVER_SENT else "text"
        grouped.setdefault((check, misfit.reason), []).append(misfit.position)
    return [
        Fault(number, np.array(positions, np.int64), check, reason)
        for (check, reason), positions in grouped.items()
    ]


def withheld(
    readings: Readings, faults: Iterable[Fault], all_violations: bool
) -> list[NDArray[np.bool_]]:
    """Return for each column which values are withheld: the unsendable ones, or all violations."""
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    for fault in faults:
        if fault.column >= 0 and (all_violations or fault.is_unsendable):
            masks[fault.column][fault.positions] = True
    if readings.unreadable:
        gone = np.zeros(len(readings.rows), bool)
        gone[list(readings.unreadable)] = True
        for number, column in enumerate(readings.columns):
            masks[number] |= gone[column.at]
    return masks
