"""Rejects fed back: every value comes back as it was, unless somebody mended it."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import always, scripted_replay

import mpreplay as mp
from mpreplay import Measurepoint, ThingModel
from mpreplay.errors import HistoryError, InvalidHistory
from mpreplay.frames import REJECT_COLUMNS
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.history.rejects_file import REJECT_NAMES
from mpreplay.outcome.reject_table import joined, reject_frame
from mpreplay.outcome.rejects import rejects_of_chunk, rejects_withheld
from mpreplay.outcome.settled import Settled
from mpreplay.requests.chunk import Chunk, Prepared
from mpreplay.settings import Policy
from mpreplay.sources.source import digest_of
from mpreplay.values.column_json import texts_of
from mpreplay.values.plain_text import plain_text, read_plain

DECLINED = Settled("1700000000000000001", "declined", 1204, "", 1, None)
Value = tuple[Any, ...]


def rejects_of(slabs: list[Prepared], settled: Settled = DECLINED) -> pd.DataFrame:
    """Return the rejects of a replay all of whose requests were declined."""
    frames = [rejects_withheld(part) for slab in slabs for part in slab.parts]
    frames += [rejects_of_chunk(chunk, settled) for slab in slabs for chunk in slab.chunks()]
    return reject_frame(joined(frames))


def wire(slabs: list[Prepared]) -> dict[tuple[str, int, str], Value]:
    """Return each value by source, row and point: device, time, text, and what is wrong with it."""
    found: dict[tuple[str, int, str], Value] = {}
    for part in (part for slab in slabs for part in slab.parts):
        readings = part.readings
        for column in readings.columns:
            texts = texts_of(column).array().to_pylist()
            misfits = {o.position: o for o in column.misfits}
            for position in np.flatnonzero(column.present()).tolist():
                row = int(column.at[position])
                found_in = (one for one in readings.unreadable if row in one.positions)
                why = next((one.check for one in found_in), "")
                code = int(readings.device[row])
                device = tuple(readings.devices[code]) if code >= 0 else ("", "")
                time = None if why == "time" else int(readings.time[row])
                one = misfits.get(position)
                text = one.told if one is not None and one.text is None else texts[position]
                key = (readings.source, int(readings.rows[row]), column.point.identifier)
                assert key not in found
                found[key] = (*device, time, column.point.identifier, text, why)
    return found


def expected(rejects: pd.DataFrame, values: dict[Any, Value]) -> list[Value]:
    """Return the values that rows of rejects name, in their order; twice if they are copies."""
    named = zip(rejects["source"], rejects["row"], rejects["measurepoint"], strict=True)
    return [values[source, int(row), point] for source, row, point in named]


def through(rejects: pd.DataFrame, folder: Path, how: str) -> History:
    """Write rejects as people do, and read what was written."""
    path = folder / f"rejects.{how.partition(' ')[0]}"
    if how == "frame":
        return mp.read_history(rejects, plausible=None)
    if how.startswith("parquet"):
        rejects.to_parquet(path, index="index" in how)
    else:
        rejects.to_csv(path, index="index" in how, sep=";" if "semicolon" in how else ",")
    return mp.read_history(path, plausible=None)


WAYS = ["frame", "parquet", "parquet index", "csv", "csv index", "csv semicolon"]


def with_qualities(model: ThingModel, chosen: set[str], passes: bool) -> ThingModel:
    """Return a model some of whose points have a quality, and which may pass others through."""
    points = {
        name: replace(point, has_quality=name in chosen)
        for name, point in model.measurepoints.items()
    }
    return ThingModel("M", points, pass_through=passes)


@st.composite
def dirty(draw: Any) -> tuple[ThingModel, pd.DataFrame]:
    """Draw a model and a long history of it, with odd values, qualities and unknown points."""
    case = draw(strategies.cases(unreadable=True))
    chosen = draw(st.sets(st.sampled_from([*case.model.measurepoints])))
    model = with_qualities(case.model, chosen, draw(st.booleans()))
    marks = st.sampled_from([None, None, 0, 9, 3, 12, "x", 1.5, float("inf")])
    strange = st.sampled_from(["nan", " 7", '{"value":7}', '{"unsendable":"x"}', b"7", "", "null"])
    rows = []
    for row in case.rows:
        for name, value in row.values.items():
            others = ["unknown point", None] if model.pass_through else ["unknown point", None, "?"]
            point = draw(st.sampled_from([*[name] * 4, *others]))
            mark = draw(marks)
            kept = draw(strange) if draw(st.integers(0, 5)) == 0 else value
            rows.append((row.time, row.device, row.product, point, kept, mark))
    names = ["(time)", "(device)", "(product)", "point", "value", "quality"]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    series = {
        name: pd.Series(list(column), dtype=object)
        for name, column in zip(names, columns, strict=True)
    }
    return model, pd.DataFrame(series)


@settings(max_examples=40)
@given(
    dirty(), st.sampled_from(["withhold", "send"]), st.sampled_from(WAYS), st.sampled_from([3, 99])
)
def test_every_reject_is_read_back_as_the_value_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[ThingModel, pd.DataFrame],
    on_invalid: Any,
    how: str,
    slab: int,
) -> None:
    """Who mends one row must not change the others: same device, time, point and text."""
    model, frame = drawn
    policy = Policy(on_invalid=on_invalid, duplicates="last")
    options = {"point_column": "point", "value_column": "value", "quality_column": "quality"}
    with mock.patch.object(history_module, "SLAB_ROWS", slab):
        slabs = strategies.prepare(strategies.read(frame, **options), model, policy)
        rejects = rejects_of(slabs)
        history = through(rejects, tmp_path_factory.mktemp("rejects"), how)
        again = strategies.prepare(history, model, policy)

    read = wire(again)
    rows = {key[1]: value for key, value in read.items()}
    assert len(rows) == len(read) == len(rejects)
    superseded = rejects["check"] == "superseded"
    for row, was in enumerate(expected(rejects, wire(slabs))):
        now = rows[row]
        if superseded[row] and not now[5]:  # kept as it was written, never to be sent
            assert now[:4] == was[:4]
            assert now[4] == ""
            continue
        assert now == was, f"{now} was {was}"
    second = rejects_of(again)
    assert second["value"].tolist() == rejects["value"].tolist()
    assert (second["check"] == "superseded").tolist() == superseded.tolist()


def test_a_rejects_file_has_the_columns_of_rejects() -> None:
    """A column more in the frame must not keep its files from being known."""
    assert list(REJECT_COLUMNS) == list(REJECT_NAMES)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("STRING", "007", "007"),
        ("STRING", "7", "7"),
        ("STRING", 7, '{"value":7}'),
        ("STRING", '{"value":7}', '{"value":"{\\"value\\":7}"}'),
        ("STRING", 'say "so"\r\n', 'say "so"\r\n'),
        ("STRING", "NaN", "NaN"),
        ("STRING", "", ""),
        ("STRING", "half \ud800", '{"value":"half \\ud800"}'),
        ("STRING", float("inf"), '{"value":Infinity}'),
        ("INT", 7, "7"),
        ("INT", "7", '"7"'),
        ("INT", "NaN", "NaN"),
        ("INT", "null", "null"),
        ("INT", " 7", '" 7"'),
        ("INT", 2**70, str(2**70)),
        ("INT", True, "true"),
        ("DOUBLE", float("-inf"), "-inf"),
        ("DOUBLE", "-inf", '"-inf"'),
        ("DOUBLE", "x", "x"),
        ("DATE", "2024-01-01 00:00:00", "2024-01-01 00:00:00"),
        ("INT", [1, float("inf")], "[1,Infinity]"),
        ("INT", {"value": 1}, '{"value":{"value":1}}'),
        ("INT", {"unsendable": "x"}, '{"value":{"unsendable":"x"}}'),
    ],
)
def test_a_value_is_written_so_that_it_is_read_as_the_same(
    kind: str, value: Any, text: str
) -> None:
    """A text that looks like a number must not become one on its way through a file."""
    point = Measurepoint("p", kind)

    assert plain_text(value, point) == text
    assert repr(read_plain(text, point)) == repr((value, None))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("TIMESTAMP", pd.Timestamp("2024-01-01T00:00:00.000001Z"),
         "2024-01-01T00:00:00.000001+00:00"),
        ("TIMESTAMP", "2024-01-01T00:00:00.000001Z", '{"value":"2024-01-01T00:00:00.000001Z"}'),
        ("TIMESTAMP", dt.datetime(2024, 1, 1), "2024-01-01 00:00:00"),  # noqa: DTZ001
        ("INT", b"7", '{"unsendable":"b\'7\'"}'),
        ("DOUBLE", Decimal("Infinity"), "inf"),
    ],
)  # fmt: skip
def test_what_no_json_can_hold_stays_a_violation(kind: str, value: Any, text: str) -> None:
    """Fed back as it is, it is withheld again, for the same reason."""
    model = ThingModel("M", {"p": Measurepoint("p", kind)})
    frame = pd.DataFrame({"p": pd.Series([value], dtype=object)})
    frame.index = pd.to_datetime(["2024-01-01T00:00:00Z"])
    slabs = strategies.prepare(mp.read_history(frame, plausible=None), model)
    rejects = rejects_of(slabs)

    again = strategies.prepare(mp.read_history(rejects, plausible=None), model)

    assert rejects["value"].tolist() == [text]
    assert rejects_of(again)[["value", "check", "outcome"]].equals(
        rejects[["value", "check", "outcome"]]
    )
    [[before], [now]] = [wire(each).values() for each in (slabs, again)]
    assert before == now


@pytest.mark.parametrize("how", WAYS)
def test_a_declined_value_keeps_its_quality(tmp_path: Path, how: str) -> None:
    """It would arrive as another value without it."""
    member = Measurepoint("a", "INT")
    points = (
        Measurepoint("P", "FLOAT", has_quality=True),
        Measurepoint("s", "STRING", has_quality=True),
        Measurepoint("S", "STRUCT", members=(member,), has_quality=True),
    )
    model = ThingModel("M", {point.identifier: point for point in points})
    frame = pd.DataFrame(
        {
            "P": [1.5], "P.quality": [3], "s": ["x"], "s.quality": [0],
            "S": [{"value": {"a": 7}, "quality": 9}],
        },
        index=pd.to_datetime(["2024-01-01T00:00:00Z"]),
    )  # fmt: skip
    slabs = strategies.prepare(mp.read_history(frame, plausible=None), model)
    rejects = rejects_of(slabs)

    again = strategies.prepare(through(rejects, tmp_path, how), model)

    assert sorted(rejects["value"]) == [
        '{"value":"x","quality":0}', '{"value":1.5,"quality":3}', '{"value":{"a":7},"quality":9}',
    ]  # fmt: skip
    [before], [now] = slabs[0].chunks(), again[0].chunks()
    assert params_of(before) == params_of(now)


def params_of(chunk: Chunk) -> Any:
    """Return what a request says, its points in any order."""
    return orjson.loads(chunk.payload("1", Policy()))["params"]


def test_a_person_who_mends_a_cell_need_not_know_json(tmp_path: Path) -> None:
    """What a spreadsheet writes is read by the type of the point."""
    points = (
        Measurepoint("P", "FLOAT", maximum=10),
        Measurepoint("s", "STRING", max_length=3),
        Measurepoint("S", "STRUCT", members=(Measurepoint("value", "INT"),)),
    )
    model = ThingModel("M", {point.identifier: point for point in points})
    frame = pd.DataFrame(
        {"P": [99.0], "s": ["12345"], "S": [{"value": 2**40}]},
        index=pd.to_datetime(["2024-01-01T00:00:00Z"]),
    )
    rejects = rejects_of(strategies.prepare(mp.read_history(frame, plausible=None), model))
    mended = rejects.set_index("measurepoint", drop=False)
    mended["value"] = pd.Series({"P": "9", "s": "123", "S": '{ "value": 5 }'})
    mended.to_csv(tmp_path / "mended.csv", index=False)

    history = mp.read_history(tmp_path / "mended.csv", plausible=None)

    assert mp.validate(history, model).ok
    [slab] = strategies.prepare(history, model)
    assert b'"P":9.0,"S":{"value":5},"s":"123"' in slab.chunks()[0].payload("1", Policy())


def superseded_rejects(frame: pd.DataFrame, model: ThingModel) -> pd.DataFrame:
    """Return the rejects of two readings of one device, time and point, both not arrived."""
    slabs = strategies.prepare(strategies.read(frame), model)
    rejects = rejects_of(slabs)
    assert sorted(rejects["check"]) == ["platform", "superseded"]
    return rejects


TWICE = [
    {"(time)": 1_000, "(device)": "d1", "(product)": "p1", "P": 1.0},
    {"(time)": 1_000, "(device)": "d1", "(product)": "p1", "P": 2.0},
]
P = ThingModel("M", {"P": Measurepoint("P", "FLOAT")})


@pytest.mark.parametrize("duplicates", ["raise", "first", "last"])
@pytest.mark.parametrize("on_invalid", ["raise", "withhold", "send"])
@pytest.mark.parametrize("edit", [None, "7.0", "2.0", "nonsense"])
def test_a_superseded_value_is_never_sent(
    monkeypatch: pytest.MonkeyPatch, duplicates: Any, on_invalid: Any, edit: str | None
) -> None:
    """Nor does it supersede the one that was sent, whatever somebody wrote into it."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)
    if edit:
        rejects.loc[rejects["check"] == "superseded", "value"] = edit

    run, transport = scripted_replay(
        monkeypatch, always, mp.read_history(rejects, plausible=None), P, on_invalid=on_invalid,
        duplicates=duplicates,
    )  # fmt: skip

    [(_, payload)] = transport.published
    assert b'"P":2.0' in payload
    assert b'"P":1.0' not in payload
    assert payload.count(b'"P":') == 1
    assert run.books[["read", "accepted", "withheld"]].to_numpy().tolist() == [[2, 1, 1]]
    [reject] = run.rejects.to_dict("records")
    assert reject["check"] == "superseded"
    assert reject["value"] == (edit or "1.0")
    assert reject["reason"] == (
        "superseded by another reading in the run that these rejects are of"
    )


def test_a_superseded_value_whose_rival_was_deleted_stays_at_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rival may have arrived: the older reading must not overwrite it."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)
    rejects = rejects[rejects["check"] == "superseded"]

    run, transport = scripted_replay(
        monkeypatch, always, mp.read_history(rejects, plausible=None), P
    )

    assert transport.published == []
    assert run.rejects["check"].tolist() == ["superseded"]
    assert run.complete


def test_a_copy_shares_the_fate_of_its_twin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both rows are in the rejects, and both are settled by the one that is sent."""
    rows = [TWICE[0], TWICE[0]]
    rejects = rejects_of(strategies.prepare(strategies.read(pd.DataFrame(rows)), P))
    assert rejects["reason"].str.endswith("a copy of another reading").tolist() == [False, True]

    run, transport = scripted_replay(
        monkeypatch, always, mp.read_history(rejects, plausible=None), P
    )

    assert len(transport.published) == 1
    assert run.books[["read", "accepted"]].to_numpy().tolist() == [[2, 2]]


def test_a_copy_that_was_mended_otherwise_is_a_contradiction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody but the user can say which of the two is meant."""
    rejects = rejects_of(strategies.prepare(strategies.read(pd.DataFrame([TWICE[0]] * 2)), P))
    rejects.loc[1, "value"] = "3.0"

    error, _ = scripted_replay(monkeypatch, always, mp.read_history(rejects, plausible=None), P)

    assert isinstance(error, InvalidHistory)
    assert "1.0 in row 0" in str(error)
    assert "3.0 in row 1" in str(error)


def test_rows_without_time_or_device_stay_violations_until_they_are_mended(
    tmp_path: Path,
) -> None:
    """What they lack, no file can give them; a person can."""
    rows = [{**TWICE[0], "(time)": None}, {**TWICE[0], "(device)": None}]
    rejects = rejects_of(strategies.prepare(strategies.read(pd.DataFrame(rows)), P))
    for how in WAYS:
        again = rejects_of(strategies.prepare(through(rejects, tmp_path, how), P))
        assert sorted(again["check"]) == ["device", "time"]
    mended = rejects.assign(device_key="d1", product_key="p1")
    mended["time"] = pd.Timestamp("2024-01-01T00:00:00Z") + pd.to_timedelta([0, 1], unit="s")

    assert mp.validate(through(mended, tmp_path, "csv"), P).ok


def test_a_mended_file_is_named_in_what_is_said_of_it(tmp_path: Path) -> None:
    """Whoever mends forty rows wants to know which one is still wrong."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P).assign(check="platform", value="x")
    path = tmp_path / "mended.csv"
    rejects.to_csv(path, index=False)

    violations = mp.validate(mp.read_history(path, plausible=None), P).violations

    assert violations["source"].tolist() == [str(path)] * 2
    assert violations["row"].tolist() == [0, 1]
    assert violations["value"].tolist() == ["x", "x"]


def test_deleted_rows_columns_more_and_an_empty_file_are_as_one_expects(tmp_path: Path) -> None:
    """People sort, cut and annotate such files."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)
    path = tmp_path / "Rejects.CSV"
    rejects.iloc[:0].to_csv(path)
    assert mp.read_history(path, plausible=None).n_rows == 0
    rejects.iloc[::-1].assign(remark="ask Ann, \n or Bob")[:1].to_csv(path, encoding="utf-8-sig")
    history = mp.read_history(path, start="1970-01-01", end="1970-01-02", plausible=None)
    assert mp.validate(history, P).n_values == history.n_rows == 1
    table = pa.Table.from_pandas(rejects)
    assert mp.validate(mp.read_history(table, plausible=None), P).n_values == 2
    assert (
        mp.validate(
            mp.read_history(table.combine_chunks().to_batches()[0], plausible=None), P
        ).n_values
        == 2
    )
    for part in (rejects.iloc[:1], rejects.iloc[1:]):
        part.to_parquet(tmp_path / f"{part.index[0]}.parquet")
    assert mp.validate(mp.read_history(tmp_path, plausible=None), P).n_values == 2


def test_the_digest_of_a_csv_file_is_of_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may be mended on while its history waits; an audit must not vouch for that."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)
    path = tmp_path / "mended.csv"
    rejects.to_csv(path, index=False)
    read = path.read_bytes()
    history = mp.read_history(path, plausible=None)
    path.write_text("mended further")

    assert digest_of(history.sources[0]) == {
        "name": "mended.csv",
        "bytes": len(read),
        "sha256": hashlib.sha256(read).hexdigest(),
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DataFrame").write_text("a file that happens to be called so")
    assert digest_of(mp.read_history(rejects, plausible=None).sources[0])["sha256"] is None


def test_what_is_no_rejects_file_is_told_apart(tmp_path: Path) -> None:
    """A CSV of readings needs names for its columns, and a broken file of rejects is one still."""
    path = tmp_path / "readings.csv"
    path.write_text("time,P\n2024,1\n")
    with pytest.raises(HistoryError, match="not rejects: name the time with time_column="):
        mp.read_history(path)
    assert mp.read_history(path, time_column="time").n_rows == 1
    path.write_text(",".join(REJECT_NAMES) + "\nfile,1\n")
    with pytest.raises(HistoryError, match=r"readings\.csv: cannot be read as CSV"):
        mp.read_history(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HistoryError, match="mark of UTF-16"):
        mp.read_history(path)
    frame = pd.DataFrame({"P": [1.0]})
    frame.to_parquet(tmp_path / "readings.parquet")
    with pytest.raises(HistoryError, match="not rejects: name the time"):
        mp.read_history(tmp_path / "readings.parquet")


def test_the_callers_own_names_come_first() -> None:
    """A frame of rejects may be read as something else by who asks for it."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)

    history = mp.read_history(
        rejects, time_column="time", device_column="device_key", product_column="product_key",
        point_column="measurepoint", value_column="value", plausible=None,
    )  # fmt: skip

    assert mp.validate(history, P).n_conflicts == 1


def test_the_frame_is_not_changed(tmp_path: Path) -> None:
    """The caller's frame never is."""
    rejects = superseded_rejects(pd.DataFrame(TWICE), P)
    before = rejects.copy(deep=True)

    mp.validate(mp.read_history(rejects, plausible=None), P)

    pd.testing.assert_frame_equal(rejects, before)
