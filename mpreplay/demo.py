"""A small wind farm with planted faults, and the demonstration that replays it.

The readings are generated, not measured: the same seed makes the same farm.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from .doors.opening import read_history
from .errors import ConfigError, InvalidHistory, ReplayWarning
from .fast.library import state
from .history.history import History
from .jobs.examples import EXAMPLE
from .model.measurepoint import Measurepoint
from .model.thing_model import ThingModel
from .runner.replaying import replay
from .settings import Limits
from .simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .run import Run
    from .simulator.handle import RehearsalPlatform

__all__ = [
    "PRODUCT",
    "TURBINES",
    "Planted",
    "demonstrate",
    "wind_farm",
    "wind_farm_model",
    "write_example",
]

PRODUCT: Final = "wind-turbine"
TURBINES: Final = ("T01", "T02", "T03", "T04")
POINTS: Final = (
    Measurepoint("P_avg", "FLOAT", "Active power", "kW", minimum=-100, maximum=2500),
    Measurepoint("Ws_avg", "FLOAT", "Wind speed", "m/s", minimum=0, maximum=60),
    Measurepoint("Ba_avg", "FLOAT", "Pitch angle", "deg", minimum=-10, maximum=110),
    Measurepoint("Ot_avg", "FLOAT", "Outdoor temperature", "degC", minimum=-60, maximum=60),
)
OFFLINE: Final = "T04"  # the turbine that is not signed in
BROKEN_SENSOR: Final = -273.2  # reading of a dead temperature sensor [degC]


@dataclass(frozen=True, slots=True)
class Planted:
    """The readings of a wind farm, with planted faults.

    Parameters
    ----------
    frame : DataFrame
        Columns turbine and time, and a column per measurement point.
    invalid : set of (int, str)
        Row and point of each value outside its range.
    superseded : set of (int, str)
        Row and point of each value that a later row contradicts.
    copies : int
        Number of values that are equal copies of another value.
    empty : int
        Number of rows without a value.
    """

    frame: pd.DataFrame
    invalid: set[tuple[int, str]]
    superseded: set[tuple[int, str]]
    copies: int
    empty: int

    @property
    def n_values(self) -> int:
        """Number of values in the frame."""
        return int(self.frame[[p.identifier for p in POINTS]].notna().sum().sum())

    def history(self) -> History:
        """Return the frame as a history."""
        return read_history(
            self.frame, time_column="time", device_column="turbine", product_key=PRODUCT
        )


def wind_farm_model(*, ranges: bool = True) -> ThingModel:
    """Return the thing model of the farm's turbines."""
    points = [p if ranges else Measurepoint(p.identifier, p.type, p.name, p.unit) for p in POINTS]
    return ThingModel("WindTurbine", {p.identifier: p for p in points}, "Wind turbine")


def wind_farm(days: int = 2, seed: int = 7) -> Planted:
    """Return the readings of four turbines every ten minutes, with planted faults."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-03-01", periods=days * 144, freq="10min", tz="UTC")
    times = times.as_unit("ms")
    frames = [_turbine(name, times, rng) for name in TURBINES]
    frame = pd.concat(frames).sort_values(["time", "turbine"], ignore_index=True)
    return _with_faults(frame, rng)


def _turbine(name: str, times: pd.DatetimeIndex, rng: Any) -> pd.DataFrame:
    n = len(times)
    wind = np.abs(7 + np.cumsum(rng.normal(0, 0.3, n)))
    power = np.clip(2.9 * wind**3, -10, 2050) - 8
    hours = times.hour.to_numpy() + times.minute.to_numpy() / 60
    return pd.DataFrame(
        {
            "turbine": name,
            "time": times,
            "P_avg": power.round(2).astype(np.float32),
            "Ws_avg": np.clip(wind, 0, 40).round(2).astype(np.float32),
            "Ba_avg": np.where(power > 2000, 6.5, -1.0).astype(np.float32),
            "Ot_avg": (6 - 5 * np.cos(hours / 24 * 2 * np.pi)).round(1).astype(np.float32),
        }
    )


def _with_faults(frame: pd.DataFrame, rng: Any) -> Planted:
    n = len(frame)
    numbers = rng.choice(n, 12, replace=False)
    cold, pitch, empty = np.sort(numbers[:5]), np.sort(numbers[5:8]), np.sort(numbers[8:])
    frame.loc[cold, "Ot_avg"] = np.float32(BROKEN_SENSOR)
    frame.loc[pitch, "Ba_avg"] = np.float32(-121.0)
    identifiers = [p.identifier for p in POINTS]
    frame.loc[empty, identifiers] = np.nan
    # The clock was set back: three readings come again, with other power and all else equal.
    again = np.setdiff1d(np.arange(n), numbers)[-3:]
    later = frame.loc[again].assign(P_avg=lambda rows: rows["P_avg"] + np.float32(1))
    frame = pd.concat([frame, later], ignore_index=True)
    invalid = {(int(r), "Ot_avg") for r in cold} | {(int(r), "Ba_avg") for r in pitch}
    superseded = {(int(r), "P_avg") for r in again}
    return Planted(frame, invalid, superseded, 3 * (len(identifiers) - 1), len(empty))


def write_example(folder: Path) -> list[Path]:
    """Write a job with its thing model and its history into a folder, and return the files.

    Raises
    ------
    ConfigError
        If a file of that name is there, or the folder cannot be written.
    """
    files = [folder / name for name in ("job.toml", "model.json", "history/farm.parquet")]
    if there := [file for file in files if file.exists()]:
        raise ConfigError(
            f"{there[0]} is there already; give another folder", argument="example", value=folder
        )
    try:
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[0].write_text(EXAMPLE.read_text("utf-8"), "utf-8")
        files[1].write_text(wind_farm_model().to_json(), "utf-8")
        wind_farm().frame.to_parquet(files[2], index=False)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({error.strerror or error})", argument="example"
        ) from error
    return files


def demonstrate(say: Callable[[str], None]) -> bool:
    """Replay the farm against the rehearsal platform and describe each step.

    Parameters
    ----------
    say : callable
        Takes each line.

    Returns
    -------
    bool
        True if every value met its planted fate.
    """
    farm = wind_farm()
    model = wind_farm_model()
    say(
        f"A wind farm: {len(TURBINES)} turbines, {len(farm.frame):,} rows, {farm.n_values:,} "
        f"values.\nPlanted: {len(farm.invalid)} values out of range, {len(farm.superseded)} that a "
        f"later row contradicts,\n{farm.copies} equal copies, {farm.empty} rows without a value; "
        f"turbine {OFFLINE} is not signed in.\n"
    )
    _say_defaults(farm, model, say)
    _say_flags(farm, model, say)
    isolates = _say_isolation(farm, model, say)
    with _platform(model) as platform:
        connection = platform.connection_for(PRODUCT, OFFLINE)
        secrets = {(PRODUCT, OFFLINE): connection.device_secret}
        run = replay(
            farm.history(),
            model,
            platform.connection,
            sub_device_secrets=secrets,
            on_invalid="withhold",
            duplicates="last",
            limits=Limits(max_entries=200),
            progress=False,
        )
        stored = platform.stored()
    say(
        f"4. Withhold what is invalid, send the last of two readings, sign {OFFLINE} in:\n\n{run}\n"
    )
    _say_run(run, say)
    faults = _unmet(farm, run, stored)
    if not isolates:
        faults.append("taken apart, the requests did not come down to the planted faults")
    for fault in faults:
        say(f"NOT AS PLANTED: {fault}")
    say(
        f"The platform has {len(stored):,} values, equal to what was sent: {farm.copies} of those "
        "accepted are equal copies, sent once."
        if not faults
        else "Some values did not meet the fate that was planted."
    )
    say(str(state()))
    return not faults


def _platform(model: ThingModel) -> RehearsalPlatform:
    sub_devices = [(PRODUCT, name) for name in TURBINES]
    online = [device for device in sub_devices if device[1] != OFFLINE]
    return simulate(model, sub_devices=sub_devices, gateway=("gateway", "gw-1"), online=online)


def _say_defaults(farm: Planted, model: ThingModel, say: Callable[[str], None]) -> None:
    with _platform(model) as platform:
        try:
            replay(farm.history(), model, platform.connection, progress=False)
        except InvalidHistory as error:
            say(f"1. With the defaults nothing is sent:\n\n{error}\n")


def _say_flags(farm: Planted, model: ThingModel, say: Callable[[str], None]) -> None:
    """Show the effect of each flag when the platform judges."""
    rows = []
    for allow in (False, True):
        for skip in (False, True):
            with _platform(model) as platform, warnings.catch_warnings():
                warnings.simplefilter("ignore", ReplayWarning)  # the table shows the same
                run = replay(
                    farm.history(),
                    model,
                    platform.connection,
                    allow_offline_sub_device=allow,
                    skip_invalid_measurepoints=skip,
                    on_invalid="send",
                    duplicates="last",
                    limits=Limits(max_entries=50),
                    isolate=False,
                    progress=False,
                )
            rows.append(_flag_row(allow, skip, run))
    say("2. Let the platform judge: what the two flags change, in requests of 50 entries\n")
    say(_table(pd.DataFrame(rows)))
    say(
        "\nWith skipInvalidMeasurepoints the platform says 200 and drops values in silence: they "
        "are\nrecorded as declined, since the thing model names them.\n"
    )


def _say_isolation(farm: Planted, model: ThingModel, say: Callable[[str], None]) -> bool:
    """Isolate declined values; return True if they are exactly the planted faults."""
    with _platform(model) as platform:
        run = replay(
            farm.history(),
            wind_farm_model(ranges=False),
            platform.connection,
            allow_offline_sub_device=True,
            duplicates="last",
            progress=False,
        )
    say(
        "3. The platform's model is stricter than the one at hand: a request that it declines is "
        f"taken\napart until the bad values stand alone, in {run.summary()['extra_requests']} "
        f"requests more:\n\n{run}\n"
    )
    declined = run.rejects[run.rejects["outcome"] == "declined"]
    say(f"{_table(declined[['row', 'device_key', 'time', 'measurepoint', 'value', 'code']])}\n")
    return set(zip(declined["row"], declined["measurepoint"], strict=True)) == farm.invalid


def _flag_row(allow: bool, skip: bool, run: Run) -> dict[str, Any]:
    summary = run.summary()
    codes = {f"code {code}": summary.get(f"code_{code}", 0) for code in (200, 1204, 1212)}
    return {
        "allowOfflineSubDevice": str(allow).lower(),
        "skipInvalidMeasurepoints": str(skip).lower(),
        "requests": summary["requests"],
        **codes,
        "accepted values": summary["accepted"],
        "declined": summary["declined"],
    }


def _say_run(run: Run, say: Callable[[str], None]) -> None:
    results = run.results[
        ["request_id", "n_entries", "n_values", "n_bytes", "attempts", "code", "outcome"]
    ]
    say(f"results\n{_table(results)}\n")
    rejects = run.rejects[
        ["row", "device_key", "time", "measurepoint", "value", "check", "outcome"]
    ]
    say(f"rejects\n{_table(rejects)}\n")
    for cause in run.causes.itertuples():
        say(f"{cause.values} {cause.measurepoints} of {cause.devices}: {cause.reason}")
    say(f"\nbooks\n{_table(run.books)}\n")


def _table(frame: pd.DataFrame) -> str:
    with pd.option_context("display.width", 120, "display.max_columns", None):
        return str(frame.to_string(index=False))


def _unmet(farm: Planted, run: Run, stored: pd.DataFrame) -> list[str]:
    """Return a sentence for each difference from the planted faults."""
    rejects = run.rejects
    fates = {
        (int(row), point): check
        for row, point, check in zip(
            rejects["row"], rejects["measurepoint"], rejects["check"], strict=True
        )
    }
    planted = dict.fromkeys(farm.invalid, "range") | dict.fromkeys(farm.superseded, "superseded")
    sent = farm.frame.melt(["turbine", "time"], ignore_index=False).dropna(subset="value")
    keys = zip(sent.index, sent["variable"], strict=True)
    sent = sent[[key not in planted for key in keys]].drop_duplicates(
        ["turbine", "time", "variable"]
    )
    expected = sent.set_index(["turbine", "time", "variable"])["value"].sort_index()
    held = stored.set_index(["device_key", "time", "measurepoint"])["value"].sort_index()
    checks = {
        "the rejects are not the planted faults": fates == planted and len(rejects) == len(planted),
        "the books are not balanced": bool(run.books["balanced"].all()),
        "the run is not complete": run.complete,
        "what is stored is not what was sent": list(expected.index) == list(held.index)
        and bool((expected.astype(np.float32) == held.astype(np.float32).to_numpy()).all()),
        "not every other value was accepted": run.summary()["accepted"]
        == farm.n_values - len(planted),
    }
    return [fault for fault, holds in checks.items() if not holds]
