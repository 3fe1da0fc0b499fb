"""The end of a request. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Outcome", "Settled"]

Outcome = Literal["accepted", "declined", "divided", "in_doubt", "not_sent"]


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a request.

    Parameters
    ----------
    request_id : str
        Id of the request.
    outcome : str
        accepted, declined, divided (the parts are sent instead), in_doubt or not_sent.
    code : int or None
        Code of the final reply; None without a reply.
    message : str
        The platform's own words.
    attempts : int
        Number of publishes.
    latency : float or None
        Time from the last publish to the reply; None without a reply. [s]
    """

    request_id: str
    outcome: Outcome
    code: int | None
    message: str
    attempts: int
    latency: float | None
