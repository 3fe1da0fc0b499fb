"""Repeated readings: the naive reference over the whole history, however it is cut into pieces."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal
from unittest import mock

import numpy as np
import oracle
import pandas as pd
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import Measurepoint, ThingModel, read_history, validate
from mpreplay.checks.checker import Checker
from mpreplay.checks.duplicates import Search, find_duplicates
from mpreplay.display.facts import Detail
from mpreplay.display.reasons import reason
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.history.readings import read_slab
from mpreplay.model.device import Device
from mpreplay.model.model_set import ModelSet
from mpreplay.requests.chunk import Prepared
from mpreplay.settings import Policy

Fates = dict[tuple[int, str], str]
MODEL = ThingModel(
    "M",
    {
        "P": Measurepoint("P", "FLOAT", maximum=100),
        "n": Measurepoint("n", "INT"),
        "s": Measurepoint("s", "STRING", max_length=4),
    },
)


@st.composite
def crowded(draw: Any) -> list[oracle.Row]:
    """Draw rows of few devices at few times, many of them repeated, some unreadable."""
    who = st.tuples(
        st.sampled_from(["p1", "p1", "p2", None]), st.sampled_from(["d0", "d1"]),
        st.integers(0, 3) | st.integers(0, 40) | st.none(),
    )  # fmt: skip
    values = {
        "P": st.sampled_from([1.0, 0.1, 0.1 + 1e-12, 200.0, float("inf"), None]),
        "n": st.sampled_from([1, 2, 1.5, None]),
        "s": st.sampled_from(["a", "b", "too long", None]),
    }
    keys = draw(st.lists(who, max_size=16))
    return [
        oracle.Row(*key, {n: draw(v) for n, v in values.items() if draw(st.booleans())})
        for key in keys
    ]


def found(slabs: list[Prepared], place: dict[tuple[str, int], int]) -> Fates:
    """Return the fate of each value, once each; ``place`` leads from source and row to the row."""
    fates: Fates = {}

    def say(source: str, row: Any, name: str, fate: str) -> None:
        key = (place[source, int(row)], name)
        assert key not in fates, "a value has one fate"
        fates[key] = fate

    for slab in slabs:
        for part in slab.parts:
            readings = part.readings
            superseded = {
                (number, position) for number, ps, _ in part.repeats.superseded for position in ps
            }
            for number, column in enumerate(readings.columns):
                name, rows = column.point.identifier, readings.rows[column.at]
                for position in np.flatnonzero(part.withheld[number] & column.present()):
                    lost = (number, position) in superseded
                    say(readings.source, rows[position], name, "superseded" if lost else "withheld")
        for part, start, stop in (span for chunk in slab.chunks() for span in chunk.spans):
            readings = part.readings
            for number, positions in part.cells(start, stop):
                column = readings.columns[number]
                for row in readings.rows[column.at[positions]]:
                    say(readings.source, row, column.point.identifier, "sent")
            for copy in part.copies(start, stop):
                name = readings.columns[copy.column].point.identifier
                say(copy.source, copy.row, name, "copy")
    return fates


def settle(history: History, keep: Literal["first", "last"], slab: int) -> list[Prepared]:
    """Return a history made ready in slabs of few rows."""
    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        return strategies.prepare(history, MODEL, Policy(on_invalid="withhold", duplicates=keep))


def places(history: History) -> dict[tuple[str, int], int]:
    """Return the place in the whole of each row of each source."""
    rows = [(s.name, n) for s in history.sources for n in range(s.n_rows)]
    return {key: n for n, key in enumerate(rows)}


@given(
    crowded(),
    st.lists(st.integers(0, 16), max_size=3),
    st.sampled_from([1, 2, 3, 7, 100]),
    st.sampled_from(["first", "last"]),
)
def test_the_right_one_of_repeated_values_is_sent(
    rows: list[oracle.Row], cuts: list[int], slab: int, keep: Literal["first", "last"]
) -> None:
    """However files and slabs cut the history: the reference's choice, each value one fate."""
    history = strategies.in_sources(strategies.frame_of(rows, list(MODEL.measurepoints)), cuts)

    slabs = settle(history, keep, slab)

    assert found(slabs, places(history)) == oracle.fates(rows, MODEL, keep)


@given(crowded(), st.sampled_from([1, 3, 100]), st.sampled_from(["first", "last"]))
def test_the_long_form_settles_like_the_wide(
    rows: list[oracle.Row], slab: int, keep: Literal["first", "last"]
) -> None:
    """One row a value: the same readings have the same fates."""
    flat = [
        (n, name, value)
        for n, row in enumerate(rows)
        for name, value in row.values.items()
        if not oracle.is_absent(value)
    ]
    frame = pd.DataFrame(
        {
            "t": [rows[n].time for n, _, _ in flat],
            "device": [rows[n].device for n, _, _ in flat],
            "product": [rows[n].product for n, _, _ in flat],
            "point": [name for _, name, _ in flat],
            "value": [value for _, _, value in flat],
        },
        dtype=object,
    )
    history = read_history(
        frame, time_column="t", time_unit="ms", device_column="device", product_column="product",
        point_column="point", value_column="value", plausible=None,
    )  # fmt: skip

    fates = found(settle(history, keep, slab), places(history))

    assert {(flat[n][0], name): fate for (n, name), fate in fates.items()} == oracle.fates(
        rows, MODEL, keep
    )


@given(crowded(), st.lists(st.integers(0, 16), max_size=2))
def test_validate_counts_what_replay_would_refuse(rows: list[oracle.Row], cuts: list[int]) -> None:
    """``ok`` is a promise: with it, replay neither raises nor supersedes."""
    history = strategies.in_sources(strategies.frame_of(rows, list(MODEL.measurepoints)), cuts)

    with mock.patch.object(history_module, "SLAB_ROWS", 3):
        validation = validate(history, MODEL)

    fates = list(oracle.fates(rows, MODEL, "last").values())
    assert validation.n_conflicts == fates.count("superseded")


@given(
    crowded(),
    st.lists(st.integers(0, 16), max_size=2),
    st.sampled_from([2, 3, 100]),
    st.sampled_from(["first", "last"]),
    st.booleans(),
)
def test_what_is_held_on_the_way_is_what_a_search_of_its_own_finds(
    rows: list[oracle.Row], cuts: list[int], slab: int, keep: Literal["first", "last"], hold: bool
) -> None:
    """Whoever reads the history anyway saves the reading, and nothing else differs."""
    history = strategies.in_sources(strategies.frame_of(rows, list(MODEL.measurepoints)), cuts)
    models, own = ModelSet.of(MODEL), Device(*strategies.OWN)
    checker = Checker(models)

    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        apart = find_duplicates(history, models, own, checker, keep=keep, withhold=hold)
        search = Search(keep, hold)
        for raw in history.slabs(models.all()):
            parts = list(read_slab(raw, models, own, (None, None)))
            search.see(raw, parts)
            for number, readings in enumerate(parts):
                search.hold(readings, number, checker.faults(readings))
        together = search.found(history, models, own, checker)

    assert together.as_dict() == apart.as_dict()
    assert together.conflicts == apart.conflicts


def two(times: list[Any], p: list[Any]) -> History:
    """Return readings of P of one device."""
    frame = pd.DataFrame({"t": times, "P": p})
    return read_history(frame, time_column="t", device_key="d0", product_key="p1", plausible=None)


def test_times_are_compared_as_they_will_travel() -> None:
    """Two stamps within one millisecond are one entry on the wire."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    times = [start, start + pd.Timedelta(microseconds=999), start + pd.Timedelta(milliseconds=1)]

    slabs = settle(two(times, [1.0, 2.0, 3.0]), "last", 100)

    fates = found(slabs, {("DataFrame", n): n for n in range(3)})
    assert [fates[n, "P"] for n in range(3)] == ["superseded", "sent", "sent"]


def test_one_instant_under_two_clocks_is_one_time() -> None:
    """The hour that daylight saving repeats is not repeated in UTC."""
    east = dt.timezone(dt.timedelta(hours=1))
    times = [
        dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 13, tzinfo=east)
    ]  # fmt: skip

    slabs = settle(two(times, [1.0, 1.0]), "last", 1)

    fates = found(slabs, {("DataFrame", 0): 0, ("DataFrame", 1): 1})
    assert fates == {(0, "P"): "sent", (1, "P"): "copy"}


def test_floats_are_compared_as_they_will_travel() -> None:
    """Two 64-bit readings of one 32-bit number say the same; minus zero does not."""
    when = pd.Timestamp("2024-01-01", tz="UTC")

    equal = settle(two([when, when], [0.1, 0.1 + 1e-12]), "last", 100)
    other = settle(two([when, when], [0.0, -0.0]), "last", 100)

    assert equal[0].parts[0].repeats.copies
    assert other[0].parts[0].repeats.superseded


@pytest.mark.parametrize("keep", ["first", "last"])
def test_the_reason_names_the_reading_that_was_preferred(keep: Literal["first", "last"]) -> None:
    """An auditor follows it to the other row, in whichever file it is."""
    when = strategies.START
    rows = [oracle.Row("p1", "d0", when, {"P": p}) for p in (1.0, 2.0)]
    history = strategies.in_sources(strategies.frame_of(rows, ["P"]), [1])

    slabs = settle(history, keep, 100)

    [(_, _, [rival])] = [
        s for slab in slabs for part in slab.parts for s in part.repeats.superseded
    ]
    winner = 0 if keep == "first" else 1
    said = reason(Detail("superseded", (), rival))
    assert said.startswith(f"superseded by row 0 of source {winner}")


def test_an_invalid_reading_supersedes_nothing() -> None:
    """Keeping the last must not mean keeping the one that cannot be sent."""
    when = pd.Timestamp("2024-01-01", tz="UTC")

    slabs = settle(two([when, when], [1.0, 9_999.0]), "last", 100)

    assert found(slabs, {("DataFrame", 0): 0, ("DataFrame", 1): 1}) == {
        (0, "P"): "sent", (1, "P"): "withheld",
    }  # fmt: skip


def test_a_history_without_repeats_is_read_for_its_keys_only() -> None:
    """The first pass must stay cheap: values are not looked at where no time repeats."""
    times = pd.date_range("2024", periods=50, freq="s", tz="UTC")
    history = two(list(times), [1.0] * 50)
    seen: list[bool] = []
    slabs = History.slabs

    def watched(self: History, models: Any, *, keys_only: bool = False) -> Any:
        seen.append(keys_only)
        return slabs(self, models, keys_only=keys_only)

    with mock.patch.object(History, "slabs", watched):
        settle(history, "last", 10)

    assert seen == [True, False]


def test_validating_what_repeats_itself_within_a_slab_reads_it_once() -> None:
    """Most repeats stand close together, as where a clock is put back."""
    when = pd.Timestamp("2024-01-01", tz="UTC")
    history = two([when, when, when + pd.Timedelta(hours=1)], [1.0, 2.0, 3.0])

    with mock.patch.object(History, "slabs", autospec=True, side_effect=History.slabs) as read:
        validation = validate(history, MODEL)

    assert validation.n_conflicts == 1
    assert read.call_count == 1


def test_a_history_that_came_twice_is_settled_in_reasonable_time() -> None:
    """Somebody will pass a folder with a copy of every file in it."""
    n = 5_000
    frame = pd.DataFrame(
        {"(time)": range(n), "(device)": "d0", "(product)": "p1", "P": np.linspace(0, 99, n)}
    )
    history = strategies.in_sources(pd.concat([frame, frame], ignore_index=True), [n])

    slabs = settle(history, "last", 65_536)

    chunks = [chunk for slab in slabs for chunk in slab.chunks()]
    assert sum(chunk.n_values for chunk in chunks) == n
    assert sum(sum(chunk.tally().values()) for chunk in chunks) == 2 * n
