"""The devices and the points that occur in a history, found by reading its key columns alone.

Taken once, before anything is read for sending, and only where rows are chosen by their keys
(``devices=``, and ``only=True`` in the long form): a device that occurs nowhere is an error then,
and slabs without a wanted row are not read. A shell: reads sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..model.pairing import Pairing
from ..sources.parquet import ParquetSource
from ..streams.file_view import FileView
from .columns import Layout, forms_in
from .devices import check_found, is_wanted, keys_wanted
from .keys import check_class, keys_of
from .slab import RawSlab

if TYPE_CHECKING:
    from ..model.device import Device
    from ..sources.source import Source, Span, Window
    from .roles import Columns

__all__ = ["Census", "census_of", "rows_by_device", "spans_of", "with_keys"]

ROWS: Final = 65_536  # read at once, of few columns


@dataclass(frozen=True, slots=True)
class Census:
    """The rows of a history that are wanted by their keys.

    Parameters
    ----------
    n_rows : int
        Number of wanted rows in the window, as far as the sources' spans tell the window.
    blocks : tuple of tuples of spans
        Of each source the spans with wanted rows, in ascending order.
    points : frozenset of str
        Identifiers in the long form, where ``only=True`` chooses among them.
    """

    n_rows: int
    blocks: tuple[tuple[Span, ...], ...]
    points: frozenset[str] = frozenset()

    def wanted(self, number: int, spans: list[Span]) -> list[Span]:
        """Return the spans of a source with a wanted row, known or possible."""
        blocks = self.blocks[number]
        if not blocks:
            return []
        starts, stops = np.array(blocks).T
        # The first block that ends behind a span's beginning begins before the span's end.
        place = np.searchsorted(stops, [first for first, _ in spans], side="right")
        return [
            span
            for span, at in zip(spans, place.tolist(), strict=True)
            if at < len(starts) and starts[at] < span[1]
        ]


def spans_of(
    source: Source, n_rows: int, window: Window, columns: Columns, weighty: Iterable[str] = ()
) -> list[Span]:
    """Return the rows of each slab of a source, without rows that its statistics rule out."""
    asked = (n_rows, window, columns.time, list(weighty))
    if isinstance(source, ParquetSource) and (keys := _provable(columns)):
        return source.spans(*asked, keys=keys)
    return source.spans(*asked)


def with_keys(source: Source, columns: Columns) -> Source:
    """Return a source that reads the texts of keys with a dictionary, if it is a Parquet file."""
    if isinstance(source, ParquetSource | FileView):
        return source.keyed((columns.device, columns.product, columns.point))
    return source


def _provable(columns: Columns) -> dict[str, frozenset[str]]:
    """Return the wanted keys by column, where keys are compared as they are written in a file."""
    if columns.devices is None or (columns.text is not None and columns.text.strip):
        return {}
    found = {str(columns.device): keys_wanted(columns.devices)}
    pairs = [one for one in columns.devices if not isinstance(one, str)]
    if columns.product is not None and len(pairs) == len(columns.devices):
        found[columns.product] = frozenset(product for product, _ in pairs)
    return found


def census_of(
    sources: Iterable[Source],
    columns: Columns,
    window: Window,
    among: frozenset[int] | None = None,
) -> Census:
    """Return the wanted rows of some sources.

    ``among`` are the numbers of the sources that have any, if that is known: others are not read.

    Raises
    ------
    HistoryError
        If a device that is asked for occurs in no row, also outside the window.
    """
    sources = list(sources)
    found: set[Device] = set()
    points: set[str] = set()
    blocks: list[tuple[Span, ...]] = []
    n_rows = 0
    for number, source in enumerate(sources):
        if among is not None and number not in among:
            blocks.append(())
            continue
        spans = spans_of(source, ROWS, window, columns)
        held = []
        for span, raw in _keys_of(source, columns, spans):
            devices, n = _counted(raw, span)
            found |= set(devices)
            points |= _points(raw)
            n_rows += n
            held += [span] * (n > 0)
        blocks.append(tuple(held))
    wanted = columns.devices or ()
    if not _are_found(wanted, found):  # perhaps in rows that the statistics or the window rule out
        for source in sources:
            spans = source.spans(ROWS, (None, None), None)
            for span, raw in _keys_of(source, columns, spans):
                check_class(raw, columns.device, "device")
                found |= set(_counted(raw, span)[0])
        check_found(wanted, found, columns.device)
    return Census(n_rows, tuple(blocks), frozenset(points))


def rows_by_device(
    sources: Iterable[Source], columns: Columns, window: Window, own_product: str = ""
) -> tuple[dict[Device, int], int]:
    """Return the number of rows of each device, and of rows whose device cannot be read.

    Row groups outside the window are left out as far as statistics tell; the key columns alone
    are read.
    """
    key_columns = [name for name in (columns.device, columns.product) if name is not None]
    pairing = Pairing()
    counts: dict[Device, int] = {}
    n_without = 0
    for source in sources:
        layout = Layout(columns, forms=forms_in(columns, key_columns, is_text=source.is_text))
        spans = spans_of(source, ROWS, window, columns)
        slabs = with_keys(source, columns).read(key_columns, spans)
        for (first, _), read in zip(spans, slabs, strict=True):
            raw = RawSlab(0, source.name, first, read, layout)
            products = keys_of(raw, columns.product, columns.product_key or own_product, "product")
            names = keys_of(raw, columns.device, "", "device")
            devices, device = pairing.pair(products, names)
            found = np.bincount(device[device >= 0], minlength=len(devices)).tolist()
            for one, n in zip(devices, found, strict=True):
                counts[one] = counts.get(one, 0) + n
            n_without += int((device < 0).sum())
    if columns.devices is not None:
        wanted = is_wanted(list(counts), columns.devices)
        counts = {one: n for (one, n), is_one in zip(counts.items(), wanted, strict=True) if is_one}
        n_without = 0
    return counts, n_without


def _are_found(wanted: Iterable[Any], found: set[Device]) -> bool:
    keys = {one.device_key for one in found}
    return all((one in keys) if isinstance(one, str) else (one in found) for one in wanted)


def _keys_of(source: Source, columns: Columns, spans: list[Span]) -> Iterator[tuple[Span, RawSlab]]:
    """Yield the keys of each span; a single row of them where the folders say it for all."""
    point = columns.point if columns.only else None
    names = [one for one in (columns.device, columns.product, point) if one is not None]
    layout = Layout(columns, forms=forms_in(columns, names, is_text=source.is_text))
    folders = source.partitions
    if folders and set(names) <= set(folders) and not _in_file(source, names):
        told = {name: pa.array([folders[name]], pa.string()) for name in names}
        for span in spans:
            yield span, RawSlab(0, source.name, 0, told, layout)
        return
    pairing = Pairing()
    for span, read in zip(spans, with_keys(source, columns).read(names, spans), strict=True):
        yield span, RawSlab(0, source.name, span[0], read, layout, pairing=pairing)


def _in_file(source: Source, names: list[str]) -> bool:
    """Return True if a file has a column of its own beside the folder that names it."""
    schema = source.schema if isinstance(source, ParquetSource) else None
    return schema is None or any(name in schema.names for name in names)


def _counted(raw: RawSlab, span: Span) -> tuple[Sequence[Device], int]:
    """Return the devices of a span, and its number of wanted rows."""
    columns = raw.layout.columns
    n_rows = span[1] - span[0]
    if columns.devices is None:
        return [], n_rows
    products = keys_of(raw, columns.product, columns.product_key or "", "product")
    names = keys_of(raw, columns.device, columns.device_key or "", "device")
    devices, device = raw.pairing.pair(products, names)
    chosen = np.append(is_wanted(devices, columns.devices), False)[device]
    return devices, int(chosen.sum()) * n_rows // max(1, len(chosen))


def _points(raw: RawSlab) -> set[str]:
    columns = raw.layout.columns
    if not (columns.is_long and columns.only):
        return set()
    return set(keys_of(raw, columns.point, "", "point").dictionary.to_pylist())
