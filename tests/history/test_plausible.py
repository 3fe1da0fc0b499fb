"""Times outside the plausible ones: violations of their row, which follow ``on_invalid``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scripted import always, scripted_replay

import mpreplay as mp
from mpreplay import HistoryError
from mpreplay.history.plausible import bounds_of, plausible

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE")})
TEXTS = ["2024-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]


def history_of(times: list[Any], **more: Any) -> mp.History:
    """Return a history of times."""
    frame = pd.DataFrame({"t": times, "P": [float(n) for n in range(len(times))]})
    return mp.read_history(frame, time_column="t", **more)


def test_a_time_outside_is_a_violation_of_its_row_with_the_span() -> None:
    """A logger that lost its clock begins in 1970; one set wrongly reports of the future."""
    found = mp.validate(history_of(TEXTS), MODEL)

    assert found.violations["row"].tolist() == [1, 2]
    assert found.violations["check"].tolist() == ["time", "time"]
    assert found.violations["time"].dt.year.tolist() == [1970, 2999]
    assert found.violations["reason"].str.contains("between 1980-01-01 and 20").all()
    assert found.devices["rows"].tolist() == [1]


def test_no_bound_is_no_bound() -> None:
    """A history of 1970 is one."""
    assert mp.validate(history_of(TEXTS, plausible=None), MODEL).ok
    assert mp.validate(history_of(TEXTS, plausible=(None, "3000")), MODEL).ok


@pytest.mark.parametrize(("on_invalid", "accepted"), [("withhold", 1), ("send", 3)])
def test_what_becomes_of_it_is_on_invalids_to_say(
    monkeypatch: pytest.MonkeyPatch, on_invalid: str, accepted: int
) -> None:
    """It can travel, unlike a time that cannot be read: the platform may judge it."""
    run, _ = scripted_replay(monkeypatch, always, history_of(TEXTS), MODEL, on_invalid=on_invalid)

    assert run.summary()["accepted"] == accepted
    assert len(run.rejects) == 3 - accepted
    assert set(run.rejects["mend"]) <= {"correct the time, or widen the span of plausible times"}


def test_it_goes_back_in_only_if_the_span_is_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejects that nobody mended are rejects once more."""
    run, _ = scripted_replay(monkeypatch, always, history_of(TEXTS), MODEL, on_invalid="withhold")

    assert mp.validate(mp.read_history(run.rejects), MODEL).n_violations == 2
    assert mp.validate(mp.read_history(run.rejects, plausible=None), MODEL).ok


def test_a_relative_bound_is_resolved_when_a_run_begins() -> None:
    """A day after the run's beginning, to the second."""
    assert bounds_of(("1980-01-01", "+1d"), 1_700_000_000_999) == (
        315_532_800_000,
        1_700_086_400_000,
    )
    assert bounds_of(plausible(("-2h", None)), 7_200_000) == (0, None)


def test_the_bound_of_a_run_is_in_its_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was implausible when it began is so when it is continued a week later."""
    run, _ = scripted_replay(
        monkeypatch, always, history_of(TEXTS), MODEL, on_invalid="withhold",
        journal=tmp_path / "run.db",
    )  # fmt: skip
    facts = run._journal.facts()

    first, last = facts["plausible"]
    assert first == 315_532_800_000
    assert abs(last - 86_400_000 - pd.Timestamp.now("UTC").timestamp() * 1_000) < 600_000


@pytest.mark.parametrize("given", [("2020", "2019"), "x", (1, 2), ("03/04/2024", None), ["a"]])
def test_a_span_that_cannot_be_is_refused(given: Any) -> None:
    """The message shows the two times."""
    with pytest.raises(HistoryError, match="plausible"):
        plausible(given)


@pytest.mark.parametrize(
    ("times", "more", "told"),
    [
        (["31.12.2024 23:50"], {"tz": "UTC"}, r"time_format='%d\.%m\.%Y %H:%M'"),
        (["31/12/2024 23:50"], {"tz": "UTC"}, r"time_format='%d/%m/%Y %H:%M'$"),
        (["03/04/2024 1:05 PM"], {"tz": "UTC"}, "%d/%m/%Y %I:%M %p.*or .*%m/%d/%Y %I:%M %p"),
        (["12/31/2024 11:50 PM"], {"tz": "UTC"}, r"time_format='%m/%d/%Y %I:%M %p'$"),
        (["31.12.2024"], {"tz": "UTC"}, "midnight of each day"),
        (["23:50"], {"tz": "UTC"}, "time of day without a date"),
        ([1_704_067_200], {}, "time_unit='s'"),
        (["1704067200"], {}, "time_unit='s'"),
        ([1_704_067_200], {"time_unit": "ms"}, "lie in January 1970: time_unit='s'"),
        (["1704067200"], {"time_unit": "ms"}, "lie in January 1970: time_unit='s'"),
        ([1_704_067_200_000], {"time_unit": "s"}, "beyond the year 9999: time_unit='ms'"),
        ([45292.5], {}, "serial numbers of Excel.*2024-01-01 12:00"),
        (["45292,5"], {}, "serial numbers of Excel"),
        ([20_241_231], {}, "time_format='%Y%m%d'"),
        ([0, 1, 2], {}, "may be row numbers"),
        (["2024-12-31 23:50"], {"tz": "UTC", "time_format": "%d.%m.%Y"}, "'%Y-%m-%d %H:%M'"),
    ],
)  # fmt: skip
def test_what_is_not_stated_is_refused_with_what_to_state(
    times: list[Any], more: dict[str, Any], told: str
) -> None:
    """The proposal names the argument; it is never applied in silence."""
    try:
        (said,) = mp.validate(history_of(times, **more), MODEL).hints
    except HistoryError as error:
        said = str(error)
    assert re.search(told, said), said


def test_numbers_as_texts_are_numbers_of_the_unit() -> None:
    """A CSV file has nothing but texts."""
    found = mp.validate(history_of(["1704067200", "1704067200.5", "x"], time_unit="s"), MODEL)

    assert found.violations["row"].tolist() == [2]
    assert found.devices["last_time"].item() == pd.Timestamp("2024-01-01 00:00:00.5", tz="UTC")
