"""A year of four turbines, dirty as real data is, through the whole of mpreplay.

With ``MPREPLAY_YEAR`` set to the folder of the real readings these run on all of them, else on the
ten days in ``data/``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from brokers import MOSQUITTO_INSTALLED, mosquitto

import mpreplay as mp

DATA = Path(__file__).parents[1] / "data"
FOLDER = os.environ.get("MPREPLAY_YEAR")
FAST = mp.Limits(bytes_per_second=None)


@dataclass(frozen=True)
class Year:
    """What is known of the readings."""

    parquet: Path
    csv: Path | None
    model: Path
    product: str
    turbines: tuple[str, ...]
    rows: int
    values: int
    invalid: dict[str, int]
    superseded: int
    copies: int

    @property
    def accepted(self) -> int:
        """How many values arrive when the rest is withheld."""
        return self.values - sum(self.invalid.values()) - self.superseded

    @property
    def sub_devices(self) -> list[tuple[str, str]]:
        """The turbines."""
        return [(self.product, name) for name in self.turbines]

    def history(self, source: object = None, **columns: str) -> mp.History:
        """Return the readings, or other ones of the same columns."""
        columns = {"time_column": "time", "device_column": "turbine"} | columns
        return mp.read_history(
            self.parquet if source is None else source, product_key=self.product, **columns
        )


REAL = (
    Year(
        parquet=Path(FOLDER) / "la_haute_borne_2014.parquet",
        csv=Path(FOLDER) / "la_haute_borne_2014.csv.gz",
        model=Path(FOLDER) / "senvion_mm82.export.json",
        product="senvion-mm82",
        turbines=("R80711", "R80721", "R80736", "R80790"),
        rows=210_240,
        values=1_468_215,
        invalid={"Ba_avg": 26, "Ot_avg": 34},
        superseded=153,
        copies=15,
    )
    if FOLDER
    else None
)
SMALL = Year(
    parquet=DATA / "wind_farm.parquet",
    csv=None,
    model=DATA / "wind_farm.model.json",
    product="wind-turbine",
    turbines=("T01", "T02", "T03", "T04"),
    rows=5_763,
    values=23_036,
    invalid={"Ba_avg": 3, "Ot_avg": 5},
    superseded=3,
    copies=9,
)
YEAR = REAL or SMALL


@pytest.fixture(scope="module")
def model() -> mp.ThingModel:
    """Return the model with ranges."""
    return mp.ThingModel.load(YEAR.model)


@pytest.fixture
def platform(model: mp.ThingModel) -> Iterator[object]:
    """Yield a rehearsal platform with the four turbines signed in."""
    with mp.simulate(model, sub_devices=YEAR.sub_devices, online=YEAR.sub_devices) as platform:
        yield platform


def _replay(
    history: mp.History, model: mp.ThingModel, platform: object, **options: object
) -> mp.Run:
    options = {"on_invalid": "withhold", "duplicates": "last", "allow_offline_sub_device": True,
               "limits": FAST, "isolate": False, "progress": False} | options  # fmt: skip
    return mp.replay(history, model, platform.connection, **options)


def _sent(frame: pd.DataFrame, rejects: pd.DataFrame) -> pd.Series:
    """Return the values that were to arrive, as 32-bit floats, by device, time and point."""
    long = frame.melt(["turbine", "time"], ignore_index=False).dropna(subset="value")
    keys = pd.MultiIndex.from_arrays([long.index, long["variable"]])
    rejected = pd.MultiIndex.from_frame(rejects[["row", "measurepoint"]].astype({"row": "int64"}))
    long = long[~keys.isin(rejected)].astype({"turbine": "str", "variable": "str"})
    long["value"] = long["value"].astype(np.float32)
    long = long.drop_duplicates(["turbine", "time", "variable", "value"])
    return long.set_index(["turbine", "time", "variable"])["value"].sort_index()


def _held(stored: pd.DataFrame) -> pd.Series:
    stored = stored.astype({"value": np.float32})
    return stored.set_index(["device_key", "time", "measurepoint"])["value"].sort_index()


def _check_all(run: mp.Run, stored: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Assert that every value met its fate and the platform holds what was sent."""
    summary, rejects = run.summary(), run.rejects
    by_range = rejects[rejects["check"] == "range"]
    assert summary["rows"] == YEAR.rows
    assert summary["read"] == YEAR.values
    assert summary["accepted"] == YEAR.accepted
    assert by_range.groupby("measurepoint").size().to_dict() == YEAR.invalid
    assert (rejects["check"] == "superseded").sum() == YEAR.superseded
    assert len(rejects) == sum(YEAR.invalid.values()) + YEAR.superseded
    assert run.books["balanced"].all()
    assert run.complete
    expected, held = _sent(frame, rejects), _held(stored)
    assert len(held) == YEAR.accepted - YEAR.copies
    assert list(expected.index) == list(held.index)
    assert (expected.to_numpy() == held.to_numpy()).all()


def test_the_year_arrives_and_each_value_has_its_fate(
    model: mp.ThingModel, platform: object
) -> None:
    """The main job, on the Parquet file as it is."""
    run = _replay(YEAR.history(), model, platform)

    _check_all(run, platform.stored(), pd.read_parquet(YEAR.parquet))


def test_tiny_row_groups_make_no_difference(
    model: mp.ThingModel, platform: object, tmp_path: Path
) -> None:
    """How a file was written must not show in what is sent."""
    path = tmp_path / "tiny.parquet"
    pq.write_table(pq.read_table(YEAR.parquet), path, row_group_size=5)
    run = _replay(YEAR.history(path), model, platform)

    _check_all(run, platform.stored(), pd.read_parquet(YEAR.parquet))


def test_the_order_of_rows_makes_no_difference(model: mp.ThingModel, platform: object) -> None:
    """Shuffled rows repeat times across slabs; still each value has one fate."""
    frame = pd.read_parquet(YEAR.parquet).sample(frac=1, random_state=1, ignore_index=True)
    before = frame.copy()
    run = _replay(YEAR.history(frame), model, platform)

    _check_all(run, platform.stored(), frame)
    pd.testing.assert_frame_equal(frame, before)


def test_local_times_with_offsets_arrive_as_what_they_mean(
    model: mp.ThingModel, platform: object
) -> None:
    """A CSV file has texts like 2014-01-01T01:00:00+01:00."""
    if YEAR.csv is None:
        frame = pd.read_parquet(YEAR.parquet)
        local = frame["time"].dt.tz_convert("Europe/Paris").map(lambda t: t.isoformat())
        frame = frame.assign(time=local)
    else:
        names = {"Wind_turbine_name": "turbine", "Date_time": "time"}
        frame = pd.read_csv(YEAR.csv).rename(columns=names)
    run = _replay(YEAR.history(frame), model, platform)

    frame = frame.assign(time=pd.to_datetime(frame["time"], utc=True).dt.as_unit("ms"))
    _check_all(run, platform.stored(), frame)


@pytest.mark.mosquitto
@pytest.mark.skipif(not MOSQUITTO_INSTALLED, reason="mosquitto is not installed")
def test_a_real_broker_gives_the_same_results_and_books(
    model: mp.ThingModel, platform: object
) -> None:
    """Client and endpoint cannot be wrong in the same way."""
    ours = _replay(YEAR.history(), model, platform)
    with (
        mosquitto() as (host, port),
        mp.simulate(
            model,
            sub_devices=YEAR.sub_devices,
            online=YEAR.sub_devices,
            behind=f"mqtt://{host}:{port}",
        ) as behind,
    ):
        theirs = _replay(YEAR.history(), model, behind)
        _check_all(theirs, behind.stored(), pd.read_parquet(YEAR.parquet))

    same = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "code", "outcome"]
    pd.testing.assert_frame_equal(ours.results[same], theirs.results[same])
    pd.testing.assert_frame_equal(ours.books, theirs.books)


def _culprits(run: mp.Run, validation: mp.Validation) -> set[str]:
    """Return the requests that hold a value which the model forbids."""
    bad = validation.violations
    found = set()
    for request in run.results.itertuples():
        # Within a slab requests are cut by device and time.
        rejects = run.rejects[run.rejects["request_id"] == request.request_id]
        keys = set(zip(rejects["row"], rejects["measurepoint"], strict=True))
        if keys & set(zip(bad["row"], bad["measurepoint"], strict=True)):
            found.add(request.request_id)
    return found


def test_without_skip_the_platform_declines_the_requests_that_hold_a_bad_value(
    model: mp.ThingModel, platform: object
) -> None:
    """One bad value declines its whole request with 1204, and only that."""
    limits = mp.Limits(bytes_per_second=None, give_up_after=None)
    run = _replay(YEAR.history(), model, platform, on_invalid="send", limits=limits)
    results = run.results
    declined = set(results.loc[results["code"] == 1204, "request_id"])

    assert set(results["code"]) <= {200, 1204}
    assert declined == _culprits(run, mp.validate(YEAR.history(), model))
    bad = run.rejects[run.rejects["check"] == "platform"]
    assert bad["request_id"].nunique() == len(declined)
    assert run.books["balanced"].all()


def test_with_skip_the_rejects_name_what_the_platform_dropped(
    model: mp.ThingModel, platform: object
) -> None:
    """A 200 under skip is no proof: the model names what is missing."""
    run = _replay(
        YEAR.history(), model, platform, on_invalid="send", skip_invalid_measurepoints=True
    )
    skipped = run.rejects[run.rejects["check"] == "expected_skip"]

    assert set(run.results["code"]) == {200}
    assert skipped.groupby("measurepoint").size().to_dict() == YEAR.invalid
    assert set(skipped["outcome"]) == {"declined"}
    assert set(skipped["code"]) == {200}
    assert run.summary()["accepted"] == YEAR.accepted
    assert len(platform.stored()) == YEAR.accepted - YEAR.copies


def test_an_offline_sub_device_declines_exactly_the_requests_that_contain_it(
    model: mp.ThingModel,
) -> None:
    """With the flag the same requests are accepted; with its secret, too."""
    offline = YEAR.sub_devices[1]
    online = [device for device in YEAR.sub_devices if device != offline]
    seen = {}
    for name, options in {
        "flag off": {"allow_offline_sub_device": False, "sub_device_secrets": {}},
        "flag on": {"allow_offline_sub_device": True},
        "signed in": {"allow_offline_sub_device": False, "sub_device_secrets": {offline: ""}},
    }.items():
        with mp.simulate(model, sub_devices=YEAR.sub_devices, online=online) as platform:
            if options.get("sub_device_secrets"):
                secret = platform.connection_for(*offline).device_secret
                options["sub_device_secrets"] = {offline: secret}
            if name == "flag off":
                with pytest.warns(mp.ReplayWarning, match="sub_device_secrets"):
                    seen[name] = _replay(YEAR.history(), model, platform, **options)
            else:
                seen[name] = _replay(YEAR.history(), model, platform, **options)

    run = seen["flag off"]
    declined = run.results[run.results["code"] == 1212]
    rejects = run.rejects[run.rejects["check"] == "platform"]
    holding = set(rejects.loc[rejects["device_key"] == offline[1], "request_id"])
    assert len(declined) > 0
    assert set(declined["request_id"]) == holding
    accepted = run.books.set_index("device_key")["accepted"].groupby(level=0).sum()
    assert accepted[offline[1]] == 0
    assert set(seen["flag on"].results["code"]) == {200}
    assert set(seen["signed in"].results["code"]) == {200}


@pytest.mark.parametrize("allow", [False, True])
def test_a_sub_device_outside_the_topology_is_declined_with_either_flag(
    model: mp.ThingModel, allow: bool
) -> None:
    """The flag lets offline devices in, not strangers."""
    inside = YEAR.sub_devices[1:]
    with mp.simulate(model, sub_devices=inside, online=inside) as platform:
        stranger = YEAR.sub_devices[0]
        secrets = {stranger: "unknown"}  # keeps the warning of offline devices away
        run = _replay(
            YEAR.history(), model, platform,
            allow_offline_sub_device=allow, sub_device_secrets=secrets,
        )  # fmt: skip
    rejects = run.rejects[run.rejects["check"] == "platform"]

    assert set(run.results["code"]) == {200, 1212}
    holding = set(rejects.loc[rejects["device_key"] == stranger[1], "request_id"])
    assert holding == set(run.results.loc[run.results["code"] == 1212, "request_id"])
    assert run.summary()["sub_devices_refused"] == 1


@pytest.fixture(scope="module")
def blind(model: mp.ThingModel) -> mp.ThingModel:
    """Return the model without its ranges."""
    points = {
        name: replace(point, minimum=None, maximum=None)
        for name, point in model.measurepoints.items()
    }
    return replace(model, measurepoints=points)


def _places(frame: pd.DataFrame) -> set[tuple[int, str]]:
    return set(zip(frame["row"], frame["measurepoint"], strict=True))


def test_isolation_finds_what_the_platform_minds_and_its_rejects_come_back_mended(
    model: mp.ThingModel, blind: mp.ThingModel, platform: object, tmp_path: Path
) -> None:
    """The whole way of a bad value: declined by name and row, mended in a file, stored."""
    run = _replay(
        YEAR.history(), blind, platform, isolate="point", journal=tmp_path / "first.db"
    )  # fmt: skip
    rejects, n_invalid = run.rejects, sum(YEAR.invalid.values())
    declined = rejects[rejects["outcome"] == "declined"]

    bad = mp.validate(YEAR.history(), model).violations
    assert _places(declined) == _places(bad)
    assert len(declined) == len(bad) == n_invalid
    assert set(declined["code"]) == {1204}
    assert run.complete
    assert run.books["balanced"].all()
    assert run.summary()["accepted"] == YEAR.accepted
    assert len(platform.stored()) == YEAR.accepted - YEAR.copies
    assert 0 < run.summary()["extra_requests"] <= 300
    assert (run.reconcile(platform.stored)["state"] == "stored").all()

    rejects.loc[declined.index, "value"] = "1.5"
    rejects.to_csv(tmp_path / "rejects.csv", index=False)
    again = mp.replay(
        mp.read_history(tmp_path / "rejects.csv"), model, platform.connection,
        allow_offline_sub_device=True, limits=FAST, progress=False,
        journal=tmp_path / "second.db",
    )  # fmt: skip

    assert again.summary()["accepted"] == n_invalid
    assert again.summary()["withheld"] == YEAR.superseded
    assert set(again.rejects["check"]) == {"superseded"}
    assert len(platform.stored()) == YEAR.accepted - YEAR.copies + n_invalid
    assert (again.reconcile(platform.stored)["state"] == "stored").all()
    lineage = mp.open_run(tmp_path / "second.db").lineage()
    assert [Path(path).name for path in lineage["path"]] == ["first.db", "second.db"]
    assert lineage["parent_id"].iloc[1] == lineage["run_id"].iloc[0]
    assert lineage["accepted"].tolist() == [YEAR.accepted, n_invalid]


def test_isolation_gets_the_data_of_all_other_devices_through(model: mp.ThingModel) -> None:
    """A device that nobody signed in holds back its own data only, and little is sent of it."""
    offline = YEAR.sub_devices[1]
    online = [device for device in YEAR.sub_devices if device != offline]
    with (
        mp.simulate(model, sub_devices=YEAR.sub_devices, online=online) as platform,
        pytest.warns(mp.ReplayWarning),
    ):
        run = _replay(
            YEAR.history(), model, platform, allow_offline_sub_device=False, isolate="point"
        )
    declined = run.rejects[run.rejects["outcome"] == "declined"]
    books = run.books.groupby("device_key")[["read", "withheld", "accepted", "declined"]].sum()

    assert set(declined["device_key"]) == {offline[1]}
    assert set(declined["code"]) == {1212}
    assert books.loc[offline[1], "accepted"] == 0
    assert books.drop(offline[1])["declined"].sum() == 0
    assert run.complete
    assert run.books["balanced"].all()
    held = run.results[run.results["meaning"].notna() & (run.results["attempts"] == 0)]
    assert run.summary()["extra_requests"] < len(run.results)
    assert len(held) > 0 or YEAR is SMALL
