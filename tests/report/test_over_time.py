"""Pictures over time: a pause is a gap, and nothing is drawn through it."""

from __future__ import annotations

import re

import pytest
from report.test_run_page import _results

from mpreplay.report.figures import MAX_BUCKETS, MAX_GAPS, timeline
from mpreplay.report.over_time import code_bars, code_fates, lines

NIGHT = 9 * 3_600.0


def continued(*lengths: float, pause: float = NIGHT) -> list[float]:
    """Return times of requests, one a second, of legs with pauses between them."""
    sent, start = [], 0.0
    for length in lengths:
        sent += [start + n for n in range(int(length))]
        start = sent[-1] + pause
    return sent


def test_an_idle_night_is_a_gap_with_its_length() -> None:
    """A run of two days that worked for a minute each is not a run of two minutes."""
    sent = continued(300, 400)
    line = timeline(_results(sent, [200] * len(sent)))

    assert line is not None
    assert line.gaps == {300 / line.width: pytest.approx(NIGHT - 0.5)}
    assert (line.steps["requests"] > 0).all()
    drawn = str(lines(line, "Values", {"values": "solid"}))
    assert re.findall(r">idle ([^<]+)<", drawn) == ["9 h 0 min"]
    [way] = re.findall(r'class="line solid" d="([^"]+)"', drawn)
    assert way.count("M") == 2
    gap = re.search(r'class="gap" x="([\d.]+)" y="\d+" width="(\d+)"', drawn)
    assert gap
    start, end = float(gap[1]), float(gap[1]) + float(gap[2])
    points = [float(x) for x in re.findall(r"[ML]([\d.]+) ", way)]
    assert not any(start < x < end for x in points)
    assert min(points) < start
    assert max(points) > end
    bars = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', str(code_bars(line)))]
    assert not any(start < x < end for x in bars)


def test_only_the_longest_pauses_are_gaps() -> None:
    """A run that a scheduler continues every hour would be nothing but gaps."""
    sent = continued(*[3] * 40)
    line = timeline(_results(sent, [200] * len(sent)))

    assert line is not None
    assert len(line.gaps) == MAX_GAPS
    assert len(line.pauses) == 39
    assert len(line.steps) <= MAX_BUCKETS + MAX_GAPS + 1
    assert int(line.steps["requests"].sum()) == len(sent)
    assert str(lines(line, "Values", {"values": "solid"})).count('class="pause"') >= 39


def test_without_a_pause_nothing_changes() -> None:
    """A run of one piece has steps of equal length, from end to end."""
    sent = continued(60)
    line = timeline(_results(sent, [200] * len(sent)))

    assert line is not None
    assert line.gaps == {}
    assert line.pauses == []
    assert "idle" not in str(lines(line, "Values", {"values": "solid"}))


def test_no_code_looks_like_a_fate_that_it_is_not() -> None:
    """What was declined was sent, and is not drawn as withheld beside the map of the same page."""
    assert code_fates(["200", "1204", "1212", "no reply"]) == {
        "200": "accepted", "1204": "declined", "1212": "not_sent", "no reply": "in_doubt",
    }  # fmt: skip
    many = [str(code) for code in range(1_200, 1_205)]
    assert len(set(code_fates(many).values())) == 4
