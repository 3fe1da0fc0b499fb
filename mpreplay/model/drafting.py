"""A thing model guessed from data. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ..errors import Argument, ConfigError, message
from ..errors.arguments import labels_of, shown_briefly, wrong
from .measurepoint import ARRAY_ITEM_TYPES, Measurepoint

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["draft_points"]


def draft_points(frame: pd.DataFrame, ignore: Iterable[Hashable] = ()) -> dict[str, Measurepoint]:
    """Return a measurement point for each column, without ignored columns.

    Datetimes and empty columns are left out: keys or remarks more often than readings.
    """
    if not isinstance(frame, pd.DataFrame):
        raise wrong(
            "frame", frame, "a DataFrame (of a file: pd.read_parquet(path))", caller="from_frame"
        )
    skipped = set(labels_of(ignore, ConfigError))
    points: dict[str, Measurepoint] = {}
    for number, name in enumerate(frame.columns):
        if name in skipped:
            continue
        identifier = str(name) if isinstance(name, int | float) else name
        if not isinstance(identifier, str):
            raise _not_named(f"column names must be text, got {shown_briefly(name)}")
        try:
            array = pa.array(frame.iloc[:, number], from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ConfigError(
                message(
                    f"column {name!r} holds values of several kinds ({error}); name it in ",
                    Argument("ignore"),
                    " or convert it",
                )
            ) from error
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if point := _draft(identifier, array.type):
            if identifier in points:
                raise _not_named(f"two columns are called {identifier!r}")
            points[identifier] = point
    return points


def _not_named(fault: str) -> ConfigError:
    return ConfigError(message(f"{fault}; rename, or name in ", Argument("ignore")))


def _draft(name: str, kind: pa.DataType) -> Measurepoint | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        members = tuple(m for f in kind if (m := _draft(f.name, f.type)))
        return Measurepoint(name, "STRUCT", members=members)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _draft(name, kind.value_type)
        known = item is not None and item.type in ARRAY_ITEM_TYPES
        return Measurepoint(name, "ARRAY", item_type=item.type) if item and known else None
    type_ = _type_of(kind)
    return Measurepoint(name, type_) if type_ else None


def _type_of(kind: pa.DataType) -> str | None:
    if pa.types.is_boolean(kind):
        return "BOOL"
    if pa.types.is_integer(kind):
        return "INT"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "FLOAT" if pa.types.is_float32(kind) else "DOUBLE"
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return "STRING" if is_text or pa.types.is_string_view(kind) else None
