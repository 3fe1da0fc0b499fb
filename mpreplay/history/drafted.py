"""A thing model drafted from a history, slab by slab. Pure: reads what it is given to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in
from ..cells.form import form_of, is_text_type, tidied
from ..display.facts import ColumnLacks
from ..display.text_findings import column_in_words
from ..errors import message
from ..model.device import Device
from ..model.drafts import Drafts, check_ranges
from ..model.measurepoint import Measurepoint
from ..model.model_set import ModelSet
from ..model.thing_model import ThingModel
from ..values.conversion import convert
from ..values.text_numbers import matches, number_texts, plain_integers
from .keys import keys_of, read_keys
from .lacking import (
    FREQUENT,
    PointTexts,
    is_usual,
    lacks_of,
    may_be_absent,
    note_numbers,
    note_words,
    shared_words,
)
from .roles import spelled
from .wanted import is_mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cells.form import Form
    from ..errors import Message
    from .columns import Columns
    from .slab import RawSlab

__all__ = ["draft_of"]

_ALL: Final = ThingModel("draft", {}, pass_through=True)
_CODE: Final = r"^-?0\d"  # digits behind a zero are those of a code
_WHOLE: Final = Measurepoint("draft", "INT")
_NUMBER: Final = Measurepoint("draft", "DOUBLE")
_STATES: Final = 2  # of a truth value
_FOLDER: Final = "named by a folder"
_ONLY: Final = "not asked for by only=True"
# Behind words that stand for no value and for no state: for a few of them numbers become texts.
_SLIPS: Final = ", so that all are drafted as texts: mend the cells, or the draft"
_LABELS: Final = "labels of an ENUM, whose keys are not in the data"


def draft_of(history: Any, ranges: Any) -> ThingModel:
    """Return the model drafted from a history; see ``History.draft_model``."""
    check_ranges(ranges)
    given = history.columns
    if given.only and not is_mapped(given):  # without a model, every column may be wanted
        history = replace(history, columns=replace(given, only=False))
    folders = {name for source in history.sources for name in source.partitions}
    texts = {source.name for source in history.sources if source.is_text}
    spellings = _Spellings(given)
    drafts = Drafts(ranges, is_text=bool(texts) or given.text is not None)
    models = ModelSet.of(_ALL)
    window = (history.start, history.end)
    is_chosen = window != (None, None) or given.devices is not None
    for raw in history.slabs(models.all()):
        rows = read_keys(raw, models, _OWN, window).rows - raw.first_row if is_chosen else None
        for identifier, name, column in _columns(raw, rows, folders):
            form = (given.forms or {}).get(name)
            is_raw = raw.source in texts or given.text is not None or form is not None
            if form is not None and form.labels:
                drafts.why[identifier] = _LABELS
                continue
            # A single column of texts has the values of all types.
            is_raw |= given.is_long and given.check is None
            cells = column
            if is_raw and (written := form_of(given.text, form, is_text=True)) is not None:
                cells = _read(column, written, partial(spellings.note, identifier, name))
            drafts.see(identifier, cells, name)
    left_out = dict(drafts.left_out())
    left_out |= dict.fromkeys(sorted(folders - set(given.named) - set(drafts.points)), _FOLDER)
    left_out |= dict.fromkeys(map(spelled, history.columns_left_out()), _ONLY)
    points = {
        name: replace(point, has_quality=True) if name in _marked(given) else point
        for name, point in drafts.result().items()
    }
    model = ThingModel("draft", points, "drafted from data", draft=True, left_out=left_out)
    return replace(model, _hints=spellings.hints())


_OWN: Final = Device("own", "device")


def _marked(columns: Columns) -> set[str]:
    """Return the points that have a column of their quality."""
    names = columns.points or {}
    return {names.get(name, name) for name in columns.quality or {}}


def _columns(
    raw: RawSlab, rows: NDArray[np.int64] | None, folders: set[str]
) -> Iterator[tuple[str, str, Any]]:
    """Yield identifier, name and cells of each column of readings; of each point in the long form.

    ``rows`` are the rows that are asked for; None: all.
    """
    columns = raw.layout.columns
    if not columns.is_long:
        for name, identifier in raw.layout.points.items():
            if name not in folders:
                yield identifier, name, _taken(raw.columns[name], rows)
        return
    named = _taken(keys_of(raw, columns.point, "", "point"), rows)
    codes = named.indices.fill_null(-1).to_numpy()
    values = _taken(raw.columns[str(columns.value)], rows)
    for code, identifier in enumerate(named.dictionary.to_pylist()):
        at = np.flatnonzero(codes == code)
        if len(at):
            part = _taken(values, at)
            yield identifier, identifier, part


def _taken(column: Any, rows: NDArray[np.int64] | None) -> Any:
    if rows is None:
        return column
    return column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))


def _read(column: Any, form: Form, note: Callable[[pa.Array, Form], None]) -> Any:
    """Return texts as numbers if all are numbers, else as they are; others as they are.

    What is no number in its form is none for a validation either: both read it alike. ``note`` is
    shown the texts, of which some are no numbers.
    """
    texts = _texts(column)
    if texts is None:
        return column
    texts = tidied(texts.cast(pa.string()), form)
    if form.values is not None:
        meant = {str(text): value for text, value in form.values.items()}
        known = [meant[text] for text in pc.unique(texts).to_pylist() if text in meant]
        return np.array([*known, None], object)[:-1]
    note(texts, form)
    read = _numbers(texts, form)
    return texts if read is None else read


def _numbers(texts: pa.Array, form: Form) -> pa.Array | None:
    """Return texts as numbers, whole ones if all are; None if they are not all numbers.

    Numbers have a suffix or a factor: what is none among them is a violation.
    """
    numbers = number_texts(texts, form)
    is_said = bool(form.suffix) or form.scale is not None
    if (numbers.null_count > texts.null_count and not is_said) or matches(numbers, _CODE).any():
        return None
    _, whole = plain_integers(numbers)
    is_whole = whole.sum() + numbers.null_count == len(numbers) and form.scale is None
    if is_whole and not (found := convert(texts, _WHOLE, form)).misfits:
        return found.values
    found = convert(texts, _NUMBER, form)
    is_some = found.values.null_count < len(texts)
    return found.values if not found.misfits or (is_said and is_some) else None


class _Spellings:
    """Lacks of the texts of columns that keep them from being numbers, over a whole history."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._points: dict[str, PointTexts] = {}
        self._cells: Counter[str] = Counter()

    def note(self, identifier: str, name: str, texts: pa.Array, form: Form) -> None:
        """Note the texts of a column, or of a part of one."""
        columns = self._columns
        if identifier not in self._points:
            self._points[identifier] = PointTexts(
                identifier,
                Measurepoint(identifier, "DOUBLE"),
                "" if columns.is_long else name,
                columns.text,
                (columns.forms or {}).get(name),
                columns.is_long,
                columns.check is not None,
            )
        one = self._points[identifier]
        there = texts.drop_null()
        self._cells[identifier] += len(there)
        unread = there.filter(number_texts(there, form).is_null())
        if len(unread):
            taken = note_numbers(one, unread, form, is_formed=True)
            one.n_words += len(unread) - int(taken.sum())
            note_words(one, unread.filter(pa.array(~taken)))

    def hints(self) -> tuple[Message, ...]:
        """Return what would make numbers, or truth values, of columns that are texts."""
        shared = shared_words(self._points.values())
        found = []
        for identifier, one in self._points.items():
            n_cells = self._cells[identifier]
            meant = one
            if one.n_words * 2 > n_cells:  # no column of numbers
                if not _are_two(one, shared):
                    continue
                meant = replace(one, point=Measurepoint(identifier, "BOOL"))
            if lacks := tuple(lacks_of(meant, n_cells, shared)):
                told = column_in_words(ColumnLacks(identifier, one.column, n_cells, lacks))
                are_slips = not any(lack.needs or lack.proposal for lack in lacks)
                found.append(message(told, _SLIPS) if are_slips else told)
        return tuple(found)


def _are_two(one: PointTexts, shared: frozenset[str]) -> bool:
    """Return True if the words of a column are those of two states, each of which stands often."""
    states = [n for word, n in one.words.items() if not is_usual(word) and word not in shared]
    are_words = not one.has_more and not one.lacks and all(map(may_be_absent, one.words))
    return are_words and len(states) == _STATES and min(states) >= FREQUENT


def _texts(column: Any) -> pa.Array | None:
    """Return a column of texts as Arrow; None for another column."""
    if isinstance(column, np.ndarray):
        there = column[~absent_in(column)].tolist()
        if not all(isinstance(value, str) for value in there):
            return None
        try:
            return pa.array(column, pa.large_string(), from_pandas=True)
        except (pa.ArrowException, ValueError):
            return None
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string()) if is_text_type(column.type) else None
