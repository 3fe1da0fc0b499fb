"""The report of a run: true, safe, readable by everybody, and small."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal.test_writer import NO_REJECTS, request, settled, slab
from report.test_causes import declined, rejects

import mpreplay as mp
from mpreplay.display.amounts import shares
from mpreplay.display.drawing import DARK, LIGHT
from mpreplay.display.facts import Detail
from mpreplay.display.pictures import arrival_map
from mpreplay.frames import BOOK_COLUMNS, RESULT_COLUMNS, typed
from mpreplay.journal.reader import JournalReader, read_journal
from mpreplay.journal.writer import Journal
from mpreplay.report.figures import MAX_BUCKETS, MAX_DEVICES, MAX_PERIODS, arrivals, timeline
from mpreplay.report.run_page import render

EVIL = "<script>alert(1)</script>"
EVIL_POINT = '"><img src=http://192.0.2.1/x onerror=alert(2)>'
SECRET = "Zebra-secret"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        """Remember it, and that it is open."""
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.stack.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attributes: Any) -> None:
        """Remember one that is closed at once, as those of pictures are."""
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        """Close the last that was opened, and no other."""
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add a text to all that it stands in."""
        for tag in set(self.stack):
            self.texts[tag][-1] += data

    def count(self, tag: str) -> int:
        """Return how often a tag occurs."""
        return sum(name == tag for name, _ in self.tags)


def journal_of(path: Path, **facts: Any) -> Journal:
    """Return the journal of a run, open."""
    journal = Journal(path)
    journal.begin(gateway="gw", version="0", n_rows=9, started_at=1_700_000_000_000, **facts)
    return journal


def hostile(folder: Path) -> JournalReader:
    """Return a run in which everything that data can say is meant to break the page."""
    reader = folder / "hostile.db"
    connection = f"mqtt://{EVIL}:***@h:1/p"
    limits = {"max_bytes": 480_000, "window": EVIL}
    journal = journal_of(reader, connection=connection, limits=limits, fingerprint={EVIL: EVIL})
    key = (EVIL, EVIL, 19_875)
    one = request(1, 4, key=key)
    tallies = {"read": {key: 6}, "withheld": {key: 2}}
    row = {"device_key": EVIL, "measurepoint": EVIL_POINT, "source": EVIL}
    mine = {**row, "detail": Detail("check", (EVIL_POINT,))}
    journal.intend(slab(0, 3), [one], tallies, rejects(mine, {**mine, "value": "\u202e"}))
    answer = rejects(*[declined("1", EVIL_POINT + EVIL, **row, value=EVIL)] * 4)
    journal.settle(settled(1, "declined", 1204), 1_700_000_000_000, {}, answer)
    journal.note(ended=["refused", [EVIL]], counts={EVIL: 1})
    journal.close()
    return read_journal(reader)


def empty(folder: Path) -> JournalReader:
    """Return a run of nothing."""
    journal = journal_of(folder / "empty.db")
    journal.note(read_all=True)
    journal.close()
    return read_journal(folder / "empty.db")


def divided(folder: Path) -> JournalReader:
    """Return a run in which one request was taken apart, and one is in doubt."""
    key = ("p", "T1", 19_875)
    journal = journal_of(folder / "divided.db")
    tallies = {"read": {key: 9}}
    chunks = [request(n, size, key=key) for n, size in ((1, 6), (2, 3), (3, 5), (4, 1))]
    journal.intend(slab(0, 9), chunks[:2], tallies, NO_REJECTS)
    journal.divide(settled(1, "divided", 1204), 1_700_000_000_000, chunks[2:])
    journal.settle(settled(3, "accepted", 200), 1_700_000_000_500, {}, NO_REJECTS)
    journal.settle(settled(4, "declined", 1204), 1_700_000_000_900, {}, rejects(declined("4")))
    journal.note(read_all=True, ended_at=1_700_000_002_000)
    journal.close()
    return read_journal(folder / "divided.db")


RUNS = {"hostile": hostile, "empty": empty, "divided": divided}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Render each kind of run."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: render(make(folder)) for name, make in RUNS.items()}


@pytest.fixture(params=RUNS)
def page(pages: dict[str, str], request: pytest.FixtureRequest) -> str:
    """Return the report of one kind of run."""
    return pages[request.param]


def test_the_verdict_is_the_first_thing_said(pages: dict[str, str]) -> None:
    """Whoever reads one line of it knows whether the values arrived."""
    assert Page(pages["hostile"]).texts["h1"] == ["None of 6 values was accepted"]
    assert Page(pages["empty"]).texts["h1"] == ["There was no value to send"]
    assert Page(pages["divided"]).texts["h1"] == ["5 of 9 values were accepted"]
    assert "Not complete" in pages["divided"]


def test_the_page_is_well_formed_and_described(page: str) -> None:
    """A screen reader reads headings in order, tables with headers, pictures by their texts."""
    parsed = Page(page)
    found = [(tag, attributes) for tag, attributes in parsed.tags]
    headings = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]

    assert parsed.stack == []
    assert ("html", {"lang": "en"}) in found
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert parsed.count("caption") == parsed.count("table")
    assert all(caption.strip() for caption in parsed.texts.get("caption", []))
    assert all(a.get("scope") in {"row", "col"} for tag, a in found if tag == "th")
    pictures = [a for tag, a in found if tag == "svg" and a.get("aria-hidden") != "true"]
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    assert len(pictures) == page.count("<title>") - 1
    ids = [a["id"] for _, a in found if a.get("id")]
    assert len(set(ids)) == len(ids)
    assert all(a["aria-labelledby"] in ids for _, a in found if "aria-labelledby" in a)


def test_every_section_is_there_in_its_order(pages: dict[str, str]) -> None:
    """The verdict, then why, then how it adds up, then the details, then the settings."""
    assert [text.split(",")[0] for text in Page(pages["hostile"]).texts["h2"]] == [
        "Why values did not arrive", "The balance", "Checked", "Devices and days", "Codes",
        "Rejects by cause", "Requests taken apart", "Can this be trusted?",
        "Settings and environment", "Words",
    ]  # fmt: skip


def test_the_columns_of_the_balance_are_named(pages: dict[str, str]) -> None:
    """A reader knows which number is a share and which a count."""
    heads = Page(pages["hostile"]).texts["th"]
    assert heads[:4] == ["Fate", "Values", "Share", "What it means"]


def test_nothing_from_the_data_is_taken_for_markup(pages: dict[str, str]) -> None:
    """A device may be called anything; an auditor's browser must not run it."""
    page = pages["hostile"]
    parsed = Page(page)

    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert not any(name.startswith("on") for _, a in parsed.tags for name in a)
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    page.encode()


def test_a_page_loads_nothing(page: str) -> None:
    """It is read offline, years later, in a room without a network."""
    parsed = Page(page)
    loading = [
        value
        for _, attributes in parsed.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action"}
    ]

    own = [value for value in loading if not value.startswith(("#", "data:text/csv;"))]
    assert own == ["data:,"]
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= {
        f"#p-{fate}" for fate in ("declined", "withheld", "in_doubt", "not_sent", "open")
    }
    assert "default-src 'none'" in page


def test_a_request_that_was_taken_apart_is_told_with_its_parts(pages: dict[str, str]) -> None:
    """Extra requests cost time and money: how many, and what they saved."""
    assert "1 request taken apart" in pages["divided"]
    assert "2 extra requests" in pages["divided"]
    apart = pages["divided"].partition('id="apart"')[2]
    row = re.search(r"<th scope=\"row\"[^>]*>1</th>(.*?)</tr>", apart)
    assert row
    assert re.findall(r">(\d+)<", row[1]) == ["1204", "6", "2", "5", "1", "0", "0"]
    assert "Values of divided requests count again" in pages["divided"]


def text_of(page: str) -> str:
    """Return what a page says, its tags and repeated blanks aside."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.partition("</style>")[2]))


def test_a_run_that_was_killed_says_what_is_not_known(tmp_path: Path) -> None:
    """Its journal has the end of an earlier leg, and requests of which nobody knows anything."""
    key = ("p", "T1", 19_875)
    journal = journal_of(
        tmp_path / "run.db", ended_at=1_700_000_001_000, continued=1, ended=None, read_all=False
    )
    chunks = [request(n, 3, key=key) for n in (1, 2, 3)]
    journal.intend(slab(0, 9), chunks, {"read": {key: 9}}, NO_REJECTS)
    journal.settle(settled(1, "accepted", 200, attempts=3), 1_700_000_600_000, {}, NO_REJECTS)
    journal.close()
    said = text_of(render(read_journal(tmp_path / "run.db")))

    assert "The run is going on or was killed" in said
    assert "6 values are in 2 requests that have not settled" in said
    assert "What to do: continue the run with the same command" in said
    assert (
        "9 values read = 3 accepted + 6 not settled. No value was declined, withheld, in doubt or "
        "not sent." in said
    )
    assert "Ended not ended" in said
    assert "Took" not in said
    assert "Requests sent 1 Requests not settled 2" in said
    assert "1 request needed several attempts, at most 3" in said
    assert "accepted not settled empty: no readings" in said
    assert "stopped not known" in said


def run_of(path: Path, fates: dict[str, int], **facts: Any) -> str:
    """Return the report of a run that has ended, with a value a fate for each number."""
    key = ("p", "T1", 19_875)
    journal = journal_of(path, **facts)
    n_accepted, n_withheld = fates.get("accepted", 0), fates.get("withheld", 0)
    one = request(1, n_accepted)
    one[1].tally = lambda: {key: n_accepted}
    tallies = {"read": {key: n_accepted + n_withheld}, "withheld": {key: n_withheld}}
    withheld = rejects(*[{}] * n_withheld) if n_withheld else NO_REJECTS
    journal.intend(slab(0, 9), [one] if n_accepted else [], tallies, withheld)
    if n_accepted:
        journal.settle(settled(1, "accepted", 200), 1_700_000_000_000, {}, NO_REJECTS)
    journal.note(read_all=True, ended_at=1_700_000_002_000)
    journal.close()
    return render(read_journal(path))


@pytest.mark.parametrize(
    ("fates", "tone", "state"),
    [
        ({"accepted": 5}, "complete", "Complete<"),
        ({"accepted": 5, "withheld": 1}, "partly", "Complete, with rejects<"),
        ({"withheld": 1}, "partly", "Complete, with rejects<"),
        ({}, "partly", "Complete<"),
    ],
)
def test_a_page_is_green_only_if_all_arrived(
    tmp_path: Path, fates: dict[str, int], tone: str, state: str
) -> None:
    """Green is what people take home from a page."""
    page = run_of(tmp_path / "run.db", fates)

    assert f'<body class="tone-{tone}">' in page
    assert f'class="state-{tone}"' in page
    assert state in page


def test_a_fate_that_no_value_met_is_no_row(tmp_path: Path) -> None:
    """Four rows of zeros hide the one that matters."""
    page = run_of(tmp_path / "run.db", {"accepted": 5, "withheld": 2})
    balance = text_of(page).partition("What became of")[2].partition("Checked")[0]

    assert "7 values read = 5 accepted + 2 withheld." in text_of(page)
    assert "No value was declined, in doubt or not sent." in text_of(page)
    assert "the platform answered with another code" not in balance
    assert "100.00 % the sum of the above" in balance


def test_whose_readings_of_which_days_are_told_first(tmp_path: Path) -> None:
    """A page that is found in a drawer says what it is of."""
    journal = journal_of(tmp_path / "run.db")
    days = {("p", f"T{n}", 19_875 + n): 1 for n in range(5)}
    journal.intend(slab(0, 5), [], {"read": days, "withheld": days}, rejects(*[{}] * 5))
    journal.note(read_all=True)
    journal.close()
    said = text_of(render(read_journal(tmp_path / "run.db")))

    assert "Devices 5: T0 … T4 Readings 2024-06-01 to 2024-06-05 Started" in said


@pytest.mark.parametrize("name", RUNS)
def test_the_line_of_contents_leads_to_every_section(pages: dict[str, str], name: str) -> None:
    """Nine sections are nine screens of a phone."""
    page = pages[name]
    contents = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', page)

    assert contents == re.findall(r'<h2 id="(\w+)">([^<]+)</h2>', page)
    assert len(contents) > 4


def test_no_sentence_of_a_page_names_an_argument(pages: dict[str, str]) -> None:
    """The reader has no Python; what to pass stands behind the sentence, in brackets."""
    sentences = re.sub('<span class="how">.*?</span>', "", pages["hostile"] + pages["divided"])

    assert not re.search(r"\b[a-z_]+=(?:['(\[…]|True|False)", text_of(sentences))


def test_the_reason_of_an_end_is_never_cut(tmp_path: Path) -> None:
    """Its last words say what to do."""
    page = run_of(tmp_path / "run.db", {"accepted": 1}, ended=["rival", ["device-" * 30]])

    assert "End the other client, if there is one, then continue" in text_of(page)


def test_what_was_not_sent_is_not_counted_as_sent(tmp_path: Path) -> None:
    """A device that was declined is held back: its requests have a code, and never left."""
    key = ("p", "T1", 19_875)
    journal = journal_of(tmp_path / "run.db", counts={"published": 1, "equal_copies": 2})
    chunks = [request(n, 2, key=key) for n in (1, 2, 3)]
    journal.intend(slab(0, 9), chunks, {"read": {key: 6}}, NO_REJECTS)
    for n, outcome, code, attempts in ((1, "declined", 1212, 1), (2, "declined", 1212, 0),
                                       (3, "not_sent", None, 0)):  # fmt: skip
        journal.settle(settled(n, outcome, code, attempts), 1_700_000_000_000, {}, NO_REJECTS)
    journal.note(read_all=True, ended=["interrupted", ["SIGINT"]], ended_at=1_700_000_009_000)
    journal.close()
    said = text_of(render(read_journal(tmp_path / "run.db")))

    assert "Requests sent 1 Requests not sent 2: 1 held back, 1 when the run ended" in said
    assert "declined, held back" in said
    assert "Held back, not sent" in said
    assert "2 equal copies of other readings travel with them" in said
    assert "the requests were published 1 time in all" in said
    assert "There is 1 request not sent." in said
    assert "Took 9 s" in said


def test_what_was_sent_before_a_run_was_killed_is_no_second_attempt(tmp_path: Path) -> None:
    """One request, published twice, in no second attempt: three numbers that must agree."""
    key = ("p", "T1", 19_875)
    journal = journal_of(tmp_path / "run.db", counts={"published": 2}, continued=1)
    journal.intend(slab(0, 9), [request(1, 2, key=key)], {"read": {key: 2}}, NO_REJECTS)
    journal.settle(settled(1, "accepted", 200, 1), 1_700_000_000_000, {}, NO_REJECTS)
    journal.note(read_all=True, ended_at=1_700_000_009_000)
    journal.close()

    assert (
        "No request needed a second attempt within a part of the run; the requests were published "
        "2 times in all, 1 of them before a part of the run ended without their answer."
        in text_of(render(read_journal(tmp_path / "run.db")))
    )


def test_where_it_came_from_and_how_to_check_it_are_told(tmp_path: Path) -> None:
    """An auditor asks first whether the page can be believed."""
    journal = journal_of(
        tmp_path / "run.db", isolate="point",
        fingerprint={"history": ["sha256:1", "frame:2"], "model": "abc123", "on_invalid": "raise"},
        sources=[{"name": EVIL, "bytes": 12_345, "sha256": "f" * 64},
                 {"name": "DataFrame", "bytes": None, "sha256": None}],
        left_out=[{"rule": "ending", "ending": ".<b>", "n": 2}],
    )  # fmt: skip
    journal.note(read_all=True)
    journal.close()
    page = render(read_journal(tmp_path / "run.db"))
    said = text_of(page)

    assert "12,345 " + "f" * 64 in said
    assert "DataFrame no file: a table in memory (frame:2)" in said
    assert "Left out, unread: 2 of another ending (.&lt;b&gt;)." in page
    assert "SHA-256 of the thing model: abc123" in said
    assert "isolate point" in said
    assert "[" not in said.partition("Settings and environment")[2].partition("What the words")[0]
    assert EVIL not in page


def test_books_that_do_not_add_up_are_said_first(tmp_path: Path) -> None:
    """A report of a journal that somebody altered must not look like any other."""
    page = render(empty(tmp_path), [("p/d, 2024-06-01", f"{EVIL} rejects")])

    assert "Damaged or altered" in page
    assert text_of(page).count("These books do not add up") == 2
    assert "p/d, 2024-06-01" in page
    assert EVIL not in page


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_shares_add_up(counts: list[int]) -> None:
    """Four numbers below each other that make 99.99 % look like a mistake."""
    shown = shares(counts, sum(counts))
    numbers = [float(share.split()[-2]) for share in shown if share[0] not in "<>"]

    if sum(counts) and len(numbers) == len(counts):
        assert sum(numbers) == pytest.approx(100, abs=0.001)
    for n, share in zip(counts, shown, strict=True):
        assert (share == "0.00 %") == (n == 0)
        assert (share == "100.00 %") == (0 < n == sum(counts))


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_shapes_can_be_told_from_the_page(palette: dict[str, str]) -> None:
    """Reports are read on poor projectors and by tired eyes."""
    grounds = [palette["paper"], palette["panel"]]
    texts = ("ink", "muted", "link")
    shapes = ("accepted", "declined", "withheld", "in_doubt", "not_sent", "open")

    assert all(_contrast(palette[name], ground) >= 4.5 for name in texts for ground in grounds)
    assert all(_contrast(palette[name], ground) >= 3 for name in shapes for ground in grounds)


def test_no_secret_is_in_a_report(
    model: mp.ThingModel, history: mp.History, platform: Any, tmp_path: Path
) -> None:
    """A report is mailed to people who may not hold the key."""
    run = mp.replay(
        history, model, platform.connection, allow_offline_sub_device=True,
        journal=tmp_path / "run.db", progress=False,
    )  # fmt: skip
    page = render(read_journal(run.path))

    assert platform.connection.device_secret.reveal() not in page
    assert "***@" in page
    assert "All 22 values were accepted" in page


def test_a_secret_in_a_journal_of_another_hand_is_masked(tmp_path: Path) -> None:
    """Two locks: none should be written, and none is shown."""
    journal = journal_of(
        tmp_path / "run.db",
        connection=f"mqtt://gw:{SECRET}@h:1/p",
        device_secret=SECRET,
        fingerprint={"platform": f"mqtts://gw:{SECRET}@h"},
    )
    journal.close()

    assert SECRET not in render(read_journal(tmp_path / "run.db"))


def test_the_size_is_bounded_however_many_were_rejected(tmp_path: Path) -> None:
    """A report of a million rejects must still open."""
    journal = journal_of(tmp_path / "run.db")
    for number in range(300):
        key = ("p", f"T{number}", 19_000 + 7 * number)
        rows = [
            {"detail": Detail("check", (f"{number} {'x' * 5_000}",)), "value": "y" * 5_000}
        ] * 20
        tallies = {"read": {key: 20}, "withheld": {key: 20}}
        journal.intend(slab(number, 20), [], tallies, rejects(*rows))
    journal.note(read_all=True)
    journal.close()
    page = render(read_journal(tmp_path / "run.db"))
    files = re.findall(r'href="(data:text/csv;[^"]*)"', page)

    assert len(page) - sum(map(len, files)) < 400_000
    assert 900_000 < sum(map(len, files)) <= 1_000_000
    assert page.count("<tr>") < 500
    assert "others" in page
    assert "more, of" in page


def _books(n_devices: int, days: list[int | None]) -> pd.DataFrame:
    rows = [
        ("p", f"T{n:03}", None if day is None else day * 86_400_000, 5, 5 - (n == 7), 0, n == 7,
         0, 0, True)
        for n in range(n_devices)
        for day in days
    ]  # fmt: skip
    return typed(rows, BOOK_COLUMNS)


@pytest.mark.parametrize(
    ("days", "step", "n_periods"),
    [
        ([0, 9], "day", 10),
        ([0, 200], "week", 30),
        ([0, 1500], "month", 50),
        ([0, 4000], "quarter", 44),
        ([-19_000, 300, 3000], "year", 62),
        ([-100_000, 0, 100_000], "year with readings", 3),
    ],
)
def test_the_map_has_few_columns_however_long_the_history(
    days: list[int], step: str, n_periods: int
) -> None:
    """Twenty years of days would be lines that nobody can tell apart."""
    found = arrivals([_books(2, days)])

    assert (found.step, len(found.periods)) == (step, n_periods)
    assert found.read.shape == (2, n_periods)
    assert n_periods <= MAX_PERIODS
    assert found.read.sum() == 2 * 5 * len(days)


def test_the_map_shows_the_devices_with_the_most_rejects_first() -> None:
    """Of a thousand devices the one that failed must not be among the others."""
    found = arrivals([_books(200, [0, 1])])

    assert found.devices[0] == "T007"
    assert len(found.devices) == MAX_DEVICES
    assert found.devices[-1] == f"{found.n_others} others"
    assert found.read.sum() == 200 * 2 * 5
    assert (found.read - found.accepted)[0].tolist() == [1, 1]


def test_dates_below_the_map_stand_apart() -> None:
    """Of three or four days each is narrower than its date."""
    for n in range(1, 12):
        picture = str(arrival_map(arrivals([_books(1, list(range(n)))])))
        places = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="\d+">', picture)]
        assert places
        assert all(after - before >= 80 for before, after in pairwise(places))


def test_long_keys_keep_the_end_that_tells_them_apart() -> None:
    """A site's devices differ in their last digits."""
    books = _books(2, [0]).assign(device_key=[f"north-sea-park-turbine-{n:03}" for n in (1, 2)])
    picture = str(arrival_map(arrivals([books])))

    assert "turbine-001<" in picture
    assert "turbine-002<" in picture
    assert "north-s…" in picture or "north-…" in picture


def test_values_without_a_time_are_told_beside_the_map() -> None:
    """They are on no day, and still in the sum."""
    found = arrivals([_books(1, [None, 3])])

    assert (found.n_timeless, int(found.read.sum())) == (5, 5)


def _results(sent: list[float], codes: list[int | None]) -> pd.DataFrame:
    rows = [
        (str(n), None, "gw", 1, 10, 100, 0, 0, 1, code, "", "accepted", round(at * 1000), 0.5)
        for n, (at, code) in enumerate(zip(sent, codes, strict=True))
    ]
    return typed(rows, RESULT_COLUMNS)


def test_a_run_that_was_continued_the_next_day_is_shown_without_the_night() -> None:
    """Two bars at the ends of an empty axis would show nothing."""
    sent = [float(n) for n in range(30)] + [86_400.0 + n for n in range(30)]
    line = timeline(_results(sent, [200] * 60))

    assert line is not None
    assert line.width * len(line.steps) == pytest.approx(60, abs=2)
    assert line.paused == pytest.approx(86_370, abs=2)
    assert [round(share, 1) for share in line.pauses] == [0.5]
    assert (line.steps["requests"] > 0).all()


@pytest.mark.parametrize("seconds", [0.1, 0.9, 3, 61, 4_000, 300_000])
def test_steps_have_round_lengths_and_none_is_below_a_second(seconds: float) -> None:
    """Within a second a burst of any rate is allowed: it would seem to break the limit."""
    line = timeline(_results([n * seconds / 600 for n in range(600)], [200] * 600))

    assert line is not None
    assert line.width in {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200}
    assert len(line.steps) <= MAX_BUCKETS
    assert (line.steps["bytes"] * line.width).sum() == pytest.approx(600 * 100)


def test_over_time_nothing_is_lost_and_nothing_is_too_fine() -> None:
    """A million requests make as many steps as a thousand do."""
    codes = [200] * 2000 + [1204, 1206, 1212, 1008, 429, 500, None] * 3
    line = timeline(_results([n / 10 for n in range(len(codes))], codes))

    assert line is not None
    assert MAX_BUCKETS / 2 < len(line.steps) <= MAX_BUCKETS
    assert line.width == 5
    assert line.codes.to_numpy().sum() == len(codes)
    assert line.codes.columns[0] == "200"
    assert "others" in line.codes.columns
    assert (line.steps["bytes"] * line.width).sum() == pytest.approx(100 * len(codes))


def test_a_missing_jinja_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is an extra, and whoever lacks it is told its name."""
    reader = empty(tmp_path)
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(mp.ConfigError, match=r"pip install 'mpreplay\[report\]'"):
        render(reader)


def _open_in_browser(text: str, folder: Path, *options: str) -> SimpleNamespace:
    """Return what a real browser makes of a page: its DOM, what it said, what the page asked for.

    Names are not looked up, so that nothing leaves this machine.
    """
    assert BROWSER is not None
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", f"--log-net-log={folder / 'net.json'}", *options,
        "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=120
    )
    events = json.loads((folder / "net.json").read_text(encoding="utf-8"))["events"]
    asked = [event.get("params", {}) for event in events]
    return SimpleNamespace(
        dom=done.stdout,
        said=[line for line in done.stderr.splitlines() if ":CONSOLE" in line],
        # What the browser asks for itself has no origin.
        requests=[
            p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"
        ],
    )


needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no browser: chromium"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for a browser's own files."""
    yield tmp_path
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)


class TestInABrowser:
    """What only a browser can tell."""

    pytestmark = needs_browser

    def test_a_report_shows_its_verdict_and_runs_and_asks_for_nothing(
        self, pages: dict[str, str], folder: Path
    ) -> None:
        """A parser of ours may be wrong about what a browser takes for markup."""
        opened = _open_in_browser(pages["hostile"], folder)
        shown = Page(opened.dom)

        assert shown.texts["h1"] == ["None of 6 values was accepted"]
        assert not {"script", "img"} & {tag for tag, _ in shown.tags}
        assert any(EVIL in text for text in shown.texts["li"])
        assert opened.said == []
        assert opened.requests == []

    def test_what_a_report_must_not_do_would_be_noticed(self, folder: Path) -> None:
        """The test above proves something only if this one fails as it should."""
        page = "<script>undefined_thing()</script><img src='http://192.0.2.1/x.png'>"
        opened = _open_in_browser(f"<!DOCTYPE html><body>{page}", folder)

        assert any("undefined_thing" in line for line in opened.said)
        assert opened.requests == ["http://192.0.2.1/x.png"]

    def test_a_phone_does_not_scroll_a_report_sideways(
        self, pages: dict[str, str], folder: Path
    ) -> None:
        """Wide tables scroll in boxes of their own; the page stays as wide as the screen."""
        # The report itself has no script; this copy of it is given one, to measure.
        width = "document.documentElement.scrollWidth + '/' + window.innerWidth"
        probe = f"<script>document.title = {width}</script></body>"
        page = re.sub(r'<meta http-equiv="Content-Security[^>]*>', "", pages["hostile"])
        opened = _open_in_browser(page.replace("</body>", probe), folder, "--window-size=390,900")

        needed, given = map(int, Page(opened.dom).texts["title"][0].split("/"))
        assert needed <= given <= 500
