"""Faults on request: a fault or none for each message, decided before the message arrives.

Pure: no clock, no randomness; a probability is compared with a number made of the seed and the
count of messages, so that a rehearsal can be repeated. A script has one of these forms::

    7                                  a seed: about every fifth message meets a fault
    "seed=7 rate=0.5"                  likewise, about every second message
    "lose_reply=0.1 delay=0.2:1.5 code=0.05:429 seed=3"     probabilities; arguments after ":"
    "script: ok lose_reply delay:0.5 code:1204"             the n-th message meets the n-th word
    ["ok", "lose_reply", "delay 0.5", "code 1204"]          likewise; no faults after the last word

Messages with measurement points count; logins of sub-devices count only if the word ``logins`` is
among the words of the text or list. The words:

================ ===================================================================================
lose_request     acknowledged, but never handled
lose_reply       handled, the reply lost
delay:S          the reply comes S seconds late (0.5)
double           the reply comes twice
reorder:S        the reply comes after the next reply, or after S seconds (1) if none follows
garble           the reply is damaged: not JSON, or without a code
code:N           answered with code N, nothing stored
throttle         answered with 429, nothing stored
stall:S          the platform pauses for S seconds (1), reads and sends nothing, then continues
reset_before     the connection is reset before the message is handled
reset_during     handled, and the connection reset before its PUBACK
reset_after      handled and acknowledged, and the connection reset before the reply
kick             not handled; the platform closes the connection in an orderly way
away:S           like kick, for all; a CONNECT within S seconds (2) is refused with CONNACK 3
================ ===================================================================================

Behind a real broker, the faults of a connection are not available: stall, the resets, kick, away.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ..errors import ConfigError
from ..errors.arguments import shown_briefly
from .world import Device

__all__ = ["BEHIND_A_BROKER", "Fault", "FaultScript", "Outbox", "course_of", "seconds_of"]

Deliver = Callable[[Device, str, bytes], None]
Later = Callable[[float, Callable[[], None]], None]

_OK: Final = "ok"
_LOGINS: Final = "logins"
_SCRIPT: Final = "script:"
_LONGEST: Final = 3600.0  # a fault that lasts longer is a mistake in the script [s]
_MAX_CODE: Final = 2**31 - 1
_RATE: Final = 0.2
_OPTIONS: Final = frozenset({"seed", "rate"})
_FORMS: Final = (
    "a seed like 7, 'lose_reply=0.1 delay=0.2:1.5', or 'script: ok lose_reply delay:0.5'"
)


class Fault(NamedTuple):
    """The fault of a message, with its argument."""

    kind: str
    seconds: float = 0.0
    code: int = 0


class Course(NamedTuple):
    """The handling of a message under a fault, and the end of its connection, if any."""

    handled: bool = True
    acknowledged: bool = True
    replied: bool = True
    ending: str = ""  # "reset", "kick" or "away"


# Kind -> its default duration [s]; None for kinds without a duration.
_SECONDS: Final[dict[str, float | None]] = {
    "lose_request": None,
    "lose_reply": None,
    "delay": 0.5,
    "double": None,
    "reorder": 1.0,
    "garble": None,
    "code": None,
    "throttle": None,
    "stall": 1.0,
    "reset_before": None,
    "reset_during": None,
    "reset_after": None,
    "kick": None,
    "away": 2.0,
}
_COURSES: Final = {
    "lose_request": Course(handled=False, replied=False),
    "lose_reply": Course(replied=False),
    "reset_before": Course(handled=False, acknowledged=False, replied=False, ending="reset"),
    "reset_during": Course(acknowledged=False, replied=False, ending="reset"),
    "reset_after": Course(replied=False, ending="reset"),
    "kick": Course(handled=False, acknowledged=False, replied=False, ending="kick"),
    "away": Course(handled=False, acknowledged=False, replied=False, ending="away"),
}
_ALL_IS_WELL: Final = Course()
# A broker holds the connections, and sends acknowledgements of its own.
_OF_CONNECTIONS: Final = {kind for kind, course in _COURSES.items() if course.ending} | {"stall"}
BEHIND_A_BROKER: Final = frozenset(_SECONDS) - _OF_CONNECTIONS
# Faults of a seed, with weights. The codes ask for a retry: good data is accepted in the end.
# Faults that end a connection are rare, since a device may connect four times in two minutes.
_MIX: Final = (
    (3, Fault("lose_request")),
    (3, Fault("lose_reply")),
    (2, Fault("delay", 0.1)),
    (1, Fault("delay", 0.5)),
    (1, Fault("delay", 2.0)),
    (3, Fault("double")),
    (3, Fault("reorder", 1.0)),
    (3, Fault("garble")),
    (1, Fault("code", code=500)),
    (1, Fault("code", code=503)),
    (1, Fault("code", code=6205)),
    (2, Fault("throttle", code=429)),
    (1, Fault("stall", 0.3)),
    (1, Fault("reset_before")),
    (1, Fault("reset_during")),
    (1, Fault("reset_after")),
    (1, Fault("kick")),
    (1, Fault("away", 1.0)),
)


def course_of(fault: Fault | None) -> Course:
    """Return the course of a message under a fault, or under none.

    Examples
    --------
    >>> course_of(Fault("reset_after"))
    Course(handled=True, acknowledged=True, replied=False, ending='reset')
    """
    return _ALL_IS_WELL if fault is None else _COURSES.get(fault.kind, _ALL_IS_WELL)


@dataclass(slots=True)
class FaultScript:
    """The faults of all messages: of the first by a list, of the rest by chance.

    Parameters
    ----------
    words : tuple of Fault or None
        Faults of the first messages, in order; None for no fault.
    odds : tuple of (float, Fault)
        Faults of the rest, each with its probability.
    seed : int
        Makes chance repeatable.
    logins : bool
        True if the logins of sub-devices count as messages.
    drawn : int
        Number of messages so far; the only field that changes.

    Examples
    --------
    >>> script = FaultScript.of("script: ok lose_reply delay:0.5")
    >>> script.next(), script.next()
    (None, Fault(kind='lose_reply', seconds=0.0, code=0))
    """

    words: tuple[Fault | None, ...] = ()
    odds: tuple[tuple[float, Fault], ...] = ()
    seed: int = 0
    logins: bool = False
    drawn: int = 0

    @classmethod
    def of(cls, given: Any) -> FaultScript:
        """Return the script given in any form of the module's docstring.

        Raises
        ------
        ConfigError
            If the script has another form.
        """
        match given:
            case FaultScript():
                return given
            case int() if not isinstance(given, bool) and abs(given) < 2**64:
                return cls.seeded(given)
            case str():
                return _read_text(given)
            case list() | tuple() if all(isinstance(word, str) for word in given):
                return _read_words(given)
        raise ConfigError(
            f"faults must be {_FORMS}, or a list of words; got {shown_briefly(given)}"
        )

    @classmethod
    def seeded(cls, seed: int, rate: float = _RATE, *, logins: bool = False) -> FaultScript:
        """Return a mix of all kinds, always the same for a seed.

        Parameters
        ----------
        seed : int
            Any number.
        rate : float
            Share of messages with a fault.
        logins : bool
            True if logins count as messages.

        Examples
        --------
        >>> FaultScript.seeded(7, rate=0.0).next() is None
        True
        """
        share = _probability(rate, "rate") / sum(weight for weight, _ in _MIX)
        odds = tuple((weight * share, fault) for weight, fault in _MIX)
        return cls(odds=odds, seed=seed, logins=logins)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of faults with a chance to occur."""
        by_chance = (fault for probability, fault in self.odds if probability)
        return frozenset(fault.kind for fault in (*self.words, *by_chance) if fault is not None)

    def next(self) -> Fault | None:
        """Return the fault of the next message, or None."""
        self.drawn += 1
        return self.at(self.drawn - 1)

    def at(self, index: int) -> Fault | None:
        """Return the fault of the message with an index, or None."""
        if index < len(self.words):
            return self.words[index]
        chance = _chance(self.seed, index) if self.odds else 0.0
        for probability, fault in self.odds:
            if chance < probability:
                return fault
            chance -= probability
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the script and its position as plain JSON values."""
        return {
            "words": [None if word is None else list(word) for word in self.words],
            "odds": [[probability, list(fault)] for probability, fault in self.odds],
            "seed": str(self.seed),  # JSON's numbers may be too small for it
            "logins": self.logins,
            "drawn": self.drawn,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> FaultScript:
        """Return the script described by :meth:`as_dict`."""
        return cls(
            words=tuple(None if word is None else Fault(*word) for word in fields["words"]),
            odds=tuple((probability, Fault(*fault)) for probability, fault in fields["odds"]),
            seed=int(fields["seed"]),
            logins=fields["logins"],
            drawn=fields["drawn"],
        )


def _chance(seed: int, index: int) -> float:
    """Return a pseudo-random number in [0, 1), always the same for a seed and an index."""
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    # As many bits as a float holds, so that the number stays below 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def _read_text(text: str) -> FaultScript:
    if text.strip().startswith(_SCRIPT):
        return _read_words(text.strip().removeprefix(_SCRIPT).split())
    words = [word for word in text.split() if word != _LOGINS]
    logins = len(words) < len(text.split())
    if len(words) == 1 and _is_whole(words[0]):
        words = [f"seed={words[0]}"]
    pairs = [word.partition("=")[::2] for word in words]
    options = {name: value for name, value in pairs if name in _OPTIONS}
    chances = [(name, value) for name, value in pairs if name not in _OPTIONS]
    # Either a mix of all kinds, which needs a seed, or kinds with their own probabilities.
    if not chances and "seed" not in options:
        raise ConfigError(f"faults must be {_FORMS}; got {text!r}")
    if chances and "rate" in options:
        raise ConfigError(f"rate is for a seed alone, not beside probabilities, in {text!r}")
    seed = options.get("seed", "0")
    if not _is_whole(seed):
        raise ConfigError(f"the seed of faults must be a whole number, got {seed!r}")
    if not chances:
        rate = _probability(options.get("rate", _RATE), "rate")
        return FaultScript.seeded(int(seed), rate, logins=logins)
    odds = tuple(_read_chance(name, value) for name, value in chances)
    if sum(probability for probability, _ in odds) > 1 + 1e-9:
        raise ConfigError(f"the probabilities of faults add up to more than 1 in {text!r}")
    return FaultScript(odds=odds, seed=int(seed), logins=logins)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _read_words(words: Iterable[str]) -> FaultScript:
    given = [" ".join(word.split()) for word in words]
    spoiled = tuple(_read_word(word) for word in given if word != _LOGINS)
    return FaultScript(words=spoiled, logins=_LOGINS in given)


def _read_word(word: str) -> Fault | None:
    """Read ``kind``, ``kind:argument`` or ``kind argument``."""
    if word == _OK:
        return None
    kind, _, argument = word.replace(":", " ", 1).partition(" ")
    return _fault(kind, argument.strip(), word)


def _read_chance(kind: str, value: str) -> tuple[float, Fault]:
    """Read the text after ``kind=``: a probability and, after a colon, an argument."""
    first, _, second = value.partition(":")
    if kind == "code" and _is_whole(first) and second and int(first) > 1:
        # code=429:0.05: a code is never a probability, so either order is clear.
        first, second = second, first
    fault = _fault(kind, second, f"{kind}={value}")
    return _probability(first, kind), fault


def _probability(given: Any, where: str) -> float:
    number = _number(given)
    if number is None or not 0 <= number <= 1:
        raise ConfigError(f"{where} takes a probability between 0 and 1, got {given!r}")
    return number


def _number(given: Any) -> float | None:
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def seconds_of(given: Any, where: str) -> float:
    """Return the duration of a fault in seconds.

    Raises
    ------
    ConfigError
        If the duration is not above 0, or is more than an hour.

    Examples
    --------
    >>> seconds_of("0.5", "delay")
    0.5
    """
    number = _number(given)
    if number is None or not 0 < number <= _LONGEST:
        raise ConfigError(f"{where} takes seconds above 0 and up to {_LONGEST:g}, got {given!r}")
    return number


def _fault(kind: str, argument: str, where: str) -> Fault:
    if kind not in _SECONDS:
        raise ConfigError(f"{where!r} is no fault; known: {', '.join(_SECONDS)}, and {_OK}")
    if kind == "code":
        # 200 would say "accepted" of values that are not stored, and no client could notice.
        if not argument.isdecimal() or not 0 < int(argument) <= _MAX_CODE or int(argument) == 200:
            raise ConfigError(f"code takes a return code other than 200, got {where!r}")
        return Fault(kind, code=int(argument))
    default = _SECONDS[kind]
    if default is None and argument:
        raise ConfigError(f"{kind} takes no argument, got {where!r}")
    if default is None:
        return Fault(kind, code=429 if kind == "throttle" else 0)
    return Fault(kind, seconds_of(argument, kind) if argument else default)


def damaged(reply: bytes, variant: int) -> bytes:
    """Return a damaged reply: not JSON, or without its code.

    Examples
    --------
    >>> damaged(b'{"id":"1","code":200}', 1)
    b'{"id":"1","c0de":200}'
    """
    return (
        reply[: len(reply) // 2],
        reply.replace(b'"code":', b'"c0de":', 1),
        b"\xff" + reply[1:],
        b"",
    )[variant % 4]


class Outbox:
    """Outgoing replies: delayed, reordered, doubled or damaged, as their faults require.

    Parameters
    ----------
    deliver : callable
        Sends a reply; takes the device, the topic and the payload.
    later : callable
        Calls a function after a delay; takes the seconds and the function.

    Examples
    --------
    >>> sent = []
    >>> outbox = Outbox(lambda *reply: sent.append(reply[2]), lambda seconds, call: None)
    >>> outbox.put(("p", "d"), "t", b"first", Fault("reorder"))
    >>> outbox.put(("p", "d"), "t", b"second", None)
    >>> sent
    [b'second', b'first']
    """

    def __init__(self, deliver: Deliver, later: Later) -> None:
        self._deliver = deliver
        self._later = later
        self._held_back: dict[Device, tuple[str, bytes]] = {}
        self._n_damaged = 0

    def put(self, device: Device, topic: str, reply: bytes, fault: Fault | None) -> None:
        """Send the reply to a message as its fault requires."""
        match fault:
            case Fault("delay", seconds):
                self._later(seconds, lambda: self._send(device, topic, reply))
            case Fault("reorder", seconds) if device not in self._held_back:
                self._held_back[device] = topic, reply
                self._later(seconds, lambda: self._release(device))
            case Fault("double"):
                self._send(device, topic, reply)
                self._send(device, topic, reply)
            case Fault("garble"):
                self._send(device, topic, damaged(reply, self._n_damaged))
                self._n_damaged += 1
            case _:
                self._send(device, topic, reply)

    def _send(self, device: Device, topic: str, reply: bytes) -> None:
        self._deliver(device, topic, reply)
        self._release(device)

    def _release(self, device: Device) -> None:
        if held_back := self._held_back.pop(device, None):
            self._deliver(device, *held_back)
