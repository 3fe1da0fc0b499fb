"""Read-back: the values of a run beside the values that the platform holds.

A shell: it reads the journal and the history, and asks the platform through a function of the user.
A journal keeps no values: the requests are made again from the history, checked by their digests,
and compared a slab at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from ..checks.repeats import Duplicates
from ..checks.violations import as_frame, table_of
from ..display.facts import Detail
from ..display.reasons import reason
from ..errors import ConfigError, HistoryError, JournalMismatch
from ..errors.arguments import PAIR, kind_of, labels_of, wrong
from ..frames import RECONCILED_COLUMNS, typed
from ..journal.differences import told_differences
from ..model.device import Device
from ..order import Order
from ..requests.dividing import chunk_at
from ..requests.succession import Kept, Succession
from ..settings import Connection, Limits, Policy
from ..sources.source import FrameSource
from ..times.times import read_times
from ..values.plain_text import plain_texts
from .comparing import Held, compare, held_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.history import History
    from ..history.slab import Readings
    from ..journal.reader import JournalReader
    from ..model.model_set import ModelSet
    from ..requests.chunk import Chunk
    from ..requests.entries import Copy
    from ..requests.preparing import Preparer

__all__ = ["Query", "reconcile"]

# A query takes (product key, device key, start, end) and returns values in [start, end).
Query = Callable[[str, str, pd.Timestamp, pd.Timestamp], pd.DataFrame]
Named = str | tuple[str, str]
_NO_REASON: Final = Detail("check", ("",)).as_text()
NOT_COMPARABLE: Final = "not comparable"
_NEEDED: Final = ["time", "measurepoint", "value"]
_EXPECTED: Final = (
    "a query is called with (product_key, device_key, start, end), two texts and two times in UTC, "
    "and returns a DataFrame with the columns time, measurepoint, value"
)


def reconcile(
    journal: JournalReader,
    query: Query | pd.DataFrame,
    *,
    history: History | None,
    model: Any,
    not_comparable: Iterable[Named] | str = (),
) -> Iterator[pd.DataFrame]:
    """Return an iterator over frames, a frame for each slab; the arguments are checked at once.

    Raises
    ------
    ConfigError
        If an argument cannot work; while iterating, if the query fails.
    JournalMismatch
        If the history or the model is not that of the run.
    """
    if history is None or model is None:
        raise ConfigError(
            "a journal keeps no values: give history= and model=, those that the run was made from"
        )
    facts = journal.facts()
    requests = _Requests.of(journal, facts, history, model)
    if isinstance(query, pd.DataFrame):
        query = _lookup(query, sorted(requests.preparer.duplicates.devices))
    elif not callable(query):
        raise ConfigError(f"{_EXPECTED}; got {kind_of(query)}", argument="query", value=query)
    return _frames(requests, query, _identifiers(not_comparable, requests.order.models))


def _identifiers(
    named: Iterable[Named] | str, models: ModelSet
) -> frozenset[tuple[str | None, str]]:
    """Return (product key or None, identifier) of the named points.

    An unknown name is an error, since a typo would hide a loss.
    """
    found: set[tuple[str | None, str]] = set()
    for one in labels_of(named, argument="not_comparable"):
        if not (isinstance(one, str) or PAIR.holds(one)):
            expected = "identifiers of points, or pairs of product key and identifier"
            raise wrong("not_comparable", one, expected)
        product_key, identifier = (None, one) if isinstance(one, str) else one
        known = models.all()
        if not any(identifier in m.measurepoints or m.pass_through for m in known):
            raise ConfigError(f"not_comparable names {one!r}, which is not in the thing model")
        found.add((product_key, identifier))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Requests:
    """Maker of the requests of a run whose values the platform should hold."""

    journal: JournalReader
    order: Order
    preparer: Preparer

    @classmethod
    def of(
        cls, journal: JournalReader, facts: Mapping[str, Any], history: History, model: Any
    ) -> _Requests:
        kept = facts["fingerprint"]
        policy = Policy(**{f.name: kept[f.name] for f in fields(Policy)})
        limits = Limits(**facts["limits"])
        # The journal keeps three stars for the secret, which are none.
        connection = Connection.from_uri(str(facts["connection"]).replace(":***@", ":-@", 1))
        order = Order.of("reconcile", history, model, connection.device, policy, limits)
        order = order.as_begun(facts)
        target = {
            name: kept[name] for name in ("platform", "gateway")
        }  # in the spelling of the run
        given = order.fingerprint(connection) | target
        names = [source.name for source in history.sources]
        if told := told_differences(facts, given, names):
            raise JournalMismatch(
                f"{journal.path}: the run was not made from what is given here: "
                f"{'; '.join(told.values())}. Pass the history= and model= it was made from",
                tuple(told),
            )
        known = facts["duplicates"]  # None if the run ended before it knew them all
        found = order.duplicates() if known is None else Duplicates.from_dict(known)
        return cls(journal, order, order.preparer(found))

    def slabs(self) -> Iterator[list[_Request]]:
        """Yield the requests of each slab."""
        wanted = {
            slab: [told for _, *told in group]
            for slab, group in groupby(self.journal.arrived(), key=lambda row: row[0])
        }
        order = self.order
        kept = {n: Kept(*facts) for n, facts in self.journal.slabs().items()}
        made = Succession(self.preparer, order.window, kept, chosen=wanted.keys())
        raw = order.history.slabs(order.models.all(), without=_AllBut(made.needed))
        for prepared in made.prepared(raw):
            chunks = prepared.chunks()
            yield [self._request(chunks, *told) for told in wanted[prepared.number]]

    def _request(
        self, chunks: list[Chunk], request_id: str, cuts: str, digest: str, outcome: str
    ) -> _Request:
        try:
            chunk = chunk_at(chunks, cuts, self.order.own)
            made = hashlib.sha256(chunk.payload(request_id, self.order.policy)).hexdigest()
        except LookupError:
            made = ""
        if made != digest:
            raise JournalMismatch(
                f"{self.journal.path}: request {request_id} cannot be made again with the same "
                "bytes: the version of mpreplay or of a library has changed since. Use those that "
                "the run was made with",
                ("requests",),
            )
        skips = outcome == "accepted" and self.order.policy.skip_invalid_measurepoints
        return _Request(chunk, request_id, outcome, skips)


@dataclass(frozen=True, slots=True)
class _AllBut:
    """A container of all numbers except the given ones."""

    kept: Container[int]

    def __contains__(self, number: object) -> bool:
        return number not in self.kept


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that arrived or may have; ``skips`` leaves out its values with faults."""

    chunk: Chunk
    request_id: str
    outcome: str
    skips: bool


@dataclass(slots=True)
class _Arrived:
    """The values of a column of a slab that arrived or may have, each with its request."""

    readings: Readings
    number: int
    positions: list[NDArray[np.int64]] = field(default_factory=list)
    requests: list[_Request] = field(default_factory=list)
    copies: list[tuple[int, Copy, _Request]] = field(default_factory=list)

    @property
    def identifier(self) -> str:
        """Identifier of the measurement point."""
        return self.readings.columns[self.number].point.identifier

    @property
    def product_key(self) -> str:
        """Product of the readings; their list of devices also holds other products of the slab."""
        return self.readings.devices[int(self.readings.device[self.rows[0]])].product_key

    def is_in(self, named: frozenset[tuple[str | None, str]]) -> bool:
        """Return True if the point is named, for any product or for this one."""
        return not named.isdisjoint({(None, self.identifier), (self.product_key, self.identifier)})

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the values in the readings."""
        return self.readings.columns[self.number].at[np.concatenate(self.positions)]


def _arrived(requests: Iterable[_Request]) -> list[_Arrived]:
    found: dict[tuple[int, int], _Arrived] = {}
    for request in requests:
        for part, start, stop in request.chunk.spans:
            # Parts of a product share their readings, even after a request was divided.
            readings = part.readings
            for number, cells in part.cells(start, stop):
                positions = cells
                if request.skips:
                    positions = cells[~part.entries.suspects[number][cells]]
                if not len(positions):
                    continue
                here = found.setdefault((id(readings), number), _Arrived(readings, number))
                here.positions.append(positions)
                here.requests.append(request)
            for copy in part.copies(start, stop):
                if not (request.skips and part.is_suspect(copy)):
                    position = int(part.entries.cells[copy.column][copy.entry])
                    found[id(readings), copy.column].copies.append((position, copy, request))
    return list(found.values())


def _frames(
    requests: _Requests, query: Query, apart: frozenset[tuple[str | None, str]]
) -> Iterator[pd.DataFrame]:
    for slab in requests.slabs():
        columns = _arrived(slab)
        held = _held(columns, query, apart)
        frames = [
            frame
            for column in columns
            for frame in _compared(column, held.get(id(column.readings)), apart)
        ]
        if frames:
            together = pd.concat(frames, ignore_index=True)
            yield together.sort_values(["source", "row"], kind="stable", ignore_index=True)


def _held(
    columns: list[_Arrived], query: Query, apart: frozenset[tuple[str | None, str]]
) -> dict[int, Held]:
    """Query each device in the interval of its values, and return the answers by readings."""
    together: dict[int, list[_Arrived]] = {}
    for column in columns:
        if not column.is_in(apart):
            together.setdefault(id(column.readings), []).append(column)
    held = {}
    for key, group in together.items():
        readings = group[0].readings
        rows = np.concatenate([column.rows for column in group])
        device, time = readings.device[rows], readings.time[rows]
        answers = []
        for code in np.unique(device).tolist():
            times = time[device == code]
            span = int(times.min()), int(times.max()) + 1
            answers.append(_ask(query, readings.devices[code], span, code))
        held[key] = held_together(answers)
    return held


def _compared(
    arrived: _Arrived, held: Held | None, apart: frozenset[tuple[str | None, str]]
) -> Iterator[pd.DataFrame]:
    """Yield a frame of the values of a column, and a frame of their equal copies."""
    positions = np.concatenate(arrived.positions)
    lengths = [len(one) for one in arrived.positions]
    owners = np.repeat(np.arange(len(lengths)), lengths)
    readings, column = arrived.readings, arrived.readings.columns[arrived.number]
    rows = column.at[positions]
    shown = plain_texts(column, positions)
    frame = as_frame(table_of(readings, rows, shown, arrived.identifier, "", _NO_REASON))
    if held is None or arrived.is_in(apart):
        frame["found"], frame["state"] = None, NOT_COMPARABLE
    else:
        # NumPy would convert the name to its own text type and lose a NUL at the end.
        named = pd.Series(held.point, dtype=object) == arrived.identifier
        of_point = held.where(named.to_numpy(bool))
        frame["state"], frame["found"] = compare(
            column, positions, readings.device[rows], readings.time[rows], of_point
        )
    frame["outcome"] = np.array([r.outcome for r in arrived.requests], object)[owners]
    frame["request_id"] = np.array([r.request_id for r in arrived.requests], object)[owners]
    yield typed(frame[list(RECONCILED_COLUMNS)], RECONCILED_COLUMNS)
    if arrived.copies:
        place = {position: n for n, position in enumerate(positions.tolist())}
        copied = frame.iloc[[place[position] for position, _, _ in arrived.copies]]
        copied = copied.assign(
            source=[copy.source for _, copy, _ in arrived.copies],
            row=pd.array([copy.row for _, copy, _ in arrived.copies], "Int64"),
        )
        yield typed(copied[list(RECONCILED_COLUMNS)], RECONCILED_COLUMNS)


def _ask(query: Query, device: Device, span: tuple[int, int], code: int) -> Held:
    """Query a device in an interval, and return the values."""
    start, end = (pd.Timestamp(np.datetime64(ms, "ms")).tz_localize("UTC") for ms in span)
    what = f"the query for {device.product_key}/{device.device_key} from {start} to {end}"
    try:
        answer = query(*device, start, end)
    except Exception as error:
        # The message of the error may hold an access key of the user: chained, not repeated.
        raise ConfigError(f"{what} raised {type(error).__name__}; {_EXPECTED}") from error
    if not isinstance(answer, pd.DataFrame):
        raise ConfigError(f"{what} returned {kind_of(answer)}; {_EXPECTED}")
    answer = _of_device(answer, device)
    time = _times(answer, what)
    names = answer["measurepoint"].to_numpy(object)
    held = Held(np.full(len(time), code), time, names, _raw(answer["value"]))
    return held.where((time >= span[0]) & (time < span[1]))


def _of_device(answer: pd.DataFrame, device: Device) -> pd.DataFrame:
    """Return the rows of a device, where the answer has columns of keys."""
    for name, key in zip(("product_key", "device_key"), device, strict=True):
        if name in answer.columns:
            answer = answer[answer[name] == key]
    return answer


def _times(answer: pd.DataFrame, what: str) -> NDArray[np.int64]:
    """Return the times of an answer in milliseconds; numbers already are milliseconds."""
    if lacking := [name for name in _NEEDED if name not in answer.columns]:
        raise ConfigError(
            f"{what}: there is no column {lacking[0]!r}, only "
            f"{', '.join(map(str, answer.columns)) or 'none'}; {_EXPECTED}"
        )
    try:
        times = read_times(_raw(answer["time"]), name="time", first_row=0, tz=None, unit="ms")
    except HistoryError as error:
        raise ConfigError(
            f"{what}: its times cannot be read; expected datetimes with a zone, ISO 8601 "
            "texts with an offset, or milliseconds"
        ) from error
    if times.unreadable:
        row, why = next(iter(times.unreadable.items()))
        raise ConfigError(f"{what}: the time in row {row} cannot be read: {reason(why)}")
    return times.ms


def _raw(series: pd.Series) -> Any:
    """Return a column in the form of a history: as Arrow, or as Python objects."""
    source = FrameSource(series.to_frame("column"), time_from_index=False)
    if not len(series):
        return np.zeros(0, object)
    return next(source.read(["column"], [(0, len(series))]))["column"]


def _lookup(table: pd.DataFrame, devices: list[Device]) -> Query:
    """Return a query that looks values up in a table."""
    what = "the DataFrame given as query"
    time = _times(table, what)
    if "device_key" not in table.columns and len(devices) > 1:
        raise ConfigError(
            f"{what} has no column 'device_key', and the run has {len(devices)} devices; add it, "
            "and product_key if there are several products"
        )
    order = np.argsort(time, kind="stable")
    table, time = table.iloc[order].assign(time=time[order]), time[order]
    keys = [name for name in ("product_key", "device_key") if name in table.columns]
    groups: Any = table.groupby(keys, sort=False).indices if keys else {}

    def query(
        product_key: str, device_key: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> pd.DataFrame:
        wanted = {"product_key": product_key, "device_key": device_key}
        key = tuple(wanted[name] for name in keys)
        rows = np.arange(len(time))
        if keys:
            rows = groups.get(key if len(keys) > 1 else key[0], rows[:0])
        span = [instant.to_datetime64() for instant in (start, end)]
        low, high = np.searchsorted(time[rows].astype("datetime64[ms]"), span)
        return table.iloc[rows[low:high]]

    return query
