"""Which values of a history the thing model forbids, each with the row it came from.

Pure, save that ``validate`` walks through a history. pandera decides: the model's schema runs
lazily over each slab, and for a check that fails the same check says which values it was.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrorReason

from .encoding import plain_texts
from .errors import ConfigError, HistoryError
from .readings import Column, Device, Readings, read_slab
from .schemas import series_of
from .thing_model import ModelSet, ThingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .history import History

__all__ = [
    "VIOLATION_COLUMNS",
    "Checker",
    "Fault",
    "Validation",
    "frame_of",
    "validate",
    "violations",
]

VIOLATION_COLUMNS: Final = {
    "source": "str",
    "row": "Int64",
    "product_key": "str",
    "device_key": "str",
    "time": "datetime64[ms, UTC]",
    "measurepoint": "str",
    "value": "str",
    "check": "str",
    "reason": "str",
}
MAX_SHOWN: Final = 10_000  # violations kept for show; the counts are of all
# Nobody can send these, whatever the caller decides about violations of the model.
NEVER_SENT: Final = frozenset({"finite", "text", "time", "device", "product", "too_large"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One check that values of one column failed.

    Parameters
    ----------
    column : int
        Which column of the readings; -1: rows as a whole, ``positions`` are then rows.
    positions : ndarray of int64
        Which values.
    check, reason : str
        What they failed, and why.
    """

    column: int
    positions: NDArray[np.int64]
    check: str
    reason: str

    @property
    def is_unsendable(self) -> bool:
        """Whether the values cannot travel at all."""
        return self.check in NEVER_SENT


class Checker:
    """Runs the schemas of the models over readings.

    Parameters
    ----------
    models : ModelSet
        Thing models, or schemas made from them.

    Raises
    ------
    ConfigError
        If a schema uses what cannot be attributed to a value.
    """

    def __init__(self, models: ModelSet) -> None:
        self._schemas: dict[int, pandera.DataFrameSchema] = {}
        given = [models.single] if models.single is not None else models.by_product.values()
        for one in given:
            schema = one.schema() if isinstance(one, ThingModel) else one
            _refuse_unusable(schema)
            self._schemas[id(one)] = schema

    def faults(self, readings: Readings) -> list[Fault]:
        """Return every check that values of a slab fail."""
        faults = _row_faults(readings)
        for number, column in enumerate(readings.columns):
            faults += _odd_faults(number, column)
        return faults + list(self._model_faults(readings))

    def _model_faults(self, readings: Readings) -> Iterator[Fault]:
        schema = self._schemas[id(readings.given)]
        numbers = {c.point.identifier: n for n, c in enumerate(readings.columns)}
        frame = _frame(readings)
        try:
            # A caller's environment may switch pandera off; here it decides what is sent.
            with config_context(True, ValidationDepth.SCHEMA_AND_DATA):
                schema.validate(frame, lazy=True, inplace=True)
        except pandera.errors.SchemaErrors as errors:
            for error in errors.schema_errors:
                yield self._fault(error, frame, numbers, readings)

    def _fault(
        self, error: Any, frame: pd.DataFrame, numbers: dict[str, int], readings: Readings
    ) -> Fault:
        # A check of the whole frame bears the schema's name, which may be a column's too.
        name = error.schema.name if isinstance(error.schema, pandera.Column) else None
        check = error.check
        if not isinstance(check, pandera.Check) or name not in numbers:
            raise _unattributable(error, readings)
        try:
            with config_context(True, ValidationDepth.SCHEMA_AND_DATA):
                answers = check(frame[name]).check_output
        except Exception as raised:  # a user's check may fail with anything
            raise _unattributable(error, readings) from raised
        present = frame.index[frame[name].notna()]  # pandera shows a check no absent values
        if not isinstance(answers, pd.Series) or not _answer_each(answers, present):
            raise _unattributable(error, readings)
        allowed = answers.reindex(present).fillna(True).to_numpy(dtype=bool)
        positions = present.to_numpy(np.int64)[~allowed]
        title = str(check.name or check.error or "check")
        reason = str(check.error or f"fails the check {title}")
        return Fault(numbers[name], positions, title, reason)


def _answer_each(answers: pd.Series, present: pd.Index) -> bool:
    return bool(answers.index.is_unique and present.isin(answers.index).all())


def _refuse_unusable(schema: pandera.DataFrameSchema) -> None:
    reasons = {
        "coerce": "mpreplay settles types itself, value by value, so that each change has a row",
        "unique": "a repeated value is nothing wrong; duplicates= decides about repeated times",
        "drop_invalid_rows": "rows would vanish without a record; use on_invalid='withhold'",
        "parsers": "values would be changed without a record; change the history instead",
        "add_missing_columns": "values would appear that no source holds",
        "default": "values would appear that no source holds",
    }
    parts = [(schema, "the schema"), *((c, f"column {n!r}") for n, c in schema.columns.items())]
    for part, where in parts:
        for name, reason in reasons.items():
            value = getattr(part, name, None)
            if value or (name == "default" and value is not None):
                raise ConfigError(f"{where} sets {name}=, which is refused: {reason}")


def _unattributable(error: Any, readings: Readings) -> HistoryError:
    """Return the error for what a schema finds but nobody can pin to a value."""
    what = getattr(error.check, "name", None) or getattr(error.check, "error", None) or error.check
    name = getattr(error.schema, "name", None)
    told = {
        SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME: "the schema requires a column that the history "
        "lacks; make it required=False or add it",
        SchemaErrorReason.WRONG_DATATYPE: "the schema asks for another type than the thing model; "
        "leave the dtype as model.schema() made it",
        SchemaErrorReason.CHECK_ERROR: "the check itself fails; a column comes as a Series of an "
        "Arrow type, which lacks some operators",
        SchemaErrorReason.SERIES_CONTAINS_NULLS: "nullable=False: an absent value is no value and "
        "cannot be rejected; leave nullable=True",
    }.get(
        error.reason_code,
        "its answer cannot be attributed to a value; return one answer a value, or check the "
        "history before it is replayed",
    )
    return HistoryError(
        f"{readings.source}: check {what!s} of {name or 'the schema'}: {told} "
        f"({str(error).splitlines()[0][:200]})"
    )


def _frame(readings: Readings) -> pd.DataFrame:
    """Return the readings as pandera sees them; shorter columns are filled up with nulls."""
    columns = [c for c in readings.columns if c.point.type != "ANY"]
    length = max((len(c.values) for c in columns), default=0)
    series = {}
    for column in columns:
        values = column.values
        if len(values) < length:
            values = pa.concat_arrays([values, pa.nulls(length - len(values), values.type)])
        series[column.point.identifier] = series_of(values)
    return pd.DataFrame(series, index=pd.RangeIndex(length), copy=False)


def _row_faults(readings: Readings) -> list[Fault]:
    grouped: dict[tuple[str, str], list[int]] = {}
    for position, why in readings.unreadable.items():
        grouped.setdefault(why, []).append(position)
    return [
        Fault(-1, np.array(sorted(positions), np.int64), check, reason)
        for (check, reason), positions in grouped.items()
    ]


def _odd_faults(number: int, column: Column) -> list[Fault]:
    grouped: dict[tuple[str, str], list[int]] = {}
    for odd in column.odd:
        # Without a JSON text it cannot travel, whatever is wrong with it besides.
        check = odd.check if odd.text is not None or odd.check in NEVER_SENT else "text"
        grouped.setdefault((check, odd.reason), []).append(odd.position)
    return [
        Fault(number, np.array(positions, np.int64), check, reason)
        for (check, reason), positions in grouped.items()
    ]


def violations(readings: Readings, fault: Fault, most: int | None = None) -> pd.DataFrame:
    """Return one row a value that failed a check, with the columns of a violations frame."""
    positions = fault.positions if most is None else fault.positions[:most]
    if fault.column < 0:
        rows, shown, identifier = positions, [""] * len(positions), ""
    else:
        column = readings.columns[fault.column]
        rows, identifier = column.at[positions], column.point.identifier
        shown = plain_texts(column, positions)
    return frame_of(readings, rows, shown, identifier, fault.check, fault.reason)


def frame_of(
    readings: Readings,
    rows: NDArray[np.int64],
    values: list[str],
    identifier: str,
    check: str,
    reason: str,
) -> pd.DataFrame:
    """Return a violations frame for values at positions of the readings."""
    devices = [*readings.devices, Device("", "")]
    codes = readings.device[rows]
    time = readings.time[rows].astype("datetime64[ms]")
    if readings.unreadable:
        untimed = [
            n for n, p in enumerate(rows.tolist()) if readings.unreadable.get(p, " ")[0] == "time"
        ]
        time[untimed] = np.datetime64("NaT")
    return _typed(
        {
            "source": readings.source,
            "row": readings.rows[rows],
            "product_key": [devices[code].product_key for code in codes.tolist()],
            "device_key": [devices[code].device_key for code in codes.tolist()],
            "time": pd.Series(time).dt.tz_localize("UTC"),
            "measurepoint": identifier,
            "value": values,
            "check": check,
            "reason": reason,
        },
        len(rows),
    )


def _typed(columns: dict[str, Any], length: int) -> pd.DataFrame:
    frame = pd.DataFrame(columns, index=pd.RangeIndex(length), columns=list(VIOLATION_COLUMNS))
    return frame.astype(VIOLATION_COLUMNS)


@dataclass(frozen=True, slots=True, repr=False)
class Validation:
    """What the thing model says of a history.

    Attributes
    ----------
    n_values : int
        How many values were looked at.
    n_violations : int
        How many checks failed, over all values.
    n_conflicts : int
        How many values have the device, time and point of another, and another value; ``replay``
        asks what to do with them (``duplicates=``).
    violations : DataFrame
        One row a failed check, the first 10,000; the counts are of all.
    counts : dict
        Measurepoint and check to how often it failed.
    """

    n_values: int
    n_violations: int
    n_conflicts: int
    violations: pd.DataFrame
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether ``replay`` would send all of it with its defaults."""
        return self.n_violations == 0 and self.n_conflicts == 0

    def __repr__(self) -> str:
        if self.ok:
            return f"Validation(ok: {self.n_values:,} values)"
        parts = [f"{n:,} {point or 'row'} {check}" for (point, check), n in self.counts.items()]
        if self.n_conflicts:
            parts.append(f"{self.n_conflicts:,} in conflict with another reading of their time")
        return f"Validation({self.n_values:,} values: {', '.join(parts)})"

    def _repr_html_(self) -> str:
        shown = self.violations.head(10).to_html(index=False) if self.n_violations else ""
        return f"<p>{html.escape(repr(self))}</p>{shown}"


def validate(history: History, model: Any) -> Validation:
    """Check a history against a thing model; nothing is sent.

    Parameters
    ----------
    history : History
        What ``read_history`` returned.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        What its values must satisfy.

    Returns
    -------
    Validation

    Raises
    ------
    HistoryError
        If the history cannot be read, or has a column that the model lacks.

    Examples
    --------
    >>> import pandas as pd
    >>> from mpreplay import Measurepoint, ThingModel, read_history
    >>> model = ThingModel("M", {"P": Measurepoint("P", "INT", maximum=10)})
    >>> frame = pd.DataFrame({"P": [7, 11]}, index=pd.date_range("2024", periods=2, tz="UTC"))
    >>> validation = validate(read_history(frame), model)
    >>> validation
    Validation(2 values: 1 P range)
    >>> validation.violations["reason"].item()
    'outside (-inf, 10]'
    """
    from .duplicates import find_duplicates

    models = ModelSet.of(model)
    checker = Checker(models)
    own = Device("", "")
    frames: list[pd.DataFrame] = []
    counts: dict[tuple[str, str], int] = {}
    n_values = kept = 0
    for readings in _walk(history, models, own):
        n_values += readings.n_values
        for fault in checker.faults(readings):
            name = readings.columns[fault.column].point.identifier if fault.column >= 0 else ""
            key = (name, fault.check)
            counts[key] = counts.get(key, 0) + len(fault.positions)
            if kept < MAX_SHOWN:
                frames.append(violations(readings, fault, MAX_SHOWN - kept))
                kept += len(frames[-1])
    duplicates = find_duplicates(history, models, own, checker.faults, keep="last", withhold=True)
    return Validation(
        n_values, sum(counts.values()), duplicates.n_superseded, _joined(frames), counts
    )


def _walk(history: History, models: ModelSet, own: Device) -> Iterator[Readings]:
    for raw in history.slabs(models.all()):
        yield from read_slab(raw, models, own, (history.start, history.end))


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return _typed({}, 0)
    joined = pd.concat(frames, ignore_index=True)
    return joined.sort_values(["source", "row"], kind="stable", ignore_index=True)
