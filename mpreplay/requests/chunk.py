"""A prepared slab and its chunks, one chunk a request.

Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ..model.device_table import Devices
from ..protocol.pieces import Pieces
from .tallies import Tally, per_row, tally_each, tally_rows, tally_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..checks.faults import Fault
    from ..checks.repeats import Repeats
    from ..history.slab import Readings
    from ..settings import Policy
    from .encoding import Encoded
    from .entries import Copy, Entries

__all__ = ["Chunk", "Prepared", "ProductSlab", "Rest"]

MOST_PIECES: Final = 16  # of a request, each of which is sent alone


@dataclass(frozen=True, slots=True)
class ProductSlab:
    """A product's part of a prepared slab.

    Parameters
    ----------
    readings : Readings
        The product's readings in the slab.
    entries : Entries
        Entries of the values to send.
    encoded : Encoded
        JSON texts of the entries.
    faults : list of Fault
        Failed checks of the readings.
    repeats : Repeats
        The repeated readings of the slab.
    withheld : list of ndarray of bool
        For each column, mask of the withheld values.
    """

    readings: Readings
    entries: Entries
    encoded: Encoded
    faults: list[Fault]
    repeats: Repeats
    withheld: list[NDArray[np.bool_]]

    def tally_read(self) -> Tally:
        """Return counts of the values read, with an equal copy counted under its twin."""
        readings = self.readings
        counts = per_row(readings, (column.present() for column in readings.columns))
        for number, positions in self.repeats.copies:
            counts[readings.columns[number].at[positions]] -= 1
        return tally_rows(readings, counts) + self._tally_copies(self.entries.copies)

    def tally_withheld(self) -> Tally:
        """Return counts of the withheld values."""
        if not any(mask.any() for mask in self.withheld):
            return Tally()
        both = zip(self.withheld, self.readings.columns, strict=True)
        gone = (mask & column.present() if mask.any() else mask for mask, column in both)
        return tally_rows(self.readings, per_row(self.readings, gone))

    def tally_sent(self, start: int, stop: int) -> Tally:
        """Return counts of the values in the entries [start, stop), equal copies included."""
        entries, devices = self.entries, Devices.of(self.readings.devices)
        counts = self.encoded.n_values[start:stop]
        tally = tally_runs(devices, entries.device[start:stop], entries.time[start:stop], counts)
        return tally + self._tally_copies(self.copies(start, stop))

    def tally_suspects(self, start: int, stop: int) -> Tally:
        """Return counts of the suspects in the entries [start, stop)."""
        columns = self.readings.columns
        found = [columns[number].at[some] for number, some in self.suspects(start, stop)]
        copies = [copy for copy in self.copies(start, stop) if self.is_suspect(copy)]
        return tally_each(self.readings, found) + self._tally_copies(copies)

    def copies(self, start: int, stop: int) -> list[Copy]:
        """Return the equal copies of values in the entries [start, stop)."""
        return [copy for copy in self.entries.copies if start <= copy.entry < stop]

    def cells(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield for each column the positions of its values in the entries [start, stop)."""
        for number, cells in enumerate(self.entries.cells):
            chosen = cells[start:stop]
            if (chosen >= 0).any():
                yield number, chosen[chosen >= 0]

    def suspects(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield for each column the positions of values with a fault of the model check."""
        for number, positions in self.cells(start, stop):
            suspect = self.entries.suspects[number][positions]
            if suspect.any():
                yield number, positions[suspect]

    def is_suspect(self, copy: Copy) -> bool:
        """Return whether the model check faults the twin of an equal copy."""
        position = self.entries.cells[copy.column][copy.entry]
        return bool(self.entries.suspects[copy.column][position])

    def _tally_copies(self, copies: Sequence[Copy]) -> Tally:
        if not copies:
            return Tally()
        at = np.array([copy.entry for copy in copies], np.int64)  # ascending
        devices, ones = Devices.of(self.readings.devices), np.ones(len(at), np.int64)
        return tally_runs(devices, self.entries.device[at], self.entries.time[at], ones)


@dataclass(frozen=True, slots=True)
class Rest:
    """The last entries of a slab: they did not fill a request, and wait for the next slab.

    Parameters
    ----------
    slab : int
        The slab's number in the history.
    parts : list of ProductSlab
        The products' parts, with these entries and nothing else.
    """

    slab: int
    parts: list[ProductSlab]

    @property
    def n_entries(self) -> int:
        """Number of entries."""
        return sum(len(part.entries.time) for part in self.parts)

    @property
    def n_rows(self) -> int:
        """Number of rows with a value in the entries."""
        return sum(len(part.readings.rows) for part in self.parts)

    def tally(self) -> Tally:
        """Return counts of the values, equal copies included."""
        whole = (part.tally_sent(0, len(part.entries.time)) for part in self.parts)
        return sum(whole, Tally())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A slab, ready to send.

    Parameters
    ----------
    number : int
        The slab's number in the history.
    n_rows, n_values : int
        Rows and values read from the history.
    n_empty : int
        Rows without any value.
    parts : list of ProductSlab
        The products' parts of the slab.
    bounds : ndarray of int64
        Bounds of the chunks, in entries counted over the carried rests and all parts.
    carried : tuple of Rest
        Rests of earlier slabs, which come first.
    rest : Rest, optional
        Entries of this slab that wait for the next.
    """

    number: int
    n_rows: int
    n_values: int
    n_empty: int
    parts: list[ProductSlab]
    bounds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    carried: tuple[Rest, ...] = ()
    rest: Rest | None = None

    @property
    def sent(self) -> tuple[Rest, ...]:
        """The rests of earlier slabs that are sent with this slab: all of them, or none yet."""
        return self.carried if self.bounds[-1] else ()

    @property
    def carry(self) -> tuple[Rest, ...]:
        """The rests for the next slab of the source."""
        waiting = () if self.bounds[-1] else self.carried
        return waiting if self.rest is None else (*waiting, self.rest)

    @property
    def n_taken(self) -> int:
        """Number of rows of which no value waits any longer, rows of earlier slabs included."""
        waiting = 0 if self.rest is None else self.rest.n_rows
        return self.n_rows - waiting + sum(rest.n_rows for rest in self.sent)

    def chunks(self) -> list[Chunk]:
        """Return the chunks, in the order of sending."""
        parts = [part for rest in self.carried for part in rest.parts] + self.parts
        ends = np.cumsum([0] + [len(part.entries.time) for part in parts])
        chunks = []
        for number, (start, stop) in enumerate(zip(self.bounds[:-1], self.bounds[1:], strict=True)):
            spans = [
                (part, max(int(start - begin), 0), min(int(stop - begin), int(end - begin)))
                for part, begin, end in zip(parts, ends[:-1], ends[1:], strict=True)
                if max(start, begin) < min(stop, end)  # a product may have nothing to send
            ]
            chunks.append(Chunk(self.number, str(number), spans))
        return chunks


@dataclass(frozen=True, slots=True)
class Chunk:
    """The entries of one request.

    Parameters
    ----------
    slab : int
        Number of the slab in the history; the first chunk of a slab also holds the rests of
        earlier slabs.
    cuts : str
        Number of the chunk in its slab; for a part of a chunk, followed by the row of turns by
        which the part was cut out (``"5/0/1"``). ``dividing`` lists the turns.
    spans : list of (ProductSlab, int, int)
        Products' parts of slabs, each with its entries [start, stop).
    levels : int, optional
        Cuts deep that the chunk may still be taken apart; None: no cut was made yet.
    """

    slab: int
    cuts: str
    spans: list[tuple[ProductSlab, int, int]]
    levels: int | None = None

    @property
    def n_entries(self) -> int:
        """Number of entries."""
        return sum(stop - start for _, start, stop in self.spans)

    @property
    def n_values(self) -> int:
        """Number of values."""
        return sum(int(part.encoded.n_values[a:b].sum()) for part, a, b in self.spans)

    @property
    def n_copies(self) -> int:
        """Number of equal copies of its values, which share their fate."""
        return sum(len(part.copies(a, b)) for part, a, b in self.spans)

    @property
    def times(self) -> tuple[int, int]:
        """First and last time, in milliseconds."""
        parts = [part.entries.time[a:b] for part, a, b in self.spans]
        return min(int(p.min()) for p in parts), max(int(p.max()) for p in parts)

    def n_bytes(self, request_id: str, policy: Policy) -> int:
        """Return the length of the request, in bytes."""
        head, tail = policy.envelope(request_id)
        texts = (
            int(part.encoded.offsets[b] - part.encoded.offsets[a]) for part, a, b in self.spans
        )
        return len(head) + sum(texts) - 1 + len(tail)

    def payload(self, request_id: str, policy: Policy) -> bytes:
        """Return the request's bytes."""
        return b"".join(self._pieces(request_id, policy))

    def pieces(self, request_id: str, policy: Policy) -> Pieces:
        """Return the request's bytes, in pieces, without copying the texts of entries."""
        pieces = self._pieces(request_id, policy)
        return Pieces(pieces if len(pieces) <= MOST_PIECES else [b"".join(pieces)])

    def digest(self, request_id: str, policy: Policy) -> str:
        """Return the SHA-256 of the request's bytes."""
        digest = hashlib.sha256()
        for piece in self._pieces(request_id, policy):
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self, request_id: str, policy: Policy) -> list[bytes | memoryview]:
        """Return the request's bytes in pieces, without copying the texts of entries."""
        head, tail = policy.envelope(request_id)
        pieces: list[bytes | memoryview] = [head]
        for part, start, stop in self.spans:
            begin, end = part.encoded.offsets[[start, stop]].tolist()
            pieces += [part.encoded.text[begin : end - 1], b","]  # a comma between entries
        pieces[-1] = tail  # but not behind the last
        return pieces

    def tally(self) -> Tally:
        """Return counts of the values, equal copies included."""
        return sum((part.tally_sent(start, stop) for part, start, stop in self.spans), Tally())

    def tally_suspects(self) -> Tally:
        """Return counts of the values with a fault of the model check."""
        return sum((part.tally_suspects(start, stop) for part, start, stop in self.spans), Tally())
