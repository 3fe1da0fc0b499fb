"""The books of a run: the values read of each device and day, and their fates. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..frames import BOOK_COLUMNS, FATES, typed
from ..values.epoch import DAY, FIRST_TIME, LAST_TIME

if TYPE_CHECKING:
    from ..requests.tallies import Tally

__all__ = ["books_frame"]


def books_frame(tallies: dict[str, Tally]) -> pd.DataFrame:
    """Return one row a device and UTC day.

    Parameters
    ----------
    tallies : dict of str to Tally
        Counts by device and day, of ``read`` and of each fate.

    Returns
    -------
    DataFrame
        ``balanced`` where the number of values read equals the sum of the fates. Values without a
        time in the years 1 to 9999 have no day.
    """
    tallies = {name: _dated(tally) for name, tally in tallies.items()}
    keys = sorted(
        {key for tally in tallies.values() for key in tally},
        key=lambda key: (key[0], key[1], -1 << 62 if key[2] is None else key[2]),
    )
    rows = []
    for key in keys:
        read = tallies.get("read", {}).get(key, 0)
        fates = [tallies.get(fate, {}).get(key, 0) for fate in FATES]
        day = None if key[2] is None else key[2] * DAY
        rows.append((key[0], key[1], day, read, *fates, read == sum(fates)))
    return typed(rows, BOOK_COLUMNS)


def _dated(tally: Tally) -> Tally:
    """Return a tally whose days are days of a table: what lies beyond them has no day."""
    dated: Tally = {}
    for (product_key, device_key, day), count in tally.items():
        is_day = day is not None and FIRST_TIME <= day * DAY <= LAST_TIME
        key = (product_key, device_key, day if is_day else None)
        dated[key] = dated.get(key, 0) + count
    return dated
