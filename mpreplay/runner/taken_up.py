"""Requests in a journal that are made again, with the same ids and bytes. A shell for intents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..conversation.isolation import waits_for
from ..errors import JournalMismatch
from ..requests.dividing import chunk_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..journal.unfinished import Intent, Unfinished
    from ..model.device import Device
    from ..requests.chunk import Chunk, Prepared
    from ..settings import Policy

__all__ = ["awaited", "check_taken_up", "taken_up"]


def taken_up(
    prepared: Prepared, intents: Sequence[Intent], own: Device, policy: Policy, journal: Path
) -> Iterator[tuple[Intent, Chunk, str]]:
    """Yield the unsettled requests of a slab, each with the id of the request that it waits for.

    Raises
    ------
    JournalMismatch
        If one cannot be made again with the same bytes.
    """
    chunks = prepared.chunks()
    taken: list[tuple[str, Chunk]] = []
    for intent in intents:
        try:
            chunk = chunk_at(chunks, intent.cuts, own)
            digest = chunk.digest(intent.request_id, policy)
        except (LookupError, ValueError):  # or the cuts are none: the journal is damaged
            digest = ""
        if digest != intent.digest:
            raise JournalMismatch(
                f"{journal}: request {intent.request_id} cannot be made again with the same "
                "bytes: the history, the model or the version of a library has changed since. "
                "Use a new journal; sending values twice does no harm",
                ("requests",),
            )
        yield intent, chunk, awaited(chunk, taken)
        taken.append((intent.request_id, chunk))


def check_taken_up(unfinished: Unfinished, journal: Path) -> None:
    """Raise if requests of an earlier run are of no slab of the history."""
    if left := unfinished.open_requests:
        raise JournalMismatch(
            f"{journal}: requests of slab {min(left)} cannot be made again: the history has no "
            "such slab, or the journal is damaged. Use a new journal; sending values twice does "
            "no harm",
            ("requests",),
        )


def awaited(chunk: Chunk, others: Sequence[tuple[str, Chunk]]) -> str:
    """Return the id of the request to wait for before a part is sent; the empty text for none."""
    first = waits_for(chunk, [other for _, other in others])
    return next((request_id for request_id, other in others if other is first), "")
