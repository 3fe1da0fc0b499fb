"""Failed checks on values of a slab. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..display.facts import CHECKS, SUPERSEDED, Check, Detail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..values.typed_column import TypedColumn

__all__ = ["Fault", "withheld"]

_NO_CHECK: Final = Check()


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed check on values of one column.

    Parameters
    ----------
    column : int
        Index of the column in the readings; -1 for rows as a whole, whose ``positions`` are rows.
    positions : ndarray of int64
        Positions of the values in the column.
    check : str
        Name of the check.
    why : Detail
        Reason common to all positions.
    instances : Array of str, optional
        Facts of each single value as JSON, in the order of the positions: an unreadable time, for
        example.
    """

    column: int
    positions: NDArray[np.int64]
    check: str
    why: Detail
    instances: pa.Array | None = None

    @property
    def is_unsendable(self) -> bool:
        """True if the values cannot travel at all."""
        return is_never_sent(self.check)

    @property
    def is_violation(self) -> bool:
        """True if the values are wrong, and not only superseded in an earlier run."""
        return self.check != SUPERSEDED

    def chosen(self, index: NDArray[Any]) -> Fault:
        """Return the fault of a selection of the values."""
        instances = self.instances
        if instances is not None:
            instances = instances.take(pa.array(np.arange(len(instances))[index]))
        return replace(self, positions=self.positions[index], instances=instances)

    def texts(self) -> tuple[str, pa.Array | None]:
        """Return the reason as text, and the facts of each value alone as JSON, if there are any.

        The two are kept apart: few reasons are shared by many values.
        """
        return self.why.as_text(), self.instances


def is_never_sent(check: str) -> bool:
    """Return True if a value that fails the check cannot travel under any policy."""
    return CHECKS.get(check, _NO_CHECK).never_sent


def row_faults(readings: Readings) -> list[Fault]:
    """Return the faults of rows whose time, device or product is unreadable, or implausible."""
    rows = [*readings.unreadable]
    if readings.implausible is not None:
        rows.append(readings.implausible)
    return [
        Fault(-1, one.positions, one.check, one.why, _as_instances(one.shown))
        for one in sorted(rows, key=lambda one: int(one.positions[0]))
    ]


def _as_instances(shown: pa.Array | None) -> pa.Array | None:
    """Return a text of each value as the facts of the value, as JSON."""
    if shown is None:
        return None
    if pc.all(pc.match_substring_regex(shown, r"^[ !#-\[\]-~]*$")).as_py():  # nothing to escape
        return pc.binary_join_element_wise('["', shown, '"]', "")
    return pa.array([json.dumps([text]) for text in shown.to_pylist()], pa.string())


def misfit_faults(number: int, column: TypedColumn) -> list[Fault]:
    """Return the faults of values that do not fit their point's type."""
    grouped: dict[tuple[str, Detail], list[NDArray[np.int64]]] = {}
    for one in column.misfits.groups:
        # Without a JSON text the value cannot travel, even if the failed check would allow it.
        travels = True if is_never_sent(one.check) else one.travels()
        for check, mask in ((one.check, travels), ("text", np.logical_not(travels))):
            positions = one.positions[np.broadcast_to(mask, len(one.positions))]
            if len(positions):
                grouped.setdefault((check, one.why), []).append(positions)
    faults = [
        Fault(number, np.sort(np.concatenate(positions)), check, why)
        for (check, why), positions in grouped.items()
    ]
    return sorted(faults, key=lambda fault: int(fault.positions[0]))


def withheld(
    readings: Readings, faults: Iterable[Fault], all_violations: bool
) -> list[NDArray[np.bool_]]:
    """Return a mask of the withheld values of each column: unsendable values or all violations."""
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    for fault in faults:
        if fault.column >= 0 and (all_violations or fault.is_unsendable):
            masks[fault.column][fault.positions] = True
    odd = readings.implausible if all_violations else None
    if readings.unreadable or odd is not None:
        gone = readings.is_unreadable()
        if odd is not None:
            gone[odd.positions] = True
        for number, column in enumerate(readings.columns):
            masks[number] |= gone[column.at]
    return masks
