"""The record of a slab, written to the journal before any value of the slab is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..requests.chunk import Chunk, Prepared
from ..requests.tallies import Tally, add_tally
from .reject_table import joined
from .rejects import rejects_withheld

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ready"]


@dataclass(frozen=True, slots=True)
class Ready:
    """A slab with its record for the journal: chunks, tallies and rejects."""

    prepared: Prepared
    chunks: list[Chunk]
    tallies: dict[str, Tally]
    rejects: pa.Table

    @classmethod
    def of(cls, prepared: Prepared) -> Ready:
        """Return a prepared slab with its record."""
        tallies: dict[str, Tally] = {"read": {}, "withheld": {}}
        for part in prepared.parts:
            add_tally(tallies["read"], part.tally_read())
            add_tally(tallies["withheld"], part.tally_withheld())
        # A value that waits for the next slab counts as read together with that slab.
        for rest in prepared.sent:
            add_tally(tallies["read"], rest.tally())
        if prepared.rest is not None:
            waiting = prepared.rest.tally()
            add_tally(tallies["read"], {key: -n for key, n in waiting.items()})
        tallies["read"] = {key: n for key, n in tallies["read"].items() if n}
        rejects = joined(map(rejects_withheld, prepared.parts))
        return cls(prepared, prepared.chunks(), tallies, rejects)
