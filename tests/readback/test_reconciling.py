"""Read-back: what was accepted, beside what the platform holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from conftest import FARM, PRODUCT, SOLO, Play, history_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scripted import GATEWAY, Killed, always, scripted_replay
from strategies import Case, cases, in_sources

import mpreplay as mp
from mpreplay.frames import RECONCILED_COLUMNS
from mpreplay.readback.comparing import Held, compare, held_together
from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.rules import Record
from mpreplay.simulator.world import World
from mpreplay.values.conversion import convert
from mpreplay.values.typed_column import TypedColumn

# A history drawn at random may be empty, which a replay warns of.
pytestmark = pytest.mark.filterwarnings("ignore:the history has no row:mpreplay.ReplayWarning")

KEY = ["product_key", "device_key", "time", "measurepoint"]


def holding(payloads: list[bytes], model: mp.ThingModel, *, skip: bool = False) -> pd.DataFrame:
    """Return what a platform holds that has accepted these requests."""
    world = World({"": model}, {}, "gateway", {}, frozenset(), mp.PlatformLimits())
    return stored_frame([Record(GATEWAY.device, 0, skip, one) for one in payloads], world)


def query_of(held: pd.DataFrame) -> Any:
    """Return a query of a platform that holds this."""

    def query(
        product_key: str, device_key: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> pd.DataFrame:
        assert start < end
        of_device = (held["product_key"] == product_key) & (held["device_key"] == device_key)
        chosen = of_device & (held["time"] >= start) & (held["time"] < end)
        return held.loc[chosen, ["time", "measurepoint", "value"]]

    return query


@contextmanager
def played(history: mp.History, model: mp.ThingModel, **options: Any) -> Iterator[Any]:
    """Replay a history to a platform that accepts all; give the run and what the platform holds."""
    options = {"on_invalid": "withhold", "duplicates": "last", **options}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", folder)
        patch.setattr("mpreplay.history.history.SLAB_ROWS", 4)
        run, transport = scripted_replay(patch, always, history, model, **options)
        assert isinstance(run, mp.Run), run
        payloads = [payload for _, payload in transport.published]
        skip = bool(options.get("skip_invalid_measurepoints"))
        yield run, holding(payloads, model, skip=skip)


SMALL = st.builds(mp.Limits, max_entries=st.integers(1, 6), give_up_after=st.none())


@given(cases(most_rows=8), SMALL, st.lists(st.integers(0, 8), max_size=2))
@settings(max_examples=40)
def test_what_a_perfect_platform_holds_is_stored(
    case: Case, limits: mp.Limits, cuts: list[int]
) -> None:
    """Every value that was accepted, copies among them, of any type, from any source."""
    history = in_sources(case.frame, cuts)
    with played(history, case.model, limits=limits) as (run, held):
        found = run.reconcile(query_of(held))
        again = run.reconcile(held)

        assert set(found["state"]) <= {"stored"}
        assert len(found) == run.books["accepted"].sum()
        assert (found["found"] == found["value"]).all()
        pd.testing.assert_frame_equal(found, again)


@given(cases(most_rows=8), st.booleans())
@settings(max_examples=40)
def test_what_was_sent_though_the_model_forbids_it_is_found_too(case: Case, skip: bool) -> None:
    """Sent to let the platform judge; with skip on it keeps what the model allows and no more."""
    huge = 10**400  # travels, and comes back as nothing that the scripted platform can read
    assume(huge not in [value for row in case.rows for value in row.values.values()])
    options: dict[str, Any] = {"on_invalid": "send", "skip_invalid_measurepoints": skip}
    with played(case.history, case.model, **options) as (run, held):
        found = run.reconcile(query_of(held))

        assert set(found["state"]) <= {"stored"}
        assert len(found) == run.books["accepted"].sum()


def changed(value: Any, point: mp.Measurepoint) -> Any:
    """Return another value, as near as its type has one."""
    match point.type:
        case "FLOAT":
            return float(np.nextafter(np.float32(value), np.float32(1e9 if value < 1 else 0)))
        case "DOUBLE":
            return float(np.nextafter(value, 1e9 if value < 1 else 0))
        case "INT" | "BOOL":
            return int(value) ^ 1
    return "another value"


@given(cases(valid=True, most_rows=8), st.data())
@settings(max_examples=40)
def test_exactly_what_was_lost_or_changed_is_named(case: Case, data: st.DataObject) -> None:
    """A read-back that cries wolf is switched off, and one that sees nothing is worse."""
    with played(case.history, case.model) as (run, stored):
        fate = st.sampled_from(["stored", "stored", "different", "missing"])
        fates = data.draw(st.lists(fate, min_size=len(stored), max_size=len(stored)))
        values = stored["value"].astype(object)
        held = stored.assign(fate=pd.Series(fates, dtype=object), value=values)
        points = case.model.measurepoints
        for n in np.flatnonzero(held["fate"] == "different"):
            point = points[held["measurepoint"].iloc[n]]
            held.at[n, "value"] = changed(held["value"].iloc[n], point)
        kept = held[held["fate"] != "missing"]
        shuffled = kept.iloc[data.draw(st.permutations(range(len(kept))))]
        stranger = shuffled.assign(device_key="stranger", value="strange")
        other = shuffled.assign(measurepoint="another point", value=0)
        beyond = shuffled.assign(time=shuffled["time"] + pd.Timedelta("10000D"), value="late")
        answer = pd.concat([stranger, other, shuffled, shuffled, beyond], ignore_index=True)
        found = run.reconcile(lambda *_: answer)

        wanted = held.set_index(KEY)["fate"]
        states = found.set_index(KEY)["state"]
        assert states.tolist() == wanted.reindex(states.index).tolist()
        assert set(map(tuple, wanted.index)) == set(map(tuple, states.index))
        assert found["found"].isna().tolist() == (found["state"] == "missing").tolist()


FLOAT, DOUBLE = mp.Measurepoint("F", "FLOAT"), mp.Measurepoint("D", "DOUBLE")
INT, BOOL = mp.Measurepoint("I", "INT"), mp.Measurepoint("B", "BOOL")
TEXT, DATE = mp.Measurepoint("S", "STRING"), mp.Measurepoint("T", "DATE")
TIMESTAMP, ANY = mp.Measurepoint("M", "TIMESTAMP"), mp.Measurepoint("X", "ANY")
ENUM = mp.Measurepoint("E", "ENUM", keys=("on", "off"))
ARRAY = mp.Measurepoint("A", "ARRAY", item_type="FLOAT")
STRUCT = mp.Measurepoint("R", "STRUCT", members=(INT, FLOAT, TEXT))
MARKED = mp.Measurepoint("Q", "FLOAT", has_quality=True)
AN_HOUR = pd.Timestamp("1970-01-01T01:00:00Z")


def state_of(point: mp.Measurepoint, sent: Any, found: Any) -> str:
    """Return what becomes of one value beside another."""
    one = np.empty(1, object)
    one[0] = sent
    settled = convert(one, point)
    column = TypedColumn(point, settled.values, settled.quality, settled.misfits, np.arange(1))
    given = found if isinstance(found, pa.Array) else np.empty(1, object)
    if isinstance(given, np.ndarray):
        given[0] = found
    zero = np.zeros(1, np.int64)
    held = Held(zero, zero, np.array([point.identifier], object), given)
    states, _ = compare(column, zero, zero, zero, held)
    return str(states[0])


@pytest.mark.parametrize(
    ("point", "sent", "found"),
    [
        (FLOAT, 7.12, np.float32(7.12)),
        (FLOAT, 7.12, 7.119999885559082),  # the same 32 bits, read as 64
        (FLOAT, 7.12, "7.12"),
        (FLOAT, 100.0, 100),
        (FLOAT, -0.0, 0.0),
        (FLOAT, 7.12, pa.array([7.12], pa.float32())),
        (FLOAT, 7.12, pa.array(["7.12"])),
        (DOUBLE, 0.1, 0.1),
        (DOUBLE, 3.0, 3),
        (DOUBLE, 0.1, "0.1"),
        (INT, 7, 7.0),
        (INT, 7, "7"),
        (INT, 7, "7.0"),
        (INT, 7, np.int16(7)),
        (INT, 2**60 + 1, str(2**60 + 1)),
        (ANY, 2**70 + 1, 2**70 + 1),
        (BOOL, True, 1),
        (BOOL, False, 0.0),
        (BOOL, True, True),
        (BOOL, True, "True"),
        (BOOL, False, "false"),
        (BOOL, True, "1"),
        (TEXT, "7", "7"),
        (TEXT, "", ""),
        (ENUM, "on", "on"),
        (DATE, "2024-01-01 00:00:00", pd.Timestamp("2024-01-01")),
        (TIMESTAMP, AN_HOUR, "3600000"),
        (TIMESTAMP, AN_HOUR, 3_600_000),
        (TIMESTAMP, AN_HOUR, AN_HOUR.tz_convert("Asia/Tokyo")),
        (ARRAY, [1.5, 2.0], ["1.5", 2]),
        (ARRAY, [1.5, 2.0], "[1.5, 2.0]"),
        (ARRAY, [], []),
        (STRUCT, {"I": 1, "F": 0.1}, {"F": 0.10000000149011612, "I": 1.0, "S": None}),
        (STRUCT, {"I": 1, "S": "1"}, '{"S": "1", "I": 1}'),
        (MARKED, {"value": 1.5, "quality": 3}, 1.5),
        (MARKED, {"value": 1.5, "quality": 3}, {"value": 1.5, "quality": 0}),
        (ANY, 7, 7.0),
        (ANY, {"a": 1, "b": [2]}, {"b": [2.0], "a": 1}),
        (INT, "7", "7"),  # sent as it is, for the platform to judge
        (INT, 1.5, 1.5),
    ],
)
def test_values_that_say_the_same_are_stored(point: mp.Measurepoint, sent: Any, found: Any) -> None:
    """A platform and its clients write one value in many ways."""
    assert state_of(point, sent, found) == "stored"


@pytest.mark.parametrize(
    ("point", "sent", "found"),
    [
        (FLOAT, 7.12, 7.1200005),
        (FLOAT, 7.12, "seven"),
        (FLOAT, 7.12, float("inf")),
        (DOUBLE, 0.1, np.float32(0.1)),
        (DOUBLE, 2.0**53, 2**53 + 1),
        (INT, 2**60 + 1, 2**60),
        (INT, 2**60 + 1, float(2**60)),
        (INT, 2**60 + 1, str(2**60)),
        (ANY, 2**60 + 1, 2**60),
        (ANY, 2**70 + 1, 2**70),
        (STRUCT, {"I": 1, "S": "1"}, '{"I": 1, "S": "2", "S": "1"}'),
        (INT, 7, 7.5),
        (INT, 7, True),
        (BOOL, True, 0),
        (BOOL, True, "yes"),
        (TEXT, "7", 7),
        (TEXT, "a", "a "),
        (ENUM, "on", "off"),
        (DATE, "2024-01-01 00:00:00", "2024-01-01 00:00:01"),
        (TIMESTAMP, AN_HOUR, "3600001"),
        (ARRAY, [1.5, 2.0], [2.0, 1.5]),
        (ARRAY, [1.5], [1.5, 1.5]),
        (STRUCT, {"I": 1, "S": "1"}, {"I": 1, "S": 1}),
        (STRUCT, {"I": 1}, {"I": 1, "S": ""}),
        (STRUCT, {"I": 1}, {"I": 1, "other": 2}),
        (ANY, {"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_values_that_say_something_else_are_different(
    point: mp.Measurepoint, sent: Any, found: Any
) -> None:
    """Near is not stored."""
    assert state_of(point, sent, found) == "different"


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA, pa.array([None], pa.float64())])
def test_an_answer_without_a_value_is_none(nothing: Any) -> None:
    """A pivoted table has a cell for everything, also for what is not there."""
    assert state_of(FLOAT, 7.12, nothing) == "missing"


def test_answers_of_several_types_keep_their_digits() -> None:
    """An integer beside a float would become one, and lose what the other has not."""
    zero, name = np.zeros(1, np.int64), np.array(["I"], object)
    parts = [Held(zero, zero, name, pa.array([2**53 + 1])), Held(zero, zero, name, pa.array([0.5]))]

    assert held_together(parts).values.tolist() == [2**53 + 1, 0.5]
    assert held_together(parts[:1] * 2).values.to_pylist() == [2**53 + 1] * 2


# Whole runs.


def test_what_is_in_doubt_becomes_stored_or_missing(play: Play, model: mp.ThingModel) -> None:
    """The reply was lost, or the request: only the platform can say which."""
    run, transport = play(lambda n, _: [] if n > 6 else None, isolate=False)
    payloads = list(dict.fromkeys(payload for _, payload in transport.published))
    arrived, last = payloads[:-1], payloads[-1]
    found = run.reconcile(query_of(holding(arrived, model)))
    in_doubt = found[found["outcome"] == "in_doubt"]

    assert len(found) == run.books[["accepted", "in_doubt"]].to_numpy().sum()
    assert set(found.loc[found["outcome"] == "accepted", "state"]) == {"stored"}
    assert in_doubt["state"].value_counts().to_dict() == {"stored": 2, "missing": 3}
    lost = in_doubt.loc[in_doubt["state"] == "missing", "request_id"].unique().tolist()
    assert lost == [orjson.loads(last)["id"]]


def test_a_killed_run_is_reconciled_in_another_process(
    play: Play, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """Before it is continued one may ask what arrived of what was on its way."""
    seen: list[bytes] = []

    def script(n: int, message: Any) -> None:
        seen.append(orjson.dumps(message))
        if n == 3:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        play(script)
    run = mp.open_run(tmp_path / "run.db")
    found = run.reconcile(query_of(holding(seen, model)), history=history, model=model)

    assert found["state"].eq("stored").sum() == sum(
        len(entry["measurepoints"]) for one in seen for entry in orjson.loads(one)["params"]
    )
    assert set(found.loc[found["state"] == "missing", "outcome"]) == {"in_doubt"}
    assert len(found) == run.books[["accepted", "in_doubt"]].to_numpy().sum()
    run, transport = play()
    held = holding([*seen, *(p for _, p in transport.published)], model)
    again = mp.open_run(tmp_path / "run.db").reconcile(held, history=history, model=model)
    assert set(again["state"]) == {"stored"}
    assert len(again) == run.books["accepted"].sum() == 22


def test_requests_that_were_taken_apart_are_put_together_again(
    play: Play, model: mp.ThingModel
) -> None:
    """Down to single values, of which one was declined."""

    def has_culprit(message: Any) -> bool:
        return any(entry["measurepoints"].get("P") == 20.0 for entry in message["params"])

    run, transport = play(
        lambda _n, message: [(0.0, 1204)] if has_culprit(message) else None,
        isolate="point", limits=replace(SOLO, max_entries=None),
    )  # fmt: skip
    messages = [(payload, orjson.loads(payload)) for _, payload in transport.published]
    held = holding([payload for payload, message in messages if not has_culprit(message)], model)
    found = run.reconcile(query_of(held))

    assert (run.results["outcome"] == "divided").any()
    assert len(found) == run.books["accepted"].sum() == 21
    assert set(found["state"]) == {"stored"}


def test_each_device_is_asked_for_its_own_interval(play: Play, model: mp.ThingModel) -> None:
    """And no further: an answer holds a slab's worth, whatever the platform has besides."""
    run, transport = play()
    query = query_of(holding([payload for _, payload in transport.published], model))
    asked: list[tuple[Any, ...]] = []

    def noting(*arguments: Any) -> pd.DataFrame:
        asked.append(arguments)
        answer: pd.DataFrame = query(*arguments)
        return answer

    frames = list(run.iter_reconcile(noting))
    start = pd.Timestamp("2024-05-31 23:40", tz="UTC")
    end = pd.Timestamp("2024-06-01 00:10:00.001", tz="UTC")
    assert asked == [(*device, start, end) for device in FARM]
    assert all(isinstance(instant, pd.Timestamp) for instant in asked[0][2:])
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), run.reconcile(query))


@pytest.mark.parametrize("named", ["wind", ["wind"], [(PRODUCT, "wind")]])
def test_points_that_the_platform_keeps_otherwise_are_not_compared(
    play: Play, model: mp.ThingModel, named: Any
) -> None:
    """Compressed points would all be false alarms; the user says which they are."""
    run, transport = play()
    held = holding([payload for _, payload in transport.published], model)
    held = held[held["measurepoint"] != "wind"]
    found = run.reconcile(query_of(held), not_comparable=named)

    states = found.groupby("measurepoint")["state"].agg(set).to_dict()
    assert states == {"P": {"stored"}, "state": {"stored"}, "wind": {"not comparable"}}
    other = run.reconcile(query_of(held), not_comparable=[("other product", "wind")])
    assert set(other.loc[other["measurepoint"] == "wind", "state"]) == {"missing"}
    run.reconcile(
        lambda *_: pytest.fail("asked for nothing"), not_comparable=["wind", "P", "state"]
    )


def test_an_answer_that_contradicts_itself_shows_nothing_as_stored(
    play: Play, model: mp.ThingModel
) -> None:
    """A platform holds one value in one place; whoever sees two asked for something else."""
    run, transport = play()
    held = holding([payload for _, payload in transport.published], model)
    is_first = (held["measurepoint"] == "P") & (held["device_key"] == "T1")
    answer = pd.concat([held, held[is_first].head(1).assign(value=9.5)], ignore_index=True)
    found = run.reconcile(query_of(answer))

    different = found[found["state"] == "different"]
    assert different[["value", "found"]].to_numpy().tolist() == [["1.5", "1.5 / 9.5"]]


def test_copies_have_rows_of_their_own(
    play: Play, model: mp.ThingModel, frame: pd.DataFrame
) -> None:
    """Every row of the history can be asked after, also the one whose twin was sent."""
    twice = history_of(pd.concat([frame, frame.iloc[:1]], ignore_index=True))
    run, transport = play(history=twice)
    held = holding([payload for _, payload in transport.published], model)
    found = run.reconcile(query_of(held[held["measurepoint"] != "wind"]))

    assert len(found) == run.books["accepted"].sum() == 25
    copies = found[found["row"] == 8].drop(columns="row").reset_index(drop=True)
    twins = found[found["row"] == 0].drop(columns="row").reset_index(drop=True)
    pd.testing.assert_frame_equal(copies, twins)
    assert sorted(copies["state"]) == ["missing", "stored", "stored"]


def test_the_frame_has_the_same_types_full_and_empty(play: Play, tmp_path: Path) -> None:
    """Scripts put frames of many runs together."""
    run, _ = play()
    nothing = pd.DataFrame({"time": [], "measurepoint": [], "value": []})
    missing = run.reconcile(lambda *_: nothing)
    declined, _ = play(lambda *_: [(0.0, 1204)], isolate=False, journal=tmp_path / "declined.db")
    empty = declined.reconcile(lambda *_: nothing)

    assert (len(missing), len(empty)) == (22, 0)
    assert set(missing["state"]) == {"missing"}
    assert list(empty.columns) == list(RECONCILED_COLUMNS)
    pd.testing.assert_series_equal(missing.dtypes, empty.dtypes)
    assert missing["found"].isna().all()


# What is wrong with a query, an argument or a history is said.

GOOD = pd.DataFrame(
    {"time": [pd.Timestamp("2024-05-31 23:40", tz="UTC")], "measurepoint": ["P"], "value": [1.5]}
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned NoneType; a query is called with .product_key, device_key, start, end"),
        (GOOD.drop(columns="value"), "no column 'value', only time, measurepoint"),
        (GOOD.rename(columns={"time": "ts"}), "no column 'time', only ts, measurepoint, value"),
        (pd.DataFrame(), "no column 'time', only none"),
        (GOOD.assign(time=GOOD["time"].dt.tz_localize(None)), "expected datetimes with a zone"),
        (GOOD.assign(time=pd.NaT), "the time in row 0 cannot be read"),
        (GOOD.assign(time="yesterday"), "the time in row 0 cannot be read"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named(play: Play, answer: Any, said: str) -> None:
    """The query is the user's; the message says what was expected of it, and where."""
    run, _ = play()

    with pytest.raises(mp.ConfigError, match=said) as caught:
        run.reconcile(lambda *_: answer)
    assert "turbine/T1" in str(caught.value)


def test_a_query_that_fails_is_named_without_its_words(play: Play) -> None:
    """They may hold an access key; the cause is chained for whoever looks."""
    run, _ = play()

    def failing(*_: Any) -> pd.DataFrame:
        raise OSError("https://api?accessKey=geheim")

    with pytest.raises(mp.ConfigError, match=r"turbine/T1 from .* raised OSError") as caught:
        run.reconcile(failing)
    assert "geheim" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("form", ["milliseconds", "text", "zone", "microseconds", "object"])
def test_times_are_read_in_any_form_that_is_clear(play: Play, form: str) -> None:
    """REST interfaces give milliseconds, tables ISO texts, pandas any unit and zone."""
    run, _ = play()
    time = GOOD["time"]
    forms = {
        "milliseconds": [int(time[0].timestamp() * 1000)],
        "text": ["2024-06-01T01:40:00+02:00"],
        "zone": time.dt.tz_convert("Europe/Paris"),
        "microseconds": time.dt.as_unit("us"),
        "object": time.astype(object),
    }
    found = run.reconcile(lambda *_: GOOD.assign(time=forms[form]))

    assert found.loc[found["state"] == "stored", ["device_key", "row"]].to_numpy().tolist() == [
        ["T1", 0]
    ]


def test_a_table_of_several_devices_names_them(play: Play) -> None:
    """Else the values of one would stand for those of another."""
    run, _ = play()
    with pytest.raises(mp.ConfigError, match="no column 'device_key', and the run has 2 devices"):
        run.iter_reconcile(GOOD)

    found = run.reconcile(GOOD.assign(device_key="T1"))
    assert found["state"].value_counts().to_dict() == {"missing": 21, "stored": 1}


def test_a_table_of_one_device_need_not_name_it(play: Play, frame: pd.DataFrame) -> None:
    """A notebook with a meter in it is short."""
    run, _ = play(history=history_of(frame[frame["unit"] == "T1"]))

    assert run.reconcile(GOOD)["state"].value_counts().to_dict() == {"missing": 10, "stored": 1}


def test_a_journal_alone_keeps_no_values(
    play: Play, model: mp.ThingModel, history: mp.History, tmp_path: Path
) -> None:
    """Opened anew it needs what it was made from, and checks that it is that."""
    play()
    run = mp.open_run(tmp_path / "run.db")
    with pytest.raises(mp.ConfigError, match="a journal keeps no values: give history= and model="):
        run.iter_reconcile(GOOD)
    with pytest.raises(
        mp.JournalMismatch, match="what is given here: the thing model is another"
    ) as caught:
        run.iter_reconcile(GOOD, history=history, model=mp.ThingModel("N", model.measurepoints))
    assert caught.value.differs == ("model",)


def test_a_history_that_has_changed_since_is_refused(
    play: Play, frame: pd.DataFrame, model: mp.ThingModel
) -> None:
    """Its values are not those that were sent."""
    run, _ = play()
    changed_frame = frame.assign(P=frame["P"] + 1)
    with pytest.raises(mp.JournalMismatch, match="what is given here: the history is another"):
        run.iter_reconcile(GOOD, history=history_of(changed_frame))


def test_bytes_that_are_not_those_that_were_sent_are_refused(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of a library may write other texts: what was sent is then not known."""
    run, _ = play()
    monkeypatch.setattr("mpreplay.requests.chunk.Chunk.payload", lambda *_: b"{}")

    with pytest.raises(mp.JournalMismatch, match="cannot be made again with the same bytes"):
        run.reconcile(GOOD.assign(device_key="T1"))


@pytest.mark.parametrize(("named", "said"), [("winds", "'winds'"), ([("p", "Q")], r"\('p', 'Q'\)")])
def test_a_point_that_nobody_knows_is_not_set_apart(play: Play, named: Any, said: str) -> None:
    """A typing error would be found out by a reader of thousands of false alarms."""
    run, _ = play()
    with pytest.raises(mp.ConfigError, match=f"not_comparable names {said}"):
        run.iter_reconcile(query_of(GOOD), not_comparable=named)


def test_a_query_is_a_function_or_a_table(play: Play) -> None:
    """Said at the call, before a slab is read."""
    run, _ = play()
    with pytest.raises(mp.ConfigError, match="got str"):
        run.iter_reconcile("SELECT * FROM values")  # type: ignore[arg-type]


# Beside the rehearsal platform.


def test_the_rehearsal_platform_is_asked_as_it_is(
    platform: Any, history: mp.History, model: mp.ThingModel
) -> None:
    """The shortest rehearsal of a read-back: one line."""
    run = mp.replay(
        history, model, platform.connection, allow_offline_sub_device=True, progress=False
    )

    assert run.reconcile(platform.stored)["state"].value_counts().to_dict() == {"stored": 22}


def test_the_rehearsal_platform_gives_a_device_and_an_interval(
    platform: Any, history: mp.History, model: mp.ThingModel
) -> None:
    """What crosses the pipe is what was asked for."""
    mp.replay(history, model, platform.connection, allow_offline_sub_device=True,
              limits=mp.Limits(max_entries=3), progress=False)  # fmt: skip
    everything = platform.stored()
    midnight, later = pd.Timestamp("2024-06-01", tz="UTC"), "2024-06-01T02:10:00+02:00"

    def chosen(mask: Any) -> pd.DataFrame:
        return everything[mask].reset_index(drop=True)

    of_device = everything["device_key"] == "T2"
    before = everything["time"] < midnight
    until = everything["time"] < pd.Timestamp(later)
    for arguments, mask in [
        ((PRODUCT,), everything["time"] == everything["time"]),
        ((PRODUCT, "T2"), of_device),
        ((None, "T2", midnight), of_device & ~before),
        ((None, None, None, "2024-06-01"), before),
        ((PRODUCT, "T2", midnight, later), of_device & ~before & until),
        ((PRODUCT, "T3"), ~until & until),
    ]:
        found = platform.stored(*arguments)
        assert (
            found[[*KEY, "value"]].astype(str).equals(chosen(mask)[[*KEY, "value"]].astype(str))
        ), arguments
    with pytest.raises(mp.ConfigError, match=r"start 'soon' \(str\) is not a time"):
        platform.stored(start="soon")
    with pytest.raises(mp.ConfigError, match=r"end .* is not a time"):
        platform.stored(end=pd.NaT)
