"""Facts about a run, as values: what becomes a sentence, once, at the end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..frames import FATES

__all__ = ["OPEN", "SHOWN_FATES", "SUPERSEDED", "Standing"]

# A request that has not settled is no fate of its values: frames count them as in doubt, people
# are told apart what was sent without an answer from what nobody knows to have been sent.
OPEN: Final = "open"
SUPERSEDED: Final = "superseded"
SHOWN_FATES: Final = (*FATES, OPEN)


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
    stopped : str
        Why it ended before its end, or the empty text.
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
    stopped: str = ""
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
        return not self.is_complete and not self.stopped and is_open
