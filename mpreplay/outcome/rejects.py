"""Rejects: one row per value that did not arrive, with its fate and the facts of the reason.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..checks.faults import Fault
from ..checks.violations import table_of
from ..display.facts import SUPERSEDED, Detail
from ..protocol.codes import NO_SUB_DEVICE, return_code
from ..requests.dividing import devices_of
from ..values.plain_text import plain_texts
from .reject_table import FACTS, NO_REJECTS, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.slab import Readings
    from ..model.device import Device
    from ..requests.chunk import Chunk, ProductSlab
    from ..requests.entries import Copy
    from .settled import Settled

__all__ = ["name_refused", "rejects_of_chunk", "rejects_of_suspects", "rejects_withheld"]

_FATE: Final = ("outcome", "code", "request_id")  # added to the columns of a violation


def rejects_withheld(part: ProductSlab) -> pa.Table:
    """Return one row per withheld value, with the first check that the value failed."""
    if not part.faults and not part.repeats.superseded:
        return NO_REJECTS
    tables = []
    taken = [np.zeros(len(column.values), bool) for column in part.readings.columns]
    for fault in _withheld(part):
        fresh = ~taken[fault.column][fault.positions]
        taken[fault.column][fault.positions] = True
        tables.append(_rejects(part.readings, fault.chosen(fresh), "withheld"))
    return joined(tables)


def _withheld(part: ProductSlab) -> Iterator[Fault]:
    """Yield the faults of withheld values, column by column; the gravest come first."""
    for fault in part.faults:
        if fault.column < 0:
            yield from _of_rows(part, fault)
    for fault in sorted(part.faults, key=lambda fault: not fault.is_unsendable):
        if fault.column >= 0:
            yield fault.chosen(part.withheld[fault.column][fault.positions])
    for number, positions, rivals in part.repeats.superseded:
        told = pa.array([json.dumps(rival) for rival in rivals], pa.string())
        yield Fault(number, positions, SUPERSEDED, Detail("superseded"), told)


def _of_rows(part: ProductSlab, fault: Fault) -> Iterator[Fault]:
    """Yield the fault of whole rows as a fault of their values, for each column."""
    place = np.full(len(part.readings.rows), -1, np.int64)
    place[fault.positions] = np.arange(len(fault.positions))
    for number, column in enumerate(part.readings.columns):
        at = place[column.at]
        # A row whose time is implausible may have been sent, for the platform to judge.
        found = np.flatnonzero((at >= 0) & column.present() & part.withheld[number])
        if len(found):
            yield replace(fault.chosen(at[found]), column=number, positions=found)


def rejects_of_chunk(chunk: Chunk, settled: Settled) -> pa.Table:
    """Return one row per value that a request did not deliver, copies included."""
    if settled.outcome == "accepted":
        return joined(
            table
            for part, start, stop in chunk.spans
            for table in rejects_of_suspects(part, start, stop, settled)
        )
    check, why = _why(chunk, settled)
    tables = []
    for part, start, stop in chunk.spans:
        for number, positions in part.cells(start, stop):
            fault = Fault(number, positions, check, why)
            tables.append(_rejects(part.readings, fault, settled.outcome, settled))
        tables += _copies(
            part, part.copies(start, stop), check, Detail("copy", of=why), settled, settled.outcome
        )
    return joined(tables)


def _why(chunk: Chunk, settled: Settled) -> tuple[str, Detail]:
    """Return the check failed by the values of a request, and the facts of the reason."""
    if settled.outcome == "declined":
        code = settled.code or 0
        alone = _is_alone(chunk, code)
        within = _known_fault(chunk) if alone and code != NO_SUB_DEVICE else None
        return "platform", Detail("platform", (code, settled.message, alone), of=within)
    if settled.outcome == "in_doubt":
        return "no_reply", Detail("no_reply", (settled.attempts,))
    if not settled.attempts:
        return "not_sent", Detail("unsent")
    return "not_sent", Detail("unsent_again", (settled.attempts,))


def _is_alone(chunk: Chunk, code: int) -> bool:
    """Return True if the culprit is known: the only value, or for code 1212 the only device."""
    if code == NO_SUB_DEVICE:
        return len(devices_of(chunk)) == 1
    return return_code(code).about == "value" and chunk.n_values == 1


def _known_fault(chunk: Chunk) -> Detail | None:
    """Return the model check's reason for a value declined alone; None if it passed."""
    [(part, start, stop)] = chunk.spans
    [(column, [position])] = part.cells(start, stop)
    told = (f.why for f in part.faults if f.column == column and position in f.positions)
    return next(told, None)


def rejects_of_suspects(
    part: ProductSlab, start: int, stop: int, settled: Settled
) -> Iterator[pa.Table]:
    """Yield the values that fail the model check, among the entries [start, stop).

    Of an accepted request, these are expected to be skipped by the platform; otherwise they keep
    their failed check.
    """
    is_skipped = settled.outcome == "accepted"
    taken: dict[int, NDArray[np.int64]] = {}  # positions by column
    for fault in part.faults:
        if fault.column < 0:
            continue
        known = taken.get(fault.column, np.zeros(0, np.int64))
        cells = part.entries.cells[fault.column][start:stop]
        fresh = np.isin(fault.positions, cells) & ~np.isin(fault.positions, known)
        if not fresh.any():
            continue
        positions = fault.positions[fresh]
        taken[fault.column] = np.concatenate([known, positions])
        why = Detail("expected_skip", of=fault.why) if is_skipped else fault.why
        check = "expected_skip" if is_skipped else fault.check
        yield _rejects(
            part.readings, Fault(fault.column, positions, check, why), "declined", settled
        )
    suspects = [copy for copy in part.copies(start, stop) if part.is_suspect(copy)]
    check = "expected_skip" if is_skipped else "platform"
    copied = Detail("copy", of=Detail("platform", (settled.code or 0, settled.message, True)))
    why = Detail("skipped_copy") if is_skipped else copied
    yield from _copies(part, suspects, check, why, settled, "declined")


def _copies(
    part: ProductSlab,
    copies: Iterable[Copy],
    check: str,
    why: Detail,
    settled: Settled,
    outcome: str,
) -> Iterator[pa.Table]:
    """Yield the rejects of copies: rejects of the sent values, but with the copies' own rows."""
    grouped: dict[tuple[int, str], list[Copy]] = {}
    for copy in copies:
        grouped.setdefault((copy.column, copy.source), []).append(copy)
    for (column, source), group in grouped.items():
        positions = part.entries.cells[column][[c.entry for c in group]]
        fault = Fault(column, positions, check, why)
        table = _rejects(part.readings, fault, outcome, settled)
        rows = pa.array([copy.row for copy in group], pa.int64())
        yield _with(_with(table, "source", source), "row", rows)


def _rejects(
    readings: Readings, fault: Fault, outcome: str, settled: Settled | None = None
) -> pa.Table:
    column = readings.columns[fault.column]
    rows, shown = column.at[fault.positions], plain_texts(column, fault.positions)
    identifier = column.point.identifier
    table = table_of(readings, rows, shown, identifier, fault.check, *fault.texts())
    code, request_id = (None, None) if settled is None else (settled.code, settled.request_id)
    fate = zip(_FATE, (outcome, code, request_id), strict=True)
    added = [_column(value, FACTS.field(name).type, len(rows)) for name, value in fate]
    return pa.Table.from_arrays([*table.columns, *added], schema=FACTS)


def _column(values: Any, kind: pa.DataType, n: int) -> pa.Array:
    """Return an array, or a single value for all rows, as a column."""
    if isinstance(values, pa.Array):
        return values.cast(kind)
    return pa.repeat(pa.scalar(values, kind), n)


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    """Return a table with the named column replaced."""
    number = table.schema.get_field_index(name)
    field = table.schema.field(number)
    return table.set_column(number, field, _column(values, field.type, len(table)))


def name_refused(rejects: pa.Table, refused: Mapping[Device, tuple[int, str]]) -> pa.Table:
    """Add the answer to a sub-device's sign-in to the reasons of values declined for the device.

    Parameters
    ----------
    rejects : Table
        Rejects of a single request.
    refused : mapping of Device to (int, str)
        Code and words of the platform's answer to each rejected sign-in.
    """
    for (product_key, device_key), (code, words) in refused.items():
        of_device = pc.and_(
            pc.equal(rejects["product_key"], product_key),
            pc.equal(rejects["device_key"], device_key),
        )
        chosen = pc.and_(of_device, pc.equal(rejects["code"], NO_SUB_DEVICE)).fill_null(False)
        if pc.any(chosen).as_py():
            wrapped = _wrapped(rejects["detail"], code, words)
            detail = pc.if_else(chosen, wrapped, rejects["detail"]).combine_chunks()
            rejects = _with(rejects, "detail", detail)
    return rejects


def _wrapped(details: pa.ChunkedArray, code: int, words: str) -> pa.Array:
    coded = details.combine_chunks().dictionary_encode()
    wrapped = [
        Detail("refused", (code, words), of=Detail.from_text(text)).as_text()
        for text in coded.dictionary.to_pylist()
    ]
    return pa.array(wrapped, pa.string()).take(coded.indices)
