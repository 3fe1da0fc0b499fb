"""The form of the cells of a column: what a text, or a number of another unit, means.

Pure. A form is what a text format and a column's own settings come to for one column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import Argument, HistoryError, message
from .arrays import without
from .text_format import TextFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .column import Column

__all__ = ["Form", "check_words", "form_of", "is_text_type", "tidied"]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """The form of the cells of one column.

    Parameters
    ----------
    decimal : str
        Decimal separator of numbers.
    absent : tuple of str
        Words that mean that there is no value.
    strip : bool
        Whether blanks around a text mean nothing.
    suffix : str
        Text that may stand after a number.
    values : mapping, optional
        Text of a cell to its value.
    labels : bool
        Whether texts are labels of an ENUM.
    scale : float, optional
        Factor of numbers.
    """

    decimal: str = "."
    absent: tuple[str, ...] = ("",)
    strip: bool = False
    suffix: str = ""
    values: Mapping[str, Any] | None = None
    labels: bool = False
    scale: float | None = None


def form_of(text: TextFormat | None, column: Column | None, *, is_text: bool) -> Form | None:
    """Return the form of a column's cells; None if the cells mean what they are.

    Parameters
    ----------
    text : TextFormat, optional
        How the texts of the history are written.
    column : Column, optional
        What is said of this column alone.
    is_text : bool
        True if the source knows no types, so that every cell is a text.

    Examples
    --------
    >>> form_of(None, None, is_text=False) is None
    True
    >>> form_of(TextFormat(decimal=","), None, is_text=False).decimal
    ','
    """
    if text is None and column is None and not is_text:
        return None
    base = text or TextFormat()
    if column is None:
        return Form(base.decimal, _bare(base.absent, base.strip), base.strip)
    values = column.values
    if values is not None and base.strip:
        values = {word.strip(): value for word, value in values.items()}
    return Form(
        column.decimal or base.decimal,
        _bare(base.absent if column.absent is None else column.absent, base.strip),
        base.strip,
        column.suffix,
        values,
        column.labels,
        column.scale,
    )


def check_words(text: TextFormat | None, given: Mapping[str, Column] | None) -> None:
    """Raise HistoryError if a text of a column has two meanings by what is said of it.

    Parameters
    ----------
    text : TextFormat, optional
        How the texts of the history are written.
    given : mapping of str to Column, optional
        What is said of single columns.
    """
    base = text or TextFormat()
    for name, column in (given or {}).items():
        known: dict[str, str] = {}
        for word, value in (column.values or {}).items():
            bare = word.strip() if base.strip else word
            other = known.setdefault(bare, word)
            if (column.values or {})[other] != value:
                raise _two_meanings(
                    name,
                    f"{other!r} and {word!r} of ",
                    Argument("values"),
                    " are one text under ",
                    Argument("text", TextFormat(strip=True)),
                    ", and stand for two values; leave one of them out",
                )
        own = column.absent is not None
        absent = _bare(base.absent if column.absent is None else column.absent, base.strip)
        both = next((bare for bare in absent if bare in known), None)
        if both is not None:
            raise _two_meanings(
                name,
                f"{known[both]!r} is a value by ",
                Argument("values"),
                " of its Column, and means that there is none by ",
                *([Argument("absent")] if own else [Argument("absent"), " of ", Argument("text")]),
                "; leave it out of one of them (",
                Argument("absent", ()),
                " of the Column: no text means that there is no value)",
            )


def _two_meanings(name: str, *parts: str | Argument) -> HistoryError:
    return HistoryError(message(f"column {name!r}: ", *parts), argument="points")


def _bare(words: tuple[str, ...], strip: bool) -> tuple[str, ...]:
    """Return words as cells have them: without blanks around them if these mean nothing."""
    return tuple(word.strip() for word in words) if strip else words


_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def is_text_type(kind: pa.DataType) -> bool:
    """Return True for a type whose values are texts."""
    return any(is_text(kind) for is_text in _TEXTS)


def tidied(column: Any, form: Form | None) -> Any:
    """Return a column without blanks around texts, if they mean nothing, and without absent words.

    A column that holds no texts is returned as it is.

    Examples
    --------
    >>> tidied(pa.array(["T1 ", "-"]), Form(absent=("-",), strip=True)).to_pylist()
    ['T1', None]
    """
    if form is None:
        return column
    if isinstance(column, np.ndarray):
        return _tidied_objects(column, form)
    if pa.types.is_dictionary(column.type):
        if not is_text_type(column.type.value_type):
            return column
        distinct = tidied(column.dictionary, form)
        if distinct.null_count:  # a dictionary with a null among its values is none of Arrow's
            return distinct.take(column.indices)
        return pa.DictionaryArray.from_arrays(column.indices, distinct)
    if not is_text_type(column.type):
        return column
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if form.strip:
        column = pc.utf8_trim_whitespace(column)
    if not form.absent:
        return column
    gone = pc.is_in(column, value_set=pa.array(form.absent, column.type))
    if not pc.any(gone).as_py():
        return column
    return without(column, np.asarray(gone.to_numpy(zero_copy_only=False), bool))


def _tidied_objects(column: Any, form: Form) -> Any:
    absent = frozenset(form.absent)
    made = np.empty(len(column), object)
    for n, value in enumerate(column):
        text = value.strip() if form.strip and isinstance(value, str) else value
        made[n] = None if isinstance(text, str) and text in absent else text
    return made
