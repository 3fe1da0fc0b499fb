"""The end of a request. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Outcome", "Settled"]

Outcome = Literal["accepted", "declined", "divided", "in_doubt", "not_sent"]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a request ended.

    Parameters
    ----------
    request_id : str
        Which.
    outcome : str
        accepted, declined, divided (its parts are to be sent instead), in_doubt or not_sent.
    code : int or None
        The code of the reply that settled it; None when unanswered.
    message : str
        The platform's own words.
    attempts : int
        How often it was published.
    latency : float or None
        From the last publish to the reply. [s]
    """

    request_id: str
    outcome: Outcome
    code: int | None
    message: str
    attempts: int
    latency: float | None
