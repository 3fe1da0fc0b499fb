"""Fast pre-check of values by the rules of a thing model, before pandera is asked.

Pure. The rules are the ones behind the pandera schema; pandera's checks run only on values that the
rules cannot clear. The values have been converted before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..cells.absent import numbers_in, valid_in
from ..model.schemas import rules_of, schema_of

if TYPE_CHECKING:
    import pandera.pandas as pandera
    from numpy.typing import NDArray

    from ..model.measurepoint import Measurepoint

__all__ = ["Proof", "proofs_of"]


class Proof:
    """Fast pre-check of a measurement point's rules; pandera is asked only about doubtful values.

    Parameters
    ----------
    point : Measurepoint
        A point whose type has a column in a schema.
    """

    def __init__(self, point: Measurepoint) -> None:
        self._point = point
        self._rules = [rule.allowed for rule in rules_of(point)]
        # The rules of a number are ranges: all values are allowed if the least and the largest are.
        self._is_number = point.is_number
        self._least, self._most = np.inf, -np.inf  # of the numbers that were cleared so far

    @cached_property
    def checks(self) -> list[pandera.Check]:
        """The checks of the point's column in the schema of its model."""
        column = schema_of([self._point], self._point.identifier).columns[self._point.identifier]
        return list(column.checks)

    def doubtful(self, values: pa.Array) -> NDArray[np.int64]:
        """Return the positions of present values that the rules cannot clear.

        Examples
        --------
        >>> from mpreplay import Measurepoint
        >>> proof = Proof(Measurepoint("P", "FLOAT", maximum=2500))
        >>> proof.doubtful(pa.array([1.5, None, 2500.1], pa.float32()))
        array([2])
        """
        if not self._rules or (self._is_number and self._is_clear(values)):
            return np.zeros(0, np.int64)
        there = values.drop_null() if values.null_count else values
        allowed = np.ones(len(there), bool)
        for rule in self._rules:
            allowed &= rule(there)
        if not values.null_count:
            return np.flatnonzero(~allowed)
        positions = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        return positions[~allowed]

    def _is_clear(self, values: pa.Array) -> bool:
        """Return True if all numbers are allowed: the least and the largest are."""
        numbers = numbers_in(values)
        if values.null_count:
            numbers = numbers[valid_in(values)]
        if not len(numbers):
            return True
        # Both are NaN if any number is; Arrow's own min_max skips NaN, and takes ten times as long.
        with np.errstate(invalid="ignore"):
            least, most = numbers.min(), numbers.max()
        if self._least <= least and most <= self._most:
            return True
        ends = pa.array(np.array([least, most]), values.type)
        if not all(bool(rule(ends).all()) for rule in self._rules):
            return False
        self._least, self._most = min(self._least, least), max(self._most, most)
        return True


def proofs_of(points: Iterable[Measurepoint]) -> dict[str, Proof]:
    """Return the pre-checks of all points with a column in the model's schema, by identifier."""
    return {p.identifier: Proof(p) for p in points if p.has_schema}
