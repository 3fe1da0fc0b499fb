"""Rejects: one row a value that did not arrive, with what became of it, why, and what to do.

Pure. They are Arrow tables until somebody asks for a frame: a run may have millions of them, and a
request that was taken apart has them one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..checks.violations import table_of
from ..frames import REJECT_COLUMNS, VIOLATION_COLUMNS, typed
from ..protocol.codes import NO_SUB_DEVICE, return_code
from ..requests.dividing import devices_of
from ..values.plain_text import plain_texts
from .advice import ALONE, advice_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..model.device import Device
    from ..requests.chunk import Chunk, ProductSlab
    from ..requests.entries import Copy
    from .settled import Settled

__all__ = [
    "NO_REJECTS",
    "as_frame",
    "joined",
    "name_refused",
    "rejects_of_chunk",
    "rejects_withheld",
]

_KINDS: Final = {"str": pa.string(), "Int64": pa.int64()}
_SCHEMA: Final = pa.schema(
    [(name, _KINDS.get(kind, pa.timestamp("ms", "UTC"))) for name, kind in REJECT_COLUMNS.items()]
)
_FATE: Final = list(REJECT_COLUMNS)[len(VIOLATION_COLUMNS) :]  # what a reject tells besides
NO_REJECTS: Final = _SCHEMA.empty_table()


def rejects_withheld(part: ProductSlab) -> pa.Table:
    """Return one row a value that is withheld, with the first check it failed."""
    tables = []
    taken = [np.zeros(len(column.values), bool) for column in part.readings.columns]
    for number, positions, check, reason in _withheld(part):
        fresh = ~taken[number][positions]
        taken[number][positions] = True
        reasons = reason if isinstance(reason, str) else list(np.array(reason, object)[fresh])
        tables.append(_rejects(part.readings, number, positions[fresh], check, reasons, "withheld"))
    return joined(tables)


def _withheld(part: ProductSlab) -> Iterator[tuple[int, NDArray[np.int64], str, Any]]:
    """Yield column, positions, check and reason of what is withheld; what weighs most first."""
    for number, column in enumerate(part.readings.columns):
        present = column.present()
        for position, (check, reason) in part.readings.unreadable.items():
            found = np.flatnonzero((column.at == position) & present)
            if len(found):
                yield number, found, check, reason
    for fault in sorted(part.faults, key=lambda fault: not fault.is_unsendable):
        if fault.column >= 0:
            gone = part.withheld[fault.column][fault.positions]
            yield fault.column, fault.positions[gone], fault.check, fault.reason
    for number, positions, reasons in part.repeats.superseded:
        yield number, positions, "superseded", reasons


def rejects_of_chunk(chunk: Chunk, settled: Settled) -> pa.Table:
    """Return one row a value of a request that was not accepted, copies among them."""
    code = settled.code
    if settled.outcome == "accepted":
        return joined(
            table
            for part, start, stop in chunk.spans
            for table in _expected_skips(part, start, stop, settled)
        )
    check, reason = {
        "declined": ("platform", _meaning(settled)),
        "in_doubt": ("no_reply", f"no reply after {settled.attempts} attempts"),
    }.get(settled.outcome, ("not_sent", _unsent(settled)))
    alone = check == "platform" and _is_alone(chunk, code)
    if alone and code != NO_SUB_DEVICE:
        reason += _known_fault(chunk)
    tables = []
    for part, start, stop in chunk.spans:
        for number, positions in part.cells(start, stop):
            tables.append(
                _rejects(
                    part.readings, number, positions, check, reason, settled.outcome,
                    code=code, request_id=settled.request_id,
                )
            )  # fmt: skip
        why = f"{reason}; a copy of another reading"
        tables += _copies(part, part.copies(start, stop), check, why, settled, settled.outcome)
    rejects = joined(tables)
    return _with(rejects, "mend", ALONE[code or 0]) if alone else rejects


def _is_alone(chunk: Chunk, code: int | None) -> bool:
    """Return whether the culprit is known: the one value, or for 1212 the one device."""
    if code == NO_SUB_DEVICE:
        return len(devices_of(chunk)) == 1
    return code in ALONE and chunk.n_values == 1


def _known_fault(chunk: Chunk) -> str:
    """Return what the model check says of a value that was declined alone, or nothing."""
    [(part, start, stop)] = chunk.spans
    [(column, [position])] = part.cells(start, stop)
    told = (f.reason for f in part.faults if f.column == column and position in f.positions)
    return next((f"; by the thing model given here: {reason}" for reason in told), "")


def _unsent(settled: Settled) -> str:
    if not settled.attempts:
        return "the run ended before it was sent"
    return f"the run ended before it was sent again; attempts that were refused: {settled.attempts}"


def _meaning(settled: Settled) -> str:
    meaning = return_code(settled.code or 0).meaning
    return f"{meaning} ({settled.message})" if settled.message else meaning


def _expected_skips(
    part: ProductSlab, start: int, stop: int, settled: Settled
) -> Iterator[pa.Table]:
    """Yield the values that the platform is expected to have skipped, though it said 200."""
    taken = [np.zeros(len(column.values), bool) for column in part.readings.columns]
    for fault in part.faults:
        if fault.column < 0:
            continue
        cells = part.entries.cells[fault.column][start:stop]
        fresh = np.isin(fault.positions, cells) & ~taken[fault.column][fault.positions]
        positions = fault.positions[fresh]
        taken[fault.column][positions] = True
        yield _rejects(
            part.readings, fault.column, positions, "expected_skip",
            f"expected to be skipped by the platform: {fault.reason}", "declined",
            code=settled.code, request_id=settled.request_id,
        )  # fmt: skip
    suspects = [copy for copy in part.copies(start, stop) if part.is_suspect(copy)]
    why = "expected to be skipped by the platform, as the reading it is a copy of"
    yield from _copies(part, suspects, "expected_skip", why, settled, "declined")


def _copies(
    part: ProductSlab,
    copies: Iterable[Copy],
    check: str,
    reason: str,
    settled: Settled,
    outcome: str,
) -> Iterator[pa.Table]:
    """Yield the rejects of copies: as those they are equal to, but for the row they came from."""
    grouped: dict[tuple[int, str], list[Copy]] = {}
    for copy in copies:
        grouped.setdefault((copy.column, copy.source), []).append(copy)
    for (column, source), group in grouped.items():
        table = _rejects(
            part.readings, column, part.entries.cells[column][[c.entry for c in group]], check,
            reason, outcome, code=settled.code, request_id=settled.request_id,
        )  # fmt: skip
        rows = pa.array([copy.row for copy in group], pa.int64())
        yield _with(_with(table, "source", source), "row", rows)


def _rejects(
    readings: Readings,
    number: int,
    positions: NDArray[np.int64],
    check: str,
    reason: str | list[str],
    outcome: str,
    *,
    code: int | None = None,
    request_id: str | None = None,
) -> pa.Table:
    column = readings.columns[number]
    rows, shown = column.at[positions], plain_texts(column, positions)
    table = table_of(readings, rows, shown, column.point.identifier, check, reason)
    fate = (outcome, code, request_id, advice_for(check, code, outcome))
    for name, value in zip(_FATE, fate, strict=True):
        table = table.append_column(
            _SCHEMA.field(name), _column(value, _SCHEMA.field(name).type, len(rows))
        )
    return table


def _column(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    """Return values, or one for all rows, as a column."""
    if isinstance(values, pa.Array):
        return values.cast(kind)
    return pa.repeat(pa.scalar(values, kind), n)


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    """Return a table with another column in the place of one."""
    number = table.schema.get_field_index(name)
    field = table.schema.field(number)
    return table.set_column(number, field, _column(values, field.type, len(table)))


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Return rejects as one table, in the order of their rows."""
    kept = [table for table in tables if len(table)]
    if not kept:
        return NO_REJECTS
    whole = pa.concat_tables(kept).combine_chunks()
    order = pc.sort_indices(whole, [("source", "ascending"), ("row", "ascending")])
    return whole.take(order)


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return rejects as the frame that users see."""
    return typed(table.to_pandas(), REJECT_COLUMNS)


def name_refused(rejects: pa.Table, refused: Mapping[Device, tuple[int, str]]) -> pa.Table:
    """Say of values declined for their sub-device why that device is not signed in.

    Parameters
    ----------
    rejects : Table
        Of one request.
    refused : mapping of Device to (int, str)
        The code and the words with which each sign-in was refused.
    """
    for (product_key, device_key), (code, words) in refused.items():
        of_device = pc.and_(
            pc.equal(rejects["product_key"], product_key),
            pc.equal(rejects["device_key"], device_key),
        )
        chosen = pc.and_(of_device, pc.equal(rejects["code"], NO_SUB_DEVICE)).fill_null(False)
        why = f"; its sign-in was refused with {code}: {words or return_code(code).meaning}"
        longer = pc.binary_join_element_wise(rejects["reason"], why, "")
        reason = pc.if_else(chosen, longer, rejects["reason"]).combine_chunks()
        rejects = _with(rejects, "reason", reason)
    return rejects
