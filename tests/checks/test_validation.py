"""Which values are named, with which row: nothing missed, nothing blamed wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import Any
from unittest import mock

import numpy as np
import oracle
import pandas as pd
import pandera.pandas as pandera
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, HistoryError, Measurepoint, ThingModel, read_history, validate
from mpreplay.checks import validation as validation_module
from mpreplay.checks.checker import Checker
from mpreplay.frames import VIOLATION_COLUMNS
from mpreplay.history import history as history_module
from mpreplay.model.model_set import ModelSet

MODEL = ThingModel(
    "M",
    {
        "P": Measurepoint("P", "DOUBLE", minimum=-50, maximum=2500),
        "state": Measurepoint("state", "STRING", max_length=4),
    },
)


def two(p: list[Any], state: list[Any] | None = None) -> pd.DataFrame:
    """Return a frame with P and state, a row a second, of the connection's own device."""
    columns = {"P": p} if state is None else {"P": p, "state": state}
    return pd.DataFrame(columns, index=pd.date_range("2024", periods=len(p), freq="s", tz="UTC"))


def with_check(check: pandera.Check, model: ThingModel = MODEL) -> pandera.DataFrameSchema:
    """Return the model's schema with one more check on P."""
    schema = model.schema()
    schema.columns["P"].checks.append(check)
    return schema


def named(frame: pd.DataFrame) -> set[tuple[int, str]]:
    """Return row and point of each violation."""
    return set(zip(frame["row"].tolist(), frame["measurepoint"].tolist(), strict=True))


@given(strategies.cases(unreadable=True), st.sampled_from([2, 5, 100]))
def test_each_value_is_allowed_or_named_with_its_row(case: strategies.Case, slab: int) -> None:
    """An audit that blames the wrong row, or misses one, is worse than none."""
    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        validation = validate(case.history, case.model)

    points = case.model.measurepoints
    values = [
        (n, name, value)
        for n, row in enumerate(case.rows)
        for name, value in row.values.items()
        if not oracle.is_absent(value)
    ]
    wrong = {(n, name) for n, name, v in values if not oracle.is_allowed(v, points[name])}
    lost = {
        (n, "") for n, row in enumerate(case.rows) if None in (row.product, row.device, row.time)
    }
    assert named(validation.violations) == wrong | lost
    assert validation.n_values == len(values)
    assert validation.n_violations == len(validation.violations) == sum(validation.counts.values())
    for violation in validation.violations.itertuples():
        row = case.rows[violation.row]
        if row.product is not None and row.device is not None:
            assert (violation.product_key, violation.device_key) == (row.product, row.device)
        assert violation.source == "DataFrame"
        if row.time is None:
            assert violation.time is pd.NaT
        else:
            assert violation.time == pd.Timestamp(row.time, unit="ms", tz="UTC")


@given(strategies.cases(unreadable=True, repeats=False))
def test_validating_what_is_left_finds_nothing(case: strategies.Case) -> None:
    """Whoever takes out what was named can send the rest."""
    found = named(validate(case.history, case.model).violations)
    left = [
        oracle.Row(
            row.product, row.device, row.time,
            {name: v for name, v in row.values.items() if (n, name) not in found},
        )
        for n, row in enumerate(case.rows)
        if (n, "") not in found
    ]  # fmt: skip

    again = validate(
        strategies.read(strategies.frame_of(left, list(case.model.measurepoints))), case.model
    )

    assert again.ok
    assert len(again.violations) == 0


def test_violations_have_the_promised_columns_with_and_without_rows() -> None:
    """A script that selects columns must not fail on the day when all is well."""
    for frame in (two([1.0]), two([9e9])):
        violations = validate(read_history(frame), MODEL).violations

        assert {n: str(t) for n, t in violations.dtypes.items()} == {
            name: str(pd.Series([], dtype=kind).dtype) for name, kind in VIOLATION_COLUMNS.items()
        }


def test_a_value_may_fail_several_checks() -> None:
    """Each has its own line, so that mending one does not hide the other."""
    schema = with_check(pandera.Check(lambda s: s < 3, name="small"))

    validation = validate(read_history(two([2.0, 3.0, 9_999.0])), schema)

    assert Counter(validation.violations["row"]) == {1: 1, 2: 2}
    assert validation.counts == {("P", "range"): 1, ("P", "small"): 2}


@pytest.mark.parametrize(
    "check",
    [
        pandera.Check(lambda s: s > 3, name="own"),
        pandera.Check(lambda v: v > 3, name="own", element_wise=True),
        pandera.Check(lambda s: s > 3, name="own", n_failure_cases=1),
        pandera.Check(lambda s: s.fillna(9) > 3, name="own", ignore_na=False),
        pandera.Check.gt(3, name="own"),
    ],
    ids=["column", "element", "capped", "with absent", "built in"],
)
@given(numbers=st.lists(st.none() | st.integers(-9, 9), min_size=1, max_size=9))
def test_a_users_check_faults_exactly_its_values(check: Any, numbers: list[int | None]) -> None:
    """However a check is written, pandera's own answer decides, value by value."""
    history = read_history(two([np.nan if n is None else float(n) for n in numbers]))

    with mock.patch.object(history_module, "SLAB_ROWS", 4):
        violations = validate(history, with_check(check)).violations

    wrong = [n for n, number in enumerate(numbers) if number is not None and number <= 3]
    assert violations["row"].tolist() == wrong
    assert set(violations["check"]) <= {"own"}


def test_an_updated_column_is_checked_as_it_now_says() -> None:
    """Pandera's own way to extend a schema works, and replaces what it replaces."""
    schema = MODEL.schema().update_column("P", checks=[pandera.Check.lt(0, error="is positive")])

    violations = validate(read_history(two([9_999.0, -9_999.0])), schema).violations

    assert violations["row"].tolist() == [0]
    assert violations["reason"].tolist() == ["is positive"]


def test_a_users_check_sees_the_long_form_too() -> None:
    """There each point has its own rows, and a fault its own row in the source."""
    frame = pd.DataFrame(
        {
            "t": pd.date_range("2024", periods=5, tz="UTC"),
            "point": ["state", "P", "P", "nowhere", "P"],
            "value": ["run", 2, 7, 1, None],
        },
        dtype=object,
    )
    history = read_history(frame, time_column="t", point_column="point", value_column="value")

    schema = with_check(pandera.Check(lambda s: s < 5, name="own"))

    violations = validate(history, schema).violations
    assert violations[["row", "check"]].to_numpy().tolist() == [[2, "own"], [3, "point"]]


def fresh_index(s: pd.Series) -> pd.Series:
    """Answer for other rows than were asked about."""
    return pd.Series([False] * len(s), index=range(100, 100 + len(s)))


@pytest.mark.parametrize(
    "answer",
    [
        lambda s: bool(s.mean() > 1e6),
        lambda s: s.to_numpy() > 1e6,
        fresh_index,
        lambda s: pd.concat([s, s]) > 1e6,
        lambda s: 1 / 0,
    ],
    ids=["aggregate", "bare array", "other rows", "twice", "broken"],
)
def test_a_check_whose_answer_fits_no_value_stops_with_its_name(answer: Any) -> None:
    """Rather than guess which value is meant, mpreplay says which check to look at."""
    schema = with_check(pandera.Check(answer, name="mean power"))

    with pytest.raises(HistoryError, match="check mean power of P"):
        validate(read_history(two([1.0, np.nan, 2.0])), schema)


@pytest.mark.parametrize("model_id", ["M", "P"])
def test_a_check_of_the_whole_frame_stops_with_its_name(model_id: str) -> None:
    """It belongs to no column, not even where the model is called like one."""
    schema = ThingModel(model_id, MODEL.measurepoints).schema()
    schema.checks.append(pandera.Check(lambda frame: frame["P"] > 5, name="all of it"))

    with pytest.raises(HistoryError, match="check all of it"):
        validate(read_history(two([1.0])), schema)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"nullable": False}, "nullable=False"),
        ({"dtype": "int64"}, "leave the dtype"),
    ],
)
def test_what_a_schema_says_of_a_whole_column_stops_with_advice(
    change: dict[str, Any], match: str
) -> None:
    """A column as a whole has no row to blame."""
    schema = MODEL.schema().update_column("P", **change)

    with pytest.raises(HistoryError, match=match):
        validate(read_history(two([1.0, np.nan])), schema)


def test_a_column_that_a_schema_requires_must_be_there() -> None:
    """The message names the remedy."""
    schema = MODEL.schema().update_column("state", required=True)

    with pytest.raises(HistoryError, match="required=False or add it"):
        validate(read_history(two([1.0])), schema)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("schema", "coerce", True),
        ("schema", "unique", ["P"]),
        ("schema", "drop_invalid_rows", True),
        ("schema", "parsers", [pandera.Parser(lambda f: f)]),
        ("schema", "add_missing_columns", True),
        ("column", "coerce", True),
        ("column", "unique", True),
        ("column", "drop_invalid_rows", True),
        ("column", "parsers", [pandera.Parser(lambda s: s)]),
        ("column", "default", 0.0),
    ],
)
def test_what_would_change_values_or_lose_rows_is_refused(
    where: str, name: str, value: Any
) -> None:
    """The record must name every value that was read, as it was read."""
    schema = MODEL.schema()
    setattr(schema if where == "schema" else schema.columns["P"], name, value)

    with pytest.raises(ConfigError, match=f"{name}=, which is refused"):
        Checker(ModelSet.of(schema))


def test_an_environment_that_switches_pandera_off_changes_nothing() -> None:
    """A setting meant for someone's tests must not let bad values through."""
    code = (
        "import pandas as pd, mpreplay as mp\n"
        "m = mp.ThingModel('M', {'P': mp.Measurepoint('P', 'INT', maximum=1)})\n"
        "f = pd.DataFrame({'P': [1, 2]}, index=pd.date_range('2024', periods=2, tz='UTC'))\n"
        "print(mp.validate(mp.read_history(f), m).n_violations)"
    )
    off = {"PANDERA_VALIDATION_ENABLED": "False", "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY"}

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **off}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr


def test_what_is_shown_is_capped_and_what_is_counted_is_not() -> None:
    """Ten million bad values must not fill the memory of the one who looks at them."""
    frame = two([9_999.0] * 7, ["too long"] * 7)

    with mock.patch.object(validation_module, "MAX_SHOWN", 5):
        validation = validate(read_history(frame), MODEL)

    assert len(validation.violations) == 5
    assert (validation.n_violations, validation.n_values) == (14, 14)
    told = repr(validation).splitlines()
    assert told[0] == "Validation(14 values: 7 P range, 7 state length)"
    assert [one.split(",")[0].strip() for one in told[1:3]] == ["7 P range", "7 state length"]


def test_contradictions_are_counted_beside_violations() -> None:
    """``ok`` means that replay would go through with its defaults."""
    frame = two([1.0, 2.0, 2.0, 9e9])
    frame.index = frame.index[[0, 0, 0, 0]]

    validation = validate(read_history(frame), MODEL)

    assert (validation.n_violations, validation.n_conflicts, validation.ok) == (1, 1, False)
    assert "1 in conflict" in repr(validation)


@pytest.mark.parametrize("extended", [False, True])
def test_a_large_integer_may_be_wrong_together_with_a_float(extended: bool) -> None:
    """Pandera cannot put the two into one report; whoever has them must still hear of both."""
    points = [Measurepoint("n", "INT"), Measurepoint("P", "FLOAT", maximum=5)]
    model = ThingModel("M", {point.identifier: point for point in points})
    frame = two([9.0, 1.0]).assign(n=[2**53 + 1, 1])

    validation = validate(read_history(frame), model.schema() if extended else model)

    assert validation.counts == {("n", "range"): 1, ("P", "range"): 1}
    assert validation.violations["value"].tolist() == ["9007199254740993", "9.0"]


def test_a_check_of_the_whole_frame_is_told_where_columns_are_taken_apart() -> None:
    """It is not lost where pandera has to be asked column by column."""
    points = [Measurepoint("n", "INT"), Measurepoint("P", "FLOAT", maximum=5)]
    schema = ThingModel("M", {point.identifier: point for point in points}).schema()
    schema.checks.append(pandera.Check(lambda frame: frame["P"] > 9, name="all of it"))

    with pytest.raises(HistoryError, match="check all of it"):
        validate(read_history(two([9.0, 1.0]).assign(n=[2**53 + 1, 1])), schema)


def test_infinity_is_never_within_a_range() -> None:
    """-inf passes pandera's own le(5): it must be caught before."""
    violations = validate(read_history(two([float("-inf"), float("inf")])), MODEL).violations

    assert violations["check"].tolist() == ["finite", "finite"]


def test_the_callers_frame_is_never_changed() -> None:
    """Validation reads."""
    frame = two([1.0, np.nan, 9e9], ["a", None, "too long"])
    before = frame.copy(deep=True)

    validate(read_history(frame), MODEL)

    pd.testing.assert_frame_equal(frame, before)


def test_a_validation_shows_its_rows_in_a_notebook() -> None:
    """Markup in the data stays text."""
    shown = validate(read_history(two([1.0], ["<b>bold</b>"])), MODEL)._repr_html_()

    assert "longer than 4 bytes" in shown
    assert "<b>bold" not in shown
