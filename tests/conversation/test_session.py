"""The replay as a state machine: each request settles exactly once, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mpreplay import Limits
from mpreplay.conversation.session import FIRST_PAUSE, JITTER, TIMEOUT_BYTES, Session
from mpreplay.display.facts import Ended
from mpreplay.display.sentences import ended_in_words
from mpreplay.outcome.settled import Settled
from mpreplay.protocol.codes import return_code

CODES = [200, 200, 200, 429, 500, 1008, 1009, 1204, 1212, 1220, 777]
STOP_AFTER = 4  # so that most conversations get somewhere first
OFF = Limits(bytes_per_second=None)


class Conversation(RuleBasedStateMachine):
    """A session and all that a network, a platform and a clock can do to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.n_added = 0
        self.published: dict[str, int] = {}
        self.replies: dict[str, list[int]] = {}
        self.lost: dict[str, int] = {}  # attempts whose reply was overdue or lost
        self.sizes: dict[str, tuple[int, int]] = {}  # bytes and values
        self.was_stopped = False
        self.in_flight: dict[str, float] = {}
        self.settled: dict[str, Settled] = {}
        self.connected = False

    @initialize(
        window=st.integers(1, 3),
        attempts=st.integers(1, 3),
        give_up=st.sampled_from([None, 1, 3]),
        rate=st.sampled_from([None, 50.0]),
    )
    def begin(self, window: int, attempts: int, give_up: int | None, rate: float | None) -> None:
        """Any limits."""
        self.limits = Limits(
            window=window, attempts=attempts, give_up_after=give_up, bytes_per_second=rate,
            reply_timeout=5.0,
        )  # fmt: skip
        self.session = Session(
            self.limits, lambda one, code: code == 1008 and self.sizes[one][1] > 1
        )
        self.add([(1, 1)] * 4, first=False, in_doubt=False)
        self.connect()

    @rule(
        sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 2)), min_size=1, max_size=4),
        first=st.booleans(),
        in_doubt=st.booleans(),
    )
    def add(self, sizes: list[tuple[int, int]], first: bool, in_doubt: bool) -> None:
        """Queue requests, parts of a divided one and those of an earlier run among them."""
        for n_bytes, n_values in sizes:
            self.n_added += 1
            request_id = str(self.n_added)
            self.sizes[request_id] = (n_bytes, n_values)
            if in_doubt:
                self.lost[request_id] = 1
            self.session.add(request_id, n_bytes, n_values, first=first, in_doubt=in_doubt)

    @rule()
    def connect(self) -> None:
        """Connect, or sign the sub-devices in again."""
        self.session.on_connected(self.now)
        self.connected = True

    @rule()
    def lose(self) -> None:
        """Lose the connection, and the replies to what is in flight."""
        for request_id in self.in_flight:
            self.lost[request_id] = self.lost.get(request_id, 0) + 1
        self.in_flight.clear()
        self.connected = False
        self._settle(self.session.on_lost(self.now))

    @rule(
        seconds=st.sampled_from([0.0, 0.0, 0.1, 1.0, 4.0, 6.0, 61.0]),
        jitter=st.sampled_from([0.0, 0.5, 0.99]),
    )
    def turn(self, seconds: float, jitter: float) -> None:
        """Let time go by, publish, and notice what is overdue."""
        self.now += seconds
        for request_id in [i for i, due in self.in_flight.items() if due <= self.now]:
            del self.in_flight[request_id]
            self.lost[request_id] = self.lost.get(request_id, 0) + 1
        publish, settled = self.session.poll(self.now, jitter)
        self._settle(settled)
        for request_id in publish:
            assert request_id not in self.settled, "nothing settled is sent again"
            assert request_id not in self.in_flight
            self.published[request_id] = self.published.get(request_id, 0) + 1
            allowance = 1 + self.sizes[request_id][0] / TIMEOUT_BYTES
            self.in_flight[request_id] = self.now + self.limits.reply_timeout * allowance
        if publish:
            assert self.connected
            assert not self.session.stopped
            assert not self.session.needs_sign_in

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), code=st.sampled_from(CODES))
    def answer(self, data: st.DataObject, code: int) -> None:
        """Reply in time."""
        self._reply(data.draw(st.sampled_from(sorted(self.in_flight))), code)

    @precondition(lambda self: self.published)
    @rule(data=st.data(), code=st.sampled_from(CODES))
    def answer_again_or_late(self, data: st.DataObject, code: int) -> None:
        """Reply to anything that was ever published."""
        self._reply(data.draw(st.sampled_from(sorted(self.published))), code)

    @rule(code=st.sampled_from(CODES))
    def answer_a_stranger(self, code: int) -> None:
        """Reply to a request of another program."""
        self._reply("stranger", code)

    def _reply(self, request_id: str, code: int) -> None:
        counted = self.session.strangers, self.session.doubles, self.session.contradictions
        self.was_stopped = bool(self.session.stopped)
        settled = self.session.receive(request_id, code, "said", self.now)
        self.in_flight.pop(request_id, None)
        if request_id in self.settled or request_id == "stranger":
            assert settled == []
            later = self.session.strangers, self.session.doubles, self.session.contradictions
            assert sum(later) == sum(counted) + 1
            return
        self.replies.setdefault(request_id, []).append(code)
        self._settle(settled)

    @precondition(lambda self: self.session.stopped or len(self.settled) > STOP_AFTER)
    @rule()
    def stop(self) -> None:
        """Stop, as the driver does when a code says so."""
        self._settle(stopped(self.session, self.now))

    def _settle(self, settled: list[Settled]) -> None:
        for one in settled:
            assert one.request_id not in self.settled, "a request settles once"
            self.settled[one.request_id] = one
            self.in_flight.pop(one.request_id, None)
            self._check(one)

    def _check(self, one: Settled) -> None:
        """Hold an outcome against what happened."""
        replies = self.replies.get(one.request_id, [])
        lost = self.lost.get(one.request_id, 0)
        final = [code for code in replies if return_code(code).asks not in {"retry", "sign_in"}]
        assert one.attempts == self.published.get(one.request_id, 0) <= self.limits.attempts
        n_values = self.sizes[one.request_id][1]
        if one.attempts == 0:
            assert one.outcome == ("in_doubt" if lost else "not_sent")
        elif final:
            assert one.code == final[0]
            divided = final[0] == 1008 and n_values > 1 and not self.was_stopped
            named = {200: "accepted"}.get(final[0], "divided" if divided else "declined")
            assert one.outcome == named
        elif one.outcome == "not_sent":  # the run ended while the platform asked for patience
            assert self.session.stopped
            assert not lost
            assert one.attempts < self.limits.attempts
            assert one.code is None
        elif one.outcome == "declined":
            assert one.code == replies[-1]
            assert not lost or return_code(replies[-1]).asks == "sign_in"
        else:
            assert one.outcome == "in_doubt"
            assert one.code is None
        assert (one.latency is None) == (one.code is None)

    @invariant()
    def the_window_holds(self) -> None:
        """Never more in flight than the window; nothing is lost track of."""
        if not hasattr(self, "session"):
            return
        assert self.session.n_in_flight == len(self.in_flight) <= self.limits.window
        assert self.session.n_open + len(self.settled) == self.n_added
        assert self.session.n_settled == len(self.settled)

    @invariant()
    def what_is_open_gets_its_turn(self) -> None:
        """Let the driver sleep until the next event: an open request always has one."""
        if not hasattr(self, "session"):
            return
        session = self.session
        waits = self.connected and not session.stopped and not session.needs_sign_in
        if session.n_in_flight or (waits and session.n_open):
            event = session.next_event(self.now)
            assert event is not None
            assert event >= self.now

    def teardown(self) -> None:
        """Whatever is open at the end settles, too."""
        if hasattr(self, "session"):
            self.stop()
            for request_id in self.in_flight:
                self.lost[request_id] = self.lost.get(request_id, 0) + 1
            self._settle(self.session.give_up(self.now))
            assert len(self.settled) == self.n_added
            assert self.session.n_open == 0


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


def run(session: Session, answer: Callable[[str], int], n: int = 1) -> list[Settled]:
    """Add requests and answer each publish at once, until all have settled."""
    for number in range(n):
        session.add(str(number), 10, 1)
    now, settled = 0.0, []
    session.on_connected(now)
    while session.n_open and not session.stopped:
        publish, gone = session.poll(now)
        settled += gone
        for request_id in publish:
            settled += session.receive(request_id, answer(request_id), "", now)
        now = max(session.next_event(now) or now, now + 0.001)
    return settled


def stopped(session: Session, now: float) -> list[Settled]:
    """End a run as the driver does, and return what settled with it."""
    session.end(Ended("interrupted", ("SIGINT",)))
    return session.stop(now)


def test_a_transient_code_is_tried_again_after_longer_and_longer_pauses() -> None:
    """A platform under load is not helped by more of the same at once."""
    session = Session(replace(OFF, attempts=4))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    now, pauses = 0.0, []
    while True:
        assert session.poll(now)[0] == ["1"]
        if settled := session.receive("1", 429, "busy", now):
            break
        due = session.next_event(now)
        assert due is not None
        assert session.poll(due - 0.001) == ([], [])
        pauses.append(due - now)
        now = due

    assert pauses == [1.0, 2.0, 4.0]
    assert settled == [Settled("1", "declined", 429, "busy", 4, 0.0)]


def test_jitter_shortens_a_pause_by_at_most_its_share() -> None:
    """Many gateways that fail together must not come back together."""
    session = Session(OFF)
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.receive("1", 500, "", 0.0, jitter=0.999)

    assert session.next_event(0.0) == pytest.approx(FIRST_PAUSE * (1 - JITTER * 0.999))


def test_a_new_connection_does_not_shorten_the_pause_that_a_code_asks_for() -> None:
    """The platform asked for it, not the connection."""
    session = Session(OFF)
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.receive("1", 429, "", 0.0)
    session.on_lost(0.1)
    session.on_connected(0.2)

    assert session.poll(0.9) == ([], [])
    assert session.poll(1.0) == (["1"], [])


def test_what_was_in_flight_goes_first_after_a_loss() -> None:
    """A device's entries should arrive in ascending time."""
    session = Session(replace(OFF, window=2))
    for request_id in "123":
        session.add(request_id, 10, 1)
    session.on_connected(0.0)
    assert session.poll(0.0)[0] == ["1", "2"]
    session.on_lost(1.0)
    session.on_connected(2.0)

    assert session.poll(2.0)[0] == ["1", "2"]


def test_a_late_reply_settles_the_request() -> None:
    """It is the platform's word, even if it took longer than the time-out."""
    session = Session(OFF)
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.poll(30.1)
    assert session.n_in_flight == 0
    (settled,) = session.receive("1", 200, "", 30.5)

    assert (settled.outcome, settled.attempts) == ("accepted", 1)


def test_no_reply_to_any_attempt_is_in_doubt() -> None:
    """It may have arrived: to call it declined or lost would be a guess."""
    session = Session(replace(OFF, attempts=2, reply_timeout=1.0))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    now, settled = 0.0, []
    while not settled:
        _, settled = session.poll(now)
        now = session.next_event(now) or now

    assert settled == [Settled("1", "in_doubt", None, "", 2, None)]


def test_one_unanswered_attempt_leaves_transient_codes_in_doubt() -> None:
    """The attempt that nobody answered may be the one that was accepted."""
    session = Session(replace(OFF, attempts=2))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.on_lost(1.0)
    session.on_connected(2.0)
    session.poll(2.0)
    (settled,) = session.receive("1", 429, "", 2.5)

    assert (settled.outcome, settled.code) == ("in_doubt", None)


def test_a_reply_before_an_unanswered_attempt_does_not_answer_it() -> None:
    """The platform refused the first attempt; of the second nobody knows."""
    session = Session(replace(OFF, attempts=2))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.receive("1", 1009, "", 0.1)
    session.on_connected(0.2)
    session.poll(0.2)
    (settled,) = session.on_lost(0.3)

    assert (settled.outcome, settled.code) == ("in_doubt", None)


def test_1009_asks_for_one_sign_in_and_then_stops_the_run() -> None:
    """Signing in again helps a session that was reset; twice is a wrong topic or a lost right."""
    session = Session(OFF)
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    assert session.receive("1", 1009, "", 0.1) == []
    assert session.needs_sign_in
    assert session.poll(0.2) == ([], [])
    session.on_connected(0.3)
    assert session.poll(0.3) == (["1"], [])
    (settled,) = session.receive("1", 1009, "", 0.4)

    assert (settled.outcome, settled.code) == ("declined", 1009)
    assert "again after signing in" in ended_in_words(session.ended)


def test_many_1009_at_once_ask_for_one_sign_in() -> None:
    """Sixteen requests in flight would sign two hundred sub-devices in sixteen times."""
    session = Session(OFF)
    for request_id in "12":
        session.add(request_id, 10, 1)
    session.on_connected(0.0)
    session.poll(0.1)
    session.receive("1", 1009, "", 0.2)
    session.on_connected(0.3)
    session.receive("2", 1009, "", 0.4)

    assert not session.needs_sign_in
    assert session.poll(0.5)[0] == ["1", "2"]


def test_1009_does_not_publish_beyond_the_attempts() -> None:
    """`attempts` is how often a request is published at most, for whatever reason."""
    session = Session(replace(OFF, attempts=1))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    (settled,) = session.receive("1", 1009, "", 0.1)

    assert (settled.outcome, settled.code, settled.attempts) == ("declined", 1009, 1)
    assert session.needs_sign_in


@pytest.mark.parametrize("code", [1220, 1251, 1260, 705, 723, 742])
def test_a_code_that_no_request_survives_stops_the_run(code: int) -> None:
    """To send a million more would be declined a million times."""
    session = Session(replace(OFF, window=1))
    (settled,) = run(session, lambda _: code, n=3)

    assert settled.outcome == "declined"
    assert session.ended == Ended("code", (code,))
    assert f"code {code}: " in ended_in_words(session.ended)
    assert [one.outcome for one in stopped(session, 0.0)] == ["not_sent", "not_sent"]


def test_a_run_that_is_declined_alike_from_the_start_gives_up() -> None:
    """A wrong model or flag declines everything: better to hear it after twenty than overnight."""
    session = Session(replace(OFF, window=1, give_up_after=3))
    settled = run(session, lambda _: 1212, n=9)

    assert [one.outcome for one in settled] == ["declined"] * 3
    assert "first 3 requests were all declined with code 1212" in ended_in_words(session.ended)


@pytest.mark.parametrize("other", [200, 1204])
def test_one_other_outcome_and_the_run_goes_on(other: int) -> None:
    """Some of it arrives: the rest is the user's to judge afterwards."""
    session = Session(replace(OFF, window=1, give_up_after=3))
    settled = run(session, lambda request_id: other if request_id == "1" else 1212, n=9)

    assert len(settled) == 9
    assert not session.stopped


def test_strangers_doubles_and_contradictions_are_told_apart() -> None:
    """A double is harmless; a contradiction is for the auditor; a stranger is another program."""
    session = Session(OFF)
    run(session, lambda _: 200)
    for request_id, code in (("0", 200), ("0", 1204), ("17", 200)):
        assert session.receive(request_id, code, "", 9.0) == []

    assert (session.doubles, session.contradictions, session.strangers) == (1, 1, 1)


def test_the_rates_hold_over_every_second() -> None:
    """The session takes from both buckets, retries included."""
    session = Session(Limits(bytes_per_second=1000, values_per_second=50, window=50))
    for number in range(60):
        session.add(str(number), 100, 10)
    session.on_connected(0.0)
    now, sent = 0.0, []
    while session.n_open:
        for request_id in session.poll(now)[0]:
            sent.append(now)
            session.receive(request_id, 200, "", now)
        now = max(session.next_event(now) or now, now + 1e-6)

    busiest = max(sum(start <= at < start + 1 for at in sent) for start in sent)
    assert busiest * 10 <= 50 * 1.5 + 10
    assert now == pytest.approx(60 * 10 / 50, rel=0.1)


@pytest.mark.parametrize("n_bytes", [0, 500_000, 2_000_000])
def test_a_time_out_grows_with_the_size_of_the_request(n_bytes: int) -> None:
    """What takes longer to carry and to read may take longer to answer."""
    session = Session(replace(OFF, reply_timeout=10.0))
    session.add("1", n_bytes, 1)
    session.on_connected(0.0)
    session.poll(0.0)

    assert session.next_event(0.0) == pytest.approx(10.0 * (1 + n_bytes / 1_000_000))


def test_what_is_declined_is_divided_where_the_caller_says_so() -> None:
    """What it is made of is the caller's to know, as the parts are the caller's to make."""
    session = Session(OFF, lambda request_id, code: (request_id, code) == ("1", 1008))
    session.add("1", 10, 2)
    session.add("2", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    (first,) = session.receive("1", 1008, "", 0.1)
    session.add("3", 5, 1, first=True)
    (second,) = session.receive("2", 1008, "", 0.1)

    assert (first.outcome, first.code, second.outcome) == ("divided", 1008, "declined")
    assert session.poll(0.2)[0] == ["3"]


def test_what_a_user_interrupts_is_still_divided() -> None:
    """Its parts are not sent, and so a continued run takes them up; declined would be for good."""
    session = Session(OFF, lambda _request_id, _code: True)
    session.add("1", 10, 2)
    session.on_connected(0.0)
    session.poll(0.0)
    session.interrupted = True
    stopped(session, 0.1)
    (settled,) = session.receive("1", 1204, "", 0.2)
    session.add("2", 5, 1, first=True)

    assert settled.outcome == "divided"
    assert [one.outcome for one in stopped(session, 0.3)] == ["not_sent"]
    assert not session.n_open


@pytest.mark.parametrize("code", [200, 1204, None])
def test_a_held_request_is_sent_once_the_one_before_it_says_that_its_device_is_there(
    code: int | None,
) -> None:
    """Any other answer is about other things; without an answer it has to ask itself."""
    session = Session(replace(OFF, attempts=1))
    session.add("probe", 10, 1)
    session.add("rest", 10, 5, after="probe")
    session.on_connected(0.0)
    assert session.poll(0.0)[0] == ["probe"]
    assert session.poll(1.0)[0] == []
    if code is not None:
        session.receive("probe", code, "", 2.0)

    assert session.poll(1e6)[0] == ["rest"]  # by then the probe is overdue


def test_a_held_request_shares_the_lot_of_a_device_that_is_declined() -> None:
    """Sending it would only be told the same again; its values were not lost but declined."""
    session = Session(OFF)
    session.add("probe", 10, 1)
    session.add("rest", 10, 5, after="probe")
    session.on_connected(0.0)
    session.poll(0.0)
    probe, rest = session.receive("probe", 1212, "", 2.0)

    assert (probe.outcome, probe.attempts, probe.latency) == ("declined", 1, 2.0)
    assert (rest.outcome, rest.code, rest.attempts, rest.latency) == ("declined", 1212, 0, None)
    assert "held back" in rest.message
    assert not session.n_open


def test_a_held_request_is_not_sent_when_the_run_ends() -> None:
    """It was never sent: a continued run asks again."""
    session = Session(OFF)
    session.add("probe", 10, 1)
    session.add("rest", 10, 5, after="probe")
    session.on_connected(0.0)
    session.poll(0.0)

    assert [(one.request_id, one.outcome) for one in stopped(session, 1.0)] == [
        ("rest", "not_sent")
    ]
    assert [one.outcome for one in session.receive("probe", 1212, "", 2.0)] == ["declined"]


def test_a_request_is_withdrawn_only_before_it_was_published() -> None:
    """What is on its way will be answered; what may have been sent before waits for its answer."""
    session = Session(replace(OFF, window=1))
    session.add("1", 10, 2)
    session.add("2", 10, 2)
    session.add("3", 10, 2, in_doubt=True)
    session.on_connected(0.0)
    session.poll(0.0)

    assert session.withdraw("1", 0.1) == session.withdraw("3", 0.1) == []
    (settled,) = session.withdraw("2", 0.1)
    assert (settled.outcome, settled.code, settled.attempts) == ("divided", None, 0)
    assert session.n_open == 2


def test_nothing_is_divided_in_a_run_that_stops() -> None:
    """Its parts would not be sent."""
    session = Session(OFF)
    session.add("1", 10, 2)
    session.on_connected(0.0)
    session.poll(0.0)
    stopped(session, 0.1)
    (settled,) = session.receive("1", 1008, "", 0.2)

    assert settled.outcome == "declined"


def test_parts_go_before_everything_else() -> None:
    """A device's entries should arrive in ascending time."""
    session = Session(replace(OFF, window=4))
    session.add("later", 10, 1)
    for part in reversed("abc"):
        session.add(part, 10, 1, first=True)
    session.on_connected(0.0)

    assert session.poll(0.0)[0] == ["a", "b", "c", "later"]


def test_divided_requests_do_not_count_towards_giving_up() -> None:
    """They were neither accepted nor declined yet; and then their parts are."""
    session = Session(
        replace(OFF, window=1, give_up_after=2), lambda request_id, _code: request_id == "1"
    )
    for request_id, root in (("1", "1"), ("2", "1"), ("2b", "1"), ("3", "3")):
        session.add(request_id, 10, 1, root=root)
    session.on_connected(0.0)
    for code in (1204, 1204, 1204):
        (request_id,) = session.poll(0.0)[0]
        session.receive(request_id, code, "", 0.0)
    assert not session.stopped  # "2" and "2b" are parts of one request
    session.poll(0.0)
    session.receive("3", 1204, "", 0.0)

    assert "first 2 requests" in ended_in_words(session.ended)


def test_what_an_earlier_run_left_in_doubt_stays_so_until_an_answer() -> None:
    """It may have arrived: to stop before it is sent again makes nothing certain."""
    session = Session(OFF)
    session.add("1", 10, 1, in_doubt=True)
    session.add("2", 10, 1)

    assert [one.outcome for one in stopped(session, 0.0)] == ["in_doubt", "not_sent"]


def test_a_request_that_waits_to_be_tried_again_when_the_run_ends_is_not_sent() -> None:
    """The platform could not take it yet: a continued run asks again, so it is not declined."""
    session = Session(OFF)
    for request_id in ("1", "2"):
        session.add(request_id, 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.receive("1", 429, "", 0.0)

    [waiting] = stopped(session, 0.0)
    [late] = session.receive("2", 500, "", 0.0)

    assert (waiting.outcome, waiting.code, waiting.attempts) == ("not_sent", None, 1)
    assert (late.outcome, late.code) == ("not_sent", None)


def test_the_window_starts_small_and_widens_with_replies_in_time() -> None:
    """What a platform takes is not known before it has taken some."""
    session = Session(replace(OFF, window=7))
    for number in range(40):
        session.add(str(number), 10, 1)
    session.on_connected(0.0)
    widths = []
    while session.n_open:
        published, _ = session.poll(0.0)
        widths.append(session.n_in_flight)
        for request_id in published:
            session.receive(request_id, 200, "", 0.0)

    assert widths[0] == 4
    assert max(widths) == 7
    assert widths == sorted(widths[:-1]) + widths[-1:]


@pytest.mark.parametrize("fails", ["throttled", "silent"])
def test_the_window_is_halved_once_for_all_that_failed_together(fails: str) -> None:
    """A platform that is short of breath gets less at a time, and more again as it recovers."""
    session = Session(replace(OFF, window=16, attempts=9))
    for number in range(80):
        session.add(str(number), 10, 1)
    session.on_connected(0.0)
    now = 0.0
    while session.window < 16:
        for request_id in session.poll(now)[0]:
            session.receive(request_id, 200, "", now)
    published, _ = session.poll(now)
    assert len(published) == 16
    if fails == "throttled":
        for request_id in published:
            session.receive(request_id, 429, "", now)
    else:
        now = 1e5
        assert session.poll(now)[1] == []

    assert session.window == 8
    assert session.n_in_flight <= 8


def test_a_reply_that_comes_too_late_does_not_widen_the_window() -> None:
    """It says that the request was taken, not that more of them would be."""
    session = Session(replace(OFF, window=8))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    session.poll(0.0)
    session.on_lost(1.0)
    session.on_connected(2.0)
    session.receive("1", 200, "", 3.0)

    assert session.window == 4


def test_the_window_never_closes() -> None:
    """With nothing in flight nothing could ever say that the platform has recovered."""
    session = Session(replace(OFF, window=2, attempts=50))
    session.add("1", 10, 1)
    session.on_connected(0.0)
    now = 0.0
    for _ in range(20):
        now += 1e4
        session.poll(now)

    assert session.window == 1
    assert session.n_in_flight <= 1
