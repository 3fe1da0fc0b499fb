"""Lacks of whole columns: of the form in which their texts would be values.

Pure, and bounded: words are counted up to a number of different ones. What is right costs nothing:
only misfits are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.column import Column
from ..cells.form import Form, check_words
from ..cells.text_format import TextFormat
from ..display.facts import BlankKeys, ColumnLacks, Lack
from ..display.text_findings import column_in_words, keys_in_words
from ..errors import Argument, ConfigError, HistoryError, Message
from ..times.proposals import lacking_format
from ..values.misfits import Cells
from ..values.nested import Structs
from ..values.spellings import MISSPELT, misspelt
from ..values.text_numbers import number_texts

if TYPE_CHECKING:
    from ..history.columns import Columns, Layout
    from ..history.slab import RawSlab, Readings
    from ..model.measurepoint import Measurepoint
    from ..values.misfits import Unfit
    from ..values.typed_column import TypedColumn
    from .faults import Fault

__all__ = ["LackSearch"]

MAX_WORDS: Final = 256  # different words of one point that are counted
MAX_TIMES: Final = 200  # texts of times that are looked at
MAX_KEYS: Final = 1_000  # keys with blanks that are kept
FACTORS: Final = (1_000.0, 0.001, 100.0, 0.01, 1e6, 1e-6)  # between usual units
SHOWN: Final = 8  # words that are named
MAX_LETTERS: Final = 60  # of a word in an argument that is proposed
_OTHER_FORMS: Final = frozenset({"not_iso", "not_of_format"})
_BARE: Final = Form()
_WORDS: Final = frozenset({"unmapped", "no_label"})  # reasons of texts that no table has


@dataclass(slots=True)
class _Point:
    """The misfits among the texts of one point, or of one member."""

    identifier: str  # of the point, also for a member
    point: Measurepoint
    column: str = ""
    text: TextFormat | None = None
    given: Column | None = None
    is_long: bool = False  # so that points= cannot say anything of it
    lacks: Counter[tuple[tuple[str, ...], str]] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    n_words: int = 0
    has_more: bool = False
    n_outside: int = 0  # numbers outside their range
    outside: list[float] = field(default_factory=list)  # the least and the largest of them


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
        self._points: dict[str, _Point] = {}
        self._cells: Counter[str] = Counter()
        self._blank: dict[str, set[str]] = {"device key": set(), "product key": set()}
        self._bare: dict[str, set[str]] = {"device key": set(), "product key": set()}
        self._times = _Times()

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

    def _point(self, path: str, identifier: str, point: Measurepoint, layout: Layout) -> _Point:
        if path not in self._points:
            named = _column_of(path, layout)
            self._points[path] = _Point(identifier, point, *named, layout.columns.is_long)
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
        counts = Counter(word for one in self._points.values() for word in one.words)
        shared = frozenset(word for word, n in counts.items() if n > 1)
        for path, one in self._points.items():
            n_cells = self._cells[one.identifier]
            if lacks := tuple(_lacks(one, n_cells, shared)):
                found.append(ColumnLacks(path, one.column, n_cells, lacks))
        return tuple(found)

    def hints(self) -> tuple[Message, ...]:
        """Return sentences about the texts of whole columns, about times and about keys."""
        times = self._times.told()
        columns = map(column_in_words, self.columns())
        keys = map(keys_in_words, self.keys())
        return (*(() if times is None else (times,)), *columns, *keys)

    def keys(self) -> tuple[BlankKeys, ...]:
        """Return the keys with blanks around them, first those that also stand without."""
        found = []
        for kind, blank in self._blank.items():
            if blank:
                bare = self._bare[kind]
                keys = sorted(blank, key=lambda key: (key.strip() not in bare, key))
                twin = keys[0].strip()
                twin = twin if twin in bare else ""
                strip = _format({"strip": True})
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


def _sort(one: _Point, texts: pa.Array, n: int, *, is_formed: bool) -> None:
    """Note texts: numbers that a form would read, and words."""
    taken = np.zeros(len(texts), bool)
    is_number = one.point.is_number or one.point.has_int_keys
    if not is_formed and is_number:
        numbers = np.asarray(number_texts(texts, _BARE).is_valid().to_numpy(zero_copy_only=False))
        one.lacks[("text",), ""] += int(numbers.sum())
        taken |= numbers
        for mask, why in misspelt(texts, _BARE, one.point.type):
            one.lacks[why.facts[1], why.facts[2]] += int((mask & ~taken).sum())
            taken |= mask
    one.n_words += n - int(taken.sum())
    if taken.all():
        return
    words = texts.filter(pa.array(~taken)).value_counts()
    for word, times in zip(words.field(0).to_pylist(), words.field(1).to_pylist(), strict=True):
        if word in one.words or len(one.words) < MAX_WORDS:
            one.words[word] += times
        else:
            one.has_more = True


def _lacks(one: _Point, n_cells: int, shared: frozenset[str]) -> Iterator[Lack]:
    """Yield what a column lacks, most of its cells first; ``shared`` are words of several."""
    lacks = +one.lacks
    for doubtful, sure in (("comma?", "comma"), ("point?", "point")):
        if any(sure in needs for needs, _ in lacks):  # the column says what its separator is
            lacks = Counter()
            for (needs, suffix), n in one.lacks.items():
                told = tuple(sure if need == doubtful else need for need in needs)
                lacks[told, suffix] += n
            one.lacks = lacks
    found = [
        Lack(n, needs, suffix, proposal=_proposal(one, needs, suffix))
        for (needs, suffix), n in lacks.most_common()
        if n
    ]
    if one.n_words:
        words = tuple(word for word, _ in one.words.most_common(SHOWN))
        more = one.has_more or len(one.words) > SHOWN
        is_told = bool(words) and not more and all(len(word) <= MAX_LETTERS for word in words)
        proposal = _for_words(one, words, n_cells, shared) if is_told else ()
        shown = words[:3] if more else words
        found.append(Lack(one.n_words, (), "", shown, more, proposal))
    if (scale := _factor(one, n_cells)) and (proposal := _of_column(one, scale=scale)):
        found.append(Lack(one.n_outside, ("scale",), f"{scale:,g}", proposal=proposal))
    yield from sorted(found, key=lambda lack: -lack.n)


def _proposal(one: _Point, needs: tuple[str, ...], suffix: str) -> tuple[Argument, ...]:
    """Return the arguments that would read numbers."""
    if {"groups", "comma?", "point?"} & set(needs) or (one.is_long and suffix):
        return ()
    if needs == ("label",):
        return () if one.is_long else _of_column(one, labels=True)
    changes: dict[str, Any] = {}
    if "blanks" in needs:
        changes["strip"] = True
    own: dict[str, Any] = {}
    for need, mark in (("comma", ","), ("point", ".")):
        if need in needs:
            (own if one.given is not None and one.given.decimal else changes)["decimal"] = mark
    if suffix:
        own["suffix"] = suffix
    found = [_format(changes)] if changes or needs == ("text",) else []
    columns = _of_column(one, **own) if own else ()
    return (*found, *columns) if columns or not own else ()


def _format(changes: dict[str, Any]) -> Argument:
    """Return the text format to give; of a default its own argument, which it does not show."""
    is_default = changes == {"decimal": "."}
    return Argument("decimal", ".") if is_default else Argument("text", TextFormat(**changes))


def _of_column(one: _Point, **own: Any) -> tuple[Argument, ...]:
    """Return what was said of a column, with an addition; nothing if the two exclude each other."""
    column = Column(one.point.identifier) if one.given is None else one.given
    try:
        made = replace(column, **own)
        check_words(one.text, {one.column: made})
    except (ConfigError, HistoryError):
        return ()
    return (Argument("points", {one.column or one.point.identifier: made}),)


def _factor(one: _Point, n_cells: int) -> float | None:
    """Return a factor between units that brings most numbers of a column into their range."""
    is_scaled = one.given is not None and one.given.scale is not None
    if one.n_outside * 2 <= n_cells or one.is_long or is_scaled:
        return None
    low, high = one.point.bounds
    for factor in FACTORS:
        least, most = (number * factor for number in one.outside)
        if (low is None or least >= low) and (high is None or most <= high):
            return factor
    return None


def _for_words(
    one: _Point, words: tuple[str, ...], n_cells: int, shared: frozenset[str]
) -> tuple[Argument, ...]:
    """Return what would read words: they mean values where there is little else, else nothing."""
    given = one.given
    kept = () if one.text is None or one.text.absent == ("",) else one.text.absent
    others = (
        sorted(w for w in shared if len(w) <= MAX_LETTERS) if shared.intersection(words) else []
    )
    absent = (Argument("absent", tuple(dict.fromkeys([*kept, *words, *others]))),)
    if shared.issuperset(words) and one.n_words * 2 <= n_cells:  # the same in other columns
        return absent
    if given is not None and given.labels:  # the labels are the model's
        return ()
    known = dict(given.values) if given is not None and given.values else {}
    is_single = not one.point.is_struct and not one.point.is_array
    are_states = one.point.is_bool or one.n_words * 2 > n_cells
    if (known or (are_states and is_single)) and not one.is_long:
        states = _of_column(one, values={**known, **dict.fromkeys(words, "?")})
        # A suffix, a scale or a separator of the column says that its values are numbers.
        return states or (absent if one.point.is_number else ())
    return absent
