"""The survey: ``validate`` and ``replay`` judge a history alike, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import PRODUCT
from hypothesis import given
from hypothesis import strategies as st
from scripted import always, scripted_replay

import mpreplay as mp
from mpreplay.frames import CONFLICT_COLUMNS

MODEL = mp.ThingModel(
    "M",
    {
        "P": mp.Measurepoint("P", "FLOAT", minimum=0, maximum=10),
        "note": mp.Measurepoint("note", "STRING", max_length=10**6),
    },
)
CELLS = st.fixed_dictionaries(
    {
        "minute": st.integers(0, 2),
        "unit": st.sampled_from(["T1", "T2"]),
        "P": st.sampled_from([1.5, 2.5, 11.0, float("inf"), None]),
        "note": st.sampled_from(["on", "off", "x" * 900, None]),
    }
)


def history_of(rows: list[dict[str, Any]]) -> mp.History:
    """Return rows as a history of sub-devices."""
    frame = pd.DataFrame(rows, columns=["minute", "unit", "P", "note"])
    start = pd.Timestamp("2024-01-01", tz="UTC")
    frame["ts"] = start + pd.to_timedelta(frame.pop("minute"), unit="min")
    return mp.read_history(frame, time_column="ts", device_column="unit", product_key=PRODUCT)


def row(minute: int = 0, unit: str = "T1", **cells: Any) -> dict[str, Any]:
    """Return a row."""
    return {"minute": minute, "unit": unit, "P": None, "note": None, **cells}


@given(st.lists(CELLS, min_size=1, max_size=6), st.sampled_from(["raise", "first", "last"]))
def test_a_history_that_is_ok_is_sent_and_one_that_is_not_is_refused(
    rows: list[dict[str, Any]], duplicates: Any
) -> None:
    """Whoever validates first must not be surprised afterwards."""
    history, limits = history_of(rows), mp.Limits(max_bytes=700)
    validation = mp.validate(history, MODEL, limits=limits, duplicates=duplicates)
    with pytest.MonkeyPatch.context() as patch, _own_state(patch):
        found, _ = scripted_replay(
            patch, always, history, MODEL, limits=limits, duplicates=duplicates
        )

    assert validation.ok == isinstance(found, mp.Run)
    if not validation.ok:
        assert isinstance(found, mp.InvalidHistory)
        n_shown = 0 if found.violations is None else len(found.violations)
        assert n_shown == validation.n_violations


class _own_state:  # noqa: N801 - reads as a word of the test
    """A state folder of one replay: connects of others would make it wait."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch

    def __enter__(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.patch.setenv("MPREPLAY_STATE", self.folder.name)

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()


def test_a_text_that_no_request_can_carry_is_a_violation_before_it_is_sent() -> None:
    """It once was ok for validate, and raised in replay."""
    history = history_of([row(note="x" * 600_000), row(1, note="short")])

    validation = mp.validate(history, MODEL)

    assert not validation.ok
    assert validation.counts == {("note", "too_large"): 1}
    assert validation.violations["reason"].item() == (
        "alone larger than a request may be (480000 bytes)"
    )
    assert mp.validate(history, MODEL, limits=mp.Limits(max_bytes=520_000)).ok is False
    assert mp.validate(history_of([row(note="x" * 600)]), MODEL).ok


def test_the_gateways_own_keys_are_not_written_and_leave_room() -> None:
    """A value that just fits for the connection's own device is too large for another."""
    own, other = ("p", "d"), ("p", "d" * 60)
    frame = pd.DataFrame({"note": ["x" * 250]}, pd.date_range("2024", periods=1, tz="UTC"))
    limits = mp.Limits(max_bytes=500)

    for device, is_ok in ((own, True), (other, False)):
        history = mp.read_history(frame, product_key=device[0], device_key=device[1])
        assert mp.validate(history, MODEL, limits=limits, gateway=own).ok is is_ok


def test_a_conflict_shows_both_rows_and_values() -> None:
    """The one to mend may be either."""
    history = history_of(
        [row(P=1.5, note="on"), row(unit="T2", P=3.0), row(P=2.5, note="on"), row(1, P=1.0)]
    )

    found = mp.validate(history, MODEL)

    assert not found.ok
    assert found.n_conflicts == 1
    assert found.conflicts.to_dict("records") == [
        {
            "source": "DataFrame",
            "row": 0,
            "product_key": PRODUCT,
            "device_key": "T1",
            "time": pd.Timestamp("2024-01-01", tz="UTC"),
            "measurepoint": "P",
            "value": "1.5",
            "other_source": "DataFrame",
            "other_row": 2,
            "other_value": "2.5",
        }
    ]
    kinds = {name: str(kind) for name, kind in found.conflicts.dtypes.items()}
    assert kinds.keys() == CONFLICT_COLUMNS.keys()
    assert (kinds["row"], kinds["time"]) == ("Int64", "datetime64[ms, UTC]")


@pytest.mark.parametrize(("duplicates", "row_shown"), [("first", 1), ("last", 0)])
def test_a_conflict_that_is_decided_is_ok_and_shows_what_is_not_sent(
    duplicates: Any, row_shown: int
) -> None:
    """Under a policy it is no mistake, but still worth a look."""
    found = mp.validate(
        history_of([row(note="on"), row(note='{"a":1}')]), MODEL, duplicates=duplicates
    )

    assert found.ok
    assert found.n_conflicts == 1
    assert found.conflicts["row"].item() == row_shown
    texts = {found.conflicts["value"].item(), found.conflicts["other_value"].item()}
    assert texts == {"on", '{"value":"{\\"a\\":1}"}'}
    assert "1 in conflict" in repr(found)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"duplicates": "newest"}, "duplicates= must be 'raise', 'first' or 'last'"),
        ({"history": "x.parquet"}, r"validate takes what read_history returned, not str"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(arguments: dict[str, Any], match: str) -> None:
    """As replay does, with the way out."""
    given_ = {"history": history_of([row(P=1.0)]), "model": MODEL, **arguments}

    with pytest.raises(mp.ConfigError, match=match):
        mp.validate(given_.pop("history"), given_.pop("model"), **given_)


@pytest.mark.parametrize(
    "rows",
    [
        [row(P="x" * 600_000)],
        [row(note="y" * 2_000_000)],
        [row(note="a" * 600_000), row(note="b" * 600_000)],
        [row(unit="T" * 600_000, P=99.0)],
    ],
    ids=["a number", "a long text", "a conflict", "a device"],
)
def test_no_cell_is_quoted_in_full(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """A log that keeps the error would keep the file, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPREPLAY_STATE", str(tmp_path))
        error, _ = scripted_replay(patch, always, history_of(rows), MODEL)

    assert isinstance(error, mp.InvalidHistory)
    assert len(str(error)) < 2_500
    assert str(error).endswith("Nothing was sent")
