"""A messy export of a control system: sent in one call, and each step left out names itself."""

from __future__ import annotations

import csv
import datetime as dt
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mpreplay as mp
from mpreplay.cli.commands import main
from mpreplay.errors import MpReplayError

DATA = Path(__file__).parents[1] / "data"
MESSY = DATA / "messy"
MODEL = mp.ThingModel.load(MESSY / "turbine.model.json")
TURBINES = [("wea", name) for name in ("WEA 01", "WEA 02", "WEA 03")]
COLUMNS: dict[str, Any] = {
    "time_column": "Zeit",
    "time_format": "%d.%m.%Y %H:%M",
    "tz": "Europe/Berlin",
    "ambiguous": "infer",
    "device_column": "Anlage",
    "product_key": "wea",
    "only": True,
}
TEXTS: dict[str, Any] = {
    "delimiter": ";",
    "decimal": ",",
    "encoding": "cp1252",
    "absent": ("-", "Bad", "#N/A"),
    "strip": True,
}
POINTS: dict[str, dict[str, Any]] = {
    "Leistung [kW]": {"point": "P_avg"},
    "Windgeschwindigkeit": {"point": "Ws_avg", "suffix": "m/s"},
    "Generator": {"point": "Gen_on", "values": {"ON": 1, "OFF": 0}},
    "Status": {"point": "State", "labels": True},
    "Ertrag [MWh]": {"point": "Energy", "scale": 1_000},
}
COMMAND = """
    --time Zeit --time-format '%d.%m.%Y %H:%M' --tz Europe/Berlin --ambiguous infer
    --device Anlage --product-key wea --only
    --delimiter ';' --decimal , --encoding cp1252 --absent - --absent Bad --absent '#N/A' --strip
    --column 'Leistung [kW]=P_avg' --column Windgeschwindigkeit=Ws_avg,suffix=m/s
    --column Generator=Gen_on,values=ON:1/OFF:0 --column Status=State,labels
    --column 'Ertrag [MWh]=Energy,scale=1000'
"""
Stored = dict[tuple[str, dt.datetime, str], float]


def truth() -> Stored:
    """Return what the turbines measured, as written down where the export was made."""
    with (MESSY / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["device_key"], dt.datetime.fromisoformat(row["time"]), name): float(row[name])
            for row in csv.DictReader(file)
            for name in MODEL.measurepoints
            if row[name]
        }


def stored(platform: Any) -> Stored:
    """Return the values that a platform holds."""
    frame = platform.stored()
    keys = zip(frame["device_key"], frame["time"], frame["measurepoint"], strict=True)
    held = zip(keys, frame["value"], strict=True)
    return {(device, time.to_pydatetime(), name): float(v) for (device, time, name), v in held}


def history(left_out: str = "") -> Any:
    """Return the export as a history; one argument is left out."""
    arguments = {name: value for name, value in COLUMNS.items() if name != left_out}
    text = {name: value for name, value in TEXTS.items() if name != left_out}
    points: dict[str, Any] = {}
    for column, given in POINTS.items() if left_out != "points" else ():
        more = {name: value for name, value in given.items() if name != left_out}
        points[column] = mp.Column(**more) if len(more) > 1 else more["point"]
    return mp.read_history(
        MESSY / "scada_export.csv", text=mp.TextFormat(**text), points=points or None, **arguments
    )


@pytest.fixture
def platform() -> Iterator[Any]:
    """Yield a rehearsal platform with the turbines."""
    with mp.simulate(MODEL, sub_devices=TURBINES, online=TURBINES) as platform:
        yield platform


def test_an_export_is_sent_as_it_was_measured(platform: Any) -> None:
    """One call and no other tool: each stored value is the measured one, and none is missing."""
    run = mp.replay(history(), MODEL, platform.connection, allow_offline_sub_device=True)

    expected = truth()
    assert run.complete
    assert not len(run.rejects)
    assert stored(platform) == expected
    # The hour that came twice, told apart by the order of the rows alone.
    for hour in (0, 1):
        first = dt.datetime(2024, 10, 27, hour, tzinfo=dt.UTC)
        found = [time for _, time, _ in expected if first <= time < first + dt.timedelta(hours=1)]
        assert len(set(found)) == 6


def test_an_export_is_sent_by_the_command_line(
    platform: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The same, with the same words as options; the audit knows the file by its bytes."""
    uri = platform.connection.to_uri(reveal_secret=True)
    monkeypatch.setenv("MPREPLAY_CONNECTION", uri)
    model = ["--model", str(MESSY / "turbine.model.json")]
    command = [str(MESSY / "scada_export.csv"), *model, *shlex.split(COMMAND)]

    assert main(["validate", *command]) == 0
    journal, audit = str(tmp_path / "run.db"), str(tmp_path / "audit")
    assert main(["replay", *command, "--allow-offline-sub-device", "--journal", journal]) == 0
    assert stored(platform) == truth()
    assert main(["report", journal, "--audit", audit]) == 0
    capsys.readouterr()
    assert main(["verify", audit, "--source", command[0]]) == 0
    assert "scada_export.csv: is what the run read" in capsys.readouterr().out


# Each argument that an export needs, to what is said where it is left out.
TOLD = {
    "time_column": "time_column=",
    "time_format": "time_format='%d.%m.%Y %H:%M'",
    "tz": "tz=",
    "ambiguous": "ambiguous=",
    "device_column": "device_column=",
    "product_key": "product_key=",
    "only": "only=True",
    "delimiter": "text=TextFormat(delimiter=';')",
    "decimal": "text=TextFormat(decimal=',')",
    "encoding": "text=TextFormat(encoding='cp1252')",
    "absent": "text=TextFormat(absent=('",
    "strip": "text=TextFormat(strip=True)",
    "points": "points=",
    "suffix": "points={'Windgeschwindigkeit': Column('Ws_avg', suffix='m/s')}",
    "values": "points={'Generator': Column('Gen_on', values={'O",
    "labels": "points={'Status': Column('State', labels=True)}",
}


@pytest.mark.parametrize("left_out", TOLD)
def test_what_is_left_out_names_itself(left_out: str) -> None:
    """Nobody has to search the documentation: the message has the argument to add."""
    assert TOLD[left_out] in said_without(left_out)


def said_without(left_out: str) -> str:
    """Return what is said of the export where one argument is left out."""
    try:
        return repr(mp.validate(history(left_out), MODEL))
    except MpReplayError as error:
        return str(error)


def test_the_table_has_every_argument() -> None:
    """An argument that nobody leaves out here could be left out in silence elsewhere."""
    more = {name for given in POINTS.values() for name in given} - {"point", "scale"}
    assert set(TOLD) == {*COLUMNS, *TEXTS, *more, "points"}


def test_the_same_script_makes_the_same_export(tmp_path: Path) -> None:
    """Who doubts the truth can make it again."""
    made = runpy.run_path(str(DATA / "make_messy_csv.py"))
    made["main"].__globals__["HERE"] = tmp_path / "messy"

    made["main"]()

    for path in MESSY.iterdir():
        assert (tmp_path / "messy" / path.name).read_bytes() == path.read_bytes()
