"""Arguments of wrong types: each public function refuses them at the call, in words of its own."""

from __future__ import annotations

import datetime as dt
import inspect
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay.errors import MpReplayError
from mpreplay.errors.arguments import kind_of, shown_briefly


class Shy:
    """An object that can be neither shown nor compared, nor taken for true or false."""

    def __repr__(self) -> str:
        raise RuntimeError("shown")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __bool__(self) -> bool:
        raise RuntimeError("taken for a truth value")

    __hash__ = None  # type: ignore[assignment]


MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
FRAME = pd.DataFrame({"P": [1.5, 2.5]}, index=pd.date_range("2024", periods=2, tz="UTC"))
HISTORY = mp.read_history(FRAME)
CONNECTION = mp.Connection("127.0.0.1", 9, "gw", "gw-1", "hushhush")
LIMITS = mp.Limits(connects=None)
WRONG: dict[str, Any] = {
    "None": None,
    "number": 7,
    "zero": 0,
    "float": 1.5,
    "nan": float("nan"),
    "huge": 10**5_000,
    "true": True,
    "numpy number": np.int64(7),
    "text": "text",
    "no text": "",
    "surrogate": "\ud800",
    "nul": "a\0b",
    "bytes": b"text",
    "list": [1, 2],
    "texts": ["a", "b"],
    "pairs": [("a", "b")],
    "tuple": (1, 2),
    "pair": ("gw", "gw-1"),
    "empty": (),
    "set": {1},
    "dict": {"a": 1},
    "odd dict": {1: "a"},
    "none dict": {"P": None},
    "deep": {"P": {"P": [1]}},
    "unhashable": [[1], {}],
    "object": object(),
    "shy": Shy(),
    "type": dict,
    "function": len,
    "generator": (n for n in ()),
    "path": Path("nowhere"),
    "time": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "frame": FRAME,
    "series": FRAME["P"],
    "array": np.arange(3),
    "objects": np.array([None, "a"], object),
    "table": pa.table({"P": [1.5]}),
    "batch": pa.record_batch({"P": [1.5]}),
    "schema": pa.schema([("P", pa.float32())]),
    "model": MODEL,
    "history": HISTORY,
    "limits": LIMITS,
    "platform limits": mp.PlatformLimits(),
    "connection": CONNECTION,
    "point": mp.Measurepoint("P", "FLOAT"),
    "pandera": MODEL.schema(),
}


def run() -> mp.Run:
    """Return the run of a replay that was never connected."""
    with pytest.raises(mp.ConnectError):
        mp.replay(HISTORY, MODEL, CONNECTION, limits=LIMITS, journal="ready.db", progress=False)
    return mp.open_run("ready.db")


# Each public function, with arguments that work.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "read_history": (mp.read_history, {"source": FRAME}),
    "validate": (mp.validate, {"history": HISTORY, "model": MODEL}),
    "plan": (mp.plan, {"history": HISTORY, "model": MODEL}),
    "check": (mp.check, {"connection": CONNECTION, "limits": LIMITS}),
    "replay": (
        mp.replay,
        {
            "history": HISTORY, "model": MODEL, "connection": CONNECTION, "limits": LIMITS,
            "progress": False,
        },
    ),
    "replay_fleet": (
        mp.replay_fleet,
        {
            "history": mp.read_history(
                FRAME.assign(d="T1"), device_column="d", product_key="p"
            ),
            "model": MODEL, "topology": {"a": mp.Gateway("env:NO_SUCH", [("p", "T1")])},
            "journal": "runs", "executor": ThreadPoolExecutor(1),
        },
    ),
    "plan_fleet": (
        mp.plan_fleet,
        {
            "history": mp.read_history(
                FRAME.assign(d="T1"), device_column="d", product_key="p"
            ),
            "model": MODEL, "topology": {"a": mp.Gateway("env:NO_SUCH", [("p", "T1")])},
        },
    ),
    "open_fleet": (mp.open_fleet, {"folder": "nowhere"}),
    "load_job": (mp.load_job, {"path": "nowhere.toml"}),
    "Gateway": (mp.Gateway, {"connection": "env:NO_SUCH", "devices": [("p", "T1")]}),
    "simulate": (mp.simulate, {"model": MODEL}),
    "open_run": (mp.open_run, {"path": "ready.db"}),
    "verify_audit": (mp.verify_audit, {"folder": "nowhere"}),
    "ThingModel": (mp.ThingModel, {"model_id": "M", "measurepoints": {}}),
    "ThingModel.load": (mp.ThingModel.load, {"source": MODEL.to_json()}),
    "ThingModel.from_frame": (mp.ThingModel.from_frame, {"frame": FRAME}),
    "Measurepoint": (mp.Measurepoint, {"identifier": "P", "type": "FLOAT"}),
    "Measurepoint of texts": (mp.Measurepoint, {"identifier": "P", "type": "ENUM", "keys": ("a",)}),
    "Measurepoint of items": (
        mp.Measurepoint, {"identifier": "P", "type": "ARRAY", "item_type": "INT"},
    ),
    "Measurepoint of members": (
        mp.Measurepoint,
        {"identifier": "P", "type": "STRUCT", "members": (mp.Measurepoint("x", "INT"),)},
    ),
    "Column": (mp.Column, {"point": "P"}),
    "TextFormat": (mp.TextFormat, {}),
    "Limits": (mp.Limits, {}),
    "PlatformLimits": (mp.PlatformLimits, {}),
    "Connection": (mp.Connection, dict(zip(
        ("host", "port", "product_key", "device_key", "device_secret"),
        ("127.0.0.1", 9, "gw", "gw-1", "hushhush"), strict=True,
    ))),
    "Secret": (mp.Secret, {"given": "hushhush"}),
    "Connection.from_uri": (
        mp.Connection.from_uri, {"uri": "mqtt://gw-1:hushhush@example.com/gateway"},
    ),
    "Run.reconcile": (lambda **given: run().reconcile(**given), {
        "query": pd.DataFrame({"time": [0], "measurepoint": ["P"], "value": [1.5]}),
        "history": HISTORY, "model": MODEL,
    }),
    "Run.report": (lambda **given: run().report(**given), {"path": "report.html"}),
    "Run.audit": (lambda **given: run().audit(**given), {"folder": "audit"}),
}  # fmt: skip
OWN = {
    "Run.reconcile": mp.Run.reconcile, "Run.report": mp.Run.report, "Run.audit": mp.Run.audit,
}  # fmt: skip
CASES = [
    (name, argument)
    for name, (function, _) in CALLS.items()
    for argument in inspect.signature(OWN.get(name, function)).parameters
    if argument != "self"
]


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, without a process of the rehearsal platform."""

    def started(*_: Any) -> Any:
        raise mp.ConnectError("not started in this test")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("mpreplay.simulator.handle._start", started)
    monkeypatch.delenv("MPREPLAY_CONNECTION", raising=False)
    yield


def test_every_public_function_is_tried() -> None:
    """A new function must not be forgotten."""
    made = {
        "FleetPlan",
        "FleetRun",
        "History",
        "Job",
        "Plan",
        "Preflight",
        "Run",
        "Validation",
    }  # by functions, not by users
    public = {
        name
        for name in mp.__all__
        if not (
            isinstance(getattr(mp, name), type)
            and issubclass(getattr(mp, name), Exception | Warning)
        )
    }

    assert public - made <= set(CALLS)


@pytest.mark.filterwarnings("ignore::mpreplay.ReplayWarning")
@pytest.mark.parametrize(("name", "argument"), CASES)
def test_an_argument_of_the_wrong_type_is_an_error_of_ours(name: str, argument: str) -> None:
    """An AttributeError from the depths of a library helps nobody at three in the morning."""
    function, given = CALLS[name]
    foreign = []
    for what, value in WRONG.items():
        wrong = (n for n in ()) if what == "generator" else value  # the other is used up
        try:
            function(**{**given, argument: wrong})
        except MpReplayError as error:
            told = str(error)
            if "\n" in told or len(told) > 1_500 or "hushhush" in told:
                foreign.append(f"{what} is told as {told!r}")
        except Exception as error:
            where = [
                f"{one.name}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)
            ]
            foreign.append(f"{what} raises {error!r:.100} at {where[-3:]}")

    assert foreign == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda: mp.validate(FRAME, MODEL),
            r"not pandas\.\S*DataFrame: mp.validate\(mp.read_history",
        ),
        (
            lambda: mp.plan(pa.record_batch({"P": [1.5]}), MODEL),
            r"not pyarrow.lib.RecordBatch: mp.plan",
        ),
        (
            lambda: mp.validate(MODEL, HISTORY),
            r"not mpreplay.model.thing_model.ThingModel: mp.valid",
        ),
        (lambda: mp.validate(HISTORY, "model.json"), r"got str; load it with ThingModel.load"),
        (lambda: mp.validate(HISTORY, {"a": 1}), r"got int; begin with model.schema"),
        (
            lambda: mp.plan(HISTORY, MODEL, limits={"window": 1}),
            r"limits must be mp.Limits.*got dict",
        ),
        (
            lambda: mp.plan(HISTORY, MODEL, gateway="gw-1"),
            r"gateway= must be .product key, device k",
        ),
        (lambda: mp.plan(HISTORY, MODEL, gateway=["p", "d"]), r"a pair of texts, got list"),
        (lambda: mp.read_history([[FRAME]]), r"item 1 of the list: a history is .*, not list"),
        (lambda: mp.read_history(FRAME["P"]), r"not pandas\.\S*Series"),
        (
            lambda: mp.read_history(FRAME, points=["P"]),
            r"points= must be a dict of column .* got list",
        ),
        (lambda: mp.read_history(FRAME, points={"P": 7}), r"points= must be a dict of .* got dict"),
        (
            lambda: mp.read_history(FRAME, quality="P"),
            r"quality= must be a dict .* got 'P' \(str\)",
        ),
        (
            lambda: mp.read_history(FRAME, ignore=7),
            r"ignore= must be a list of names, got 7 \(int\)",
        ),
        (
            lambda: mp.read_history(FRAME, device_key=7),
            r"device_key= must be a text .* got 7 \(int\)",
        ),
        (lambda: mp.read_history(FRAME, tz=dt.UTC), r"tz= must be a text .* got datetime.timezone"),
        (
            lambda: mp.ThingModel.from_frame("x.parquet"),
            r"pd.read_parquet\(path\)\), got 'x.parquet'",
        ),
        (
            lambda: mp.ThingModel("M", [mp.Measurepoint("P", "INT")]),
            r"dict of identifier .* got list",
        ),
        (
            lambda: mp.ThingModel("M", {"P": "FLOAT"}),
            r"dict of identifier to Measurepoint; that of 'P'",
        ),
        (
            lambda: mp.Measurepoint("P", "FLOAT", has_quality=1),
            r"has_quality must be True or False",
        ),
        (lambda: mp.open_run(b"\xff"), r"no journal"),
        (lambda: mp.verify_audit(7), r"folder= must be a path, got 7 \(int\)"),
        (
            lambda: mp.simulate(MODEL, limits=LIMITS),
            r"limits= must be mp.PlatformLimits.* got mpreplay",
        ),
        (lambda: mp.simulate(MODEL, gateway="gw"), r"gateway takes pairs .*, got 'gw' \(str\)"),
        (lambda: mp.replay(HISTORY, MODEL, {"host": "h"}), r"connection must be .* got dict"),
        (
            lambda: mp.replay(HISTORY, MODEL, CONNECTION, allow_offline_sub_device="no"),
            r"allow_offline_sub_device= must be True or False, got 'no' \(str\)",
        ),
    ],
)
def test_the_error_names_the_type_and_the_way_out(call: Callable[[], Any], told: str) -> None:
    """The full name of the type, what was expected, and what to do."""
    with pytest.raises(MpReplayError, match=told) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_text_to_ignore_is_one_name_and_not_its_letters() -> None:
    """The classic: ignore="remark" as a list of r, e, m, a, r and k."""
    frame = FRAME.assign(remark="x", r=1.0)

    drafted = mp.ThingModel.from_frame(frame, ignore="remark")
    assert list(drafted.measurepoints) == ["P", "r"]
    assert mp.plan(mp.read_history(frame, ignore="remark"), drafted, gateway=("p", "d")).n_sent == 4


def test_a_value_is_shown_briefly_and_never_a_password() -> None:
    """A URI in the wrong place is still a secret."""
    uri = "mqtt://gw-1:hush/h@ush@example.com/gateway"

    assert "hush" not in shown_briefly(uri) + shown_briefly((uri, 1))
    assert len(shown_briefly("x" * 1_000)) < 100
    assert shown_briefly(10**5_000) == "a number of very many digits (int)"
    assert shown_briefly(Shy()) == kind_of(Shy()) == f"{__name__}.Shy"
    assert shown_briefly(dict) == "the type builtins.dict"
