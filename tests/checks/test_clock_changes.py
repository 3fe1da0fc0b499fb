"""A clock that was changed wrongly at the source, found by the conflicts that it leaves."""

from __future__ import annotations

import pandas as pd

import mpreplay as mp

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})


def written(minutes: int = 10, devices: str = "ab", tz: str = "Europe/Paris") -> pd.DataFrame:
    """Return a year of a clock without summer time, as if it had been one with it."""
    real = pd.date_range("2014-03-01", "2014-11-30", freq=f"{minutes}min")
    read = real.tz_localize(tz, ambiguous=[True] * len(real), nonexistent=pd.Timedelta("1h"))
    one = pd.DataFrame({"t": read, "P": range(len(read))})
    return pd.concat([one.assign(d=device) for device in devices]).sort_values("t")


def validated(frame: pd.DataFrame) -> mp.Validation:
    """Return the validation of rows of devices."""
    history = mp.read_history(frame, time_column="t", device_column="d", product_key="p")
    return mp.validate(history, MODEL)


def test_an_hour_twice_and_an_hour_missing_are_explained() -> None:
    """Twelve conflicts say nothing; their cause says that half a year is an hour off."""
    found = validated(written())

    assert found.n_conflicts == 12
    assert found.clock.startswith(
        "The hour from 2014-03-30 01:00+00:00 stands twice, with other readings, for 2 devices "
        "(12 rows), and an hour is missing elsewhere: the clock was changed wrongly"
    )
    assert found.clock in repr(found)


def test_other_conflicts_are_not_blamed_on_the_clock() -> None:
    """An explanation that does not fit is worse than none."""
    frame = written()
    times = pd.date_range("2014-03-01", periods=500, freq="10min", tz="UTC")
    plain = pd.DataFrame({"t": times, "P": range(500), "d": "a"})

    assert validated(plain).clock == ""
    assert validated(pd.concat([plain, plain.iloc[100:106].assign(P=-1)])).clock == ""
    assert validated(pd.concat([frame, frame.iloc[:1].assign(P=-1)])).clock == ""
