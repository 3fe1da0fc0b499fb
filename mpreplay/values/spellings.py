"""Texts that are numbers in another form: another separator, a unit, blanks, thousands.

Pure. Found in the shapes of texts, in which each run of digits is one: a column has few of them,
however many its cells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.form import Form
from ..display.facts import Detail
from .text_numbers import BLANKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["MISSPELT", "misspelt"]

MISSPELT: Final = "misspelt"  # kind of the details that are made here
_BODY: Final = f"0?[.,]0|0[.,]?|0(?:(?:[.,'’]|{BLANKS})0)+"
_SUFFIX: Final = r"(?:[^\W\d_]|[%°µ€$‰])\S{0,15}"
_SHAPE: Final = re.compile(
    rf"(?P<lead>{BLANKS}*)[+-]?(?P<body>{_BODY})(?:[eE][+-]?0)?"
    rf"(?:{BLANKS}*(?P<suffix>{_SUFFIX}))?(?P<trail>{BLANKS}*)"
)
# A number in digits, before a suffix.
_NUMBER: Final = re.compile(rf"{BLANKS}*[+-]?(?:[\d.,'’]|{BLANKS})+(?:[eE][+-]?\d+)?")
# One separator before three digits, as in 1,234: of decimals or of thousands.
_DOUBTFUL: Final = rf"^{BLANKS}*[+-]?[1-9]\d{{0,2}}[.,]\d{{3}}(?:\D|$)"


class _Lack(NamedTuple):
    """Lacks of a form that keep it from a shape, and the text after the number."""

    needs: tuple[str, ...]
    suffix: str = ""


def misspelt(texts: pa.Array, form: Form, kind: str) -> Iterator[tuple[NDArray[np.bool_], Detail]]:
    """Yield a mask of the texts that are numbers in another form, with the lacks of each.

    Parameters
    ----------
    texts : Array of str, shape (n,)
        Texts that are no numbers in the form of their column.
    form : Form
        The form.
    kind : str
        Type of the point.

    Examples
    --------
    >>> texts = pa.array(["12,5", "7 kW", "Bad"])
    >>> for mask, why in misspelt(texts, Form(), "DOUBLE"):
    ...     print(mask.tolist(), why.facts)
    [True, False, False] ('DOUBLE', ('comma',), '')
    [False, True, False] ('DOUBLE', ('suffix',), 'kW')
    """
    coded = pc.replace_substring_regex(texts, "[0-9]+", "0").dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    groups: dict[_Lack, NDArray[np.bool_]] = {}
    for code, shape in enumerate(coded.dictionary.to_pylist()):
        lack = _lack(shape, form)
        if lack is None:
            continue
        mask = codes == code
        if "0" in lack.suffix:  # with digits of its own, such as m2
            example = texts[int(np.argmax(mask))].as_py()
            lack = lack._replace(suffix=example[_end_of_number(example) :].strip())
            ends = pc.ends_with(pc.utf8_rtrim_whitespace(texts), lack.suffix).fill_null(False)
            mask = mask & np.asarray(ends.to_numpy(zero_copy_only=False), bool)
        groups[lack] = groups[lack] | mask if lack in groups else mask
    for lack, mask in groups.items():
        yield from _told(texts, mask, lack, kind)


def _end_of_number(text: str) -> int:
    found = _NUMBER.match(text)
    return found.end() if found else 0


def _lack(shape: str, form: Form) -> _Lack | None:
    """Return what a form lacks to read numbers of a shape; None if the shape is of no number."""
    found = _SHAPE.fullmatch(shape)
    if found is None:
        return None
    body, suffix = found["body"], found["suffix"] or ""
    separators = body.replace("0", "")
    needs = []
    if len(separators) > 1 or separators not in {"", ".", ","}:
        needs.append("groups")
    elif separators and separators != form.decimal:
        needs.append({",": "comma", ".": "point"}[separators])
    if suffix and suffix != form.suffix:
        needs.append("suffix")
    if (found["lead"] or found["trail"]) and not form.strip:
        needs.append("blanks")
    return _Lack(tuple(needs), suffix if "suffix" in needs else "") if needs else None


def _told(
    texts: pa.Array, mask: NDArray[np.bool_], lack: _Lack, kind: str
) -> Iterator[tuple[NDArray[np.bool_], Detail]]:
    """Yield the texts of a lack, separately if the separator may be one of thousands."""
    if not {"comma", "point"} & set(lack.needs):
        yield mask, Detail(MISSPELT, (kind, lack.needs, lack.suffix))
        return
    found = pc.match_substring_regex(texts, _DOUBTFUL).fill_null(False)
    doubtful = mask & np.asarray(found.to_numpy(zero_copy_only=False), bool)
    for one, needs in (
        (mask & ~doubtful, lack.needs),
        (doubtful, tuple(f"{n}?" if n in {"comma", "point"} else n for n in lack.needs)),
    ):
        if one.any():
            yield one, Detail(MISSPELT, (kind, needs, lack.suffix))
