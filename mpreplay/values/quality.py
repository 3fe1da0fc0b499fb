"""Quality of values: joined to a value, or a misfit if impossible. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.arrays import without
from ..cells.object_json import json_text
from ..display.facts import Detail
from ..model.measurepoint import QUALITY_RANGE, Measurepoint
from .misfits import Misfit, Misfits, Unfit, longest_json
from .typed_column import Converted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["QUALITY", "joined", "text_of"]

QUALITY: Final = Measurepoint("quality", "INT")  # the type of a quality


def joined(converted: Converted, marks: Converted, point: Measurepoint) -> Converted:
    """Return a column with its quality; an impossible or a lone quality makes a misfit."""
    written = _kept_text if point.is_any else text_of
    low, high = QUALITY_RANGE
    numbers = marks.values.fill_null(low).to_numpy(zero_copy_only=False)
    wrong = (numbers < low) | (numbers > high)
    wrong[marks.misfits.positions] = True
    valued = converted.values.is_valid().to_numpy(zero_copy_only=False)
    alone = ~valued & marks.values.is_valid().to_numpy(zero_copy_only=False) & ~wrong
    for mask in (alone, wrong):
        mask[converted.misfits.positions] = False
    maker = _Marked(converted.values, marks, written)
    lone = Detail("lone_quality")
    groups = [
        Unfit(positions, "quality", why, maker, positions)
        for mask, why in ((wrong, Detail("wrong_quality", (low, high))), (alone, lone))
        if len(positions := np.flatnonzero(mask))
    ]
    values = without(converted.values, wrong | alone) if groups else converted.values
    present = values.is_valid()
    return Converted(
        values,
        Misfits.joined([converted.misfits, Misfits(groups)]),
        pc.if_else(present, marks.values, pa.scalar(None, pa.int64())),
    )


class _Marked:
    """Values with a quality that makes them misfits, by their positions in the column."""

    def __init__(
        self, values: pa.Array, marks: Converted, written: Callable[[pa.Scalar], bytes | None]
    ) -> None:
        self._values, self._marks, self._written = values, marks, written

    def made(self, places: NDArray[np.int64], check: str, why: Detail) -> list[Misfit]:
        wrong = {one.position: one for one in self._marks.misfits.at(places)}
        return [self._made(place, wrong.get(place), check, why) for place in places.tolist()]

    def _made(self, place: int, one: Misfit | None, check: str, why: Detail) -> Misfit:
        value, mark = self._values[place], b""
        if one is None:
            mark = str(self._marks.values[place].as_py()).encode()
        else:
            mark = one.text or one.told.encode()
        text = b'"value":' + (self._written(value) or b"null") + b"," if value.is_valid else b""
        whole = b"{" + text + b'"quality":' + mark + b"}"
        carried = whole if one is None or one.text is not None else None
        return Misfit(place, carried, check, why, whole.decode(), whole.decode())

    def travels(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        mask = np.ones(len(self._values), bool)
        for one in self._marks.misfits.groups:
            mask[one.positions] = one.travels()
        return mask[places]

    def longest(self) -> int:
        mark = max(self._marks.misfits.longest(), 26)
        return longest_json(self._values) + mark + len('{"value":,"quality":}')


def _kept_text(value: pa.Scalar) -> bytes | None:
    """Return the text of a value unknown to a pass-through model, already kept as JSON."""
    return None if not value.is_valid else str(value.as_py()).encode()


def text_of(value: pa.Scalar) -> bytes | None:
    """Return the JSON text of a converted value; a FLOAT in its shortest form."""
    if pa.types.is_timestamp(value.type):  # Python's own datetimes end with the year 9999
        milliseconds = value.cast(pa.int64()).as_py()
        return None if milliseconds is None else json_text(str(milliseconds))
    as_python = value.as_py()
    is_float = pa.types.is_float32(value.type) and as_python is not None
    return json_text(np.float32(as_python) if is_float else as_python)
