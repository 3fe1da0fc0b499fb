"""Facts about a run, as values; sentences are made of facts only for display. Pure."""

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
    "BlankKeys",
    "Cause",
    "Check",
    "ColumnLacks",
    "Conflict",
    "Detail",
    "Ended",
    "HourTwice",
    "Lack",
    "Marks",
    "Standing",
]

# Values of an unsettled request have no fate yet. Frames count them as in doubt; texts for people
# separate "sent without an answer" (in doubt) from "perhaps not sent at all" (open).
OPEN: Final = "open"
SUPERSEDED: Final = "superseded"
SHOWN_FATES: Final = (*FATES, OPEN)


# A cause of rejects lists up to this number of devices or points by name; more are only counted.
NAMES_SHOWN: Final = 3


class Check(NamedTuple):
    """A check other than a thing model's rules, and its scope.

    Parameters
    ----------
    never_sent : bool
        True if a value that fails the check cannot travel, under any policy.
    of_request : bool
        True if the check fails for all values of a request, or all points of a row, together.
    """

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
    "platform": Check(of_request=True),
    "expected_skip": Check(),
    "no_reply": Check(of_request=True),
    "not_sent": Check(of_request=True),
}


class Detail(NamedTuple):
    """The facts behind a reason; :mod:`mpreplay.display.reasons` has the words.

    Parameters
    ----------
    kind : str
        Kind of reason, a key of the table of words.
    facts : tuple
        Facts common to all rejects of a cause: a bound, a unit, a name.
    instance : tuple
        Facts of a single value: an unreadable time, the row of a rival.
    of : Detail, optional
        The reason within: of a member, of an item, of a copy's original.

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
        """The reason without the facts of a single value, at any depth."""
        return Detail(self.kind, self.facts, (), self.of and self.of.shared)

    @property
    def cause(self) -> Detail:
        """The shared reason; for a copy, its original's, since both have the same cause."""
        one = self.shared
        while one.kind == "copy" and one.of is not None:
            one = one.of
        return one

    def as_text(self) -> str:
        """Return the facts as a line of ASCII, for a table or a journal."""
        return json.dumps(self._plain(), separators=(",", ":"))

    def _plain(self) -> list[Any]:
        plain: list[Any] = [self.kind, self.facts, self.instance]
        return plain if self.of is None else [*plain, self.of._plain()]

    @classmethod
    def from_text(cls, text: str) -> Detail:
        """Return the detail from a text of :meth:`as_text`."""
        return cls.from_plain(json.loads(text))

    @classmethod
    def from_plain(cls, plain: Any) -> Detail:
        """Return the detail from a list of kind, facts, instance and, if any, the reason within."""
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
    """The end of a run before its last request: its kind, and a detail."""

    kind: Literal[
        "interrupted",
        "rival",
        "not_regained",
        "refused",
        "declined_alike",
        "code",
        "code_again",
        "given_up",
    ]
    detail: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Rejects with a common cause.

    Parameters
    ----------
    n : int
        Number of values.
    outcome, check : str
        Fate of the values, and the failed check.
    detail : Detail
        The common reason.
    example : Detail
        The reason of a single value, as an example.
    advice : str
        Advice, as a key of the table of advice.
    devices, points : tuple of str
        Names, sorted.
    first_time, last_time
        First and last time of the values; NaT if unknown.
    code : int, optional
        The platform's return code.
    requests : int
        Number of requests with such values.
    lowest, highest : float, optional
        Least and largest value, for numbers of a single point.
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


class Lack(NamedTuple):
    """Cells of one column that its form does not read, all for the same reason.

    Parameters
    ----------
    n : int
        Number of cells.
    needs : tuple of str
        What the form lacks, as keys of the table of words; empty for words that are no numbers.
    suffix : str
        Text after the numbers.
    words : tuple of str
        Words, the most frequent first; all of them unless ``has_more``.
    has_more : bool
        True if there are more words.
    proposal : tuple of Argument
        What would read the cells.
    """

    n: int
    needs: tuple[str, ...] = ()
    suffix: str = ""
    words: tuple[str, ...] = ()
    has_more: bool = False
    proposal: tuple[Any, ...] = ()


class ColumnLacks(NamedTuple):
    """Reasons that keep the cells of a column from being values, over a whole history."""

    point: str
    column: str  # "" where it is not known, and in the long form
    n_cells: int
    lacks: tuple[Lack, ...]


@dataclass(slots=True)
class Marks:
    """Qualities of a point that cannot be, over a whole history."""

    point: str
    column: str  # "" where it is not known
    n_wrong: int = 0  # of no number from 0 to 9
    n_lone: int = 0  # without a value


class BlankKeys(NamedTuple):
    """Keys with blanks around them, over a whole history."""

    kind: str  # device key or product key
    n: int
    example: str
    twin: str  # the same key without blanks, if it occurs, too
    proposal: Any  # an argument that removes the blanks


class Conflict(NamedTuple):
    """Two different values of the same device, time and point, with row and source of each."""

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


class HourTwice(NamedTuple):
    """An hour whose readings stand twice in a history, while another hour is missing."""

    start: int  # [ms]
    devices: int
    rows: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The standing of a run, in numbers.

    Parameters
    ----------
    totals : dict of str to int
        Number of values ``read``, of each fate, and ``open``, not settled.
    is_complete : bool
        True if everything was read and every request has an answer.
    is_read : bool
        True if everything was read.
    ended : Ended, optional
        The end of the run, if before its last request.
    unread_rows : int
        Number of rows not read.
    requests : dict of str to int
        Number of requests without a final answer: ``in_doubt``, ``not_sent``, and ``open``, not
        settled.
    is_sound : bool
        True if the books agree with the other tables of the journal.
    is_kept : bool
        True if the journal outlives the run, so that the run can be continued.
    streams : tuple of str
        Files that keep the streams of the run beside its journal.
    """

    totals: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True
    is_read: bool = True
    ended: Ended | None = None
    unread_rows: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)
    is_sound: bool = True
    is_kept: bool = True
    streams: tuple[str, ...] = ()

    def n(self, fate: str) -> int:
        """Return the number of values with a fate, or ``read``."""
        return int(self.totals.get(fate, 0))

    @property
    def n_rejects(self) -> int:
        """Number of values that did not arrive, as far as known."""
        return sum(self.n(fate) for fate in FATES[1:])

    @property
    def n_missing(self) -> int:
        """Number of values that did not arrive or have not settled."""
        return self.n_rejects + self.n(OPEN)

    @property
    def is_balanced(self) -> bool:
        """True if the values read are the sum of the fates."""
        return self.n("read") == sum(self.n(fate) for fate in SHOWN_FATES)

    @property
    def is_going(self) -> bool:
        """True if no end is recorded: the run goes on, or was killed."""
        is_open = not self.is_read or bool(self.requests.get(OPEN))
        return not self.is_complete and self.ended is None and is_open
