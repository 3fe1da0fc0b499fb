"""Causes of very many rejects, without holding them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import always, scripted_replay

import mpreplay as mp
from mpreplay.display.facts import Detail
from mpreplay.display.reasons import cause_reason
from mpreplay.outcome.reject_table import FACTS
from mpreplay.report.causes import MAX_CAUSES, OTHER_REASONS, Gathered, cause_frame, gather

OUTSIDE = Detail("range", (0, 5, False, False, "kW"))


def rejects(*rows: dict[str, Any]) -> pa.Table:
    """Return rejects that differ from a usual one, as a journal keeps them."""
    usual = {
        "source": "a.parquet", "row": 1, "product_key": "p", "device_key": "T1",
        "time": 86_400_000, "measurepoint": "P", "value": "9.5", "check": "range",
        "detail": OUTSIDE, "outcome": "withheld", "code": None, "request_id": None,
    }  # fmt: skip
    told = [{**usual, **row} for row in rows]
    return pa.Table.from_pylist([{**one, "detail": one["detail"].as_text()} for one in told], FACTS)


def declined(request_id: str, words: str = "no", **row: Any) -> dict[str, Any]:
    """Return what differs in a value that the platform declined, with its words."""
    detail = Detail("platform", (1204, words, False))
    told = {"check": "platform", "outcome": "declined", "code": 1204, "detail": detail}
    return {**told, "request_id": request_id, **row}


def shown(found: Gathered) -> pd.DataFrame:
    """Return causes as users see them."""
    return cause_frame(found.causes)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "device_key": st.sampled_from(["T1", "T2", "T3", "T4", "T5", None]),
            "measurepoint": st.sampled_from(["P", "wind"]),
            "value": st.sampled_from(["9.5", "-273.2", "word", None]),
            "time": st.sampled_from([None, 0, 86_400_000, 172_800_000]),
            "detail": st.sampled_from(
                [
                    OUTSIDE,
                    Detail("length", (3,)),
                    Detail("not_iso", (), ("'noon'",)),
                    Detail("not_iso", (), ("'dusk'",)),
                    Detail("copy", of=OUTSIDE),
                ]
            ),
        }
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS, st.integers(1, 7))
def test_however_rejects_are_cut_into_frames_the_causes_are_the_same(
    rows: list[dict[str, Any]], size: int
) -> None:
    """The journal keeps them as they came; what is told of them must not depend on that."""
    table = rejects(*rows)
    whole = gather([table])
    parts = gather(table.slice(n, size) for n in range(0, len(table), size))

    pd.testing.assert_frame_equal(shown(whole), shown(parts))
    for one, other in zip(whole.causes, parts.causes, strict=True):
        assert (one.detail, one.example) == (other.detail, other.example)
    for one, other in zip(whole.examples, parts.examples, strict=True):
        pd.testing.assert_frame_equal(one, other, check_dtype=False)
    assert sum(cause.n for cause in whole.causes) == parts.n_read == len(table)


def test_the_most_frequent_cause_comes_first_with_its_ends() -> None:
    """Who reads one line should read the one that matters most."""
    found = shown(
        gather(
            [
                rejects({"check": "length", "detail": Detail("length", (3,)), "value": "abcd"}),
                rejects({"value": "-2", "time": 0}, {"value": "-1"}, {"value": "x", "time": None}),
            ]
        )
    )

    assert list(found["values"]) == [3, 1]
    assert (found["lowest"][0], found["highest"][0]) == (-2.0, -1.0)
    assert [str(found[name][0])[:10] for name in ("first_time", "last_time")] == [
        "1970-01-01", "1970-01-02"
    ]  # fmt: skip
    assert found["lowest"].isna()[1]


def test_values_declined_together_are_one_cause_and_those_declined_alone_name_their_point() -> None:
    """A request says nothing of its points, and a value that stands alone says all of itself."""
    together = rejects(declined("1"), declined("1", measurepoint="wind"))
    alone = [rejects(declined(str(n), measurepoint="Ot", value=str(-n))) for n in (2, 3)]
    found = shown(gather([together, *alone])).set_index("measurepoints")

    assert found.loc["P, wind", "requests"] == 1
    assert found.loc["Ot", ["values", "requests", "lowest", "highest"]].tolist() == [2, 2, -3, -2]


def test_superseded_values_are_one_cause_whatever_row_supersedes_them() -> None:
    """A hundred rows that repeat others are one thing to mend."""
    told = "superseded by row {} of a\nb.parquet, which has the same device, time and point"

    def rival(row: int) -> Detail:
        return Detail("superseded", (), (row, "a\nb.parquet"))

    rows = [{"check": "superseded", "detail": rival(n)} for n in range(5)]
    found = gather([rejects(*rows)])

    assert len(found.causes) == 1
    assert shown(found)["reason"][0].startswith("superseded by a row that has the same")
    assert found.examples[0]["reason"][4] == told.format(4)


def test_very_many_reasons_are_told_as_others() -> None:
    """A platform that says something else each time must not fill the memory."""
    rows = [declined(str(n), f"reason {n}") for n in range(MAX_CAUSES + 50)]
    found = shown(gather([rejects(*rows)]))

    assert len(found) == MAX_CAUSES + 1
    assert found["values"].sum() == MAX_CAUSES + 50
    assert found.set_index("reason").loc[cause_reason(OTHER_REASONS, 50), "values"] == 50


def test_only_so_many_are_looked_at_and_kept() -> None:
    """A notebook shows a run at a glance, also one with millions of rejects."""
    found = gather((rejects(*[{}] * 10) for _ in range(1_000_000)), n_examples=3, at_most=25)

    assert found.n_read == 30
    assert [len(frame) for frame in found.examples] == [3]


def test_causes_have_the_same_types_full_and_empty() -> None:
    """A script that works on a run with rejects works on one without."""
    pd.testing.assert_series_equal(
        shown(gather([rejects({})])).dtypes[NUMBERS], shown(gather([])).dtypes[NUMBERS]
    )


NUMBERS = ["values", "first_time", "last_time", "code", "requests", "lowest", "highest"]


MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})


def replayed(patch: pytest.MonkeyPatch, times: list[str | None], tz: str | None = None) -> mp.Run:
    """Return the run of a value at each time, which the platform accepts."""
    frame = pd.DataFrame({"t": times, "P": np.arange(len(times)) / 4})
    history = mp.read_history(frame, time_column="t", tz=tz, device_key="T1", product_key="p")
    run, _ = scripted_replay(patch, always, history, MODEL, on_invalid="withhold", progress=False)
    assert isinstance(run, mp.Run), run
    return run


def test_five_hundred_unreadable_times_are_one_cause_with_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One export with a broken clock is one thing to mend, not two hundred lines of a report."""
    good = [f"2024-01-01T00:00:{n:02}Z" for n in range(9)]
    run = replayed(monkeypatch, [*good, *(f"noon of day {n}" for n in range(500))])

    [cause] = run.causes.to_dict("records")
    assert (cause["values"], cause["outcome"], cause["check"]) == (500, "withheld", "time")
    assert cause["reason"] == "not an ISO 8601 time, such as 'noon of day 0'"
    assert cause["mend"] == "give the row a time that can be read"
    assert (cause["devices"], cause["measurepoints"]) == ("T1", "P")
    assert pd.isna(cause["first_time"])
    # Each row says what stands in it.
    assert run.rejects["reason"].tolist() == [
        f"'noon of day {n}' is not an ISO 8601 time" for n in range(500)
    ]
    assert run.summary()["accepted"] == 9
    assert "500 withheld: P of T1, not an ISO 8601 time, such as" in run._repr_html_()


def test_the_two_clock_changes_are_two_causes_with_two_remedies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hour that is missing and the one that is there twice are asked about apart."""
    gone = [f"2014-03-30T02:{minute:02}:00" for minute in (0, 20, 40)]
    twice = [f"2014-10-26T02:{minute:02}:00" for minute in (0, 30)]
    run = replayed(monkeypatch, ["2014-01-01T00:00:00", *gone, *twice], "Europe/Paris")

    gap, fold = run.causes.to_dict("records")
    shown = run.rejects["reason"].tolist()
    assert (gap["values"], gap["check"]) == (3, "time")
    assert (fold["values"], fold["check"]) == (2, "time")
    assert gap["reason"].startswith("do not exist in Europe/Paris, where the clock is changed")
    assert "; give nonexistent=" in gap["reason"]
    assert fold["reason"].startswith("occur twice in Europe/Paris, where the clock is changed")
    assert "; give ambiguous=" in fold["reason"]
    assert len(set(shown)) == 5


def test_times_that_cannot_be_read_for_two_reasons_are_two_causes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is shared decides, and no more than that: an absent time is no misspelt one."""
    run = replayed(monkeypatch, ["2024-01-01T00:00:00Z", "dusk", None, "dawn"])

    assert run.causes.set_index("reason")["values"].to_dict() == {
        "not an ISO 8601 time, such as 'dusk'": 2, "no time": 1,
    }  # fmt: skip


def test_the_bounds_of_values_with_a_quality_are_those_of_their_values() -> None:
    """A frame shows such a value as an object, which is no number by itself."""
    cells = ['{"value":9.5,"quality":1}', '{"value":-7}', "12.25", '{"value":"x","quality":0}']
    causes = shown(gather([rejects(*({"value": cell} for cell in cells))]))

    assert causes[["lowest", "highest"]].iloc[0].tolist() == [-7.0, 12.25]


@pytest.mark.parametrize(
    ("check", "detail", "advice"),
    [
        ("range", Detail("inexact"), "round the integer to 15 digits"),
        ("range", OUTSIDE, "correct the value, or widen the range"),
        ("type", Detail("misspelt", ("DOUBLE", ("groups",), "")), "write it as a plain number"),
        (
            "type",
            Detail("member", ("x",), of=Detail("misspelt", ("INT", ("comma",), ""))),
            "write it as a plain number",
        ),
        ("type", Detail("arrow_type", ("bool", "DOUBLE")), "give the value the type"),
    ],
)
def test_advice_fits_what_is_wrong(check: str, detail: Detail, advice: str) -> None:
    """No wider range holds the digits that a DOUBLE has not."""
    causes = shown(gather([rejects({"check": check, "detail": detail})]))

    assert causes["mend"].item().startswith(advice)
