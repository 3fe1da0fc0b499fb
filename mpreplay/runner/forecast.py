"""The forecast of a replay: what its prepared slabs would send, withhold and see declined. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from ..checks.lacks import LackSearch
from ..checks.survey import first_violations
from ..checks.violations import as_frame
from ..outcome.books import Books
from ..outcome.foreseen import declines_foreseen
from ..outcome.packed_counts import Names, pack_tally
from ..outcome.rejects import rejects_withheld
from ..protocol.compression import pack_fast
from ..requests.tallies import Tally

if TYPE_CHECKING:
    import pyarrow as pa

    from ..errors import Message
    from ..history.slab import RawSlab
    from ..requests.chunk import Chunk, Prepared
    from ..settings import Policy

__all__ = ["Forecast", "gaps_of"]

ID: Final = "0" * 19  # has the length of a real request id


@dataclass(slots=True)
class Forecast:
    """Sums over the prepared slabs of a history.

    Parameters
    ----------
    policy : Policy
        Rules of the replay.
    packs : bool
        True if requests travel packed: each is then packed, to know its size.

    Attributes
    ----------
    n_rows, n_values, n_sent, n_withheld, n_violations : int
        Rows and values read; values in requests; values withheld for whatever reason; failed
        checks.
    sizes : list of int
        Size of each request. [bytes]
    n_packed : int
        Bytes of all requests, packed.
    first : bytes
        The first request.
    found : DataFrame or None
        The first violation.
    """

    policy: Policy
    packs: bool = False
    n_rows: int = 0
    n_values: int = 0
    n_sent: int = 0
    n_withheld: int = 0
    n_declined: int = 0
    n_violations: int = 0
    sizes: list[int] = field(default_factory=list)
    n_packed: int = 0
    first: bytes = b""
    found: pd.DataFrame | None = None
    _lacks: LackSearch = field(default_factory=LackSearch)
    _names: Names = field(default_factory=Names)
    _packed: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, raw: RawSlab, prepared: Prepared | None) -> list[pa.Table]:
        """Add a slab, and return the rejects that it will have."""
        if prepared is None:
            return []
        for part in prepared.parts:
            self._lacks.see(raw, part.readings, part.faults)
        self.n_rows += prepared.n_rows
        self.n_values += prepared.n_values
        rejects = [table for part in prepared.parts if len(table := rejects_withheld(part))]
        self._see_violations(prepared)
        read = sum((part.tally_read() for part in prepared.parts), Tally())
        withheld = sum((part.tally_withheld() for part in prepared.parts), Tally())
        declined = Tally()
        for chunk in prepared.chunks():
            self._add_chunk(chunk)
            if not self.policy.withholds:
                rejects.append(
                    declines_foreseen(chunk, is_skipping=self.policy.skip_invalid_measurepoints)
                )
                declined += chunk.tally_suspects()
        self.n_withheld += withheld.total
        self.n_declined += declined.total
        self._note(read, withheld, declined)
        return [table for table in rejects if len(table)]

    def _add_chunk(self, chunk: Chunk) -> None:
        self.sizes.append(chunk.n_bytes(ID, self.policy))
        self.n_sent += chunk.n_values
        if not self.first:
            self.first = chunk.payload(ID, self.policy)
        if self.packs:
            self.n_packed += len(pack_fast(chunk.payload(ID, self.policy)))

    def _see_violations(self, prepared: Prepared) -> None:
        for part in prepared.parts:
            faults = [fault for fault in part.faults if fault.is_violation]
            self.n_violations += sum(len(fault.positions) for fault in faults)
            if faults and self.found is None:
                self.found = as_frame(first_violations(part.readings, faults, 1))

    def _note(self, read: Tally, withheld: Tally, declined: Tally) -> None:
        """Note the fates by device and day; whatever has no other fate is to be accepted."""
        gone = (withheld, declined)
        fates = [("read", read), ("withheld", withheld), ("declined", declined), ("accepted", read)]
        fates += [("accepted", -tally) for tally in gone]
        self._packed += [(fate, pack_tally(tally, self._names)) for fate, tally in fates if tally]

    @property
    def hints(self) -> tuple[Message, ...]:
        """Sentences about whole columns: what would read their texts."""
        return self._lacks.hints()

    @property
    def books(self) -> Books:
        """The books that the replay is to have."""
        return Books(self._packed, list(self._names.devices))

    @property
    def largest(self) -> int:
        """Return the size of the largest request, in bytes."""
        return max(self.sizes, default=0)


def gaps_of(books: pd.DataFrame) -> pd.DataFrame:
    """Return the days without a value between the first and the last day of each device.

    Parameters
    ----------
    books : DataFrame
        A row a device and day, sorted.

    Returns
    -------
    DataFrame
        ``product_key``, ``device_key``, ``first_day``, ``last_day`` of each gap, and ``days``.
    """
    dated = books[books["day"].notna() & (books["read"] > 0)]
    device = dated[["product_key", "device_key"]]
    same = (device == device.shift()).all(axis=1).to_numpy()
    day = dated["day"].dt.tz_convert(None).to_numpy().astype("datetime64[D]").astype(np.int64)
    missing = np.zeros(len(day), np.int64)
    missing[1:] = np.where(same[1:], np.diff(day) - 1, 0)
    at = np.flatnonzero(missing > 0)
    one = pd.Timedelta(days=1)
    last = dated["day"].iloc[at] - one
    days = missing[at]
    return pd.DataFrame(
        {
            "product_key": dated["product_key"].iloc[at].to_numpy(),
            "device_key": dated["device_key"].iloc[at].to_numpy(),
            "first_day": (last - (days - 1) * one).to_numpy(),
            "last_day": last.to_numpy(),
            "days": days,
        }
    )
