"""The points of a run and the fates of their values, also where a journal tells less."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Play, history_of
from hypothesis import given
from hypothesis import strategies as st
from report.test_run_page import journal_of, text_of
from scripted import Killed
from strategies import Case, cases, prepare

import mpreplay as mp
from mpreplay.display.facts import Standing
from mpreplay.frames import FATES
from mpreplay.journal.points import models_of, sent_by_point
from mpreplay.journal.reader import read_journal
from mpreplay.outcome.packed_counts import Names
from mpreplay.outcome.point_counts import counts_by_point
from mpreplay.outcome.touched import touched_of
from mpreplay.report.causes import gathered_of
from mpreplay.report.checked import MAX_POINTS, checked_section, fates_by_point
from mpreplay.report.run_page import render
from mpreplay.settings import Policy


def fates_of(path: Path) -> dict[tuple[str, str], Counter[str]]:
    """Return the fates by point of a run."""
    reader = read_journal(path)
    return fates_by_point(sent_by_point(reader), gathered_of(reader).by_point, models_of(reader))


def sums_of(path: Path) -> dict[str, int]:
    """Return the sums of these over all points, as the books have them."""
    total: Counter[str] = Counter()
    for counts in fates_of(path).values():
        total.update(counts)
    total["in_doubt"] += total.pop("open", 0)
    return {fate: total[fate] for fate in FATES}


@given(cases(), st.integers(1, 8))
def test_the_points_of_requests_add_up(case: Case, max_entries: int) -> None:
    """Equal copies share the fate of the value that was sent, and count with it."""
    policy = Policy(on_invalid="send", duplicates="last")
    slabs = prepare(case.history, case.model, policy, mp.Limits(max_entries=max_entries))
    chunks = [chunk for slab in slabs for chunk in slab.chunks()]
    names = Names()
    records = [("accepted", record) for record in touched_of(chunks, names)]
    found = counts_by_point(records, names, skips=False)

    total = sum(counts["accepted"] for counts in found.values())
    assert total == sum(chunk.n_values + chunk.n_copies for chunk in chunks)


def half_declined(n: int, message: Any) -> Any:
    """Decline every second request, and leave every fifth without a reply."""
    del message
    return [] if n % 5 == 4 else [(0.0, 1204)] if n % 2 else None


def stopped(n: int, message: Any) -> Any:
    """Let the process die at the third request."""
    del message
    if n == 3:
        raise Killed
    return None


@pytest.mark.parametrize("isolate", ["point", False])
def test_the_points_of_a_run_add_up_to_its_books(
    play: Play, frame: pd.DataFrame, tmp_path: Path, isolate: Any
) -> None:
    """A table that does not agree with the balance above it would be believed in neither."""
    twice = history_of(pd.concat([frame, frame.iloc[:2]], ignore_index=True))
    run, _ = play(half_declined, history=twice, isolate=isolate)
    books = run.books[list(FATES)].sum()

    assert sums_of(tmp_path / "run.db") == books.to_dict()
    assert books["declined"] > 0 < books["in_doubt"]


def test_the_points_of_a_killed_run_add_up_to_its_books(play: Play, tmp_path: Path) -> None:
    """Its last requests have no end on record."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("mpreplay.runner.driver.Driver._note_end", lambda _: None)
        play(stopped)
    books = mp.open_run(tmp_path / "run.db").books[list(FATES)].sum()

    assert sums_of(tmp_path / "run.db") == books.to_dict()
    assert books["in_doubt"] > 0


def test_what_the_platform_skips_counts_as_declined_only(play: Play, tmp_path: Path) -> None:
    """The request was accepted, and the value was not."""
    model = mp.ThingModel("M", {
        "wind": mp.Measurepoint("wind", "DOUBLE", maximum=1), "P": mp.Measurepoint("P", "DOUBLE"),
        "state": mp.Measurepoint("state", "INT"),
    })  # fmt: skip
    run, _ = play(model=model, on_invalid="send", skip_invalid_measurepoints=True)
    books = run.books[list(FATES)].sum()

    assert books["declined"] > 0
    assert sums_of(tmp_path / "run.db") == books.to_dict()


def test_every_point_has_a_row_with_its_rules(
    play: Play, model: mp.ThingModel, tmp_path: Path
) -> None:
    """An auditor asks what was checked, and not only what failed."""
    run, _ = play()
    page = render(read_journal(tmp_path / "run.db"))
    said = text_of(page).partition("Values of each point")[2]

    assert run.complete
    assert "Every value of all" in text_of(page)
    assert "Point Type Range Unit Values Passed Withheld Declined" in said
    for point, counts in fates_of(tmp_path / "run.db").items():
        if counts:
            assert f"{point[1]} {model.measurepoints[point[1]].type}" in said


def test_points_with_rejects_come_first_and_the_others_are_counted() -> None:
    """Of a thousand points the one with rejects must not be the last."""
    points = {f"P{n:04}": mp.Measurepoint(f"P{n:04}", "DOUBLE") for n in range(1_000)}
    models = {"": mp.ThingModel("M", points)}
    fates = {("", name): Counter(accepted=5) for name in points}
    fates["", "P0777"] = Counter(accepted=4, withheld=1)
    found = checked_section(fates, models, Standing({"read": 5_000, "accepted": 4_999}))

    assert found is not None
    assert "P0777" in found["table"].rows[0][0]
    assert found["table"].rows[0][4:] == ("5", "4", "1", "–")
    assert len(found["table"].rows) == MAX_POINTS
    assert found["sentence"].startswith("Every value of 999 of 1,000 points passed")
    assert found["table"].download.label.startswith("All 1,000 rows")
    assert found["notes"] == []


def test_products_with_models_of_their_own_have_rows_of_their_own() -> None:
    """Two products may use one name for two things."""
    model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "INT", unit="kW", maximum=9)})
    other = mp.ThingModel("N", {"P": mp.Measurepoint("P", "STRING")})
    fates = fates_by_point(
        {("a", "P"): {"accepted": 2}, ("b", "P"): {"accepted": 3}}, {}, {"a": model, "b": other}
    )
    found = checked_section(fates, {"a": model, "b": other}, Standing({"read": 5, "accepted": 5}))

    assert found is not None
    rows = [(str(row[0]).rpartition("> ")[2], *row[1:5]) for row in found["table"].rows]
    assert rows == [("P (a)", "INT", "(-inf, 9]", "kW", "2"), ("P (b)", "STRING", "–", "–", "3")]


def test_what_a_journal_does_not_tell_is_said(tmp_path: Path) -> None:
    """A page without a count is better than a page with a wrong one."""
    models = {"": mp.ThingModel("M", {"P": mp.Measurepoint("P", "INT")})}
    known = {("", "P"): Counter(accepted=2), ("", "Q"): Counter()}
    found = checked_section(known, models, Standing({"read": 9, "accepted": 9}))

    assert found is not None
    assert found["notes"] == [
        "No value was read of Q of the thing model.",
        "The journal tells the points of 2 of the 9 values that were read.",
    ]
    journal = journal_of(tmp_path / "run.db")
    journal.note(read_all=True)
    journal.close()
    assert "Checked" not in text_of(render(read_journal(tmp_path / "run.db")))


def test_a_model_in_a_journal_is_the_model_that_was_given(play: Play, tmp_path: Path) -> None:
    """Its ranges stand in a page that is written years later."""
    model = mp.ThingModel("M", {
        "wind": mp.Measurepoint("wind", "DOUBLE", "Wörds", unit="°C", minimum=-1e9),
        "P": mp.Measurepoint("P", "DOUBLE", has_quality=False, exclusive_maximum=True, maximum=9e9),
        "state": mp.Measurepoint("state", "ENUM", keys=("run", "stop"), labels=("Runs", "Stands")),
        "tower": mp.Measurepoint("tower", "STRUCT", members=(mp.Measurepoint("x", "FLOAT"),)),
    })  # fmt: skip
    play(model=model)

    assert models_of(read_journal(tmp_path / "run.db")) == {"": model}
