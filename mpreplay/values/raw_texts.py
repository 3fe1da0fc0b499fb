"""Misfits of cells that are read from their texts. Pure.

A misfit is shown as the cell has it. It travels, and stands in a frame of rejects, as a number
only where the text was read as a number that does not fit its point.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ..cells.form import Form
from .misfits import Cells, Misfit, Misfits, Unfit, longest_json
from .text_numbers import matches
from .typed_column import Converted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..display.facts import Detail
    from ..model.measurepoint import Measurepoint

__all__ = ["INFINITE_TEXT", "with_raw_texts"]

INFINITE_TEXT: Final = r"(?i)^\s*[+-]?inf(?:inity)?\s*$"
_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_JSON_SCALAR: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
# Reasons of numbers that were read as such.
_READ: Final = frozenset({"not_integer", "beyond_64", "beyond_float", "inexact", "not_a"})


def with_raw_texts(
    converted: Converted, raw: pa.Array, point: Measurepoint, form: Form
) -> Converted:
    """Return a converted column whose misfits are the texts that were read.

    Parameters
    ----------
    converted : Converted, shape (n,)
        A column converted from the texts.
    raw : Array of str, shape (n,)
        The texts as they were read.
    point : Measurepoint
        The measurement point.
    form : Form
        The form of the texts.
    """
    groups = []
    for one in converted.misfits.groups:
        is_number = one.why.kind in _READ and form.scale is None and not point.is_text
        maker = _Numbers(raw) if is_number or one.check == "finite" else Cells(raw)
        groups.append(Unfit(one.positions, one.check, one.why, maker, one.positions))
    return Converted(converted.values, Misfits(groups), converted.quality)


class _Numbers(Cells):
    """Texts of numbers that their point cannot have."""

    def __init__(self, column: pa.Array) -> None:
        super().__init__(column)
        self._raw = column

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        """Return a misfit for each place."""
        return [_misfit(text, check, why) for text in self._raw.take(pa.array(places)).to_pylist()]

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a mask of the places with a JSON text: all but infinities."""
        return ~matches(self._raw.take(pa.array(places)), INFINITE_TEXT)

    def longest(self) -> int:
        """Return an upper bound of the lengths of the JSON texts."""
        return longest_json(self._raw)


def _misfit(text: str, check: str, why: Detail) -> Misfit:
    bare = text.strip()
    if _INFINITE.fullmatch(bare):
        return Misfit.of(0, float(bare), check, why)
    if _JSON_SCALAR.fullmatch(bare):
        return Misfit(0, bare.encode(), check, why, text)
    value: Any = text
    return Misfit.of(0, value, check, why)
