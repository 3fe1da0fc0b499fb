"""A thing model drafted from a history, slab by slab. Pure: reads what it is given to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import absent_in
from ..cells.arrays import without
from ..cells.column import Column
from ..cells.form import is_text_type
from ..cells.text_format import TextFormat
from ..model.device import Device
from ..model.drafts import Drafts, check_ranges
from ..model.model_set import ModelSet
from ..model.thing_model import ThingModel
from .keys import keys_of, read_keys
from .roles import spelled
from .wanted import is_mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .columns import Columns
    from .slab import RawSlab

__all__ = ["draft_of"]

_ALL: Final = ThingModel("draft", {}, pass_through=True)
# Numbers as texts, after the decimal separator is a point. One that begins with a zero is a code.
_WHOLE: Final = r"^[+-]?(0|[1-9]\d{0,17})$"
_NUMBER: Final = r"^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_FOLDER: Final = "named by a folder"
_ONLY: Final = "not asked for by only=True"
_LABELS: Final = "labels of an ENUM, whose keys are not in the data"


def draft_of(history: Any, ranges: Any) -> ThingModel:
    """Return the model drafted from a history; see ``History.draft_model``."""
    check_ranges(ranges)
    given = history.columns
    if given.only and not is_mapped(given):  # without a model, every column may be wanted
        history = replace(history, columns=replace(given, only=False))
    folders = {name for source in history.sources for name in source.partitions}
    texts = {source.name for source in history.sources if source.is_text}
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
            cells = _read(column, form, given) if is_raw else column
            drafts.see(identifier, cells, name)
    left_out = dict(drafts.left_out())
    left_out |= dict.fromkeys(sorted(folders - set(given.named) - set(drafts.points)), _FOLDER)
    left_out |= dict.fromkeys(map(spelled, history.columns_left_out()), _ONLY)
    points = {
        name: replace(point, has_quality=True) if name in _marked(given) else point
        for name, point in drafts.result().items()
    }
    return ThingModel("draft", points, "drafted from data", draft=True, left_out=left_out)


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
            # A single column of texts has the values of all types.
            yield identifier, identifier, _read(part, None, columns)


def _taken(column: Any, rows: NDArray[np.int64] | None) -> Any:
    if rows is None:
        return column
    return column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))


def _read(column: Any, form: Column | None, columns: Columns) -> Any:
    """Return texts as the numbers that all of them are, else as they are; others as they are."""
    texts = _texts(column)
    if texts is None:
        return column
    written = columns.text or TextFormat()
    if written.strip or form is not None:
        texts = pc.utf8_trim_whitespace(texts)
    absent = form.absent if form is not None and form.absent is not None else written.absent
    gone = pc.is_in(texts, pa.array([*absent, ""], texts.type)).fill_null(False)
    texts = without(texts, np.asarray(gone.to_numpy(zero_copy_only=False), bool))
    if form is not None and form.values is not None:
        meant = {str(text): value for text, value in form.values.items()}
        known = [meant[text] for text in pc.unique(texts).to_pylist() if text in meant]
        return np.array([*known, None], object)[:-1]
    if form is not None and form.suffix:
        bare = pc.replace_substring_regex(texts, rf"\s*{_quoted(form.suffix)}$", "")
        texts = pc.utf8_trim_whitespace(bare)
    decimal = form.decimal if form is not None and form.decimal is not None else written.decimal
    numbers = _numbers(pc.replace_substring(texts, decimal, ".") if decimal != "." else texts)
    if numbers is None:
        return texts
    return pc.multiply(numbers, float(form.scale)) if form is not None and form.scale else numbers


def _quoted(text: str) -> str:
    """Return a text as a regular expression that matches it."""
    # Only the signs of ASCII have a meaning, and only they may have a backslash.
    return "".join(one if one.isalnum() or not one.isascii() else f"\\{one}" for one in text)


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


def _numbers(texts: pa.Array) -> pa.Array | None:
    """Return texts as numbers, whole ones if all are; None if a text is no number."""
    for pattern, kind in ((_WHOLE, pa.int64()), (_NUMBER, pa.float64())):
        if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is not False:
            # Arrow reads no plus sign.
            return pc.replace_substring_regex(texts, r"^\+", "").cast(kind)
    return None
