"""Losses and connects: when to try again, when to give up, and when to suspect a rival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.conversation.reconnect import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    REGAIN_WITHIN,
    TAKEN_OVER_WITHIN,
    TAKEOVERS,
    Reconnect,
)


class Event(NamedTuple):
    """Something that happens to a connection, at a time of the clock in seconds."""

    at: float
    kind: str
    jitter: float = 0.0


LOSSES = ("closed by peer", "error")
# By whether there is a connection: a lost one cannot be lost again.
POSSIBLE = {True: (*LOSSES, "ready"), False: ("connected", "failed")}
# Quarters of a second, so that sums are exact; times at the edges of what is decided come often.
EDGES = [
    0.0,
    0.25,
    TAKEN_OVER_WITHIN - 0.25,
    TAKEN_OVER_WITHIN,
    REGAIN_WITHIN,
    REGAIN_WITHIN + 0.25,
]
gaps = st.sampled_from(EDGES) | st.integers(0, 200).map(lambda quarters: quarters / 4)
jitters = st.integers(0, 7).map(lambda eighths: eighths / 8)


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Draw what happens to a connection, from before the first connect."""
    now, is_connected, life = 0.0, False, []
    for _ in range(draw(st.integers(0, 25))):
        now += draw(gaps)
        kind = draw(st.sampled_from(POSSIBLE[is_connected]))
        is_connected = kind in {"connected", "ready"}
        life.append(Event(now, kind, draw(jitters) if kind == "failed" else 0.0))
    return life


def play(life: Sequence[Event]) -> Iterator[tuple[Sequence[Event], Reconnect]]:
    """Yield the past and the state, before the first event and after each."""
    reconnect = Reconnect()
    yield (), reconnect
    for n, (at, kind, jitter) in enumerate(life, 1):
        match kind:
            case "connected":
                reconnect.on_connected(at)
            case "ready":
                reconnect.on_ready()
            case "failed":
                reconnect.on_failed(at, jitter)
            case _:
                reconnect.on_lost(at, closed_by_peer=kind == "closed by peer")
        yield life[:n], reconnect


def after(life: Sequence[Event]) -> Reconnect:
    """Return the state after some events."""
    *_, (_, reconnect) = play(life)
    return reconnect


def beginning(past: Sequence[Event]) -> float | None:
    """Return the time of the first loss since all devices were last signed in, None if none."""
    ready = max((n for n, event in enumerate(past) if event.kind == "ready"), default=-1)
    return next((event.at for event in past[ready + 1 :] if event.kind in LOSSES), None)


def takeovers(past: Sequence[Event]) -> int:
    """Return the number of quick closes by the peer since the last failed attempt or slow loss."""
    found = 0
    for n in range(len(past) - 1, -1, -1):
        at, kind, _ = past[n]
        if kind == "failed":
            break
        if kind in LOSSES:
            connect = next(event.at for event in past[n::-1] if event.kind == "connected")
            if at - connect >= TAKEN_OVER_WITHIN:
                break
            found += kind == "closed by peer"
    return found


@given(lives(), gaps, st.floats(0, 1_000))
def test_a_run_gives_up_after_ten_minutes_of_outage_and_never_before(
    life: list[Event], later: float, allowed_in: float
) -> None:
    """Earlier, a restart of the platform ends a night's backfill; never, and a process hangs."""
    for past, reconnect in play(life):
        now = (past[-1].at if past else 0.0) + later
        began = beginning(past)
        is_over = began is not None and now - began > REGAIN_WITHIN

        assert (reconnect.pause(now, allowed_in) is None) == is_over


@given(lives())
def test_an_outage_begins_at_its_first_loss_and_ends_with_the_sign_in_of_all_devices(
    life: list[Event],
) -> None:
    """Connects that are lost before the sign-in would else keep a run alive for ever."""
    for past, reconnect in play(life):
        links = [event.kind for event in past if event.kind in {*LOSSES, "connected"}]

        assert reconnect.lost_since == beginning(past)
        assert reconnect.is_lost == (bool(links) and links[-1] in LOSSES)


@given(st.integers(1, 30), st.floats(0.25, 60))
def test_connects_without_a_sign_in_do_not_prolong_an_outage(rounds: int, gap: float) -> None:
    """A gateway that may connect, but whose sub-devices never get in, is still out."""
    life = [Event(0.0, "connected"), Event(0.0, "ready"), Event(1.0, "error")]
    for n in range(rounds):
        life += [Event(1.0 + n * gap, "connected"), Event(1.0 + (n + 0.5) * gap, "error")]
    reconnect = after(life)

    assert reconnect.lost_since == 1.0
    assert reconnect.pause(1.0 + REGAIN_WITHIN, 0.0) is not None
    assert reconnect.pause(1.5 + REGAIN_WITHIN, 0.0) is None


@given(lives(), gaps, st.floats(-1, 1_000))
def test_a_pause_keeps_to_the_connect_limit_and_else_to_the_longest_pause(
    life: list[Event], later: float, allowed_in: float
) -> None:
    """A connect too early blocks the device for five minutes; a longer wait only costs time."""
    for past, reconnect in play(life):
        pause = reconnect.pause((past[-1].at if past else 0.0) + later, allowed_in)

        assert pause is None or max(0.0, allowed_in) <= pause <= max(LONGEST_PAUSE, allowed_in)


def pauses_of(jitters: Sequence[float]) -> list[float]:
    """Return the pause after each of so many failures in a row."""
    reconnect, now, pauses = after([Event(0.0, "connected"), Event(0.0, "error")]), 0.0, []
    for jitter in jitters:
        reconnect.on_failed(now, jitter)
        pause = reconnect.pause(now, 0.0)
        assert pause is not None
        pauses.append(pause)
        now += pause
    return pauses


@given(jitters, st.integers(1, 12))
def test_pauses_grow_with_failures_in_a_row(jitter: float, n: int) -> None:
    """A platform that restarts is not helped by the attempts of all its gateways at once."""
    pauses = pauses_of([jitter] * n)
    longest = LONGEST_PAUSE * (1 - jitter / 2)

    assert all(a < b or a == b == longest for a, b in pairwise(pauses))


@given(st.lists(jitters, min_size=1, max_size=12))
def test_jitter_shortens_a_pause_by_at_most_half(jitters: list[float]) -> None:
    """Gateways that fail together must not come back together, and not at once either."""
    for n, pause in enumerate(pauses_of(jitters)):
        whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2**n)

        assert whole / 2 <= pause <= whole


@given(st.lists(jitters, max_size=12), jitters)
def test_the_first_failure_after_a_connect_is_followed_by_a_short_pause(
    before: list[float], jitter: float
) -> None:
    """The outage before is over: a new one may well be short."""
    failures = [Event(0.0, "failed", one) for one in before]
    life = [*failures, Event(100.0, "connected"), Event(200.0, "error")]
    reconnect = after([*life, Event(200.0, "failed", jitter)])

    assert reconnect.pause(200.0, 0.0) == FIRST_PAUSE * (1 - jitter / 2)


@given(lives())
def test_a_rival_is_named_after_two_quick_closes_in_a_row_and_only_then(life: list[Event]) -> None:
    """Two runs of one device would take the session from each other until both are blocked.

    A run that sees a rival in a network failure ends for nothing. Quick errors in between prove
    nothing; a slow loss or a failed attempt clears the suspicion.
    """
    for past, reconnect in play(life):
        assert reconnect.has_rival == (takeovers(past) >= TAKEOVERS)


@pytest.mark.parametrize(
    ("between", "is_named"),
    [
        ([], True),
        ([Event(5.0, "failed")], False),
        ([Event(5.0, "connected"), Event(6.0, "error")], True),
        ([Event(5.0, "connected"), Event(15.0, "error")], False),
        ([Event(5.0, "connected"), Event(15.0, "closed by peer")], False),
        ([Event(5.0, "connected"), Event(5.0, "ready"), Event(6.0, "closed by peer")], True),
    ],
    ids=["nothing", "failure", "quick error", "slow error", "slow close", "quick close"],
)
def test_a_failure_or_a_slow_loss_between_two_quick_closes_clears_the_suspicion(
    between: list[Event], is_named: bool
) -> None:
    """A platform that restarts closes connections too, but does not take the next one at once."""
    first = [Event(0.0, "connected"), Event(4.0, "closed by peer")]
    last = [Event(20.0, "connected"), Event(29.75, "closed by peer")]
    reconnect = after([*first, *between, *last])

    assert reconnect.has_rival == is_named
