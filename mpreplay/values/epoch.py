"""The Unix epoch and the lengths of time that integer times are counted in. Pure, and a leaf."""

from __future__ import annotations

import datetime as dt
from typing import Final

__all__ = ["DAY", "EPOCH", "MILLISECOND"]

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
DAY: Final = 86_400_000  # the UTC day of a time is its quotient by this, rounded down [ms]
