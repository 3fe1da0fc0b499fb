"""The findings of a survey, point by point: also about points of which every value is valid.

Pure. Numbers come from what a slab has been read and checked for; nothing is read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..display.verdict import Example, Failed, PointVerdict
from ..model.model_set import ModelSet, model_of
from .faults import Fault, withheld
from .violations import as_frame, violations

if TYPE_CHECKING:
    import pyarrow as pa

    from ..history.slab import Readings
    from ..model.measurepoint import Measurepoint

__all__ = ["Findings"]


@dataclass(slots=True)
class _Check:
    """A failed check of one point, or of rows: how often, and the first time."""

    n: int
    example: pa.Table

    def failed(self, name: str) -> Failed:
        frame = as_frame(self.example)
        one = frame.iloc[0]
        return Failed(name, self.n, Example(*(one[field] for field in Example._fields)))


@dataclass(slots=True)
class _Point:
    """The numbers of one point of one model."""

    point: Measurepoint
    given: Any
    n_values: int = 0
    n_absent: int = 0
    n_invalid: int = 0
    checks: dict[str, _Check] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        model = model_of(self.given)
        return self.point.identifier in model.measurepoints or model.pass_through

    def verdict(self) -> PointVerdict:
        failed = tuple(one.failed(name) for name, one in self.checks.items())
        numbers = (self.n_values, self.n_absent, self.n_invalid)
        return PointVerdict(self.point, self.is_known, *numbers, failed)


class Findings:
    """The numbers of values of each point, and their failed checks, as slabs go by."""

    def __init__(self) -> None:
        self._points: dict[tuple[int, str], _Point] = {}
        self._rows: dict[str, _Check] = {}

    def add(self, readings: Readings, faults: list[Fault]) -> None:
        """Note the values of one product in a slab, and the violations among them."""
        points = [self._point(readings, number) for number in range(len(readings.columns))]
        for one, column in zip(points, readings.columns, strict=True):
            n = column.n_present
            one.n_values += n
            one.n_absent += len(column.values) - n
        if not faults:
            return
        for number, gone in enumerate(withheld(readings, faults, True)):
            if gone.any():
                points[number].n_invalid += int((gone & readings.columns[number].present()).sum())
        for fault in faults:
            checks = self._rows if fault.column < 0 else points[fault.column].checks
            if fault.check in checks:
                checks[fault.check].n += len(fault.positions)
            else:
                first = fault.chosen(np.array([fault.positions.argmin()]))
                checks[fault.check] = _Check(len(fault.positions), violations(readings, first))

    def _point(self, readings: Readings, number: int) -> _Point:
        # Models outlive a survey, so that their numbers stay theirs.
        point, given = readings.columns[number].point, readings.given
        key = (id(given), point.identifier)
        if key not in self._points:
            self._points[key] = _Point(point, given)
        return self._points[key]

    def points(self) -> tuple[PointVerdict, ...]:
        """Return the verdict about each point; those of equal points of two models are one each.

        A column that its model does not list, and that is empty, is no point.
        """
        found = (one.verdict() for one in self._points.values())
        return tuple(one for one in found if one.is_known or one.n_values)

    def rows(self) -> tuple[Failed, ...]:
        """Return the checks that whole rows failed."""
        return tuple(one.failed(name) for name, one in self._rows.items())

    def missing(self, models: ModelSet) -> tuple[str, ...]:
        """Return the points of the models that no column holds."""
        held = {identifier for _, identifier in self._points}
        every: Iterable[Measurepoint] = (
            point for model in models.all() for point in model.measurepoints.values()
        )
        wanted = dict.fromkeys(point.identifier for point in every if point.travels)
        return tuple(name for name in wanted if name not in held)
