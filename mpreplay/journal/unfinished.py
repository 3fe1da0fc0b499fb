"""The state of an unfinished run, as its journal tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..requests.succession import Kept

__all__ = ["Intent", "Unfinished"]


class Intent(NamedTuple):
    """A request in the journal that has not settled."""

    request_id: str
    cuts: str
    digest: str
    n_bytes: int
    in_doubt: bool = True  # perhaps sent: only a run that ended in order can rule it out


@dataclass(frozen=True, slots=True)
class Unfinished:
    """State of an unfinished run, read from its journal; empty for a new run.

    Parameters
    ----------
    settled_slabs : set of int
        Slabs whose requests have all settled.
    open_requests : dict of int to list of Intent
        Requests not settled, by slab.
    last_id : str
        The latest request id, or the empty text.
    counts : dict of str to int
        Counts of the earlier runs.
    spent : dict of (int, str) to int
        Number of parts already made of each chunk, by slab and number.
    slabs : dict of int to Kept
        All slabs written down, with the facts of their rests.
    """

    settled_slabs: frozenset[int] = frozenset()
    open_requests: dict[int, list[Intent]] = field(default_factory=dict)
    last_id: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    spent: dict[tuple[int, str], int] = field(default_factory=dict)
    slabs: dict[int, Kept] = field(default_factory=dict)
