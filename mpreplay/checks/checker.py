"""The check of readings against the schemas of their models: pandera decides.

Pure. The model's schema runs lazily over each slab; a failed check is then run alone to find the
positions of the values that fail it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrorReason

from ..display.facts import Detail
from ..errors import Argument, ConfigError, HistoryError, Message, message
from ..model.schemas import series_of
from ..model.thing_model import ThingModel
from .faults import Fault, misfit_faults, row_faults
from .prescreen import proofs_of

if TYPE_CHECKING:
    from ..history.slab import Readings
    from ..model.model_set import ModelSet
    from .prescreen import Proof
    from .sizes import Room

__all__ = ["Checker"]


class Checker:
    """Checker of readings against the schemas of their models and the room in a request.

    Parameters
    ----------
    models : ModelSet
        Thing models, or schemas made from them.
    room : Room, optional
        With a room, values too large for any request are faults as well.

    Raises
    ------
    ConfigError
        If a schema has a setting whose effect cannot be attributed to a value.
    """

    def __init__(self, models: ModelSet, room: Room | None = None) -> None:
        self._room = room
        self._schemas: dict[int, pandera.DataFrameSchema] = {}
        self._proofs: dict[int, dict[str, Proof]] = {}
        given = [models.single] if models.single is not None else models.by_product.values()
        for one in given:
            if type(one) is ThingModel:
                self._proofs[id(one)] = proofs_of(one.measurepoints.values())
                continue
            # Users may have added checks to a schema: pandera runs on every column.
            schema = one.schema() if isinstance(one, ThingModel) else one
            _refuse_unusable(schema)
            self._schemas[id(one)] = schema

    def faults(self, readings: Readings) -> list[Fault]:
        """Return every failed check of a slab with the positions of the values."""
        faults = row_faults(readings)
        for number, column in enumerate(readings.columns):
            faults += misfit_faults(number, column)
        faults += self._model_faults(readings)
        return faults if self._room is None else faults + list(self._room.too_large(readings))

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
        # A check of the whole frame bears the schema's name, and a column may have the same name.
        name = error.schema.name if isinstance(error.schema, pandera.Column) else None
        numbers = _numbers(readings)
        if not isinstance(error.check, pandera.Check) or name not in numbers:
            raise _unattributable(error, readings)
        try:
            return _failed(numbers[name], error.check, frame[name])
        except Exception as raised:  # a user's check may fail with anything
            raise _unattributable(error, readings) from raised


def _errors(schema: pandera.DataFrameSchema, frame: pd.DataFrame) -> list[Any]:
    """Return pandera's errors of a frame."""
    try:
        # A caller's environment may switch pandera off; here pandera decides about sending.
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
    """Return the index of the column of each point in a schema, by identifier."""
    columns = enumerate(readings.columns)
    return {c.point.identifier: n for n, c in columns if not c.point.is_any}


def _failed(number: int, check: pandera.Check, column: pd.Series) -> Fault:
    """Return the positions that fail a check; raise if its answer is not one a value."""
    with config_context(True, ValidationDepth.SCHEMA_AND_DATA):
        answers = check(column).check_output
    present = column.index[column.notna()]  # pandera shows a check no absent values
    if not isinstance(answers, pd.Series) or not _answer_each(answers, present):
        raise TypeError("the answer is not one a value")
    allowed = answers.reindex(present).fillna(True).to_numpy(dtype=bool)
    positions = present.to_numpy(np.int64)[~allowed]
    title = str(check.name or check.error or "check")
    return Fault(number, positions, title, _why(check, title))


def _why(check: pandera.Check, title: str) -> Detail:
    """Return the facts of a rule of the thing model, or the words of a user's own check."""
    rule = check.statistics.get("why")
    if rule is not None:
        return Detail.of_rule(rule)
    return Detail("check", (str(check.error or f"fails the check {title}"),))


def _answer_each(answers: pd.Series, present: pd.Index) -> bool:
    if answers.index.equals(present):
        return True
    return bool(answers.index.is_unique and present.isin(answers.index).all())


def _refuse_unusable(schema: pandera.DataFrameSchema) -> None:
    reasons: dict[str, str | Message] = {
        "coerce": "mpreplay settles types itself, value by value, so that each change has a row",
        "unique": message(
            "a repeated value is nothing wrong; ",
            Argument("duplicates"),
            " decides about repeated times",
        ),
        "drop_invalid_rows": message(
            "rows would vanish without a record; use ", Argument("on_invalid", "withhold")
        ),
        "parsers": "values would be changed without a record; change the history instead",
        "add_missing_columns": "values would appear that no source holds",
        "default": "values would appear that no source holds",
    }
    parts = [(schema, "the schema"), *((c, f"column {n!r}") for n, c in schema.columns.items())]
    for part, where in parts:
        for name, reason in reasons.items():
            value = getattr(part, name, None)
            if value or (name == "default" and value is not None):
                raise ConfigError(message(f"{where} sets {name}=, which is refused: ", reason))


def _unattributable(error: Any, readings: Readings) -> HistoryError:
    """Return the error for a finding of a schema that cannot be attributed to a value."""
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
    """Return the readings as a frame for pandera; shorter columns are filled up with nulls."""
    columns = [c for c in readings.columns if not c.point.is_any]
    length = max((len(c.values) for c in columns), default=0)
    series = {}
    for column in columns:
        values = column.values
        if len(values) < length:
            values = pa.concat_arrays([values, pa.nulls(length - len(values), values.type)])
        series[column.point.identifier] = series_of(values)
    return pd.DataFrame(series, index=pd.RangeIndex(length), copy=False)
