"""Violations: a table with one row per failed check of a value. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..display.reasons import reason_column
from ..frames import VIOLATION_COLUMNS
from ..model.device import Device
from ..values.plain_text import plain_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings
    from .faults import Fault

__all__ = ["as_frame", "table_of", "violations"]

_TIME: Final = pa.timestamp("ms", "UTC")
_KINDS: Final = {"str": pa.string(), "Int64": pa.int64()}
# Violations and rejects keep the facts of a reason; the text is made when a user reads the frame.
SCHEMA: Final = pa.schema(
    [
        *(
            (name, _KINDS.get(kind, _TIME))
            for name, kind in VIOLATION_COLUMNS.items()
            if name != "reason"
        ),
        ("detail", pa.string()),
        ("instance", pa.string()),  # the facts of this value alone, as JSON; null for most
    ]
)


def violations(readings: Readings, fault: Fault) -> pa.Table:
    """Return one row per value of a fault, with the facts of the reason."""
    if fault.column < 0:
        rows, shown, identifier = fault.positions, [""] * len(fault.positions), ""
    else:
        column = readings.columns[fault.column]
        rows, identifier = column.at[fault.positions], column.point.identifier
        shown = plain_texts(column, fault.positions)
    return table_of(readings, rows, shown, identifier, fault.check, *fault.texts())


def table_of(
    readings: Readings,
    rows: NDArray[np.int64],
    values: list[str],
    identifier: str,
    check: str,
    detail: str,
    instances: pa.Array | None = None,
) -> pa.Table:
    """Return the violations of rows of the readings: places, values, check and details."""
    # Of the devices of the slab, those of the rows alone: there may be thousands, and one row.
    used, place = np.unique(readings.device[rows], return_inverse=True)
    devices = [readings.devices[n] if n >= 0 else Device("", "") for n in used.tolist()]
    keys = pa.array(place)
    columns = {
        "source": readings.source,
        "row": readings.rows[rows],
        "product_key": pa.array([one.product_key for one in devices], pa.string()).take(keys),
        "device_key": pa.array([one.device_key for one in devices], pa.string()).take(keys),
        "time": pa.array(readings.time[rows], mask=readings.is_untimed(rows)).cast(_TIME),
        "measurepoint": identifier,
        "value": values,
        "check": check,
        "time_text": readings.time_texts(rows),
        "detail": detail,
        "instance": pa.nulls(len(rows), pa.string()) if instances is None else instances,
    }
    arrays = [
        pa.repeat(pa.scalar(columns[one.name], one.type), len(rows))
        if isinstance(columns[one.name], str)
        else pa.array(columns[one.name], one.type)
        for one in SCHEMA
    ]
    return pa.table(arrays, schema=SCHEMA)


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return violations as a frame for users."""
    reasons = reason_column(table["detail"], table["instance"])
    table = table.append_column("reason", reasons).select(list(VIOLATION_COLUMNS))
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    kinds = zip(frame.dtypes, VIOLATION_COLUMNS.items(), strict=True)
    other = {name: kind for found, (name, kind) in kinds if found != kind}
    return frame.astype(other) if other else frame  # without a change astype still takes 1 ms


def in_order(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Return violations as one frame, in the order of their rows."""
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    return as_frame(whole.sort_by([("source", "ascending"), ("row", "ascending")]))
