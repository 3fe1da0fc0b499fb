"""What became of everything, as frames: results, rejects, books.

Pure: outcomes in, rows out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from .encoding import plain_texts
from .protocol import return_code
from .validation import VIOLATION_COLUMNS, frame_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .entries import Copy
    from .preparing import Chunk, Part, Tally
    from .readings import Device, Readings
    from .session import Settled

__all__ = [
    "BOOK_COLUMNS",
    "FATES",
    "REJECT_COLUMNS",
    "RESULT_COLUMNS",
    "books_frame",
    "causes",
    "joined",
    "name_refused",
    "rejects_of_chunk",
    "rejects_withheld",
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

NO_SUB_DEVICE: Final = 1212
# What to do about a value that did not arrive, by the check it failed.
_MEND: Final = {
    "range": "correct the value, or widen the range in the platform's thing model",
    "type": "give the value the type that the thing model names",
    "enum": "use one of the keys, or add this one to the thing model",
    "length": "shorten the text, or raise maxLength in the thing model",
    "finite": "leave infinite values out",
    "text": "replace what UTF-8 cannot carry",
    "point": "name the point as the thing model does, or add it there",
    "time": "give the row a time that can be read",
    "device": "give the row a device key and a product key",
    "product": "pass a thing model for this product",
    "quality": "give a quality from 0 to 9, together with a value",
    "too_large": "shorten the value: it does not fit into a request even alone",
    "superseded": "nothing, if the other reading is the right one; else remove that one",
    "expected_skip": "correct the value and replay it: the platform is expected to have skipped it",
    "no_reply": "replay it: whether it arrived is not known, and sending it twice does no harm",
    "not_sent": "replay it: it was never sent",
}
_MEND_CODES: Final = {
    1204: "find the value that the platform's thing model forbids: one of this request's is it",
    1206: "find the value whose format is wrong: one of this request's is to blame",
    1212: "one of this request's devices is to blame: sign it in (sub_device_secrets=), or set "
    "allow_offline_sub_device=True; one that is declined then too is not in the gateway's topology",
    1008: "lower Limits(max_bytes=...)",
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


def rejects_withheld(part: Part) -> pd.DataFrame:
    """Return one row a value that is withheld, with the first check it failed."""
    frames = []
    taken = [np.zeros(len(column.values), bool) for column in part.readings.columns]
    for number, positions, check, reason in _withheld(part):
        fresh = ~taken[number][positions]
        taken[number][positions] = True
        reasons = reason if isinstance(reason, str) else list(np.array(reason, object)[fresh])
        frames.append(_rejects(part.readings, number, positions[fresh], check, reasons, "withheld"))
    return joined(frames)


def _withheld(part: Part) -> Iterator[tuple[int, NDArray[np.int64], str, Any]]:
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
    for number, positions, reasons in part.share.superseded:
        yield number, positions, "superseded", reasons


def rejects_of_chunk(chunk: Chunk, settled: Settled) -> pd.DataFrame:
    """Return one row a value of a request that was not accepted, copies among them."""
    code = settled.code
    if settled.outcome == "accepted":
        return joined(
            frame
            for part, start, stop in chunk.spans
            for frame in _expected_skips(part, start, stop, settled)
        )
    check, reason = {
        "declined": ("platform", _meaning(settled)),
        "in_doubt": ("no_reply", f"no reply after {settled.attempts} attempts"),
    }.get(settled.outcome, ("not_sent", _unsent(settled)))
    frames = []
    for part, start, stop in chunk.spans:
        for number, positions in part.cells(start, stop):
            frames.append(
                _rejects(
                    part.readings, number, positions, check, reason, settled.outcome,
                    code=code, request_id=settled.request_id,
                )
            )  # fmt: skip
        why = f"{reason}; a copy of another reading"
        frames += _copies(part, part.copies(start, stop), check, why, settled, settled.outcome)
    return joined(frames)


def _unsent(settled: Settled) -> str:
    if not settled.attempts:
        return "the run ended before it was sent"
    return f"the run ended before it was sent again; attempts that were refused: {settled.attempts}"


def _meaning(settled: Settled) -> str:
    meaning = return_code(settled.code or 0).meaning
    return f"{meaning} ({settled.message})" if settled.message else meaning


def _expected_skips(part: Part, start: int, stop: int, settled: Settled) -> Iterator[pd.DataFrame]:
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
    part: Part, copies: Iterable[Copy], check: str, reason: str, settled: Settled, outcome: str
) -> Iterator[pd.DataFrame]:
    """Yield the rejects of copies: as those they are equal to, but for the row they came from."""
    grouped: dict[tuple[int, str], list[Copy]] = {}
    for copy in copies:
        grouped.setdefault((copy.column, copy.source), []).append(copy)
    for (column, source), group in grouped.items():
        frame = _rejects(
            part.readings, column, part.entries.cells[column][[c.entry for c in group]], check,
            reason, outcome, code=settled.code, request_id=settled.request_id,
        )  # fmt: skip
        frame["source"], frame["row"] = source, pd.array([c.row for c in group], "Int64")
        yield frame


def _rejects(
    readings: Readings,
    number: int,
    positions: NDArray[np.int64],
    check: str,
    reason: Any,
    outcome: str,
    *,
    code: int | None = None,
    request_id: str | None = None,
) -> pd.DataFrame:
    column = readings.columns[number]
    shown = plain_texts(column, positions)
    frame = frame_of(readings, column.at[positions], shown, column.point.identifier, check, reason)
    mend = _MEND_CODES.get(code or 0, "") if check == "platform" else _MEND.get(check, "")
    if not mend:
        mend = "correct the value" if outcome == "withheld" else "see the platform's documents"
    n = len(frame)
    frame["outcome"] = outcome
    frame["code"] = pd.array([code] * n, "Int64")
    frame["request_id"] = request_id
    frame["mend"] = mend
    return typed(frame, REJECT_COLUMNS)


def joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return frames of rejects as one, in the order of their rows."""
    kept = [frame for frame in frames if len(frame)]
    if not kept:
        return typed([], REJECT_COLUMNS)
    return pd.concat(kept, ignore_index=True).sort_values(
        ["source", "row"], kind="stable", ignore_index=True
    )


def name_refused(rejects: pd.DataFrame, refused: Mapping[Device, tuple[int, str]]) -> pd.DataFrame:
    """Say of values declined for their sub-device why that device is not signed in.

    Parameters
    ----------
    rejects : DataFrame
        Of one request.
    refused : mapping of Device to (int, str)
        The code and the words with which each sign-in was refused.
    """
    for (product_key, device_key), (code, words) in refused.items():
        of_device = (rejects["product_key"] == product_key) & (rejects["device_key"] == device_key)
        chosen = of_device & (rejects["code"] == NO_SUB_DEVICE)
        meaning = words or return_code(code).meaning
        rejects.loc[chosen, "reason"] += f"; its sign-in was refused with {code}: {meaning}"
    return rejects


def causes(rejects: pd.DataFrame) -> pd.DataFrame:
    """Return the rejects by cause, the most frequent first.

    Returns
    -------
    DataFrame
        One row a cause: ``values`` (how many), ``outcome``, ``check``, ``reason``, ``devices`` and
        ``measurepoints`` (their names, or how many), ``first_time``, ``last_time``, ``mend``.
    """
    key = ["outcome", "check", "point", "reason", "mend"]
    # A superseded value names the row that supersedes it: together they are one cause.
    reason = rejects["reason"].str.replace(_BY_ROW, "superseded by a row that", regex=True)
    # What befell a request befell all of its points; a check is about one.
    point = rejects["measurepoint"].where(~rejects["check"].isin(_OF_REQUESTS), "")
    groups = rejects.assign(reason=reason, point=point).groupby(key, dropna=False, sort=True)
    found = groups.agg(
        values=("row", "size"),
        devices=("device_key", _devices),
        measurepoints=("measurepoint", _points),
        first_time=("time", "min"),
        last_time=("time", "max"),
    ).reset_index()
    found = found.sort_values("values", ascending=False, kind="stable", ignore_index=True)
    return found[_CAUSE_COLUMNS]


def _devices(column: pd.Series) -> str:
    return _names(column, "devices")


def _points(column: pd.Series) -> str:
    return _names(column, "points")


def _names(column: pd.Series, what: str) -> str:
    """Return up to three names, or how many there are."""
    names = sorted(column.dropna().astype(str).unique())
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {what}"


_CAUSE_COLUMNS: Final = [
    "values", "outcome", "check", "reason", "devices", "measurepoints", "first_time", "last_time",
    "mend",
]  # fmt: skip
_OF_REQUESTS: Final = frozenset({"platform", "no_reply", "not_sent", "superseded"})


_BY_ROW: Final = r"^superseded by row \d+ of .*?, which"


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
