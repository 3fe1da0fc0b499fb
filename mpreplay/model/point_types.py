"""Facts about the types of measurement points: one table, one row per type.

Pure, and the only source of these facts: other modules use the properties of ``Measurepoint``. The
functions for each type are in tables of their own; ``tests/model/test_point_types.py`` compares
these tables with this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = [
    "ARRAY_ITEM_TYPES",
    "FLOAT_RANGE",
    "INT_RANGE",
    "POINT_TYPES",
    "TYPES",
    "TYPES_MEANT",
    "PointType",
    "TypeFacts",
]

PointType = Literal[
    "INT",
    "FLOAT",
    "DOUBLE",
    "BOOL",
    "ENUM",
    "STRING",
    "DATE",
    "TIMESTAMP",
    "STRUCT",
    "ARRAY",
    "FILE",
    "ANY",
]

# Ranges from console exports of models (EnOS 2.x).
INT_RANGE: Final = (-(2**31), 2**31 - 1)
FLOAT_RANGE: Final = (-3.4028234663852886e38, 3.4028234663852886e38)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """The facts about a type of measurement points.

    Parameters
    ----------
    name : str
        Name of the type in thing models.
    a_value, values : str
        A single value and several values in words, for messages.
    arrow : callable, optional
        Maker of the Arrow type from the module ``pyarrow``, too slow to import here. None if the
        keys, members or items of the point decide.
    bounds : tuple of float, optional
        Least and largest value of the type itself.
    is_number : bool
        True if values have a range.
    is_text : bool
        True if each value is a text in a rejects frame. For an ENUM the keys of the point decide.
    has_schema : bool
        True if points of the type have a column in the model's pandera schema.
    travels : bool
        True if values can be sent over MQTT.
    may_be_item, may_be_member : bool
        True if the items of an ARRAY, or a member of a STRUCT, may have the type.
    """

    name: PointType
    a_value: str
    values: str
    arrow: Callable[[Any], Any] | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    is_number: bool = False
    is_text: bool = False
    has_schema: bool = True
    travels: bool = True
    may_be_item: bool = False
    may_be_member: bool = True


# Item types of an ARRAY: EnOS REST API 2.1, "Get Thing Model".
_ROWS: Final = (
    TypeFacts(
        "INT",
        "an integer",
        "integers",
        lambda pa: pa.int64(),
        INT_RANGE,
        is_number=True,
        may_be_item=True,
    ),
    TypeFacts(
        "FLOAT",
        "a number",
        "numbers",
        lambda pa: pa.float32(),
        FLOAT_RANGE,
        is_number=True,
        may_be_item=True,
    ),
    TypeFacts(
        "DOUBLE",
        "a number",
        "numbers",
        lambda pa: pa.float64(),
        is_number=True,
        may_be_item=True,
    ),
    TypeFacts(
        "BOOL",
        "a truth value (true, false, 0 or 1)",
        "truth values",
        lambda pa: pa.bool_(),
    ),
    TypeFacts("ENUM", "a key of the enumeration", "keys of the enumeration"),
    TypeFacts(
        "STRING",
        "a text",
        "texts",
        lambda pa: pa.string(),
        is_text=True,
        may_be_item=True,
    ),
    TypeFacts("DATE", "a date", "dates", lambda pa: pa.string(), is_text=True),
    TypeFacts(
        "TIMESTAMP",
        "a time with a zone",
        "times with a zone",
        lambda pa: pa.timestamp("ms", tz="UTC"),
        is_text=True,
    ),
    TypeFacts("STRUCT", "a struct", "structs", may_be_member=False),
    TypeFacts("ARRAY", "an array", "arrays", may_be_member=False),
    # Files travel over the HTTP channel only.
    TypeFacts("FILE", "FILE", "files", lambda pa: pa.string(), has_schema=False, travels=False),
    # Not a type of the platform: for identifiers that a pass-through model does not list. The
    # values are held as JSON.
    TypeFacts("ANY", "ANY", "values", lambda pa: pa.string(), has_schema=False),
)
POINT_TYPES: Final[dict[str, TypeFacts]] = {row.name: row for row in _ROWS}
TYPES: Final[frozenset[str]] = frozenset(POINT_TYPES)
ARRAY_ITEM_TYPES: Final = tuple(row.name for row in _ROWS if row.may_be_item)
# The types by other names.
TYPES_MEANT: Final = {
    **dict.fromkeys(("NUMBER", "DECIMAL", "NUMERIC", "FLOAT64", "LONG", "INT64"), "DOUBLE"),
    **dict.fromkeys(("REAL", "SINGLE", "FLOAT32"), "FLOAT"),
    **dict.fromkeys(("INT32", "INT16", "SHORT", "BYTE", "UINT16"), "INT"),
    **dict.fromkeys(("TEXT", "STR", "CHAR", "VARCHAR"), "STRING"),
    **dict.fromkeys(("LOGICAL", "BIT", "FLAG"), "BOOL"),
    **dict.fromkeys(("DATETIME", "TIME"), "TIMESTAMP"),
    **dict.fromkeys(("LIST", "VECTOR"), "ARRAY"),
    **dict.fromkeys(("RECORD", "DICT"), "STRUCT"),
    "ENUMERATION": "ENUM",
}
