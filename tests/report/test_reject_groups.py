"""Rejects as rows and as files of a page: bounded, whole where they fit, and fit to be replayed."""

from __future__ import annotations

import base64
import codecs
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import Play
from report.test_run_page import render, text_of

import mpreplay as mp
from mpreplay.display.tables import MAX_BYTES, MAX_FILE_ROWS, Wanted, downloads
from mpreplay.journal.reader import read_journal


def file_of(href: str) -> bytes:
    """Return the file in a link."""
    return base64.b64decode(href.partition("base64,")[2])


def frame_of(n: int, text: str = "x") -> pd.DataFrame:
    """Return rows of a text."""
    return pd.DataFrame({"n": range(n), "text": text})


def test_a_small_file_is_whole_beside_large_ones() -> None:
    """The four rows that matter must not give way to two thousand of the same."""
    large, small, other = downloads(
        [Wanted(frame_of(2_000, "y" * 900), 9_000, "A b/1"), Wanted(frame_of(4), 4, "s"),
         Wanted(frame_of(2_000, "z" * 900), 2_000, "t")]
    )  # fmt: skip

    assert large is not None and small is not None and other is not None
    assert small.label == "All 4 rows as a CSV file (23 bytes)"
    assert large.name == "a-b-1.csv"
    sizes = [len(one.href) for one in (large, small, other)]
    assert 0.95 * MAX_BYTES < sum(sizes) < MAX_BYTES + 200
    assert sizes[0] == pytest.approx(sizes[2], rel=0.02)
    n = len(pd.read_csv(io.BytesIO(file_of(large.href))))
    assert large.label.startswith(f"The first {n:,} of 9,000 rows")


def test_a_file_has_so_many_rows_at_most() -> None:
    """A page is mailed; the audit has every row."""
    [link] = downloads([Wanted(frame_of(5_000), 12_345, "rows")])

    assert link is not None
    assert link.label.startswith("The first 2,000 of 12,345 rows as a CSV file")
    assert len(pd.read_csv(io.BytesIO(file_of(link.href)))) == MAX_FILE_ROWS


def test_a_row_that_is_too_long_leaves_no_link() -> None:
    """An empty file would look like an answer."""
    assert downloads([Wanted(frame_of(1, "x" * 2 * MAX_BYTES), 1, "rows")]) == [None]
    assert downloads([]) == []


def test_texts_of_any_kind_stay_within_the_link() -> None:
    """A quote or a line break of a device's name must not end the attribute."""
    text = '"><script>\n,温度'
    [link] = downloads([Wanted(frame_of(1, text), 1, "rows")])

    assert link is not None
    assert re.fullmatch("data:text/csv;charset=utf-8;base64,[A-Za-z0-9+/=]+", link.href)
    assert pd.read_csv(io.BytesIO(file_of(link.href)))["text"][0] == text


def test_a_spreadsheet_reads_letters_of_any_language() -> None:
    """Without the mark of UTF-8 it shows 风机 as six other letters; plain files go without."""
    links = downloads([Wanted(frame_of(1, text), 1, "rows") for text in ("T1", "风机")])
    plain, marked = (file_of(one.href) for one in links if one is not None)

    assert plain.startswith(b"n,text")
    assert marked.startswith(codecs.BOM_UTF8)


def test_the_rows_of_a_link_are_rejects_that_can_be_replayed(play: Play, tmp_path: Path) -> None:
    """Whoever gets the page can mend the rows and send the file back, without Python."""
    run, _ = play(lambda n, _: [(0.0, 1204)] if n % 2 else None, isolate=False)
    page = render(read_journal(tmp_path / "run.db"))
    links = re.findall(r'<a download="([^"]+)" href="(data:text/csv;[^"]+)">([^<]+)</a>', page)
    frames = []
    for name, href, label in links:
        (tmp_path / name).write_bytes(file_of(href))
        frames.append(pd.read_csv(tmp_path / name))
        assert f"All {len(frames[-1]):,} rows" in label
        history = mp.read_history(tmp_path / name)
        assert history.n_rows == len(frames[-1])

    assert sum(map(len, frames)) == len(run.rejects) > 0
    assert list(frames[0].columns) == list(run.rejects.columns)


def test_what_all_rows_share_is_said_once(play: Play, tmp_path: Path) -> None:
    """A row that fits one line of a phone has no room for what the title says."""
    play(lambda n, _: [(0.0, 1204)] if n == 2 else None, isolate=False)
    page = render(read_journal(tmp_path / "run.db"))
    heads = re.findall(r'<th scope="col"[^>]*>(\w+)</th>', page.partition('id="rejects"')[2])

    assert heads[:5] == ["Row", "Time", "Point", "Value", "Request"]
    assert "Row counts from 0" in text_of(page)


def test_a_run_that_was_interrupted_has_a_page(play: Play, tmp_path: Path) -> None:
    """What was not sent is counted and not listed: a cause without rows must cost no page."""
    run, _ = play(lambda n, _: [(0.0, 705 if n == 3 else 200)], journal=tmp_path / "run.db")
    assert run.summary()["not_sent"] and "not_sent" not in set(run.rejects["outcome"])
    page = render(read_journal(tmp_path / "run.db"))

    assert "not sent" in text_of(page)
    assert "0 of " not in text_of(page)
