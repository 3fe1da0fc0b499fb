"""Pages in a real browser: contrast, the order for keys and ears, a phone, files behind links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from chromium import BROWSER, Browser, browser
from fleet.fleets import MODEL, frame_of, gateways_of, read

import mpreplay as mp
from mpreplay.demo import PRODUCT, TURBINES, wind_farm, wind_farm_model

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no browser: chromium"),
]
PAGES = ("clean", "dirty", "fleet", "validation", "plan")
# The contrast of each text with the nearest ground behind it, as WCAG 2 defines it: the texts that
# have too little, and the number of all.
CONTRAST = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).map(p => p / 255)
      .map(p => p <= 0.03928 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  document.querySelectorAll("details").forEach(one => one.open = true);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = []; let n = 0;
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || one.closest("style, title, defs")) continue;
    const own = getComputedStyle(one);
    const colour = one instanceof SVGElement ? own.fill : own.color;
    const [low, high] = [light(colour), light(ground(one))].sort((a, b) => a - b);
    n += 1;
    if ((high + 0.05) / (low + 0.05) < 4.5) poor.push(walk.currentNode.data.trim());
  }
  return [poor, n];
})()"""
# Own sentences that reach beyond their box, or the page beyond the screen.
CUT = """(() => {
  const cut = [...document.querySelectorAll("p, li, h1, h2, h3, dt, dd, caption, summary, .state")]
    .filter(one => one.checkVisibility() && !one.closest("thead"))
    .filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)
    .map(one => one.textContent.trim());
  const wide = [...document.querySelectorAll("caption")]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
    .map(one => one.textContent.trim());
  return [cut.concat(wide), document.documentElement.scrollWidth, innerWidth];
})()"""


def replayed(history: mp.History, connection: Any, journal: Path) -> mp.Run:
    """Replay in small requests; a turbine that is offline is declined, as the platform has it."""
    with pytest.warns(mp.ReplayWarning, match="not signed in"):
        return mp.replay(
            history, wind_farm_model(), connection, on_invalid="withhold", duplicates="last",
            journal=journal, progress=False, limits=mp.Limits(max_entries=20),
        )  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    farm, model = wind_farm(days=3), wind_farm_model()
    sub_devices = [(PRODUCT, name) for name in TURBINES]
    with mp.simulate(
        model, sub_devices=sub_devices, gateway=("gateway", "gw-1"), online=sub_devices[:3]
    ) as platform:
        for name, history in (("dirty", farm.history()), ("clean", _clean(farm.frame))):
            run = replayed(history, platform.connection, folder / f"{name}.db")
            run.report(folder / f"{name}.html")
    gateways = gateways_of(3, 2)
    with mp.simulate(MODEL, gateways=gateways) as platform:
        topology = {
            key: mp.Gateway(platform.connection_for(product, key), devices)
            for (product, key), devices in gateways.items()
        }
        fleet = mp.replay_fleet(
            read(frame_of(gateways, 60)), MODEL, topology, journal=folder / "runs",
            on_invalid="withhold", allow_offline_sub_device=True, progress=False,
        )  # fmt: skip
    fleet.report(folder / "fleet.html")
    mp.validate(farm.history(), model).report(folder / "validation.html")
    gateway = ("gateway", "gw-1")
    mp.plan(farm.history(), model, gateway=gateway).report(folder / "plan.html")
    return folder


def _clean(frame: pd.DataFrame) -> mp.History:
    """Return the readings of a turbine that is signed in, without the planted faults."""
    clean = frame[(frame["turbine"] == "T01") & frame["Ot_avg"].gt(-60) & frame["Ba_avg"].gt(-10)]
    return mp.read_history(clean, time_column="time", device_column="turbine", product_key=PRODUCT)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run one browser for all tests of this file."""
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_can_be_read(chromium: Browser, pages: Path, name: str, is_dark: bool) -> None:
    """4.5 : 1 for each text that is really shown, on the ground that is really behind it."""
    chromium.open(pages / f"{name}.html", is_dark=is_dark)
    poor, n = chromium.run(CONTRAST)

    assert poor == []
    assert n > 50


@pytest.mark.parametrize("width", [1_100, 390])
@pytest.mark.parametrize("name", PAGES)
def test_no_sentence_is_cut(chromium: Browser, pages: Path, name: str, width: int) -> None:
    """What is wider than the screen is scrolled in a box of its own, and is no sentence of ours."""
    chromium.open(pages / f"{name}.html", width=width)
    cut, needed, given = chromium.run(CUT)

    assert cut == []
    assert needed <= given == width


def test_on_a_phone_a_reject_is_a_line(chromium: Browser, pages: Path) -> None:
    """A screen holds twenty rejects, and not three."""
    chromium.open(pages / "dirty.html", width=390)
    heights = chromium.run(
        "[...document.querySelectorAll('#rejects ~ article tbody tr')]"
        ".map(one => one.getBoundingClientRect().height)"
    )

    assert len(heights) > 10
    assert max(heights) < 36


@pytest.mark.parametrize("width", [1_100, 390])
@pytest.mark.parametrize("name", PAGES)
def test_what_is_read_aloud_is_in_order(
    chromium: Browser, pages: Path, name: str, width: int
) -> None:
    """The verdict, the contents, each section under its heading; tables are told as tables."""
    chromium.open(pages / f"{name}.html", width=width)
    told = chromium.accessible()
    headings = [one for one in told if one["role"] == "heading"]
    second = [one["name"] for one in headings if one["level"] == 2]
    contents = _within(told, "navigation")

    assert [one["level"] for one in headings].count(1) == 1
    assert headings[0]["level"] == 1
    assert [one["name"] for one in contents if one["role"] == "link"] == second != []
    regions = [one["name"] for one in told if one["role"] == "region"]
    assert regions == second
    tables = [one for one in told if one["role"] == "table"]
    assert tables
    assert all(one["name"].strip() for one in tables)
    roles = {one["role"] for one in told}
    assert {"columnheader", "rowheader", "cell", "main", "contentinfo"} <= roles
    assert all(one["name"].strip() for one in told if one["role"] in {"image", "link"})


def _within(told: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return what follows a landmark, up to the main part of the page."""
    roles = [one["role"] for one in told]
    return told[roles.index(role) : roles.index("main")]


def test_keys_reach_everything_in_its_order(chromium: Browser, pages: Path) -> None:
    """Links, folded tables and boxes that scroll, from the top down; a link leads somewhere."""
    chromium.open(pages / "dirty.html")
    wanted = chromium.run(
        "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')]"
        ".filter(one => one.checkVisibility()).length"
    )
    places = []
    for _ in range(wanted):
        chromium.press("Tab")
        places.append(chromium.run(
            "(() => { const one = document.activeElement, style = getComputedStyle(one);"
            " return [one.tagName, one.getBoundingClientRect().top + scrollY,"
            " style.outlineStyle]; })()"
        ))  # fmt: skip

    assert [tag for tag, _, _ in places[:3]] == ["A", "A", "A"]
    assert "SUMMARY" in {tag for tag, _, _ in places}
    assert "BODY" not in {tag for tag, _, _ in places}
    tops = [top for _, top, _ in places]
    assert all(after >= before - 30 for before, after in pairwise(tops))
    assert {outline for _, _, outline in places} == {"solid"}

    chromium.open(pages / "dirty.html")
    chromium.press("Tab")
    chromium.press("Enter")
    assert chromium.run("location.hash") == "#why"


def test_a_link_gives_the_file_and_asks_for_nothing(
    chromium: Browser, pages: Path, tmp_path: Path
) -> None:
    """The page has no script: the browser itself must take the link for a file."""
    chromium.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path),
                 eventsEnabled=True)  # fmt: skip
    chromium.open(pages / "dirty.html")
    name = chromium.run("document.querySelector('a[download]').download")
    chromium.run("document.querySelector('a[download]').focus()")
    chromium.press("Enter")
    while chromium.wait_for("Browser.downloadProgress")["state"] != "completed":
        pass
    rows = pd.read_csv(tmp_path / name)
    asked = [one["params"]["request"]["url"] for one in chromium.events
             if one.get("method") == "Network.requestWillBeSent"]  # fmt: skip
    said = [one for one in chromium.events if one.get("method") == "Log.entryAdded"]

    label = chromium.run("document.querySelector('a[download]').textContent")
    assert re.match(f"All {len(rows):,} rows as a CSV file", label)
    assert rows["measurepoint"].notna().all()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert said == []
