"""Columns of the folders around a file (``year=2014``), beside the file's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HistoryError
from .source import columns_of

__all__ = ["told_partitions", "with_partitions"]

_NOT_ALIKE = (pa.ArrowException, OSError, ValueError, TypeError, ArithmeticError, LookupError)


def told_partitions(
    needed: list[str], partitions: Mapping[str, str | None], own: Container[str]
) -> str:
    """Return the needed values of the folders as a text, empty if there are none.

    Examples
    --------
    >>> told_partitions(["P", "site"], {"site": "A", "year": "2024"}, ["P"])
    ':{"site": "A"}'
    """
    folders = {
        name: partitions[name] for name in sorted(needed) if name in partitions and name not in own
    }
    return f":{json.dumps(folders)}" if folders else ""


def with_partitions(
    part: pa.Table, needed: list[str], partitions: Mapping[str, str | None], path: object
) -> dict[str, Any]:
    """Return the needed columns of some rows, those of the folders included.

    Raises
    ------
    HistoryError
        If a column of the file contradicts the folder that names its value.
    """
    columns = columns_of(part)
    for name in needed:
        if name not in columns:
            value = pa.scalar(partitions[name], pa.string())
            columns[name] = pa.repeat(value, part.num_rows)
        elif name in partitions:
            _check_partition(name, columns[name], partitions[name], path)
    return columns


def _check_partition(name: str, column: pa.Array, told: str | None, path: object) -> None:
    """Raise if a column contradicts the folder that names its value."""
    for value in pc.unique(column):
        if not _is_told(value, told):
            raise HistoryError(
                f"{path}: the folder says {name}={told if told is not None else 'null'}, "
                f"and the file's own column {name!r} says {value.as_py()!r}: one of them is "
                "wrong; rename the folder, or write the file anew"
            )


def _is_told(value: pa.Scalar, told: str | None) -> bool:
    """Return True if a folder's text may stand for a value: ``01`` for the number 1."""
    if not value.is_valid or told is None:
        return not value.is_valid and told in {None, ""}
    for kind in (value.type, pa.float64()):  # 5.0 for the number 5
        with suppress(*_NOT_ALIKE):
            if pa.scalar(told).cast(kind).equals(value.cast(kind)):
                return True
    return str(value.as_py()) == told
