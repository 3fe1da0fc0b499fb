"""Quality of values: joined to a value, or a misfit if impossible. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..display.facts import Detail
from ..model.measurepoint import QUALITY_RANGE, Measurepoint
from .arrays import without
from .misfits import Misfit
from .object_json import json_text
from .typed_column import Converted

__all__ = ["QUALITY", "joined", "text_of"]

QUALITY: Final = Measurepoint("quality", "INT")  # the type of a quality


def joined(converted: Converted, marks: Converted, point: Measurepoint) -> Converted:
    """Return a column with its quality; an impossible or a lone quality makes a misfit."""
    written = _kept_text if point.is_any else text_of
    low, high = QUALITY_RANGE
    numbers = marks.values.fill_null(low).to_numpy(zero_copy_only=False)
    wrong = (numbers < low) | (numbers > high)
    wrong_marks = {o.position: o for o in marks.misfits}
    wrong[list(wrong_marks)] = True
    misfit_before = {o.position for o in converted.misfits}
    valued = converted.values.is_valid().to_numpy(zero_copy_only=False)
    alone = ~valued & marks.values.is_valid().to_numpy(zero_copy_only=False) & ~wrong
    alone[list(misfit_before)] = False
    wrong[list(misfit_before)] = False
    misfits = list(converted.misfits)
    for position in np.flatnonzero(wrong | alone).tolist():
        value = converted.values[position]
        one = wrong_marks.get(position)
        mark = (
            str(marks.values[position].as_py()).encode()
            if one is None
            else one.text or one.told.encode()
        )
        text = b'"value":' + (written(value) or b"null") + b"," if value.is_valid else b""
        why = Detail("wrong_quality", (low, high)) if wrong[position] else Detail("lone_quality")
        whole = b"{" + text + b'"quality":' + mark + b"}"
        carried = whole if one is None or one.text is not None else None
        misfits.append(Misfit(position, carried, "quality", why, whole.decode(), whole.decode()))
    taken = wrong | alone
    values = converted.values
    if taken.any():
        values = without(values, taken)
    present = values.is_valid()
    return Converted(
        values, sorted(misfits), pc.if_else(present, marks.values, pa.scalar(None, pa.int64()))
    )


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
