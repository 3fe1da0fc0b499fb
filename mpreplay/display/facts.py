"""Facts about a run, as values: what becomes a sentence, once, at the end. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ..frames import FATES

__all__ = [
    "CHECKS",
    "NAMES_SHOWN",
    "OPEN",
    "SHOWN_FATES",
    "SUPERSEDED",
    "Cause",
    "Check",
    "Conflict",
    "Detail",
    "Ended",
    "Standing",
]

# A request that has not settled is no fate of its values: frames count them as in doubt, people
# are told apart what was sent without an answer from what nobody knows to have been sent.
OPEN: Final = "open"
SUPERSEDED: Final = "superseded"
SHOWN_FATES: Final = (*FATES, OPEN)


# A cause of rejects names up to so many devices and points, and counts more of them.
NAMES_SHOWN: Final = 3


class Check(NamedTuple):
    """A check that is not of a thing model: who decides, and about what.

    Parameters
    ----------
    by : {"mpreplay", "platform"}
        The side that decides.
    never_sent : bool
        A value that fails it cannot travel, whatever is decided about violations of the model.
    of_request : bool
        It befalls all values of a request, or all points of a row, alike.
    """

    by: Literal["mpreplay", "platform"] = "mpreplay"
    never_sent: bool = False
    of_request: bool = False


# Every other check is a rule of the thing model, or a user's own.
CHECKS: Final = {
    "finite": Check(never_sent=True),
    "text": Check(never_sent=True),
    "time": Check(never_sent=True),
    "device": Check(never_sent=True),
    "product": Check(never_sent=True),
    "too_large": Check(never_sent=True),
    SUPERSEDED: Check(never_sent=True, of_request=True),
    "platform": Check("platform", of_request=True),
    "expected_skip": Check("platform"),
    "no_reply": Check("platform", of_request=True),
    "not_sent": Check(of_request=True),
}


class Detail(NamedTuple):
    """The facts behind a reason; :mod:`mpreplay.display.sentences` has the words.

    Parameters
    ----------
    kind : str
        The kind of reason, a key of the table of words.
    facts : tuple
        Plain values that all values with the same cause share: a bound, a unit, a name.
    instance : tuple
        Plain values of this value alone: an unreadable time, the row of a rival.
    of : Detail, optional
        The reason within: of a member, of an item, of the value that this is a copy of.

    Examples
    --------
    >>> detail = Detail("member", ("speed",), of=Detail("length", (8,)))
    >>> Detail.from_text(detail.as_text()) == detail
    True
    """

    kind: str
    facts: tuple[Any, ...] = ()
    instance: tuple[Any, ...] = ()
    of: Detail | None = None

    @property
    def shared(self) -> Detail:
        """The same without what belongs to one value alone, at any depth."""
        return Detail(self.kind, self.facts, (), self.of and self.of.shared)

    @property
    def cause(self) -> Detail:
        """The shared reason, of a copy that of its original: both have one cause."""
        one = self.shared
        while one.kind == "copy" and one.of is not None:
            one = one.of
        return one

    def as_text(self) -> str:
        """Return the facts as one line of ASCII, for a table or a journal."""
        return json.dumps(self._plain(), separators=(",", ":"))

    def _plain(self) -> list[Any]:
        plain: list[Any] = [self.kind, self.facts, self.instance]
        return plain if self.of is None else [*plain, self.of._plain()]

    @classmethod
    def from_text(cls, text: str) -> Detail:
        """Return what :meth:`as_text` wrote."""
        return cls.from_plain(json.loads(text))

    @classmethod
    def from_plain(cls, plain: Any) -> Detail:
        """Return the detail of a list of kind, facts, instance and, if any, the one within."""
        kind, facts, instance, *within = plain
        return cls(
            str(kind), _frozen(facts), _frozen(instance), *(cls.from_plain(one) for one in within)
        )

    @classmethod
    def of_rule(cls, why: Any) -> Detail:
        """Return the detail of a rule's reason: kind, facts, and the reason within."""
        kind, facts, within = why
        return cls(kind, _frozen(facts), (), None if within is None else cls.of_rule(within))


def _frozen(values: Any) -> tuple[Any, ...]:
    return tuple(_frozen(one) if isinstance(one, list | tuple) else one for one in values)


class Ended(NamedTuple):
    """The end of a run that came before its last request: its kind, and a detail of it."""

    kind: Literal[
        "interrupted", "rival", "not_regained", "refused", "declined_alike", "code", "code_again",
        "given_up",
    ]  # fmt: skip
    detail: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Rejects with one cause.

    Parameters
    ----------
    n : int
        Number of values.
    outcome, check : str
        Their fate, and the check they failed.
    detail : Detail
        The reason that they share.
    example : Detail
        The reason of one of them.
    advice : str
        What to do about them, a key of the table of advice.
    devices, points : tuple of str
        Names, sorted.
    first_time, last_time
        The span of their times; NaT where none is known.
    code : int, optional
        The platform's return code.
    requests : int
        Number of requests that carried them.
    lowest, highest : float, optional
        Where they are numbers of one point.
    """

    n: int
    outcome: str
    check: str
    detail: Detail
    example: Detail
    advice: str = ""
    devices: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    first_time: Any = None
    last_time: Any = None
    code: int | None = None
    requests: int = 0
    lowest: float | None = None
    highest: float | None = None


class Conflict(NamedTuple):
    """Two different values of one device, time and point, and where both of them stand."""

    source: str
    row: int
    product_key: str
    device_key: str
    time: int  # [ms]
    point: str
    text: str  # as JSON
    other_source: str
    other_row: int
    other_text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands, in numbers.

    Parameters
    ----------
    totals : dict of str to int
        ``read``, every fate, and ``open`` for what has not settled, in values.
    is_complete : bool
        Whether everything was read, and every request has an answer.
    is_read : bool
        Whether everything was read.
    ended : Ended, optional
        The reason why it ended before its last request.
    unread_rows : int
        Rows that were not read.
    requests : dict of str to int
        Those without a final answer: ``in_doubt``, ``not_sent``, and ``open``, not settled.
    allows_offline : bool
        Whether the platform was asked to take the data of devices that are offline.
    is_sound : bool
        Whether the books agree with all else that the journal says.
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True
    is_read: bool = True
    ended: Ended | None = None
    unread_rows: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)
    allows_offline: bool = False
    is_sound: bool = True

    def n(self, fate: str) -> int:
        """Return how many values met a fate, or were ``read``."""
        return int(self.totals.get(fate, 0))

    @property
    def n_rejects(self) -> int:
        """How many values did not arrive, as far as is known."""
        return sum(self.n(fate) for fate in FATES[1:])

    @property
    def n_missing(self) -> int:
        """How many values did not arrive or have not settled."""
        return self.n_rejects + self.n(OPEN)

    @property
    def is_balanced(self) -> bool:
        """Whether what was read is the sum of the fates."""
        return self.n("read") == sum(self.n(fate) for fate in SHOWN_FATES)

    @property
    def is_going(self) -> bool:
        """Whether it has noted no end: it goes on, or was killed."""
        is_open = not self.is_read or bool(self.requests.get(OPEN))
        return not self.is_complete and self.ended is None and is_open
