"""The public tables: their columns and types, and the fates of a value.

Pure, and a leaf: to read a table, no other module of the package is needed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

__all__ = [
    "BOOK_COLUMNS",
    "CAUSE_COLUMNS",
    "CHECK_COLUMNS",
    "CONFLICT_COLUMNS",
    "DEVICE_COLUMNS",
    "FATES",
    "LINEAGE_COLUMNS",
    "POINT_COLUMNS",
    "RECONCILED_COLUMNS",
    "REJECT_COLUMNS",
    "RESULT_COLUMNS",
    "TOUCHED_COLUMNS",
    "VIOLATION_COLUMNS",
    "typed",
]

_TIME: Final = "datetime64[ms, UTC]"
# A value: its place in a source, its device, time and point, and what it is.
_VALUE: Final = {
    "source": "str",
    "row": "Int64",
    "product_key": "str",
    "device_key": "str",
    "time": _TIME,
    "measurepoint": "str",
    "value": "str",
}
POINT_COLUMNS: Final = {
    "measurepoint": "str",
    "product_key": "str",
    "type": "str",
    "allowed": "str",
    "unit": "str",
    "values": "int64",
    "absent": "int64",
    "invalid": "int64",
    "violations": "int64",
    "found": "str",
}
# The text of a time that could not be read stands in the last column.
VIOLATION_COLUMNS: Final = {**_VALUE, "check": "str", "reason": "str", "time_text": "str"}
CONFLICT_COLUMNS: Final = {
    **_VALUE,
    "other_source": "str",
    "other_row": "Int64",
    "other_value": "str",
}
CHECK_COLUMNS: Final = {
    "step": "str",
    "product_key": "str",
    "device_key": "str",
    "ok": "bool",
    "code": "Int64",
    "told": "str",
}
# Times of a device; intervals and gaps in seconds.
DEVICE_COLUMNS: Final = {
    "product_key": "str",
    "device_key": "str",
    "rows": "int64",
    "first_time": _TIME,
    "last_time": _TIME,
    "usual_interval": "float64",
    "gaps": "int64",
    "longest_gap": "float64",
    "disordered": "int64",
    "collisions": "int64",
}
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
CAUSE_COLUMNS: Final = {
    "values": "int64",
    "outcome": "str",
    "check": "str",
    "reason": "str",
    "devices": "str",
    "measurepoints": "str",
    "first_time": _TIME,
    "last_time": _TIME,
    "mend": "str",
    "code": "Int64",
    "requests": "int64",
    "lowest": "float64",
    "highest": "float64",
}
BOOK_COLUMNS: Final = {
    "product_key": "str",
    "device_key": "str",
    "day": _TIME,
    "read": "int64",
    **dict.fromkeys(FATES, "int64"),
    "balanced": "bool",
}
TOUCHED_COLUMNS: Final = {
    "product_key": "str",
    "device_key": "str",
    "measurepoint": "str",
    "first_time": _TIME,
    "last_time": _TIME,
    "n_values": "int64",
    "n_in_doubt": "int64",
}
LINEAGE_COLUMNS: Final = {
    "run_id": "str",
    "parent_id": "str",
    "path": "str",
    "started_at": _TIME,
    "gateway": "str",
    "read": "int64",
    **dict.fromkeys(FATES, "int64"),
    "found": "bool",
}
RECONCILED_COLUMNS: Final = {
    **_VALUE,
    "found": "str",
    "state": "str",
    "outcome": "str",
    "request_id": "str",
}
# The first and the last time that every library can show. [ms]
_FIRST: Final = int(np.datetime64("0001-01-01", "ms").astype(np.int64))
_LAST: Final = int(np.datetime64("9999-12-31T23:59:59.999", "ms").astype(np.int64))
# Before version 3, pandas turns an absent text into the word "None".
_WRITES_NONE: Final = int(pd.__version__.partition(".")[0]) < 3


def typed(rows: Any, columns: dict[str, str]) -> pd.DataFrame:
    """Return rows as a frame with the given columns and types; a time beyond the years is NaT."""
    frame = pd.DataFrame(rows, columns=list(columns))
    for name, kind in columns.items():
        if kind == _TIME and not isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            ms = frame[name].astype("Int64")
            is_known = ms.between(_FIRST, _LAST).fillna(False).astype(bool)
            frame[name] = pd.to_datetime(ms.where(is_known), unit="ms", utc=True)
        if kind == "str" and _WRITES_NONE:
            frame[name] = frame[name].map(str, na_action="ignore").astype(object)
    skipped = {"str"} if _WRITES_NONE else set()
    return frame.astype({name: kind for name, kind in columns.items() if kind not in skipped})
