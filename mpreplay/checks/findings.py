"""The findings of a survey, point by point: also about points of which every value is valid.

Pure. Numbers come from what a slab has been read and checked for; nothing is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..display.verdict import Example, Failed, PointVerdict
from ..model.model_set import ModelSet, model_of
from .faults import Fault, withheld
from .violations import SCHEMA, as_frame, violations

if TYPE_CHECKING:
    from ..history.slab import Readings
    from ..model.measurepoint import Measurepoint

__all__ = ["Findings"]


@dataclass(slots=True)
class _Check:
    """A failed check of one point, or of rows: how often, and the first time."""

    n: int
    example: pa.Table | None  # None: it is among the violations that are kept


@dataclass(slots=True)
class _Point:
    """The numbers of one point of one model."""

    point: Measurepoint
    given: Any
    n_values: int = 0
    n_absent: int = 0
    n_invalid: int = 0
    checks: dict[str, _Check] = field(default_factory=dict)
    product_key: str = ""  # where there is a model for each

    @property
    def is_known(self) -> bool:
        model = model_of(self.given)
        return self.point.identifier in model.measurepoints or model.pass_through


class Findings:
    """The numbers of values of each point, and their failed checks, as slabs go by.

    Parameters
    ----------
    models : ModelSet
        Thing models of the history.
    """

    def __init__(self, models: ModelSet) -> None:
        self._models = models
        self._points: dict[tuple[int, str, str], _Point] = {}
        self._rows: dict[str, _Check] = {}

    def add(self, readings: Readings, faults: list[Fault], *, are_kept: bool) -> None:
        """Note the values of one product in a slab, and the violations among them.

        ``are_kept`` is True if all of them are listed, so that no example needs to be made.
        """
        are_kept = are_kept and self._models.single is not None
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
                example = None if are_kept else violations(readings, first)
                checks[fault.check] = _Check(len(fault.positions), example)

    def _point(self, readings: Readings, number: int) -> _Point:
        # Models outlive a survey, so that their numbers stay theirs.
        point, given = readings.columns[number].point, readings.given
        product = "" if self._models.single is not None else _product_of(readings)
        key = (id(given), point.identifier, product)
        if key not in self._points:
            self._points[key] = _Point(point, given, product_key=product)
        return self._points[key]

    def points(self, kept: pd.DataFrame) -> tuple[PointVerdict, ...]:
        """Return the verdict about each point of each model; ``kept`` are the violations kept.

        A column that its model does not list, and that is empty, is no point.
        """
        found = [one for one in self._points.values() if one.is_known or one.n_values]
        are_several = len({one.product_key for one in found}) > 1
        failed = _failed([(one.point.identifier, one.checks) for one in found], kept)
        return tuple(
            PointVerdict(
                one.point,
                one.is_known,
                one.n_values,
                one.n_absent,
                one.n_invalid,
                checks,
                one.product_key if are_several else "",
            )
            for one, checks in zip(found, failed, strict=True)
        )

    def rows(self, kept: pd.DataFrame) -> tuple[Failed, ...]:
        """Return the checks that whole rows failed; ``kept`` are the violations kept."""
        return next(_failed([("", self._rows)], kept))

    def missing(self) -> tuple[str, ...]:
        """Return the points of the models that no column holds."""
        held = {identifier for _, identifier, _ in self._points}
        every: Iterable[Measurepoint] = (
            point for model in self._models.all() for point in model.measurepoints.values()
        )
        wanted = dict.fromkeys(point.identifier for point in every if point.travels)
        return tuple(name for name in wanted if name not in held)


def _product_of(readings: Readings) -> str:
    """Return the product of readings, which have one; the empty text if no device is known."""
    known = readings.device[readings.device >= 0]
    return readings.devices[int(known[0])].product_key if len(known) else ""


def _failed(
    points: list[tuple[str, dict[str, _Check]]], kept: pd.DataFrame
) -> Iterator[tuple[Failed, ...]]:
    """Yield the failed checks of each point; the examples of all are made in one go."""
    made = [one.example for _, checks in points for one in checks.values() if one.example]
    examples = _examples(as_frame(pa.concat_tables([SCHEMA.empty_table(), *made]), plain=True))
    firsts = kept.drop_duplicates(["measurepoint", "check"])
    of_kept = dict(
        zip(
            zip(firsts["measurepoint"], firsts["check"], strict=True),
            _examples(firsts),
            strict=True,
        )
    )
    for identifier, checks in points:
        yield tuple(
            Failed(name, one.n, next(examples) if one.example else of_kept[identifier, name])
            for name, one in checks.items()
        )


def _examples(frame: pd.DataFrame) -> Iterator[Example]:
    rows = frame[list(Example._fields)].itertuples(index=False, name=None)
    return (Example(*row) for row in rows)
