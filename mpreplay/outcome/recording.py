"""The record of a slab, written to the journal before any value of the slab is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..requests.chunk import Chunk, Prepared
from ..requests.tallies import Tally
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
        read = sum((part.tally_read() for part in prepared.parts), Tally())
        withheld = sum((part.tally_withheld() for part in prepared.parts), Tally())
        # A value that waits for the next slab counts as read together with that slab.
        read += sum((rest.tally() for rest in prepared.sent), Tally())
        if prepared.rest is not None:
            read += -prepared.rest.tally()
        tallies = {"read": read.summed(), "withheld": withheld.summed()}
        rejects = joined(map(rejects_withheld, prepared.parts))
        return cls(prepared, prepared.chunks(), tallies, rejects)
