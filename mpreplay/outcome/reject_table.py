"""The table of rejects: facts in a journal, sentences in a frame for people.

Pure. Rejects stay Arrow tables until a frame is asked for: a run may have millions of rejects, and
a request taken apart yields a table for each rejected value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.epoch import FIRST_TIME, LAST_TIME
from ..display.facts import Detail
from ..display.reasons import advice, reason_column
from ..frames import REJECT_COLUMNS, typed
from .advice import BLAMES, advice_of, blame_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["FACTS", "NO_REJECTS", "fact_frame", "joined", "reject_frame", "within_years"]

_KINDS: Final = {"str": pa.string(), "Int64": pa.int64()}
# The columns of a rejects frame, with the facts instead of the reason, and without the advice,
# which follows from the other columns.
_REST: Final = ("outcome", "code", "request_id")
FACTS: Final = pa.schema(
    [
        *(
            (name, _KINDS.get(kind, pa.timestamp("ms", "UTC")))
            for name, kind in REJECT_COLUMNS.items()
            if name not in {"reason", "mend", *_REST}
        ),
        ("detail", pa.string()),
        ("instance", pa.string()),  # the facts of this value alone, as JSON; null for most
        *((name, _KINDS[REJECT_COLUMNS[name]]) for name in _REST),
    ]
)
NO_REJECTS: Final = FACTS.empty_table()


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Return rejects as one table, in the order of their rows."""
    kept = [table for table in tables if len(table)]
    if not kept:
        return NO_REJECTS
    if len(kept) == 1 and len(kept[0]) == 1:
        return kept[0]
    whole = pa.concat_tables(kept).combine_chunks()
    order = pc.sort_indices(whole, [("source", "ascending"), ("row", "ascending")])
    return whole.take(order)


def within_years(table: pa.Table) -> pa.Table:
    """Return rejects without times beyond the years 1 to 9999, which frames cannot show."""
    times = table["time"].cast(pa.int64())
    if not len(times) or times.null_count == len(times):
        return table
    ends = pc.min_max(times).as_py()
    if ends["min"] >= FIRST_TIME and ends["max"] <= LAST_TIME:
        return table
    known = pc.and_(pc.greater_equal(times, FIRST_TIME), pc.less_equal(times, LAST_TIME))
    kept = pc.if_else(known, times, pa.scalar(None, pa.int64()))
    place = table.schema.get_field_index("time")
    return table.set_column(place, table.schema.field(place), kept.cast(table["time"].type))


def reject_frame(table: pa.Table, *, allows_offline: bool = False) -> pd.DataFrame:
    """Return rejects as a frame for users; the advice depends on what the run allowed."""
    columns = {name: table[name] for name in table.column_names}
    columns["reason"] = reason_column(columns["detail"], columns["instance"])
    columns["mend"] = _advice_column(table, allows_offline)
    whole = pa.table({name: columns[name] for name in REJECT_COLUMNS})
    return typed(whole.to_pandas(), REJECT_COLUMNS)


def fact_frame(table: pa.Table) -> pd.DataFrame:
    """Return rejects as a frame without reasons and advice, which take time to word."""
    columns = {name: REJECT_COLUMNS[name] for name in table.column_names if name in REJECT_COLUMNS}
    return typed(table.select(list(columns)).to_pandas(), columns)


def _advice_column(table: pa.Table, allows_offline: bool) -> pa.Array:
    """Return the advice for each row, each distinct case put into words once."""
    details, detail = _coded(table["detail"])
    found = [BLAMES.index(blame_of(Detail.from_text(text))) for text in details[:-1]]
    blame = np.array(found, np.int64)[detail]
    checks, check = _coded(table["check"])
    codes, code = _coded(table["code"])
    outcomes, outcome = _coded(table["outcome"])
    cases = ((check * len(codes) + code) * len(outcomes) + outcome) * len(BLAMES) + blame
    of_row, distinct = pd.factorize(cases)
    sizes = (len(checks), len(codes), len(outcomes), len(BLAMES))
    keys = [
        advice_of(checks[c], codes[k], outcomes[o], blame=BLAMES[b], allows_offline=allows_offline)
        for c, k, o, b in zip(*np.unravel_index(distinct, sizes), strict=True)
    ]
    words = [str(advice(key)) for key in keys]
    return pa.array(words, pa.string()).take(pa.array(of_row))


def _coded(column: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the distinct values of a column, None at the end, and each row's index into them."""
    coded = column.combine_chunks().dictionary_encode()
    distinct = [*coded.dictionary.to_pylist(), None]
    return distinct, coded.indices.fill_null(len(distinct) - 1).to_numpy().astype(np.int64)
