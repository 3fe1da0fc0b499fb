"""A clock changed wrongly at the source, found by its conflicts. Pure.

Where local times without summer time are taken for times with it, an hour of spring is written
over the next one, and an hour of autumn is missing: readings of one hour conflict with others, for
each device alike, and each of these devices has a gap of that hour elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..display.facts import HourTwice

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..display.facts import Conflict

__all__ = ["hour_twice"]

_HOUR: Final = 3_600_000  # [ms]
_QUARTER: Final = 900_000  # clocks are changed at a quarter of an hour of UTC, if not at an hour


def hour_twice(conflicts: Sequence[Conflict], devices: pd.DataFrame) -> HourTwice | None:
    """Return the hour whose readings all conflicts are of; None if that does not explain them.

    Parameters
    ----------
    conflicts : sequence of Conflict
        The conflicts of a history.
    devices : DataFrame
        Times of each device, as a validation has them.
    """
    times = np.array([one.time for one in conflicts], np.int64)
    if not len(times):
        return None
    start = int(times.min()) // _QUARTER * _QUARTER
    if times.max() >= start + _HOUR:
        return None
    named = {(one.product_key, one.device_key) for one in conflicts}
    keys = list(zip(devices["product_key"], devices["device_key"], strict=True))
    own = devices[[key in named for key in keys]]
    missing = own["longest_gap"] - own["usual_interval"]
    # More than one row of each device, and the missing hour is as long as this one.
    if not len(own) or (own["collisions"] < _rows_of_an_hour(own)).any():
        return None
    if not np.isclose(missing, _HOUR / 1_000).all():
        return None
    rows = {(one.source, one.row) for one in conflicts}
    return HourTwice(start, len(named), len(rows))


def _rows_of_an_hour(devices: pd.DataFrame) -> pd.Series:
    return (_HOUR / 1_000 / devices["usual_interval"]) // 2
