"""The keys of a thing model's JSON, and keys that look like one of them. Pure.

An unknown key is passed over: the platform adds keys of its own. One that is nearly known is an
error, since its value would be lost in silence: ``min`` for ``minimum``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import ConfigError, clipped
from ..errors.nearest import twins
from .point_types import TYPES_MEANT

__all__ = ["ENUM_EXAMPLE", "EXAMPLE", "as_flag", "check_keys", "has_int_keys", "nearest_type"]

EXAMPLE: Final = '{"measurepoints": {"P": {"dataType": "DOUBLE", "minimum": 0}}}'
# Keys that are read, each with an example.
_READ: Final = {
    "identifier": '"identifier": "P"',
    "name": '"name": "Power"',
    "dataType": '"dataType": "DOUBLE"',
    "dataDefinition": '"dataDefinition": {"maxLength": 64}',
    "hasQuality": '"hasQuality": true',
    "required": '"required": true',
    "unit": '"unit": "kW"',
    "minimum": '"minimum": 0',
    "maximum": '"maximum": 2500',
    "exclusiveMinimum": '"exclusiveMinimum": true',
    "exclusiveMaximum": '"exclusiveMaximum": true',
    "maxLength": '"maxLength": 64',
    "enumType": '"enumType": "INT"',
    "enumDesc": '"enumDesc": {"0": "off", "1": "on"}',
    "specsMap": '"specsMap": {"0": "off", "1": "on"}',
    "valueType": '"valueType": true',
    "itemType": '"itemType": "FLOAT"',
    "item": '"item": {"dataType": "FLOAT"}',
    "items": '"items": [{"identifier": "x", "dataType": "INT"}]',
    "elementType": '"elementType": "MEASUREPOINT"',
    "$class": '"$class": "…tsl.measurepoint.TSLDoubleMeasurepoint"',
}
# Keys of the model around its points.
_OUTER: Final = {
    "measurepoints": f'"measurepoints": {EXAMPLE[18:-1]}',
    "thingMeasurepointMap": '"thingMeasurepointMap": {"P": {"$class": "…TSLDoubleMeasurepoint"}}',
    "allowAdditionalMeasurepoint": '"allowAdditionalMeasurepoint": true',
    "modelId": '"modelId": "Meter"',
    "thingModelId": '"thingModelId": "Meter"',
}
# Other words for these keys, without case and marks.
_MEANT: Final = {
    **dict.fromkeys(("min", "minvalue", "lower", "lowerbound", "lowerlimit", "range"), "minimum"),
    **dict.fromkeys(("max", "maxvalue", "upper", "upperbound", "upperlimit"), "maximum"),
    **dict.fromkeys(("exclusivemin", "minexclusive", "minimumexclusive"), "exclusiveMinimum"),
    **dict.fromkeys(("exclusivemax", "maxexclusive", "maximumexclusive"), "exclusiveMaximum"),
    **dict.fromkeys(("type", "datatypes", "pointtype", "dtype"), "dataType"),
    **dict.fromkeys(("maxlen", "length", "maximumlength"), "maxLength"),
    **dict.fromkeys(("quality", "withquality"), "hasQuality"),
    **dict.fromkeys(("members", "fields", "struct"), "items"),
    **dict.fromkeys(("enum", "enums", "enumvalues", "enumkeys", "enumdescription"), "enumDesc"),
    **dict.fromkeys(("units", "uom"), "unit"),
    **dict.fromkeys(("definition", "datadef", "typedefinition"), "dataDefinition"),
    **dict.fromkeys(("points", "measurementpoints", "measurepointmap"), "measurepoints"),
    **dict.fromkeys(("passthrough", "allowadditionalmeasurepoints"), "allowAdditionalMeasurepoint"),
}
# Keys of the platform's documents that are passed over, though they look like a known key.
_PASSED: Final = frozenset(
    ("id", "tags", "tag", "ext", "extraInfo", "desc", "minLength", "valueTypes", "i18nName")
)


def check_keys(element: Mapping[str, Any], *, outer: bool = False) -> None:
    """Raise if a key is nearly one that is read, of a point or of the model around its points.

    Raises
    ------
    ConfigError
        With the key that is meant, and an example of it.
    """
    known = _OUTER if outer else _READ
    for key, value in element.items():
        if not isinstance(key, str) or key in known:
            continue
        if meant := _meant(key, element, known):
            raise ConfigError(
                f"unknown key {clipped(key, 40)!r}, so that its value would be lost; write "
                f"{meant!r}, as in {known[meant]}, or remove it"
            )
        if isinstance(value, Mapping) and not outer and key not in _PASSED:
            _check_inner(key, value)


def _check_inner(key: str, inner: Mapping[str, Any]) -> None:
    """Raise if an unknown key holds the range of a point, one level too deep."""
    for name in inner:
        meant = name if name in _RANGE else _MEANT.get(str(name).casefold())
        if meant in _RANGE:
            raise ConfigError(
                f"unknown key {clipped(key, 40)!r}, so that {name!r} within it would be lost; "
                f"{meant!r} stands beside 'dataType', or within 'dataDefinition', as in "
                f"{_READ[meant]}"
            )


_RANGE: Final = frozenset(
    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxLength")
)


def _meant(key: str, element: Mapping[str, Any], known: Mapping[str, str]) -> str | None:
    """Return the key that is meant by an unknown one; None if it stands beside it, or none is."""
    if key in _PASSED or element[key] is None:
        return None
    bare = "".join(letter for letter in key.casefold() if letter.isalnum())
    meant = twins([key], known).get(key) or _MEANT.get(bare)
    if meant is None and len(key) > 4:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.84)
        meant = near[0] if near else None
    return meant if meant and meant in known and element.get(meant) is None else None


def nearest_type(name: Any, types: Iterable[str]) -> str:
    """Return the type that is meant by an unknown name, and all types, in brackets.

    Examples
    --------
    >>> nearest_type("FLAOT", ["INT", "FLOAT"])
    ' (nearest: FLOAT); expected one of FLOAT, INT, as in "dataType": "FLOAT"'
    """
    listed = sorted(types)
    upper = str(name).strip().upper()
    near = [TYPES_MEANT[upper]] if upper in TYPES_MEANT else []
    near = near or difflib.get_close_matches(upper, listed, n=1, cutoff=0.6)
    told = f" (nearest: {near[0]})" if near else ""
    example = near[0] if near else listed[0]
    return f'{told}; expected one of {", ".join(listed)}, as in "dataType": "{example}"'


def as_flag(value: Any, what: str) -> bool:
    """Return a truth value, also from its text; False for null.

    Raises
    ------
    ConfigError
        If it is something else: any text would be true, "false" too.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in {"true", "false", ""}:
        return value.strip().lower() == "true"
    raise ConfigError(f"{what} must be true or false, got {clipped(repr(value), 40)}")


ENUM_EXAMPLE: Final = 'as in "enumType": "INT", "enumDesc": {"0": "off", "1": "on"}'
_ENUM_TYPES: Final = {"INT": True, "INTEGER": True, "STRING": False, "TRUE": True, "FALSE": False}


def has_int_keys(definition: Mapping[str, Any]) -> bool:
    """Return True if the keys of an ENUM are numbers: the keys of an object are texts either way.

    An export says so by ``valueType: true``, and others by ``enumType: "INT"``.
    """
    name = "enumType" if definition.get("enumType") is not None else "valueType"
    kind = definition.get(name)
    if kind is None or kind == "":
        raise ConfigError(
            "an ENUM needs 'enumType', which says if its keys are whole numbers (INT) or texts "
            f"(STRING); {ENUM_EXAMPLE}"
        )
    is_int = _ENUM_TYPES.get(str(kind).strip().upper())
    if is_int is None:
        raise ConfigError(
            f"{name!r} of an ENUM must be INT or STRING, got {clipped(repr(kind), 40)}; "
            f"{ENUM_EXAMPLE}"
        )
    return is_int
