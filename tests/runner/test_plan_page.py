"""What a plan shows: a notebook's form, a page, a picture."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

import mpreplay as mp

MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "DOUBLE", maximum=10)})
EVIL = "<script>alert(1)</script>"


def plan_of(n_days: int = 3, device: str = "A", **options: object) -> mp.Plan:
    """Return the plan of a reading a day, the second above the maximum, the last days apart."""
    days = pd.date_range("2024-01-01", periods=n_days, freq="D", tz="UTC")
    values = [11.0 if n == 1 else 1.0 for n in range(n_days)]
    frame = pd.DataFrame({"ts": days, "device": device, "P": values})
    frame = frame[frame.index != n_days - 2] if n_days > 4 else frame
    history = mp.read_history(frame, time_column="ts", device_column="device", product_key="m")
    return mp.plan(history, MODEL, gateway=("gateway", "gw-1"), **options)  # type: ignore[arg-type]


def text_of(html: str) -> str:
    """Return the text of a page, its style aside."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(re.sub("<style>.*?</style>", "", html, flags=re.S))
    return " ".join(" ".join(found).split())


def test_a_notebook_shows_a_plan_in_a_screen() -> None:
    """What goes out, what does not and why, how long it takes, what may go wrong."""
    shown = text_of(plan_of(n_days=9)._repr_html_())

    assert "7 of 8 values would go out in 1 request" in shown
    assert "Replay would raise and send nothing: 1 violation of the thing model" in shown
    assert "by the limit of 1,000,000 bytes/s" in shown
    assert "1 sub-device would not be signed in by this replay" in shown
    assert "There is 1 day without any value" in shown
    assert "1 withheld: P of A above its maximum of 10 (11), on 2024-01-02. To do:" in shown
    assert len(shown) < 2_000


def test_the_page_of_a_plan_says_the_same_and_more(tmp_path: Path) -> None:
    """A file to send to whoever has to approve the backfill."""
    plan_of(n_days=9, on_invalid="withhold").report(tmp_path / "plan.html")
    shown = text_of((tmp_path / "plan.html").read_text(encoding="utf-8"))

    assert "plan of a replay through gw-1" in shown
    assert "Ready; 1 sub-device must be online" in shown
    assert '"method": "thing.measurepoint.resume.batch"' in shown
    assert "Days without a value" in shown


def test_what_may_all_be_declined_is_not_announced_as_accepted(tmp_path: Path) -> None:
    """A replay of 34,000 values of which none is accepted was no surprise to the plan."""
    plan = plan_of(on_invalid="withhold")
    plan.report(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")

    assert "1 sub-device must be online" in repr(plan)
    assert plan.fates["accepted"] == 0
    assert sum(plan.fates.values()) == plan.n_values
    assert plan.fates["accepted_if_online"] == plan.n_sent > 0
    assert 'class="state-complete"' not in page
    assert "declined if their sub-device is offline" in text_of(page)
    assert "accepted if the sub-device is online" in plan.plot().svg

    sure = plan_of(on_invalid="withhold", allow_offline_sub_device=True)
    sure.report(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "online" not in repr(sure)
    assert sure.fates["accepted"] == sure.n_sent
    assert 'class="state-partly"' in page
    assert "Ready to send all but 1 value" in page

    whole = plan_of(n_days=1, allow_offline_sub_device=True)
    whole.report(tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert 'class="state-complete"' in page
    assert "Ready to send<" in page


def test_copies_are_counted_so_that_plan_and_run_can_be_compared() -> None:
    """A run says 120 of 120 accepted where 20 were equal copies."""
    times = [pd.Timestamp("2024-01-01", tz="UTC")] * 3
    frame = pd.DataFrame({"P": [1.5, 1.5, 1.5]}, index=times)
    plan = mp.plan(mp.read_history(frame), MODEL, gateway=("m", "A"))

    assert (plan.n_sent, plan.n_copies, plan.n_values) == (1, 2, 3)
    assert "2 equal copies that share the fate of these" in repr(plan)
    assert "for 2 equal copies more as well" in text_of(plan._repr_html_())
    assert " bytes, " in repr(plan)  # a small plan is not of 0.0 MB


def test_texts_of_the_data_are_no_markup(tmp_path: Path) -> None:
    """A device key comes from outside."""
    plan = plan_of(device=EVIL)
    plan.report(tmp_path / "plan.html")

    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    for shown in (page, plan._repr_html_(), plan.plot().svg):
        assert "<script" not in shown
    ElementTree.fromstring(plan.plot().svg)


def test_a_plan_and_a_run_are_pictures_that_can_be_kept(tmp_path: Path) -> None:
    """The same SVG in a notebook and in a file."""
    plan = plan_of()
    frame = pd.DataFrame({"P": [1.5]}, index=pd.date_range("2024", periods=1, tz="UTC"))
    with mp.simulate(MODEL, gateway=("m", "A")) as platform:
        run = mp.replay(mp.read_history(frame), MODEL, platform.connection, progress=False)
    for name, picture in (("plan", plan.plot()), ("run", run.plot())):
        picture.save(tmp_path / f"{name}.svg")
        assert (tmp_path / f"{name}.svg").read_text(encoding="utf-8") == picture._repr_svg_()
        ElementTree.fromstring(picture.svg)
    assert "The one value was accepted" in run.plot().svg


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_a_plan_without_a_value_is_shown_too(values: list[float], tmp_path: Path) -> None:
    """An empty interval is no error."""
    times = pd.date_range("2024", periods=len(values), tz="UTC")
    plan = mp.plan(mp.read_history(pd.DataFrame({"P": values}, index=times)), MODEL)
    plan.report(tmp_path / "plan.html")

    assert "There is no value to send" in text_of(plan._repr_html_())
    ElementTree.fromstring(plan.plot().svg)
    assert plan.first_request == ""
    assert len(plan.coverage) == len(plan.gaps) == 0
