"""Texts that stand for values: by a mapping of the caller's, or by the labels of a thing model.

Pure. A text that is in no table is a misfit, and its reason names those that are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.absent import is_present
from ..cells.arrays import objects_of
from ..display.facts import Detail
from .misfits import Misfits, Unfit
from .typed_column import Converted, with_misfits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cells.form import Form
    from ..model.measurepoint import Measurepoint
    from .typed_column import Converter

__all__ = ["labelled", "looked_up", "mapped", "pairs_of", "spread"]

SHOWN: Final = 8  # texts of a table that a reason names


def looked_up(texts: pa.Array, known: list[str], values: pa.Array) -> pa.Array:
    """Return the value of each text by its place among those known; null for any other text."""
    return values.take(pc.index_in(texts, value_set=pa.array(known, pa.string())))


def mapped(texts: pa.Array, point: Measurepoint, form: Form, convert: Converter) -> Converted:
    """Convert texts by a mapping of their own; any other text is a misfit."""
    known = dict(form.values or {})
    why = Detail("unmapped", (tuple(known)[:SHOWN], len(known)))
    return _by_table(texts, point, known, why, convert)


def labelled(texts: pa.Array, point: Measurepoint, _: Form, convert: Converter) -> Converted:
    """Convert the labels of an ENUM into its keys; any other text is a misfit."""
    known = {label: key for key, label in zip(point.keys, point.labels, strict=False) if label}
    return _by_table(texts, point, known, Detail("no_label", pairs_of(point)), convert)


def pairs_of(point: Measurepoint) -> tuple[Any, ...]:
    """Return keys and labels of an ENUM, and how many there are."""
    pairs = tuple(zip(point.keys, point.labels, strict=False))
    return (pairs[:SHOWN], len(pairs))


def _by_table(
    texts: pa.Array, point: Measurepoint, known: dict[str, Any], why: Detail, convert: Converter
) -> Converted:
    converted = convert(objects_of(list(known.values())), point)
    codes = pc.index_in(texts, value_set=pa.array(list(known), pa.string()))
    found = spread(converted, codes.fill_null(-1).to_numpy(zero_copy_only=False))
    unknown = is_present(texts) & ~is_present(codes)
    if not unknown.any():
        return found
    strange = with_misfits(found.values, texts, [(unknown, "type", why)])
    return Converted(found.values, Misfits.joined([found.misfits, strange.misfits]))


def spread(converted: Converted, codes: NDArray[Any]) -> Converted:
    """Return distinct values at each place that has their code; none where it is below 0."""
    index = pa.array(codes, mask=codes < 0)
    values = converted.values.take(index)
    quality = None if converted.quality is None else converted.quality.take(index)
    groups = []
    for one in converted.misfits.groups:
        place = np.full(len(converted.values) + 1, -1, np.int64)
        place[one.positions] = one.places
        at = place[codes]
        positions = np.flatnonzero(at >= 0)
        groups.append(Unfit(positions, one.check, one.why, one.maker, at[positions]))
    return Converted(values, Misfits(groups), quality)
