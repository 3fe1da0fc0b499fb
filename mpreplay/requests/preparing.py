"""A slab of history, made ready: what is withheld and why, and the rest in chunks to be sent.

Pure. It depends on the history, the model, the mapping, the flags and the sizes of a request, and
on nothing else: the same input makes the same requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import orjson

from ..checks.duplicates import Duplicates, Share, withheld
from ..checks.validation import Checker, Fault
from ..history.readings import Device, RawSlab, Readings, read_slab
from ..protocol.messages import envelope
from .cutting import cut, group_columns
from .encoding import Encoded, encode_entries, longest_text, texts_of
from .entries import DAY, Copy, Entries, entries_of, split_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.thing_model import ModelSet
    from ..settings import Limits

__all__ = ["Chunk", "Part", "Policy", "Prepared", "Preparer", "Tally", "add_tally"]

# How many values of a device (product key, device key) on a UTC day; the day is None where no
# time could be read.
Tally = dict[tuple[str, str, int | None], int]

# A request's id is the milliseconds of the run's start and a six-digit number: 19 or 20 digits.
WIDEST_ID: Final = "9" * 20


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides which values are sent, and in which requests."""

    allow_offline_sub_device: bool = False
    skip_invalid_measurepoints: bool = False
    on_invalid: Literal["raise", "withhold", "send"] = "raise"
    duplicates: Literal["raise", "first", "last"] = "raise"

    def overhead(self) -> int:
        """Return how long a request is without its entries, in bytes."""
        head, tail = self.envelope(WIDEST_ID)
        return len(head) + len(tail)

    def envelope(self, request_id: str) -> tuple[bytes, bytes]:
        """Return what stands before and after the entries of a request."""
        return envelope(
            request_id,
            allow_offline_sub_device=self.allow_offline_sub_device,
            skip_invalid_measurepoints=self.skip_invalid_measurepoints,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One product's share of a prepared slab."""

    readings: Readings
    entries: Entries
    encoded: Encoded
    faults: list[Fault]
    share: Share
    withheld: list[NDArray[np.bool_]]

    def tally_read(self) -> Tally:
        """Return how many values were read, a copy counted where its twin is."""
        readings = self.readings
        counts = _per_row(readings, (column.present() for column in readings.columns))
        for number, positions in self.share.copies:
            counts[readings.columns[number].at[positions]] -= 1
        tally = _tally_rows(readings, counts)
        twins = np.array([c.entry for c in self.entries.copies], np.int64)
        add_tally(tally, self._tally_entries(twins, np.ones(len(twins), np.int64)))
        return tally

    def tally_withheld(self) -> Tally:
        """Return how many values are withheld."""
        both = zip(self.withheld, self.readings.columns, strict=True)
        gone = (mask & column.present() if mask.any() else mask for mask, column in both)
        return _tally_rows(self.readings, _per_row(self.readings, gone))

    def tally_sent(self, start: int, stop: int) -> Tally:
        """Return how many values the entries [start, stop) carry, with their copies."""
        index = np.arange(start, stop)
        tally = self._tally_entries(index, self.encoded.n_values[start:stop])
        twins = np.array([c.entry for c in self.copies(start, stop)], np.int64)
        add_tally(tally, self._tally_entries(twins, np.ones(len(twins), np.int64)))
        return tally

    def tally_suspects(self, start: int, stop: int) -> Tally:
        """Return how many values of the entries [start, stop) the model check faults."""
        tally: Tally = {}
        for number, positions in self.suspects(start, stop):
            rows = self.readings.columns[number].at[positions]
            counts = np.bincount(rows, minlength=len(self.readings.rows))
            add_tally(tally, _tally_rows(self.readings, counts))
        for copy in self.copies(start, stop):
            if self.is_suspect(copy):
                index = np.array([copy.entry], np.int64)
                add_tally(tally, self._tally_entries(index, np.ones(1, np.int64)))
        return tally

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
        """Yield for each column the positions of the values that the model check faults."""
        for number, positions in self.cells(start, stop):
            faulty = self.entries.suspects[number][positions]
            if faulty.any():
                yield number, positions[faulty]

    def is_suspect(self, copy: Copy) -> bool:
        """Return whether the model check faults the value that a copy is equal to."""
        position = self.entries.cells[copy.column][copy.entry]
        return bool(self.entries.suspects[copy.column][position])

    def _tally_entries(self, index: NDArray[np.int64], counts: NDArray[np.int64]) -> Tally:
        entries = self.entries
        return _tally(
            self.readings.devices, entries.device[index], entries.time[index] // DAY, counts
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A slab, ready to be sent.

    Parameters
    ----------
    number : int
        The slab's number in the history.
    n_rows, n_values : int
        What was read of the history.
    n_empty : int
        Rows without any value.
    parts : list of Part
        By product.
    cuts : ndarray of int64
        Where chunks begin and end, in entries over all parts.
    """

    number: int
    n_rows: int
    n_values: int
    n_empty: int
    parts: list[Part]
    cuts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))

    def chunks(self) -> list[Chunk]:
        """Return the chunks, in the order in which they are to be sent."""
        ends = np.cumsum([0] + [len(part.entries.time) for part in self.parts])
        chunks = []
        for number, (start, stop) in enumerate(zip(self.cuts[:-1], self.cuts[1:], strict=True)):
            spans = [
                (part, max(int(start - begin), 0), min(int(stop - begin), int(end - begin)))
                for part, begin, end in zip(self.parts, ends[:-1], ends[1:], strict=True)
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
        Which slab.
    path : str
        Which chunk of it: its number, and behind it which half of which half (``"5/0/1"``).
    spans : list of (Part, int, int)
        The entries [start, stop) of each part.
    levels : int, optional
        How many cuts deep it may still be taken apart; None: it has not been, yet.
    """

    slab: int
    path: str
    spans: list[tuple[Part, int, int]]
    levels: int | None = None

    @property
    def n_entries(self) -> int:
        """How many entries it has."""
        return sum(stop - start for _, start, stop in self.spans)

    @property
    def n_values(self) -> int:
        """How many values it carries."""
        return sum(int(part.encoded.n_values[a:b].sum()) for part, a, b in self.spans)

    @property
    def times(self) -> tuple[int, int]:
        """Its first and last time, in milliseconds."""
        parts = [part.entries.time[a:b] for part, a, b in self.spans]
        return min(int(p.min()) for p in parts), max(int(p.max()) for p in parts)

    def n_bytes(self, request_id: str, policy: Policy) -> int:
        """Return how long the request is, in bytes."""
        head, tail = policy.envelope(request_id)
        texts = (
            int(part.encoded.offsets[b] - part.encoded.offsets[a]) for part, a, b in self.spans
        )
        return len(head) + sum(texts) - 1 + len(tail)

    def payload(self, request_id: str, policy: Policy) -> bytes:
        """Return the request's bytes."""
        return b"".join(self._pieces(request_id, policy))

    def digest(self, request_id: str, policy: Policy) -> str:
        """Return the SHA-256 of the request's bytes."""
        digest = hashlib.sha256()
        for piece in self._pieces(request_id, policy):
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self, request_id: str, policy: Policy) -> list[bytes | memoryview]:
        """Return the request's bytes in pieces, of which the long ones are not copied."""
        head, tail = policy.envelope(request_id)
        pieces: list[bytes | memoryview] = [head]
        for part, start, stop in self.spans:
            begin, end = part.encoded.offsets[[start, stop]].tolist()
            pieces += [part.encoded.text[begin : end - 1], b","]  # a comma between entries
        pieces[-1] = tail  # and none behind the last
        return pieces

    def tally(self) -> Tally:
        """Return how many values of each device and day it carries, copies among them."""
        tally: Tally = {}
        for part, start, stop in self.spans:
            add_tally(tally, part.tally_sent(start, stop))
        return tally

    def tally_suspects(self) -> Tally:
        """Return how many of them the model check faults."""
        tally: Tally = {}
        for part, start, stop in self.spans:
            add_tally(tally, part.tally_suspects(start, stop))
        return tally


class Preparer:
    """Makes slabs ready, one after the other."""

    def __init__(
        self,
        models: ModelSet,
        checker: Checker,
        policy: Policy,
        limits: Limits,
        own: Device,
    ) -> None:
        self._models = models
        self._checker = checker
        self._policy = policy
        self._limits = limits
        self.own = own
        self.duplicates = Duplicates()  # once they are known
        # Strictly below the limit; the comma behind the last entry is not sent.
        self._room = limits.max_bytes - policy.overhead()

    def prepare(self, raw: RawSlab, window: tuple[int | None, int | None]) -> Prepared:
        """Return a slab ready to be sent."""
        parts = [
            self._part(readings, self.duplicates.share(raw.number, number))
            for number, readings in enumerate(read_slab(raw, self._models, self.own, window))
        ]
        sizes = [np.diff(part.encoded.offsets) for part in parts]
        cuts = cut(
            np.concatenate(sizes) if sizes else np.zeros(0, np.int64),
            np.concatenate([p.encoded.n_values for p in parts]) if parts else np.zeros(0, np.int64),
            room=self._room,
            max_entries=self._limits.max_entries,
            max_values=self._limits.max_values,
        )
        n_rows = sum(len(part.readings.rows) for part in parts)
        n_values = sum(part.readings.n_values for part in parts)
        return Prepared(raw.number, n_rows, n_values, _n_empty(parts), parts, cuts)

    def faults(self, readings: Readings) -> list[Fault]:
        """Return every check that values of a slab fail, those too large to travel among them."""
        return self._checker.faults(readings) + self._too_large(readings)

    def _part(self, readings: Readings, share: Share) -> Part:
        faults = self.faults(readings)
        gone = withheld(readings, faults, self._policy.on_invalid != "send")
        for column, positions, _ in share.superseded:
            gone[column][positions] = True
        sent = [
            column.present() & ~mask for column, mask in zip(readings.columns, gone, strict=True)
        ]
        for column, positions in share.copies:
            sent[column][positions] = False
        entries = entries_of(readings, sent)
        entries.suspects.extend(_suspects(readings, faults))
        entries.copies.extend(_copies(entries, share))
        encoded = encode_entries(entries, self.own)
        whole = self._split(entries, encoded)
        if whole is not entries:
            entries, encoded = whole, encode_entries(whole, self.own)
        return Part(readings, entries, encoded, faults, share, gone)

    def _too_large(self, readings: Readings) -> list[Fault]:
        """Return the values that no request can carry, even alone."""
        faults = []
        rooms = self._rooms(readings.devices)
        least = rooms.min()
        for number, column in enumerate(readings.columns):
            key = _key_bytes(column.point.identifier)
            if longest_text(column) + key <= least:
                continue
            room = rooms[readings.device[column.at]]
            positions = np.flatnonzero(texts_of(column).lengths() + key > room)
            if len(positions):
                reason = f"alone larger than a request may be ({self._limits.max_bytes} bytes)"
                faults.append(Fault(number, positions, "too_large", reason))
        return faults

    def _rooms(self, devices: Sequence[Device]) -> NDArray[np.int64]:
        """Return how many bytes of values an entry of each device may hold, in bytes.

        The last is that of rows without a device.
        """
        keys = [
            {} if d == self.own else {"productKey": d.product_key, "deviceKey": d.device_key}
            for d in devices
        ]
        frame = len('"measurepoints":{},"time":-9223372036854775808,')
        return self._room - frame - np.array([len(orjson.dumps(k)) for k in [*keys, {}]], np.int64)

    def _split(self, entries: Entries, encoded: Encoded) -> Entries:
        """Split the entries that are too large alone, each into entries of some of its points."""
        most = self._limits.max_values
        large = np.diff(encoded.offsets) > self._room
        if most is not None:
            large |= encoded.n_values > most
        if not large.any():
            return entries
        rooms = self._rooms(entries.readings.devices)
        sizes = [
            np.append(texts_of(column).lengths(), 0)[cells]
            + _key_bytes(column.point.identifier) * (cells >= 0)
            for column, cells in zip(entries.readings.columns, entries.cells, strict=True)
        ]
        groups = {
            entry: group_columns(
                np.array([size[entry] for size in sizes], np.int64),
                room=int(rooms[entries.device[entry]]),
                max_values=most,
            )
            for entry in np.flatnonzero(large).tolist()
        }
        return split_entries(entries, groups)


def _key_bytes(identifier: str) -> int:
    return len(orjson.dumps(identifier)) + len(":,")


def _suspects(readings: Readings, faults: Sequence[Fault]) -> list[NDArray[np.bool_]]:
    masks = [np.zeros(len(column.values), bool) for column in readings.columns]
    for fault in faults:
        if fault.column >= 0:
            masks[fault.column][fault.positions] = True
    return masks


def _copies(entries: Entries, share: Share) -> list[Copy]:
    """Return the equal copies of values that are in these entries."""
    homes = {column: _homes(entries, column) for column in {twin[0] for twin in share.twins}}
    copies = [
        Copy(homes[column][position], column, source, row)
        for column, position, source, row in share.twins
    ]
    return sorted(copy for copy in copies if copy.entry >= 0)


def _homes(entries: Entries, column: int) -> list[int]:
    """Return the entry of each value of a column, -1 where it is in none."""
    cells = entries.cells[column]
    homes = np.full(len(entries.readings.columns[column].values), -1, np.int64)
    homes[cells[cells >= 0]] = np.flatnonzero(cells >= 0)
    return homes.tolist()


def _n_empty(parts: Sequence[Part]) -> int:
    """Return how many rows hold no value at all."""
    return sum(
        int((_per_row(p.readings, (c.present() for c in p.readings.columns)) == 0).sum())
        for p in parts
    )


def _per_row(readings: Readings, masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return how many values of each row are in the masks, of which there is one a column."""
    counts = np.zeros(len(readings.rows), np.int64)
    for column, mask in zip(readings.columns, masks, strict=True):
        if len(mask) == len(counts):  # the wide form: a value for each row
            counts += mask
        else:
            counts[column.at] += mask
    return counts


def _tally_rows(readings: Readings, counts: NDArray[np.int64]) -> Tally:
    """Return counts of rows by device and day, with unreadable rows under what is known of them."""
    readable = np.ones(len(counts), bool)
    readable[list(readings.unreadable)] = False
    index = np.flatnonzero(readable & (counts > 0))
    tally = _tally(
        readings.devices, readings.device[index], readings.time[index] // DAY, counts[index]
    )
    for position, (check, _) in readings.unreadable.items():
        if counts[position]:
            code = int(readings.device[position])
            device = readings.devices[code] if code >= 0 else Device("", "")
            day = None if check == "time" else int(readings.time[position] // DAY)
            add_tally(tally, {(*device, day): int(counts[position])})
    return tally


def _tally(
    devices: Sequence[Device],
    device: NDArray[np.int64],
    day: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Tally:
    if not len(device):
        return {}
    first = int(day.min())
    width = int(day.max()) - first + 1
    keys = device * width + day - first
    if len(devices) * width > len(keys):  # few of so many devices and days
        found, keys = np.unique(keys, return_inverse=True)
    else:
        found = np.arange(len(devices) * width)
    sums = np.bincount(keys, counts).astype(np.int64)
    return {
        (*devices[found[n] // width], first + int(found[n]) % width): int(sums[n])
        for n in np.flatnonzero(sums).tolist()
    }


def add_tally(tally: Tally, other: Tally) -> None:
    """Add the counts of a tally to another."""
    for key, count in other.items():
        tally[key] = tally.get(key, 0) + count
