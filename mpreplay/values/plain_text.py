"""Values as texts of a violations or rejects frame, written and read back.

Pure. Each value of a rejects frame is a text; the type follows from the point in the same row.
Texts are written bare, all other values as JSON. A value with a quality, and a text that would be
read back as another value, is written as the object of the wire: ``{"value":…,"quality":…}``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from ..cells.object_json import Unsendable, has_lone_surrogate, json_text, parsed, told
from ..display.facts import SUPERSEDED
from ..model.measurepoint import Measurepoint
from .column_json import bare_texts, marked_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .misfits import Misfit
    from .typed_column import TypedColumn

__all__ = ["bare_text", "plain_of", "plain_of_misfit", "plain_text", "plain_texts", "read_plain"]

_MEMBERS: Final = frozenset({"value", "quality"})
_INFINITE: Final = {"inf": np.inf, "-inf": -np.inf}
# A time with an offset and more digits than milliseconds.
_TOO_FINE: Final = re.compile(r"\d{4}-.*[T ].*[.,]\d{3}\d*[1-9]\d*\s?(Z|z|[+-]\d{2}(:?\d{2})?)")


def read_plain(text: str, point: Measurepoint) -> tuple[Any, Any]:
    """Return the value and the quality in a text of a rejects frame.

    Parameters
    ----------
    text : str
        Text of a value, written by :func:`plain_text` or by a person.
    point : Measurepoint
        Measurement point of the value.

    Examples
    --------
    >>> read_plain("007", Measurepoint("serial", "STRING"))
    ('007', None)
    >>> read_plain('{"value":7.5,"quality":1}', Measurepoint("power", "FLOAT"))
    (7.5, 1)
    """
    if point.is_text and not text.lstrip().startswith("{"):
        return _instant(text) if point.is_timestamp else text, None
    if text in _INFINITE:
        return _INFINITE[text], None
    value = parsed(text)
    if isinstance(value, dict) and _is_wrapped(value, point):
        return value.get("value"), value.get("quality")
    if value is None or (point.is_text and not isinstance(value, Unsendable)):
        return text, None
    return value, None


def _is_wrapped(value: dict[str, Any], point: Measurepoint) -> bool:
    """Return True if an object is a value with its quality, False if it is the value itself."""
    if not value.keys() <= _MEMBERS or all(part is None for part in value.values()):
        return False
    own = any(member.identifier in _MEMBERS for member in point.members)
    return not own or isinstance(value.get("value"), dict)


def _instant(text: str) -> Any:
    """Return a text with a time too fine for its point as a time: texts travel differently."""
    try:
        return pd.Timestamp(text) if _TOO_FINE.fullmatch(text) else text
    except ValueError:
        return text


def plain_text(value: Any, point: Measurepoint) -> str:
    """Return a value as a text from which :func:`read_plain` reads the same value.

    Examples
    --------
    >>> serial = Measurepoint("serial", "STRING")
    >>> plain_text("007", serial), plain_text(7, serial)
    ('007', '{"value":7}')
    """
    if isinstance(value, float) and np.isinf(value) and not point.is_text:
        return str(value)
    written = _written(value)
    bare = [value] if isinstance(value, str) and not has_lone_surrogate(value) else []
    for text in (*bare, written):
        if _is_same(read_plain(text, point), value):
            return text
    return f'{{"value":{written}}}'


def _written(value: Any) -> str:
    text = json_text(value)
    return told(value) if text is None else text.decode()


def _is_same(read: tuple[Any, Any], value: Any) -> bool:
    return read[1] is None and type(read[0]) is type(value) and _written(read[0]) == _written(value)


def plain_of(texts: list[str | None], point: Measurepoint) -> list[str | None]:
    """Return fitting values as texts of a rejects frame, bare or as JSON."""
    if not (point.is_text or point.is_struct or point.is_any):
        return texts
    return [
        _unmistakable(text, point) if text is not None and text.lstrip()[:1] == "{" else text
        for text in texts
    ]


def _unmistakable(text: str, point: Measurepoint) -> str:
    """Return a text beginning like an object, wrapped if another value would be read back."""
    if point.is_text:
        return plain_text(text, point)
    value, quality = read_plain(text, point)
    if point.is_any and value is not None and type(quality) is int and 0 <= quality <= 9:
        return text  # the wire makes no difference between the two
    value = json.loads(text)
    return text if _is_same(read_plain(text, point), value) else f'{{"value":{text}}}'


def bare_text(text: str) -> str:
    r"""Return the JSON text of a value as a frame shows it: a text bare, all else as it is.

    Examples
    --------
    >>> bare_text('"run"'), bare_text("7.5"), bare_text('"{}"')
    ('run', '7.5', '{"value":"{}"}')
    """
    if text[:1] != '"':
        return text
    bare: str = json.loads(text)
    return f'{{"value":{text}}}' if bare.lstrip()[:1] == "{" else bare


def plain_of_misfit(misfits: Misfit, point: Measurepoint) -> str:
    """Return a misfit as a text of a rejects frame."""
    if misfits.check in {SUPERSEDED, "quality"}:  # unchanged: the fault is not in the value
        return misfits.shown
    if point.is_timestamp and _TOO_FINE.fullmatch(misfits.shown):
        is_text = misfits.text == json_text(misfits.shown)
        return plain_text(misfits.shown, point) if is_text else misfits.shown
    if misfits.text is None:
        return plain_text(parsed(misfits.told), point)
    text = misfits.text.decode()
    if text[:1] not in '{"' and not point.is_text:
        return text  # a number, a truth value or an array is itself
    return plain_text(json.loads(text), point)


def plain_texts(column: TypedColumn, positions: NDArray[np.int64]) -> list[str]:
    """Return values for people and for :func:`read_plain`: texts bare, other values as JSON."""
    chosen = pa.array(positions)
    values = column.values.take(chosen)
    if pa.types.is_string(values.type):
        shown = values.to_pylist()
    else:
        shown = bare_texts(values, column.point).array().to_pylist()
        if column.point.is_timestamp:
            shown = [None if text is None else text.strip('"') for text in shown]
    shown = plain_of(shown, column.point)
    if column.quality is not None:
        marks = column.quality.take(chosen)
        marked = marked_texts(bare_texts(values, column.point), marks).array().to_pylist()
        choice = zip(marks.is_valid().to_pylist(), marked, shown, strict=True)
        shown = [whole if has_quality else text for has_quality, whole, text in choice]
    misfits = {o.position: plain_of_misfit(o, column.point) for o in column.misfits.at(positions)}
    return [misfits.get(p, text) or "" for p, text in zip(positions.tolist(), shown, strict=True)]
