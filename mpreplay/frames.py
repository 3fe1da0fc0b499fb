"""The frames that say what became of everything, results, rejects and books: columns and types.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .checks.validation import VIOLATION_COLUMNS

if TYPE_CHECKING:
    from .requests.preparing import Tally

__all__ = [
    "BOOK_COLUMNS",
    "FATES",
    "REJECT_COLUMNS",
    "RESULT_COLUMNS",
    "books_frame",
    "typed",
]

_TIME: Final = "datetime64[ms, UTC]"
RESULT_COLUMNS: Final = {
    "request_id": "str",
    "parent_id": "str",
    "gateway": "str",
    "n_entries": "int64",
    "n_values": "int64",
    "n_bytes": "int64",
    "first_time": _TIME,
    "last_time": _TIME,
    "attempts": "int64",
    "code": "Int64",
    "meaning": "str",
    "outcome": "str",
    "sent_at": _TIME,
    "latency": "float64",
}
REJECT_COLUMNS: Final = {
    **VIOLATION_COLUMNS,
    "outcome": "str",
    "code": "Int64",
    "request_id": "str",
    "mend": "str",
}
FATES: Final = ("accepted", "declined", "withheld", "in_doubt", "not_sent")
BOOK_COLUMNS: Final = {
    "product_key": "str",
    "device_key": "str",
    "day": _TIME,
    "read": "int64",
    **dict.fromkeys(FATES, "int64"),
    "balanced": "bool",
}


def typed(rows: Any, columns: dict[str, str]) -> pd.DataFrame:
    """Return rows as a frame with the given columns and types."""
    frame = pd.DataFrame(rows, columns=list(columns))
    for name, kind in columns.items():
        if kind == _TIME and not isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = pd.to_datetime(frame[name].astype("Int64"), unit="ms", utc=True)
        if kind == "str" and _WRITES_NONE:
            frame[name] = frame[name].map(str, na_action="ignore").astype(object)
    skipped = {"str"} if _WRITES_NONE else set()
    return frame.astype({name: kind for name, kind in columns.items() if kind not in skipped})


# Before its third version pandas turns what is absent into the word "None".
_WRITES_NONE: Final = int(pd.__version__.partition(".")[0]) < 3


def books_frame(tallies: dict[str, Tally]) -> pd.DataFrame:
    """Return one row a device and UTC day.

    Parameters
    ----------
    tallies : dict of str to Tally
        ``read`` and each fate: counts by device and day.

    Returns
    -------
    DataFrame
        ``balanced`` where what was read equals the sum of the fates.
    """
    keys = sorted(
        {key for tally in tallies.values() for key in tally},
        key=lambda key: (key[0], key[1], -1 << 62 if key[2] is None else key[2]),
    )
    rows = []
    for key in keys:
        read = tallies.get("read", {}).get(key, 0)
        fates = [tallies.get(fate, {}).get(key, 0) for fate in FATES]
        day = None if key[2] is None else key[2] * 86_400_000
        rows.append((key[0], key[1], day, read, *fates, read == sum(fates)))
    return typed(rows, BOOK_COLUMNS)
