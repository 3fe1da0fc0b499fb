"""Lacks of whole columns: of the form in which their texts would be values.

Pure, and bounded: words are counted up to a number of different ones. What is right costs nothing:
only misfits are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..display.facts import BlankKeys, ColumnLacks, Marks
from ..display.text_findings import column_in_words, keys_in_words, quality_in_words
from ..errors import Message
from ..history.lacking import (
    BARE,
    PointTexts,
    lacks_of,
    note_labels,
    note_numbers,
    note_words,
    shared_words,
    text_format,
)
from ..times.proposals import lacking_format
from ..values.misfits import Cells
from ..values.nested import Structs
from ..values.spellings import MISSPELT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cells.column import Column
    from ..cells.text_format import TextFormat
    from ..history.columns import Columns, Layout
    from ..history.slab import RawSlab, Readings
    from ..model.device import Device
    from ..model.measurepoint import Measurepoint
    from ..values.misfits import Unfit
    from ..values.typed_column import TypedColumn
    from .faults import Fault

__all__ = ["LackSearch"]

MAX_TIMES: Final = 200  # texts of times that are looked at
MAX_KEYS: Final = 1_000  # keys with blanks that are kept
FEW: Final = 5  # a share of one in so many, from which on wrong qualities come from another system
_OTHER_FORMS: Final = frozenset({"not_iso", "not_of_format"})
_WORDS: Final = frozenset({"unmapped", "no_label"})  # reasons of texts that no table has


@dataclass(slots=True)
class _Times:
    """The times that are texts of another form than was said."""

    columns: Columns | None = None
    texts: list[str] = field(default_factory=list)  # the first of them
    n_unread: int = 0
    n_rows: int = 0

    def see(self, columns: Columns, readings: Readings) -> None:
        self.n_rows += len(readings.rows)
        for one in readings.unreadable:
            if one.check == "time" and one.why.kind in _OTHER_FORMS and one.texts is not None:
                self.columns = columns
                self.n_unread += len(one.positions)
                if len(self.texts) < MAX_TIMES:
                    self.texts += one.texts.slice(0, MAX_TIMES).drop_null().to_pylist()

    def told(self) -> Message | None:
        if self.columns is None or self.n_unread * 2 <= self.n_rows:
            return None
        name = self.columns.time or "the index"
        texts = pa.array(self.texts, pa.string())
        return lacking_format(name, texts, self.columns.time_format)


class LackSearch:
    """A search for columns of texts that another form would read, and for keys with blanks."""

    def __init__(self) -> None:
        self._points: dict[str, PointTexts] = {}
        self._cells: Counter[str] = Counter()
        self._seen: Sequence[Device] | None = None
        self._blank: dict[str, set[str]] = {"device key": set(), "product key": set()}
        self._bare: dict[str, set[str]] = {"device key": set(), "product key": set()}
        self._times = _Times()
        self._marks: dict[str, Marks] = {}

    def see(self, raw: RawSlab, readings: Readings, faults: Iterable[Fault]) -> None:
        """Note the misfits, the keys, and values outside their range, of one product in a slab."""
        self._see_keys(readings)
        self._times.see(raw.layout.columns, readings)
        for fault in faults:
            if fault.why.kind == "range" and fault.column >= 0:
                self._see_outside(readings.columns[fault.column], fault, raw.layout)
        for column in readings.columns:
            name = column.point.identifier
            self._cells[name] += column.n_present
            for group in column.misfits.groups:
                if group.check == "type":
                    self._see(group, column.point, raw.layout)
                elif group.check == "quality":
                    self._see_quality(group, name, raw.layout)

    def _see(self, group: Unfit, column: Measurepoint, layout: Layout) -> None:
        why, point, path = group.why, column, column.identifier
        if why.kind == "member" and why.of is not None:
            path = f"{path}.{why.facts[0]}"
            point = next((m for m in point.members if m.identifier == why.facts[0]), point)
            why = why.of
        one = self._point(path, column.identifier, point, layout)
        is_formed = (one.column or layout.columns.value) in layout.forms
        n = len(group.positions)
        if why.kind == MISSPELT:
            one.lacks[why.facts[1], why.facts[2]] += n
        elif why.kind == "a_label":
            one.lacks[("label",), ""] += n
        elif why.kind in _WORDS or _is_of_text(why):
            texts = pa.array([], pa.string())
            if isinstance(group.maker, Cells):
                texts = group.maker.texts(group.places)
            elif isinstance(group.maker, Structs):
                texts = group.maker.texts(group.places, point.identifier)
            _sort(one, texts, n, is_formed=is_formed or why.kind in _WORDS)

    def _see_quality(self, group: Unfit, identifier: str, layout: Layout) -> None:
        columns = layout.columns
        name = columns.value_quality if columns.is_long else layout.quality.get(identifier)
        marks = self._marks.setdefault(identifier, Marks(identifier, name or ""))
        n = len(group.positions)
        if group.why.kind == "lone_quality":
            marks.n_lone += n
        else:
            marks.n_wrong += n

    def _point(self, path: str, identifier: str, point: Measurepoint, layout: Layout) -> PointTexts:
        if path not in self._points:
            named = _column_of(path, layout)
            self._points[path] = PointTexts(
                identifier,
                point,
                *named,
                layout.columns.is_long,
                layout.columns.check is not None,
            )
        return self._points[path]

    def _see_outside(self, column: TypedColumn, fault: Fault, layout: Layout) -> None:
        if not column.point.is_number:
            return
        name = column.point.identifier
        one = self._point(name, name, column.point, layout)
        found = pc.min_max(column.values.take(pa.array(fault.positions))).as_py()
        one.n_outside += len(fault.positions)
        one.outside += [found["min"], found["max"]]
        one.outside = [min(one.outside), max(one.outside)]

    def _see_keys(self, readings: Readings) -> None:
        if readings.devices is self._seen:  # as in the slab before
            return
        self._seen = readings.devices
        for kind, keys in (
            ("device key", {device.device_key for device in readings.devices}),
            ("product key", {device.product_key for device in readings.devices}),
        ):
            for key in keys - self._bare[kind]:
                kept = (self._bare if key == key.strip() else self._blank)[kind]
                if len(kept) < MAX_KEYS:
                    kept.add(key)

    def columns(self) -> tuple[ColumnLacks, ...]:
        """Return what is found, in the order in which it was met."""
        found = []
        shared = shared_words(self._points.values())
        for path, one in self._points.items():
            n_cells = self._cells[one.identifier]
            if lacks := tuple(lacks_of(one, n_cells, shared)):
                found.append(ColumnLacks(path, one.column, n_cells, lacks))
        return tuple(found)

    def hints(self) -> tuple[Message, ...]:
        """Return sentences about the texts of whole columns, about times and about keys."""
        times = self._times.told()
        columns = map(column_in_words, self.columns())
        keys = map(keys_in_words, self.keys())
        marks = (
            quality_in_words(one, self._cells[name])
            for name, one in self._marks.items()
            if one.n_lone or one.n_wrong * FEW > self._cells[name]
        )
        return (*(() if times is None else (times,)), *columns, *marks, *keys)

    def keys(self) -> tuple[BlankKeys, ...]:
        """Return the keys with blanks around them; keys that also occur without come first."""
        found = []
        for kind, blank in self._blank.items():
            if blank:
                bare = self._bare[kind]
                keys = sorted(blank, key=lambda key: (key.strip() not in bare, key))
                twin = keys[0].strip()
                twin = twin if twin in bare else ""
                strip = text_format({"strip": True})
                found.append(BlankKeys(kind, len(keys), keys[0], twin, strip))
        return tuple(found)


def _is_of_text(why: Any) -> bool:
    return bool(why.kind == "arrow_type" and why.facts[:1] == ("string",))


def _column_of(path: str, layout: Layout) -> tuple[str, TextFormat | None, Column | None]:
    """Return the column of a point, and how it is said to be written."""
    columns = layout.columns
    named = {identifier: name for name, identifier in layout.points.items()}
    for identifier, members in layout.members.items():
        named |= {f"{identifier}.{member}": name for member, name in members.items()}
    name = named.get(path, "")
    return name, columns.text, (columns.forms or {}).get(name)


def _sort(one: PointTexts, texts: pa.Array, n: int, *, is_formed: bool) -> None:
    """Note texts: numbers that a form would read, labels of keys, and words."""
    taken = np.zeros(len(texts), bool)
    if not is_formed and one.has_labels:
        taken |= note_labels(one, texts)
    if not is_formed and (one.point.is_number or one.point.has_int_keys):
        places = np.flatnonzero(~taken)
        part = texts.take(pa.array(places))
        taken[places] = note_numbers(one, part, BARE, is_formed=False)
    one.n_words += n - int(taken.sum())
    if not taken.all():
        note_words(one, texts.filter(pa.array(~taken)))
