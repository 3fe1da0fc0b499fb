"""What is written down of a slab before any of it is sent. Pure."""

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
    """A slab with all that is written down of it before any of it is sent."""

    prepared: Prepared
    chunks: list[Chunk]
    tallies: dict[str, Tally]
    rejects: pa.Table

    @classmethod
    def of(cls, prepared: Prepared) -> Ready:
        """Return a slab that was prepared."""
        tallies: dict[str, Tally] = {"read": {}, "withheld": {}}
        for part in prepared.parts:
            add_tally(tallies["read"], part.tally_read())
            add_tally(tallies["withheld"], part.tally_withheld())
        rejects = joined(map(rejects_withheld, prepared.parts))
        return cls(prepared, prepared.chunks(), tallies, rejects)
