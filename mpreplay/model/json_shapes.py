"""The JSON shapes of a thing model, and their conversion into points.

Three shapes exist: the REST reply ("Get Thing Model", EnOS REST API 2.1), the console's export, and
the standard-element library. Pure: parsed JSON in, ``Measurepoint`` out, and back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors import ConfigError, clipped
from .enum_labels import described_in, labels_of
from .json_envelope import check_outer, flag_of, map_of_points, no_points, place_of_points
from .json_fields import as_list, as_mapping, as_number, as_text, as_unit, kind_of, read_json
from .json_keys import ENUM_EXAMPLE, EXAMPLE, as_flag, check_keys, has_int_keys, nearest_type
from .measurepoint import TYPES, Measurepoint, unplaced

__all__ = ["ModelParts", "dump_model", "parse_model", "parse_text"]

# model id, name, points, True if unknown identifiers pass, True if a draft
ModelParts = tuple[str, str, dict[str, Measurepoint], bool, bool]

# In a console export the type is the class: …tsl.measurepoint.TSLDoubleMeasurepoint
_CLASS_PREFIX: Final = "TSL"
_CLASS_SUFFIXES: Final = ("Measurepoint", "Attribute")
# The names of EnOS 3 beside those of EnOS 2.
_TYPE_NAMES: Final = {"INTEGER": "INT", "BOOLEAN": "BOOL", "OBJECT": "STRUCT"}


def parse_text(text: str | bytes, origin: str) -> Any:
    """Return the JSON in a text, which may begin with a byte-order mark."""
    try:
        return read_json(text)
    except ValueError as error:
        raise ConfigError(
            f"{origin}: not a thing model, since it cannot be read as JSON ({error}); expected the "
            f"REST reply, the console's export or a standard element, such as {EXAMPLE}"
        ) from error


def parse_model(document: Any, origin: str, model_id: str | None = None) -> ModelParts:
    """Recognise the shape of a thing model and return its parts."""
    if isinstance(document, list):
        return _parse_elements(document, origin)
    if not isinstance(document, Mapping):
        raise ConfigError(
            f"{origin}: a thing model is a JSON object, such as {EXAMPLE}, not {kind_of(document)}"
        )
    if "thingMeasurepointMap" in document:
        return _parse_export(document, origin)
    if "elementType" in document:
        return _parse_elements([document], origin)
    if "data" in document or "measurepoints" in document:
        return _parse_rest(document, origin, model_id)
    check_outer(document, origin)
    where = place_of_points(document)
    raise ConfigError(
        f"{origin}: no thing model in it; expected the key 'measurepoints' (REST reply), "
        f"'thingMeasurepointMap' (console export) or 'elementType' (standard element), "
        f"found {', '.join(map(repr, list(document)[:6])) or 'nothing'}{where}; such as {EXAMPLE}"
    )


def dump_model(parts: ModelParts) -> dict[str, Any]:
    """Return a model in the shape of the REST reply, extended by the ranges."""
    model_id, name, points, passes, draft = parts
    return {
        "code": 0,
        "data": {
            "modelId": model_id,
            "name": {"defaultValue": name},
            "allowAdditionalMeasurepoint": passes,
            "draft": draft,
            "measurepoints": {key: _dump_point(point) for key, point in points.items()},
        },
    }


def _parse_rest(document: Mapping[str, Any], origin: str, model_id: str | None) -> ModelParts:
    if document.get("code", 0) not in (0, 200):
        raise ConfigError(
            f"{origin}: the platform's reply is an error, code {document['code']}: "
            f"{document.get('msg') or document.get('submsg') or 'no message'}"
        )
    data = document.get("data", document)
    if isinstance(data, list):
        data = _one_of(data, origin, model_id)
    elif model_id is not None and isinstance(data, Mapping) and data.get("modelId") != model_id:
        raise ConfigError(
            f"{origin}: the reply holds the model {data.get('modelId')!r}, not {model_id!r}"
        )
    if not isinstance(data, Mapping) or "measurepoints" not in data:
        if isinstance(data, Mapping):
            check_outer(data, origin)
        raise ConfigError(
            f"{origin}: the reply holds no 'measurepoints'{place_of_points({'data': data})}; "
            f"expected an object of them, such as {EXAMPLE}"
        )
    check_outer(data, origin)
    passes = flag_of(data, "allowAdditionalMeasurepoint", origin)
    points = map_of_points(data, "measurepoints", origin)
    if not points and not passes and "draft" not in data:  # our own models may be empty
        raise no_points("measurepoints", origin)
    return (
        str(data.get("modelId") or ""),
        _named(data.get("name"), origin),
        _points(points, origin),
        passes,
        flag_of(data, "draft", origin),
    )


def _one_of(models: list[Any], origin: str, model_id: str | None) -> Any:
    models = [model for model in models if isinstance(model, Mapping)]
    ids = [model.get("modelId") for model in models]
    wanted = [m for m in models if model_id in (None, m.get("modelId"))]
    if len(wanted) != 1:
        raise ConfigError(
            f"{origin}: the reply holds the models {', '.join(map(repr, ids)) or 'none'}; "
            "name one with model_id="
        )
    return wanted[0]


def _parse_export(document: Mapping[str, Any], origin: str) -> ModelParts:
    check_outer(document, origin)
    points = map_of_points(document, "thingMeasurepointMap", origin)
    passes = flag_of(document, "allowAdditionalMeasurepoint", origin)
    if not points and not passes:
        raise no_points("thingMeasurepointMap", origin)
    return (
        str(document.get("thingModelId") or ""),
        _named(document.get("thingModelName"), origin),
        _points(points, origin),
        passes,
        False,
    )


def _parse_elements(elements: list[Any], origin: str) -> ModelParts:
    kept: dict[str, Any] = {}
    for element in elements:
        if isinstance(element, Mapping) and _is_measurepoint(element):
            identifier = element.get("identifier")
            if not isinstance(identifier, str) or identifier in kept:
                fault = "occurs twice" if isinstance(identifier, str) else "is no identifier"
                raise ConfigError(f"{origin}: standard element: {identifier!r} {fault}")
            kept[identifier] = element
    if not kept:
        raise ConfigError(
            f"{origin}: none of the standard elements is a MEASUREPOINT; expected a list of "
            "elements, such as "
            '[{"identifier": "P", "elementType": "MEASUREPOINT", "dataType": "DOUBLE"}], or '
            f"an object, such as {EXAMPLE}"
        )
    return ("", "", _points(kept, origin), False, False)


def _is_measurepoint(element: Mapping[str, Any]) -> bool:
    kinds = element.get("elementType") or ()  # a text, or a list where it may be several
    kinds = kinds if isinstance(kinds, list | tuple) else [kinds]
    return "MEASUREPOINT" in {str(kind).upper() for kind in kinds}


def _points(elements: Mapping[str, Any], origin: str) -> dict[str, Measurepoint]:
    points = {}
    for identifier, element in elements.items():
        where = f"{origin}: measurepoint {clipped(str(identifier))!r}"
        try:
            if not isinstance(element, Mapping):
                raise ConfigError(
                    f'expected an object, such as {{"dataType": "DOUBLE"}}, got {kind_of(element)}'
                )
            point = _parse_point({"identifier": identifier, **element})
        except ConfigError as error:
            raise ConfigError(f"{where}: {unplaced(error)}") from error
        if point.identifier != identifier:
            raise ConfigError(
                f"{where} calls itself {point.identifier!r}; the key and the identifier must be "
                "the same"
            )
        points[identifier] = point
    return points


def _parse_point(element: Mapping[str, Any]) -> Measurepoint:
    definition = _definition(element)
    check_keys(definition)
    kind = _type_of(element)
    most = as_number(definition.get("maxLength"), "'maxLength'")
    if most is not None and not (math.isfinite(most) and most == int(most)):
        raise ConfigError(f"'maxLength' must be a whole number, got {most!r}")
    return Measurepoint(
        identifier=as_text(element.get("identifier"), "'identifier'"),
        type=kind,
        name=_text(element.get("name"), "'name'"),
        unit=as_unit(element.get("unit")),
        has_quality=as_flag(element.get("hasQuality"), "'hasQuality'"),
        minimum=as_number(definition.get("minimum"), "'minimum'"),
        maximum=as_number(definition.get("maximum"), "'maximum'"),
        exclusive_minimum=as_flag(definition.get("exclusiveMinimum"), "'exclusiveMinimum'"),
        exclusive_maximum=as_flag(definition.get("exclusiveMaximum"), "'exclusiveMaximum'"),
        max_length=None if most is None else int(most),
        keys=_keys(definition) if kind == "ENUM" else (),
        labels=labels_of(definition) if kind == "ENUM" else (),
        item_type=_item_type(definition) if kind == "ARRAY" else None,
        members=tuple(_members(definition)) if kind == "STRUCT" else (),
        required=as_flag(element.get("required"), "'required'"),
    )


def _members(definition: Mapping[str, Any]) -> Iterator[Measurepoint]:
    items = definition.get("items")
    if isinstance(items, Mapping):
        raise ConfigError(
            "'items' of a STRUCT must be a list, got an object; as in "
            '"items": [{"identifier": "x", "dataType": "INT"}]'
        )
    for number, item in enumerate(as_list(items, "'items'")):
        try:
            yield _parse_point(as_mapping(item, "a member"))
        except ConfigError as error:
            name = item.get("identifier", number) if isinstance(item, Mapping) else number
            raise ConfigError(f"member {clipped(str(name))!r}: {unplaced(error)}") from error


def _definition(element: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of an element's type, inline or under ``dataDefinition``."""
    inner = element.get("dataDefinition")
    if isinstance(inner, str):  # the REST reply encodes it twice
        try:
            inner = read_json(inner) if inner.strip() else None
        except ValueError as error:
            raise ConfigError(f"'dataDefinition' is not JSON ({error})") from error
    return {**element, **as_mapping(inner, "'dataDefinition'")}


def _type_of(element: Mapping[str, Any]) -> str:
    name = element.get("dataType")
    if name is None:
        name = str(element.get("$class") or "").rpartition(".")[2].removeprefix(_CLASS_PREFIX)
        for suffix in _CLASS_SUFFIXES:
            name = name.removesuffix(suffix)
    kind = _TYPE_NAMES.get(str(name).upper(), str(name).upper())
    if kind not in TYPES:
        raise ConfigError(
            f"unknown type {clipped(repr(name), 40)}{nearest_type(name, TYPES - {'ANY'})}"
            if name
            else "neither 'dataType' nor '$class' names its type, as in \"dataType\": \"DOUBLE\""
        )
    return kind


def _keys(definition: Mapping[str, Any]) -> tuple[Any, ...]:
    name = described_in(definition)
    described = definition.get(name) or {}
    if not isinstance(described, Mapping | list):
        raise ConfigError(
            f"{name!r} must be an object of keys, got {kind_of(described)}; {ENUM_EXAMPLE}"
        )
    if any(isinstance(key, Mapping | list) for key in described):
        raise ConfigError(f"{name!r} must be an object of keys, got a list; {ENUM_EXAMPLE}")
    if not described:
        raise ConfigError(f"an ENUM needs keys, and has none; {ENUM_EXAMPLE}")
    if has_int_keys(definition):
        return tuple(_int_key(key, name) for key in described)
    return tuple(str(key) for key in described)


def _int_key(key: Any, name: str) -> int:
    text = str(key).strip()
    if not (text.isascii() and text.lstrip("+-").isdecimal()):
        raise ConfigError(
            f"{name!r} has the key {clipped(text)!r}, but by 'enumType' keys are whole numbers"
        )
    return int(text)


def _item_type(definition: Mapping[str, Any]) -> str | None:
    item = definition.get("itemType") or definition.get("item") or definition.get("items")
    if isinstance(item, Mapping):
        return _type_of(item)
    name = as_text(item, "'itemType'").upper()
    return _TYPE_NAMES.get(name, name) or None


def _named(value: Any, origin: str) -> str:
    try:
        return _text(value, "'name'")
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def _text(value: Any, what: str) -> str:
    """Return a name, which may be given in several languages."""
    if isinstance(value, Mapping):
        others = as_mapping(value.get("i18nValue"), f"the 'i18nValue' of {what}")
        value = value.get("defaultValue") or next(iter(others.values()), "")
    return as_text(value, what)


def _dump_point(point: Measurepoint) -> dict[str, Any]:
    definition: dict[str, Any] = {}
    if point.is_enum:
        definition["enumType"] = "INT" if point.has_int_keys else "STRING"
        labels = point.labels or [""] * len(point.keys)
        described = zip(map(str, point.keys), labels, strict=True)
        definition["enumDesc"] = {key: {"defaultValue": label or key} for key, label in described}
    if point.max_length is not None:
        definition["maxLength"] = point.max_length
    if point.item_type:
        definition["itemType"] = point.item_type
    if point.members:
        definition["items"] = [_dump_point(member) for member in point.members]
    for key, value in (
        ("minimum", point.minimum),
        ("maximum", point.maximum),
        ("exclusiveMinimum", point.exclusive_minimum or None),
        ("exclusiveMaximum", point.exclusive_maximum or None),
    ):
        if value is not None:
            definition[key] = value
    return {
        "identifier": point.identifier,
        "name": {"defaultValue": point.name},
        "dataType": point.type,
        "dataDefinition": json.dumps(definition, ensure_ascii=False) if definition else None,
        "hasQuality": point.has_quality,
        "unit": {"unitId": point.unit, "multiplier": "ONE"} if point.unit else None,
        "required": point.required,
    }
