"""Which values of a history the thing model forbids, each with the row it came from.

Pure, save that ``validate`` walks through a history. pandera decides: the model's schema runs
lazily over each slab, and for a check that fails the same check says which values it was.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrorReason

from ..errors import ConfigError, HistoryError
from ..history.readings import Column, Device, Readings, read_slab
from ..model.schemas import series_of
from ..model.thing_model import ModelSet, ThingModel
from ..requests.encoding import plain_texts
from ..values.plain_text import SUPERSEDED
from .prescreen import Proof, proofs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..history.history import History
    from ..history.readings import RawSlab

__all__ = [
    "VIOLATION_COLUMNS",
    "Checker",
    "Fault",
    "Validation",
    "as_frame",
    "looked_at",
    "table_of",
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
_TIME: Final = pa.timestamp("ms", "UTC")
_KINDS: Final = {"str": pa.string(), "Int64": pa.int64()}
_SCHEMA: Final = pa.schema(
    [(name, _KINDS.get(kind, _TIME)) for name, kind in VIOLATION_COLUMNS.items()]
)
MAX_SHOWN: Final = 10_000  # violations kept for show; the counts are of all
# Nobody can send these, whatever the caller decides about violations of the model.
NEVER_SENT: Final = frozenset(
    {"finite", "text", "time", "device", "product", "too_large", SUPERSEDED}
)


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

    @property
    def is_violation(self) -> bool:
        """Whether the values are wrong, and not only superseded in an earlier run."""
        return self.check != SUPERSEDED


_IS_VIOLATION: Final = attrgetter("is_violation")


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
        self._proofs: dict[int, dict[str, Proof]] = {}
        given = [models.single] if models.single is not None else models.by_product.values()
        for one in given:
            if type(one) is ThingModel:
                self._proofs[id(one)] = proofs_of(one.measurepoints.values())
                continue
            # What users may have added to is always asked, and about every column.
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
        proofs = self._proofs.get(id(readings.given))
        if proofs is None:
            yield from self._schema_faults(readings)
            return
        numbers = _numbers(readings)
        for name in filter(numbers.__contains__, proofs):
            values = readings.columns[numbers[name]].values
            doubtful = proofs[name].doubtful(values)
            if len(doubtful):
                series = series_of(values.take(pa.array(doubtful))).set_axis(doubtful)
                faults = (_failed(numbers[name], c, series) for c in proofs[name].checks)
                yield from (fault for fault in faults if len(fault.positions))

    def _schema_faults(self, readings: Readings) -> Iterator[Fault]:
        frame = _frame(readings)
        for error in _errors(self._schemas[id(readings.given)], frame):
            yield self._fault(error, frame, readings)

    def _fault(self, error: Any, frame: pd.DataFrame, readings: Readings) -> Fault:
        # A check of the whole frame bears the schema's name, which may be a column's too.
        name = error.schema.name if isinstance(error.schema, pandera.Column) else None
        numbers = _numbers(readings)
        if not isinstance(error.check, pandera.Check) or name not in numbers:
            raise _unattributable(error, readings)
        try:
            return _failed(numbers[name], error.check, frame[name])
        except Exception as raised:  # a user's check may fail with anything
            raise _unattributable(error, readings) from raised


def _errors(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> list[Any]:
    """Return what pandera finds wrong with a frame."""
    try:
        # A caller's environment may switch pandera off; here it decides what is sent.
        with config_context(True, ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(frame, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as errors:
        return list(errors.schema_errors)
    except pa.ArrowInvalid:  # pandera cannot report a large integer together with a float
        names = [name for name in schema.columns if name in frame]
        if len(names) < 2 or not any(column.checks for column in schema.columns.values()):
            raise
        unchecked: dict[str, Any] = {name: {"checks": []} for name in schema.columns}
        errors_of = [_errors(schema.update_columns(unchecked), frame)]
        for name in names:
            alone = schema.select_columns([name])
            alone.checks = []
            errors_of.append(_errors(alone, frame[[name]]))
        return [error for some in errors_of for error in some]
    return []


def _numbers(readings: Readings) -> dict[str, int]:
    """Return which column has the values of each point that a schema knows."""
    columns = enumerate(readings.columns)
    return {c.point.identifier: n for n, c in columns if c.point.type != "ANY"}


def _failed(number: int, check: pandera.Check, column: pd.Series) -> Fault:
    """Return which values fail a check, as it says itself; raise if its answer fits none."""
    with config_context(True, ValidationDepth.SCHEMA_AND_DATA):
        answers = check(column).check_output
    present = column.index[column.notna()]  # pandera shows a check no absent values
    if not isinstance(answers, pd.Series) or not _answer_each(answers, present):
        raise TypeError("the answer is not one a value")
    allowed = answers.reindex(present).fillna(True).to_numpy(dtype=bool)
    positions = present.to_numpy(np.int64)[~allowed]
    title = str(check.name or check.error or "check")
    return Fault(number, positions, title, str(check.error or f"fails the check {title}"))


def _answer_each(answers: pd.Series, present: pd.Index) -> bool:
    if answers.index.equals(present):
        return True
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


def violations(readings: Readings, fault: Fault, most: int | None = None) -> pa.Table:
    """Return one row a value that failed a check, with the columns of a violations frame."""
    positions = fault.positions if most is None else fault.positions[:most]
    if fault.column < 0:
        rows, shown, identifier = positions, [""] * len(positions), ""
    else:
        column = readings.columns[fault.column]
        rows, identifier = column.at[positions], column.point.identifier
        shown = plain_texts(column, positions)
    return table_of(readings, rows, shown, identifier, fault.check, fault.reason)


def table_of(
    readings: Readings,
    rows: NDArray[np.int64],
    values: list[str],
    identifier: str,
    check: str,
    reason: str | list[str],
) -> pa.Table:
    """Return where values at positions of the readings stood, and what is said of them."""
    devices = [*readings.devices, Device("", "")]
    codes = readings.device[rows]
    keys = pa.array(np.where(codes < 0, len(devices) - 1, codes))
    untimed = [p for p, (what, _) in readings.unreadable.items() if what == "time"]
    columns = {
        "source": readings.source,
        "row": readings.rows[rows],
        "product_key": pa.array([device.product_key for device in devices]).take(keys),
        "device_key": pa.array([device.device_key for device in devices]).take(keys),
        "time": pa.array(readings.time[rows], mask=np.isin(rows, untimed)).cast(_TIME),
        "measurepoint": identifier,
        "value": values,
        "check": check,
        "reason": reason,
    }
    arrays = [
        pa.repeat(pa.scalar(columns[one.name], one.type), len(rows))
        if isinstance(columns[one.name], str)
        else pa.array(columns[one.name], one.type)
        for one in _SCHEMA
    ]
    return pa.table(arrays, schema=_SCHEMA)


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return violations as the frame that users see."""
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    kinds = zip(frame.dtypes, VIOLATION_COLUMNS.items(), strict=True)
    other = {name: kind for found, (name, kind) in kinds if found != kind}
    return frame.astype(other) if other else frame  # it takes a millisecond for nothing


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
    from .duplicates import Search

    models = ModelSet.of(model)
    checker = Checker(models)
    own = Device("", "")
    search = Search("last", withhold=True)
    found: list[pa.Table] = []
    counts: dict[tuple[str, str], int] = {}
    n_values = kept = 0
    for raw, parts in looked_at(history, models, own, checker.faults):
        search.see(raw, [readings for readings, _ in parts])
        for number, (readings, faults) in enumerate(parts):
            n_values += readings.n_values
            search.hold(readings, number, faults)
            for fault in filter(_IS_VIOLATION, faults):
                name = readings.columns[fault.column].point.identifier if fault.column >= 0 else ""
                key = (name, fault.check)
                counts[key] = counts.get(key, 0) + len(fault.positions)
                if kept < MAX_SHOWN:
                    found.append(violations(readings, fault, MAX_SHOWN - kept))
                    kept += len(found[-1])
    duplicates = search.found(history, models, own, checker.faults)
    n_violations = sum(counts.values())
    return Validation(n_values, n_violations, duplicates.n_superseded, _shown(found), counts)


def looked_at(
    history: History,
    models: ModelSet,
    own: Device,
    faults_of: Callable[[Readings], list[Fault]],
) -> Iterator[tuple[RawSlab, list[tuple[Readings, list[Fault]]]]]:
    """Yield each slab with its readings, product by product, and what is wrong with them.

    A slab is looked at while the next is read.
    """
    from ..history.ahead import ahead

    def look(raw: RawSlab) -> tuple[RawSlab, list[tuple[Readings, list[Fault]]]]:
        parts = read_slab(raw, models, own, (history.start, history.end))
        return raw, [(readings, faults_of(readings)) for readings in parts]

    return ahead(history.slabs(models.all()), look, workers=1)


def _shown(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Return violations as one frame, in the order of their rows."""
    whole = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    return as_frame(whole.sort_by([("source", "ascending"), ("row", "ascending")]))
